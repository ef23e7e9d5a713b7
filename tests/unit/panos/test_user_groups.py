"""Groups of users in rules: which are asked for, and who is taken to be in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from segctl.analysis.effective import permitted
from segctl.analysis.present import as_listed
from segctl.analysis.space import Names
from segctl.model.errors import ConnectError, ParseError
from segctl.model.filled import group_key
from segctl.providers.base import provider, reading
from segctl.providers.panos import filled, user_groups
from support.panos_documents import answer, live, rule, system

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl.analysis.effective import Reading
    from segctl.model.filled import Filled

GROUPS = answer(
    "<result><![CDATA[operators\ncn=a&b,dc=x\n\nTotal: 2\n* : Custom Group\n]]></result>"
)
INSIDE = answer(
    "<result><![CDATA[short name:  operators\n\nsource type: xmlapi\n\n"
    "[1     ] acme\\bob\n[2     ] acme\\carol\n]]></result>"
)


def by(*users: str, body: str = "") -> str:
    return rule("r", body=body, **{"source-user": users})


def asked(rules: str, groups: bytes = GROUPS) -> dict[str, str]:
    """Return the commands that are sent, by the part that has the answer."""
    sent: list[str] = []

    def get(params: Mapping[str, str]) -> bytes:
        assert (params["type"], params["vsys"]) == ("op", "vsys1")
        sent.append(params["cmd"])
        return groups if "<list>" in params["cmd"] else INSIDE

    found = user_groups.ask(get, (system(rules),), "vsys1")
    assert "user groups" not in found
    return dict(zip((("user groups", *found) if sent else ()), sent, strict=True))


def held(body: bytes, name: str = "operators", *more: str) -> Filled:
    parts = {user_groups.USERS + one: body for one in (name, *more)}
    return live(by(name, *more), parts=parts).filled[group_key(name)]


def test_nothing_is_asked_where_rules_name_nobody() -> None:
    assert not asked(by("any") + by("known-user", "unknown", "pre-logon"))
    assert not asked(by("operators", body="<disabled>yes</disabled>"))


def test_only_what_the_device_lists_as_a_group_is_asked_for() -> None:
    sent = asked(by("OPERATORS", "acme\\eve", "cn=a&amp;b,dc=x") + by("OPERATORS"))
    assert list(sent) == ["user groups", "users of OPERATORS", "users of cn=a&b,dc=x"]
    assert sent["users of cn=a&b,dc=x"] == (
        "<show><user><group><name>cn=a&amp;b,dc=x</name></group></user></show>"
    )


def test_a_bound_a_refusal_and_a_lost_connection() -> None:
    every = [f"g{number}" for number in range(100)]
    listed = answer(f"<result>{chr(10).join(every)}</result>")

    def get(params: Mapping[str, str]) -> bytes:
        return listed if "<list>" in params["cmd"] else INSIDE

    def refuse(_: Mapping[str, str]) -> bytes:
        raise ParseError("fw1", "refuses")

    def lose(_: Mapping[str, str]) -> bytes:
        raise ConnectError("fw1", "is gone")

    found = user_groups.ask(get, (system(by(*every)),), "vsys1")
    assert sum(part.endswith(filled.REFUSED) for part in found) == 36
    assert "more than 64" in live(by("g99"), parts=found).filled[group_key("g99")].unread
    found = user_groups.ask(refuse, (system(by("g1")),), "vsys1")
    assert list(found) == ["user groups refused"]
    assert live(by("g1"), parts=found).filled[group_key("g1")].unread == "refuses"
    with pytest.raises(ConnectError):
        user_groups.ask(lose, (system(by("g1")),), "vsys1")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (answer("<result>User group 'x' does not exist</result>"), "lists nobody in it"),
        (answer(""), "lists nobody in it"),
        (b"<response", "not complete XML"),
        (b'<response status="error" code="16"/>', "refuses the request"),
        (
            answer(f"<result>{''.join(f'[{n}] u{n}{chr(10)}' for n in range(100_001))}</result>"),
            "more than 100000 users",
        ),
    ],
)
def test_an_answer_that_says_nothing(body: bytes, why: str) -> None:
    found = held(body)
    assert why in found.unread
    assert not found.users
    assert not found.passing


def known(body: bytes = INSIDE) -> Reading:
    parts = {user_groups.USERS + "operators": body}
    return reading(provider("panos"), live(by("operators"), parts=parts))


def test_who_is_in_a_group_is_known_for_now_only() -> None:
    base = known()
    told = permitted(base.between("a", "b"))
    assert told.why == ("r: who is in operators only the device knows",)
    assert base.now is not None
    by_now = permitted(base.now.between("a", "b"))
    assert by_now.can == by_now.sure
    assert {box.user for box in by_now.can.boxes} == {
        Names(frozenset({"acme\\bob", "acme\\carol"}))
    }


def test_a_group_of_users_is_no_object_of_addresses() -> None:
    group = (
        "<address-group><entry name='operators'><dynamic><filter>x</filter></dynamic></entry>"
        "</address-group>"
    )
    parts = {user_groups.USERS + "operators": INSIDE}
    read = live(rule("r", source="operators", **{"source-user": "operators"}), group, parts)
    now = reading(provider("panos"), read).now
    assert now is not None
    assert now.address("operators").can != now.address("operators").sure == ()


@pytest.mark.parametrize(
    ("user", "listed"),
    [
        ("", ""),
        ("acme\\bob", "acme\\bob"),
        ("ACME\\Bob", "acme\\bob"),
        ("acme\\eve", "acme\\eve"),
        ("bob@acme", None),
        ("other\\bob", None),
        ("bob", None),
    ],
)
def test_a_user_is_spelled_as_groups_list_him_or_it_is_not_told(
    user: str, listed: str | None
) -> None:
    assert as_listed(user, known()) == listed
