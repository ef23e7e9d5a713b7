"""Entries taken out of a file: nothing else in it changes, or nothing does."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from segctl.importing.narrowed import Entries, without_entries

DAY = date(2027, 2, 1)
BOTH = "\n          - plc2\n          - 10.1.0.128/25"
TEXT = """\
segctl_site: plant   # as it is called
segctl_conduits_more:
  polling:
    from: supervisory
    to: control
    # why
    reason: polls
    flows:
      poll:
        source: [scada1, "historian1", 10.2.0.9]  # who
        destination:
          - plc1  # the first
          - plc2
          - 10.1.0.128/25
        protocols:
          modbus: [read, write]
          s7comm: [read]
        services: [tcp/502, "tcp/80,443", tcp/8000-8100]
  other: {from: a, to: b, reason: r, flows: {f: {source: [x, y], services: [icmp]}}}
"""
REVIEWED = TEXT.replace("    flows:\n", "    review_by: 2027-02-01\n    flows:\n", 1)


def edited(text: str = TEXT, conduit: str = "polling", flow: str = "poll", **gone: Any) -> str:
    said: dict[str, Any] = {"classes": {}, **gone}
    flows = {flow: Entries(**said)}
    return without_entries(text, conduit, flows, DAY) or ""


@pytest.mark.parametrize(
    ("gone", "old", "new"),
    [
        ({"source": ["historian1"]}, '[scada1, "historian1", 10.2.0.9]', "[scada1, 10.2.0.9]"),
        ({"source": ["10.2.0.9/32"]}, '"historian1", 10.2.0.9]', "historian1]"),
        ({"destination": ["plc1"]}, "          - plc1  # the first\n", ""),
        ({"destination": ["plc2", "10.1.0.128/25"]}, BOTH, ""),
        ({"protocols": ["s7comm"]}, "          s7comm: [read]\n", ""),
        ({"classes": {"modbus": ["write"]}}, "[read, write]", "[read]"),
        ({"services": ["tcp/502"]}, '[tcp/502, "tcp/80,443",', '["tcp/80,443",'),
        ({"services": ["tcp/80", "tcp/443"]}, '"tcp/80,443", ', ""),
    ],
)  # fmt: skip
def test_an_entry_goes_and_the_rest_stays(gone: dict[str, Any], old: str, new: str) -> None:
    assert old in REVIEWED
    expected = REVIEWED.replace(old, new)
    assert edited(**gone).replace('"', "") == expected.replace('"', "")


def test_a_day_that_is_there_is_replaced() -> None:
    text = TEXT.replace("    reason: polls\n", "    reason: polls\n    review_by: 2028-01-01\n")
    found = edited(text, source=["historian1"])
    assert "    review_by: 2027-02-01\n" in found
    assert found.count("review_by") == 1


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        (TEXT, {"source": ["nobody"]}),
        (TEXT, {"source": ["scada1", "historian1", "10.2.0.9/32"]}),  # none means the whole zone
        (TEXT, {"services": ["tcp/80"]}),  # half of what is written as one
        (TEXT, {"protocols": ["modbus", "s7comm"], "source": ["nobody"]}),
        (TEXT.replace("more:", "x: &a\n  <<: *b"), {"source": ["historian1"]}),
        (TEXT.replace("[scada1,", "[scada1, # first\n         "), {"source": ["historian1"]}),
        (TEXT.replace('"historian1"', "{{ one }}"), {"source": ["historian1"]}),
        (f"{TEXT}segctl_conduits:\n  polling: {{from: x}}\n", {"source": ["historian1"]}),
        (TEXT.replace("polling:", "polling: !vault x\n  y:"), {"source": ["historian1"]}),
        ("[]", {"source": ["historian1"]}),
        ("", {"source": ["historian1"]}),
        (TEXT.replace("source: [scada1,", "source: ["), {"source": ["10.2.0.9/32", "scada1"]}),
    ],
)
def test_what_cannot_be_edited_is_left(text: str, gone: dict[str, Any]) -> None:
    assert edited(text, **gone) == ""


def test_a_conduit_in_braces_is_left() -> None:
    assert edited(conduit="other", flow="f", source=["x"]) == ""


def test_several_flows_and_a_name_that_an_anchor_shares_are_kept_apart() -> None:
    shared = TEXT.replace("[scada1,", "&who [scada1,") + "      again: {source: *who}\n"
    shared = shared.replace("  other: {", "  other_: {")
    assert edited(shared, source=["historian1"]) == ""  # the other flow would change as well


def test_a_conduit_that_others_are_copies_of_is_left() -> None:
    copied = TEXT.replace("  polling:\n", "  polling: &p\n") + "  copy: *p\n"
    assert edited(copied, source=["historian1"]) == ""
