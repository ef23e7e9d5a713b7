"""A decision written into a file: nothing else in it changes, or nothing does."""

from __future__ import annotations

from datetime import date

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from segctl.importing.reviewed import with_review
from segctl.model.site import Review

DAY = date(2027, 2, 1)
TEXT = """\
segctl_site: plant   # as it is called
segctl_conduits_more:
  polling:
    from: supervisory
    to: control
    # why
    reason: polls
    # how strictly
    # it is inspected
    threat_prevention: strict
    flows:
      poll: {services: [icmp]}
  other: {from: a, to: b, reason: r, flows: {f: {services: [icmp]}}}
"""
KEPT = Review(day=DAY, by="J. Doe", decision="keep", reason="used, daily")
SAID = """\
    reviewed:
      date: 2027-02-01
      by: J. Doe
      decision: keep
      reason: "used, daily"
"""


def test_it_stands_where_fmt_puts_it_and_comments_stay_with_their_keys() -> None:
    found = with_review(TEXT, "polling", {"expires": DAY, "review_by": DAY}, KEPT)
    said = f"    expires: {DAY}\n    review_by: {DAY}\n{SAID}"
    assert found == TEXT.replace("    # how", f"{said}    # how")


def test_an_earlier_decision_is_replaced_however_it_is_written() -> None:
    again = Review(day=date(2028, 1, 1), by="A", decision="retire", reason="gone #2")
    once = with_review(TEXT, "polling", {"review_by": date(2026, 1, 1)}, KEPT) or ""
    flat = once.replace(SAID, "    reviewed: {date: 2027-02-01, by: B}  # by hand\n")
    assert flat != once
    for text, after in ((once, ""), (flat, "  # by hand")):
        found = with_review(text, "polling", {"review_by": DAY}, again) or ""
        said = f'      decision: retire\n      reason: "gone #2"{after}\n    # how'
        assert f"    reviewed:\n      date: 2028-01-01\n      by: A\n{said}" in found
        assert found.count("reviewed:") == found.count("review_by:") == 1


@pytest.mark.parametrize(
    ("text", "conduit"),
    [
        (TEXT, "other"),
        (TEXT, "absent"),
        ("- a list", "polling"),
        ("{", "polling"),
        (TEXT + TEXT.replace("_more", "_less"), "polling"),
        (
            TEXT.replace(
                "    flows:\n", "    reviewed:\n      by: x  # y\n      date: z\n    flows:\n"
            ),
            "polling",
        ),
        (TEXT.replace("    flows:\n", "    reviewed:\n      by: [x]\n    flows:\n"), "polling"),
        (TEXT.replace("    flows:\n", "    reviewed:  # y\n      by: x\n    flows:\n"), "polling"),
        (TEXT.replace("  polling:\n", "  polling: &p\n") + "copy: *p\n", "polling"),
    ],
)
def test_what_cannot_be_edited_is_left(text: str, conduit: str) -> None:
    assert with_review(text, conduit, {"review_by": DAY}, KEPT) is None


_TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40)


@given(by=_TEXTS, reason=_TEXTS)
def test_every_text_is_read_back(by: str, reason: str) -> None:
    found = with_review(TEXT, "polling", {}, Review(day=DAY, by=by, decision="keep", reason=reason))
    said = yaml.safe_load(found or "")["segctl_conduits_more"]["polling"]["reviewed"]
    assert said == {"date": DAY, "by": by, "decision": "keep", "reason": reason}
