from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from segctl_mocks import LinuxMock
from segctl_mocks.linux.nft.engine import Nft
from segctl_mocks.linux.nft.errors import Source

if TYPE_CHECKING:
    from collections.abc import Iterator

_ERROR = re.compile(r"(\d+):(\d+)-(\d+): Error: ([^\n]*)")
_VERSION = "1.0.6"


def plain_errors(text: str) -> list[tuple[str, str, str, str]] | str:
    """Return place and kind of each error; guesses and what a parser expected are left out."""
    found: list[tuple[str, str, str, str]] = []
    for line, first, last, message in _ERROR.findall(text):
        kind = message.removeprefix("Could not process rule: ").partition("; did you mean")[0]
        if kind.startswith("syntax error"):
            return [(line, "", "", "syntax error")]
        found.append((line, first, last, kind))
    return found or text


def without_handles(value: Any) -> Any:
    """Return a listing without handles and what runs with the clock."""
    if isinstance(value, dict):
        return {
            key: without_handles(each)
            for key, each in value.items()  # pyright: ignore[reportUnknownVariableType] - JSON
            if key not in {"handle", "expires"}
        }
    if isinstance(value, list):
        return [without_handles(each) for each in value]  # pyright: ignore[reportUnknownVariableType] - JSON
    return value


@dataclass(frozen=True, slots=True)
class Kernel:
    """A network namespace of its own with the real nft."""

    pid: int

    def nft(self, *words: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        command = ["nsenter", "-t", str(self.pid), "-n", "nft", *words]
        return subprocess.run(command, input=text, capture_output=True, text=True, check=False)

    def compare(self, *scripts: str, places: bool = True) -> None:
        """Run scripts here and on a mock: same exit codes, same errors, same listings.

        Without ``places`` only the kind of the first error counts.
        """
        self.nft("flush", "ruleset")
        mock = Nft()
        for script in scripts:
            text = script if script.endswith("\n") else f"{script}\n"
            real = self.nft("-f", "-", text=text)
            ours = mock.script(Source("/dev/stdin", text))
            assert ours.status == real.returncode, (script, real.stderr, ours.err)
            found, wanted = plain_errors(ours.err), plain_errors(real.stderr)
            if not places and found and wanted:
                assert found[0][3] == wanted[0][3], script
                continue
            follow_up = found and wanted[: len(found)] == found  # nft tells more of one mistake
            assert found == wanted or follow_up, script
        self.same(mock, may_crash=not places)

    def compare_rules(self, start: str, rules: list[str]) -> None:
        """Compare rules on their own: those the mock takes in one go, the others one by one."""
        self.nft("flush", "ruleset")
        mock = Nft()
        mock.script(Source("/dev/stdin", start))
        taken: list[str] = []
        for rule in rules:
            ours = mock.script(Source("/dev/stdin", f"{rule}\n"))
            if ours.status == 0:
                taken.append(f"{rule}\n")
                continue
            real = self.nft("-c", "-f", "-", text=f"{start}{rule}\n")
            assert real.returncode == 1, (rule, ours.err)
            assert plain_errors(ours.err)[0][3] == plain_errors(real.stderr)[0][3], rule
        real = self.nft("-f", "-", text=start + "".join(taken))
        assert real.returncode == 0, real.stderr
        if not self.same(mock, may_crash=True) and len(taken) > 1:
            for rule in taken:
                self.compare_rules(start, [rule.removesuffix("\n")])

    def same(self, mock: Nft, *, may_crash: bool = False) -> bool:
        """Compare the listings; say whether nft made any: 1.0.6 crashes on some rules."""
        answer = self.nft("-j", "list", "ruleset")
        if may_crash and (answer.returncode < 0 or answer.returncode > 128):
            return False
        real = json.loads(answer.stdout)["nftables"]
        ours = json.loads(mock.main(["-j", "list", "ruleset"], "", str).out)["nftables"]
        assert without_handles(ours) == without_handles(real)
        text = self.nft("-s", "list", "ruleset").stdout
        if " expires " not in text:
            assert mock.main(["-s", "list", "ruleset"], "", str).out == text
        return True


@pytest.fixture(scope="session")
def kernel() -> Iterator[Kernel]:
    """A real nft in a namespace of its own; skips where there is none."""
    if not shutil.which("nft") or not shutil.which("unshare"):
        pytest.skip("no nft or no unshare here")
    version = subprocess.run(["nft", "--version"], capture_output=True, text=True, check=False)
    if f"v{_VERSION} " not in version.stdout:
        pytest.skip(f"the mock is nft {_VERSION}, here is {version.stdout.strip()}")
    holder = subprocess.Popen(
        ["unshare", "-n", "sh", "-c", "nft list ruleset && echo ready && exec sleep 600"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        if holder.stdout.readline().strip() != "ready":
            _, error = holder.communicate(timeout=5)
            pytest.skip(f"no namespace with nftables: {error.strip()}")
        yield Kernel(holder.pid)
    finally:
        holder.kill()
        holder.communicate()


@pytest.fixture(scope="session")
def data() -> Path:
    return Path(__file__).parent / "data"


@pytest.fixture
def nft() -> Nft:
    return Nft()


@pytest.fixture
def mock() -> LinuxMock:
    """A host without sockets."""
    return LinuxMock("gw1", users={"admin": "pw", "root": "secret"})


@pytest.fixture
def served(mock: LinuxMock) -> Iterator[LinuxMock]:
    with mock:
        yield mock
