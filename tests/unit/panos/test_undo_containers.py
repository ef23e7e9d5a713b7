"""What a push made and holds nothing else goes when it is taken back; what others use stays."""

from __future__ import annotations

import pytest

from segctl.providers.panos import undo
from segctl.providers.panos.location import Location

PLACE = Location(name="vsys1")
OURS = "<entry name='segctl-automatic'/>"
PUSHED = f"<profiles>{OURS}</profiles>"


def answer(inside: str) -> bytes:
    return (
        f"<response status='success'><result><entry name='vsys1'>{inside}</entry></result>"
        "</response>"
    ).encode()


def taken_back(before: str, now: str) -> list[tuple[str, str]]:
    """Return the steps that take a pushed profile back: what is done, and below which path."""
    script = (
        f"<segctl-push vsys='vsys1'><set xpath=\"{PLACE.xpath}/log-settings/profiles\">{OURS}"
        "</set></segctl-push>"
    )
    found = undo.steps("fw1", script, answer(before), answer(now), limit=1 << 24)
    return [(str(one.tag), str(one.get("xpath")).removeprefix(f"{PLACE.xpath}/")) for one in found]


@pytest.mark.parametrize(
    ("before", "more", "gone"),
    [
        ("", "", "log-settings"),
        ("<log-settings/>", "", "log-settings/profiles"),
        ("", "<syslog/>", "log-settings/profiles"),  # made by somebody else meanwhile
        ("<log-settings><syslog/></log-settings>", "<syslog/>", "log-settings/profiles"),
        (
            "<log-settings><profiles/></log-settings>",
            "",
            "log-settings/profiles/entry[@name='segctl-automatic']",
        ),
    ],
)
def test_a_log_profile(before: str, more: str, gone: str) -> None:
    now = f"<log-settings>{more}{PUSHED}</log-settings>"
    assert taken_back(before, now) == [("delete", gone)]
