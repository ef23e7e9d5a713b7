"""An application that the content of a member lacks is told before anything is committed."""

from __future__ import annotations

import pytest

from segctl.model.errors import UnsupportedError
from segctl.planning.content import Content, refuse_lacking
from segctl.providers.panos.app_id import relatives

OLD, NEW = "8799-8509", "8900-9000"


def member(name: str, version: str, *known: str) -> Content:
    return Content(member=name, version=version, os_version="11.1.6", known=frozenset(known))


def test_a_firewall_alone_says_what_its_content_lacks() -> None:
    with pytest.raises(UnsupportedError) as caught:
        refuse_lacking({"ssl", "profinet"}, [member("fw1", OLD, "ssl")])
    assert str(caught.value) == (
        f"fw1: version 11.1.6, content {OLD} has no application profinet: update the device, or "
        "remove them from the inventory"
    )


def test_a_group_names_the_member_and_both_contents() -> None:
    members = [
        member("fw1a", NEW, "ssl", "profinet", "s7-plus"),
        member("fw1b", OLD, "ssl"),
        member("fw1c", NEW, "ssl", "profinet", "s7-plus"),
    ]
    with pytest.raises(UnsupportedError) as caught:
        refuse_lacking({"ssl", "profinet", "s7-plus"}, members)
    assert str(caught.value) == (
        f"fw1b: version 11.1.6, content {OLD} has no application profinet, s7-plus, which fw1a "
        f"(version 11.1.6, content {NEW}) has: give fw1b the same content before anything is "
        "committed"
    )


def test_each_member_that_lacks_something_is_named() -> None:
    members = [member("a", OLD, "x"), member("b", NEW, "y")]
    with pytest.raises(UnsupportedError, match=r"^a: .*no application y, which b .*; b: .*no app"):
        refuse_lacking({"x", "y"}, members)


def test_members_that_have_all_are_not_refused() -> None:
    refuse_lacking({"x"}, [member("a", OLD, "x"), member("b", NEW, "x", "y")])
    refuse_lacking((), [member("a", OLD)])


def test_what_a_new_content_has_beside_the_catalogue_is_found() -> None:
    known = frozenset({"modbus-base", "modbus-read-coils", "modbus-scan", "modbus2", "ssl"})
    assert relatives(["modbus-read-coils", "ssl"], known) == {"modbus-read-coils": ("modbus-scan",)}


def test_what_an_application_may_have_become_is_found_by_its_name() -> None:
    known = frozenset({"modbus-base", "modbus-read-coil", "ssl"})
    assert relatives(["modbus-read-coils"], known) == {"modbus-read-coils": ("modbus-read-coil",)}
