"""ansible-playbook on the small plant: called as its users call it, results as values."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli_support import ROOT, Plant, environment

if TYPE_CHECKING:
    from collections.abc import Mapping

BESIDE = Path(sys.executable).parent
#: The collection that is tested is this checkout's, whatever is installed.
SETTINGS: Mapping[str, str] = {
    "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "playbooks"),
    "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests" / "collection" / "callback"),
    "ANSIBLE_CALLBACKS_ENABLED": "results",
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_RETRY_FILES_ENABLED": "0",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """An ansible-playbook that has ended: its results by host, in order."""

    code: int
    out: str
    results: tuple[dict[str, Any], ...]

    def of(self, host: str) -> dict[str, Any]:
        """The only result of a host."""
        (found,) = [one for one in self.results if one["host"] == host]
        return found


@dataclass(frozen=True, slots=True)
class Playbooks:
    """The plant's firewalls, and ansible-playbook called in its folder."""

    plant: Plant

    def command(self, *words: str) -> list[str]:
        return [str(BESIDE / "ansible-playbook"), *self.plant.where, *words]

    def environment(self, **values: str) -> dict[str, str]:
        home = str(self.plant.folder / "home")
        file = str(self.plant.folder / "results")
        return environment(**SETTINGS, HOME=home, RESULTS_FILE=file, **values)

    def __call__(self, *words: str, **values: str) -> Run:
        file = self.plant.folder / "results"
        file.write_text("", encoding="utf-8")
        done = subprocess.run(
            self.command(*words),
            capture_output=True,
            text=True,
            check=False,
            cwd=self.plant.folder,
            env=self.environment(**values),
            stdin=subprocess.DEVNULL,
            timeout=120,
        )
        out = done.stdout + done.stderr
        assert "Traceback" not in out
        self.plant.assert_no_secret(out)
        lines = file.read_text(encoding="utf-8").splitlines()
        self.plant.assert_no_secret("".join(lines))
        return Run(code=done.returncode, out=out, results=tuple(map(json.loads, lines)))

    def write(self, name: str, text: str) -> None:
        (self.plant.folder / name).write_text(text, encoding="utf-8")
