"""What push sends, case by case, to be read by people: ``<case>/script.xml``.

``pytest --refresh-golden tests/golden`` writes those that differ anew.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from segctl.model.site import Containment, Position
from segctl.testing import plan, reach
from segctl_mocks import PanosMock
from support.panos import ANCHOR, RULES, PanosHarness, firewall, other_rule
from support.plants import flow, plant

if TYPE_CHECKING:
    from segctl.compiler.build import Desired
    from support.golden import Golden

HERE = Path(__file__).parent
POLL = flow("poll", uses=(("modbus", ("read",)),), to_asset="a0", essential=True)
TELECONTROL = flow("telecontrol", uses=(("iec-60870-5-104", ("read", "control")),))
WEB = flow("web", ports=(443,))
PREPARED = Containment(islands=("site/ctrl", "site"))
AFTER = Position(where="after", rule=ANCHOR)

#: What is there before (None: nothing), and what is wanted.
CASES: dict[str, tuple[Desired | None, Desired]] = {
    "first-rules": (None, plant(POLL, WEB, profile="strict", log_forwarding="to-siem")),
    "application-group": (None, plant(TELECONTROL)),
    "closed-block": (None, plant(WEB, position=Position(where="first"))),
    "ipv6": (None, plant(WEB, networks={
        "site/ctrl": ("10.1.0.0/24", "fd00:1::/64"), "site/dmz": ("10.3.0.0/24", "fd00:3::/64"),
    })),
    "another-port": (plant(WEB), plant(flow("web", ports=(8443,)))),
    "another-place": (plant(WEB, POLL), plant(WEB, POLL, position=Position(where="first"))),
    "one-less": (plant(WEB, POLL), plant(POLL)),
    "nothing-left": (plant(WEB), plant()),
    "islands-and-containment": (
        None,
        plant(POLL, WEB, device=replace(firewall(), containment=PREPARED)),
    ),
    "unknown-applications": (
        None,
        plant(POLL, WEB, device=replace(firewall(), unknown_applications="deny")),
    ),
    "no-change": (plant(WEB, position=AFTER), plant(WEB, position=AFTER)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_script(case: str, golden: Golden) -> None:
    before, wanted = CASES[case]
    with PanosMock("fw1", job_seconds=0.0) as mock:
        harness = PanosHarness(mock)
        with harness.workbench() as bench:
            mock.edit("set", RULES, other_rule("o-last"), commit=True)
            if before is not None:
                reach(harness, bench, before)
            made = plan(harness, bench, wanted)
            assert replace(made) == plan(harness, bench, wanted)
    golden(HERE / case / "script.xml", made.script)


def test_every_folder_is_a_case() -> None:
    assert {folder.name for folder in HERE.iterdir() if (folder / "script.xml").exists()} == set(
        CASES
    )
