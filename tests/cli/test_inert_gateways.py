"""Nothing that a gateway says steers who reads it: every command, every form it writes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from segctl.cli import run
from segctl.cli.reports import FORMS
from segctl_mocks.linux.nft import engine
from segctl_mocks.linux.nft.engine import Result
from support.hostile import MARKS, steering

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cli_support import Plant
    from segctl_mocks.linux.host import Host
    from support.cells import Cells

#: What an answer may hold: one with ASCII's control characters is refused as a whole.
TEXT = "".join(one for one in MARKS if ord(one) > 0x7F and not 0xD800 <= ord(one) < 0xE000)
#: What messages of programs may hold.
ERROR = "\x1b]0;owned\x07\r\x9b2J" + TEXT
FORM = [f"--{name}={name}.out" for name in FORMS]
COMMANDS = (
    ("validate",),
    ("plan", *FORM, "-o", "plan.json"),
    ("plan", "--diff", "-v"),
    ("show", "plan.json", "--diff"),
    ("apply", "plan.json", "-v"),
    ("apply", "--auto-approve", "-v"),
    ("drift", *FORM, "--metrics=m.prom", "-v"),
    ("drift", "--write-baseline=base.yml", "--owner=o", "--expires=2999-01-01"),
    ("drift", "history", "--all"),
    ("snapshot", "-o", "snapshots"),
    ("import", "gw3"),
)


@pytest.fixture
def hostile(mixed: Cells, monkeypatch: pytest.MonkeyPatch) -> Cells:
    """A plant whose gateway is in the hands of somebody who writes what steers."""
    monkeypatch.setenv("SEGCTL_HISTORY", str(mixed.folder / "history.db"))
    monkeypatch.setenv("SEGCTL_ARTIFACTS", str(mixed.folder / "runs"))
    assert mixed("apply", "--auto-approve", "-l", "gw3").code == 0
    mock = mixed.fleet.linux["gw3"]
    host = mock.host_device
    host.hostname = f"host{TEXT}"
    host.kernel = f"6.1{TEXT}"
    monkeypatch.setitem(engine.RELEASES, "1.0.6", f"release{TEXT}")
    host.files.data["/etc/machine-id"] = f"machine{TEXT}\n".encode()
    host.files.data["/etc/nftables.d/segctl.nft"] += f"# boot{TEXT}\n".encode()
    mock.load(
        f'table inet theirs {{\n\tcomment "table{TEXT}"\n\tset s {{\n\t\ttype ipv4_addr\n'
        f'\t\tcomment "set{TEXT}"\n\t\telements = {{ 10.0.0.1 comment "element{TEXT}" }}\n\t}}\n'
        f"\tchain c {{\n\t\ttype filter hook forward priority 10; policy drop;\n"
        f'\t\tlog prefix "prefix{TEXT}" accept comment "rule{TEXT}"\n\t}}\n}}\n'
    )
    return mixed


def ours(host: Host) -> str:
    """Return a chain of our table."""
    listed = host.nft.main(["list", "table", "inet", "segctl"], "", str).out
    found = re.search(r"^\tchain (\S+) \{\n(?!\t\ttype)", listed, re.MULTILINE)
    assert found is not None, listed
    return found[1]


def judged(plant: Plant, words: Sequence[str]) -> str:
    """Run a command in every form and return what it said, in which nothing steers."""
    seen = ""
    for more in ((), ("--json",), ("--json-lines",)):
        last = (*more, "-o", f"imported{''.join(more)}") if "import" in words else more
        limit = () if "import" in words or "history" in words or "show" in words else ("-l", "gw3")
        if "plan.json" in words and words[0] == "apply":
            limit = ()
        assert run([*plant.where, *words, *limit, *last]) in {0, 1, 2}
        out, err = plant.capsys.readouterr()
        assert not steering(out), (words, more)
        assert not steering(err), (words, more)
        assert "internal" not in err, (words, err)
        assert "usage" not in err, (words, err)
        if more == ("--json",):
            json.loads(out)
        seen += out + err
    return seen


def written(folder: Path) -> str:
    """Return what is in the files that are text, in which nothing steers."""
    seen = ""
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix != ".db" and path.name not in ("hosts.yml", "mocks.yml"):
            text = path.read_text(encoding="utf-8")
            assert not steering(text), path
            seen += text
    return seen


def test_what_a_gateway_holds_steers_nobody(hostile: Cells) -> None:
    mock = hostile.fleet.linux["gw3"]
    chain = ours(mock.host_device)
    mock.edit("nft -f -", f'add rule inet segctl {chain} accept comment "ours{TEXT}"\n')
    assert f"ours{TEXT[0]}" in mock.config()
    seen = "".join(judged(hostile, words) for words in COMMANDS)
    seen += written(hostile.folder)
    names = {path.name for path in hostile.folder.rglob("*")}
    assert {*(f"{name}.out" for name in FORMS), "m.prom", "gw3.snapshot.json", "plan.json"} <= names
    for kind in ("host", "machine"):
        assert f"{kind}\\x80" in seen or f"{kind}\\u0085" in seen or f"{kind}\\x85" in seen, kind


@pytest.mark.parametrize("said", [TEXT, ERROR], ids=["text", "control"])
def test_what_nft_complains_of_steers_nobody(hostile: Cells, said: str) -> None:
    # the first mark must not end the line that is quoted
    text = "\u202e" + TEXT

    def refuse(words: Sequence[str], _stdin: str) -> Result | None:
        return None if "--version" in words else Result(1, f"said{text}\n", f"complains{said}\n")

    hostile.fleet.linux["gw3"].host_device.refuse = refuse
    seen = "".join(
        judged(hostile, words)
        for words in (COMMANDS[1], COMMANDS[2], COMMANDS[5], COMMANDS[6], COMMANDS[9])
    )
    assert (r"(exit 1): said\u202e" if said == TEXT else "answers with control characters") in seen
    written(hostile.folder)


@pytest.mark.parametrize("what", ["hostname", "kernel"])
def test_a_gateway_that_answers_with_control_characters_is_refused(
    hostile: Cells, what: str
) -> None:
    setattr(hostile.fleet.linux["gw3"].host_device, what, f"x{ERROR}")
    for words in (COMMANDS[1], COMMANDS[6], COMMANDS[9]):
        assert "answers with control characters" in judged(hostile, words)
