"""What apply sends to a gateway, case by case, and the table it then has, to be read by people.

``<case>/script.nft`` is the script of the plan, ``<case>/table.nft`` the table as nft lists it
after the apply; long lists of elements are cut. ``pytest --refresh-golden tests/golden`` writes
those that differ anew.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from segctl.model.site import Containment, Flow, ProtocolUse
from segctl.testing import apply, plan, reach
from segctl_mocks import LinuxMock
from support.nft import asset, desired, firewall, tcp
from support.nft_harness import INTERFACES, MockMachine, NftHarness

if TYPE_CHECKING:
    from segctl.compiler.build import Desired
    from support.golden import Golden

HERE = Path(__file__).parent
WEB = Flow(id="web", services=(tcp(443),))
PORTS = Flow(id="web", services=(tcp(443), tcp(8443, 8445)))
POLL = Flow(
    id="poll",
    sources=(asset("supv", "a1"), asset("supv", "a2")),
    destinations=(asset("ctrl", "a1"),),
    protocols=(ProtocolUse(protocol="modbus", classes=("read",)),),
    essential=True,
)
PREPARED = Containment(islands=("site/supv",))
WIDER = replace(POLL, destinations=(asset("ctrl", "a1"), asset("ctrl", "a2")))

#: What is there before (None: nothing), and what is wanted.
CASES: dict[str, tuple[Desired | None, Desired]] = {
    "first-rules": (None, desired(WEB, POLL)),
    "another-port": (desired(WEB), desired(PORTS)),
    "one-more-asset": (desired(POLL), desired(WIDER)),
    "one-less": (desired(WEB, POLL), desired(POLL)),
    "nothing-left": (desired(WEB), desired()),
    "no-change": (desired(WEB), desired(WEB)),
    "islands-and-containment": (
        None,
        desired(WEB, POLL, device=replace(firewall(), containment=PREPARED)),
    ),
    "purge": (None, desired(WEB, device=replace(firewall(), unmanaged="purge"))),
}


#: What a set or a map holds, in a script or a listing.
_ELEMENTS = re.compile(r"(?<=\{)[^{}]*,[^{}]*(?=\})")
#: The run that wrote a table: a number drawn for it.
_RUN = re.compile(r"0x[0-9a-f]+(?= comment \"applied )")
_SHOWN = 6


def readable(text: str) -> str:
    """Return the text with long lists of elements cut, each with its number and a digest."""
    return _RUN.sub("0x(run)", _ELEMENTS.sub(_cut, text))


def _cut(match: re.Match[str]) -> str:
    elements = match[0].split(",")
    if len(elements) <= 2 * _SHOWN:
        return match[0]
    digest = hashlib.sha256(match[0].encode()).hexdigest()[:16]
    cut = f" ({len(elements)} elements, SHA-256 {digest}…)"
    return ",".join([*elements[:_SHOWN], cut, *elements[-_SHOWN:]])


@pytest.mark.parametrize("case", CASES)
def test_script(case: str, golden: Golden) -> None:
    before, wanted = CASES[case]
    with LinuxMock("fw", interfaces=INTERFACES) as mock:
        harness = NftHarness(MockMachine(mock))
        with harness.workbench() as bench:
            if before is not None:
                reach(harness, bench, before)
            made = plan(harness, bench, wanted)
            assert made == plan(harness, bench, wanted)
            apply(harness, bench, made)
            table = bench.machine.listing("list", "table", "inet", "segctl")
    golden(HERE / case / "script.nft", readable(made.script))
    golden(HERE / case / "table.nft", readable(table))


def test_every_folder_is_a_case() -> None:
    assert {folder.name for folder in HERE.iterdir() if (folder / "script.nft").exists()} == set(
        CASES
    )


def test_a_change_in_what_is_cut_is_seen() -> None:
    text = f"elements = {{ {', '.join(map(str, range(40)))} }}"
    assert "40 elements" in readable(text)
    assert len(readable(text)) < len(text)
    assert readable(text) != readable(text.replace(" 20,", " 99,"))
