"""Shell sessions as documents show them, run as a reader would run them.

A fenced block ``console`` holds commands behind ``$ `` and what they print; ``…`` stands for
anything, alone on a line for any number of lines. A fenced block with ``title="NAME"`` is a file
to be written. ``<!-- exit: N -->`` before a block says how its last command ends.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_BLOCK = re.compile(
    r"^(?:<!-- exit: (?P<exit>\d+) -->\n)?```(?P<info>[^\n]*)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_TITLE = re.compile(r'title="([^"]+)"')
#: A command that goes on in a terminal of its own.
_SERVES = "segctl mock serve"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A command, what the document says it prints, and how it ends."""

    command: str
    shown: str
    code: int


def blocks(text: str) -> Iterator[tuple[str, tuple[Step, ...] | str]]:
    """Yield the document's files as (name, content) and its sessions as ("", steps), in order."""
    for block in _BLOCK.finditer(text):
        info, body = block["info"], block["body"]
        if title := _TITLE.search(info):
            yield title[1], body
        elif info == "console":
            yield "", tuple(_steps(body, int(block["exit"] or 0)))


def _steps(body: str, code: int) -> Iterator[Step]:
    parts = re.split(r"^\$ ", body, flags=re.MULTILINE)
    assert not parts[0], f"output before the first command: {parts[0]}"
    for number, part in enumerate(parts[1:], 2):
        command, _, shown = part.partition("\n")
        yield Step(command=command, shown=shown, code=code if number == len(parts) else 0)


def fits(shown: str, printed: str) -> bool:
    """Whether what was printed is what is shown."""
    pattern = re.escape(shown.strip())
    pattern = re.sub(r"(?m)^…\n", "(?:.*\\\\n)*?", pattern.replace("…\\\n", "…\n"))
    return re.fullmatch(pattern.replace("…", "[^\\n]*"), printed.strip()) is not None


@dataclass(slots=True)
class Terminal:
    """A shell in a folder; directory and variables stay from one command to the next."""

    folder: Path
    environment: Mapping[str, str]
    behind: list[subprocess.Popen[str]] = field(default_factory=list[subprocess.Popen[str]])

    def run(self, step: Step) -> None:
        """Run one step; it must print and end as the document says."""
        if step.command.startswith(_SERVES):
            self._serve(step)
            return
        state = self.folder.parent / "shell-state"
        state.touch()
        keep = f"declare -px > {shlex.quote(str(state))}; exit $code"
        done = subprocess.run(
            ["bash", "-c", f"set -a; . {shlex.quote(str(state))}\n{step.command}\ncode=$?; {keep}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
            cwd=self.folder,
            env=self.environment,
            timeout=300,
        )
        assert done.returncode == step.code, f"$ {step.command}\n{done.stdout}"
        assert not step.shown or fits(step.shown, done.stdout), f"$ {step.command}\n{done.stdout}"

    def _serve(self, step: Step) -> None:
        file = self.folder.parent / f"serve{len(self.behind)}"
        with file.open("w", encoding="utf-8") as out:
            self.behind.append(
                subprocess.Popen(
                    shlex.split(step.command),
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                    text=True,
                    cwd=self.folder,
                    env=self.environment,
                )
            )
        until = time.monotonic() + 120
        while not fits(step.shown, said := file.read_text(encoding="utf-8")):
            ended = self.behind[-1].poll() is not None
            late = time.monotonic() > until or said.count("\n") > step.shown.count("\n")
            assert not ended, f"$ {step.command}\n{said}"
            assert not late, f"$ {step.command}\n{said}"
            time.sleep(0.05)

    def close(self) -> None:
        """Stop what goes on in other terminals."""
        for process in self.behind:
            process.terminate()
        for process in self.behind:
            process.wait(timeout=60)
