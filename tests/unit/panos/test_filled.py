"""What a firewall fills by itself: what is asked, and what its answers are taken for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import pytest

from segctl.analysis.effective import permitted
from segctl.analysis.space import ALL_ADDRESSES
from segctl.model.errors import ConnectError, ParseError
from segctl.model.filled import Filled
from segctl.providers import parsed
from segctl.providers.base import provider, reading
from segctl.providers.panos import contents, filled
from segctl.providers.panos.parse import PanosLive
from segctl.providers.panos.wire import is_write
from support import panos_documents
from support.panos_documents import answer

if TYPE_CHECKING:
    from collections.abc import Mapping

TABLE = """FQDN Table : Request time 2026-09-22 22:07:46
--------------------------------------------------------------------------------
\tIP Address
--------------------------------------------------------------------------------

VSYS : (using mgmt-obj dnsproxy object)
\tShared
\tvsys1

a.example
\t192.0.2.1
\t2001:db8::1

b.example
\t198.51.100.22
\t::  unknown

c.example
\t::  unknown
"""
OLDER = """FQDN Table : Last Request time Thu Dec 31 10:00:00 2020
--------------------------------------------------------------------------------
     IP Address             Remaining TTL     Secs Since Refreshed
--------------------------------------------------------------------------------

VSYS  : vsys1 (using mgmt-obj dnsproxy object)

a.example (Objectname host a):
     192.0.2.1                 1234              56
     192.0.2.2                 1234              56

d.example (Objectname d):
     Not used

VSYS  : vsys2 (using other object)

a.example (Objectname a):
     192.0.2.2                 1234              56
"""
GROUPS = """<dyn-addr-grp>
<entry><group-name>g</group-name><filter>'x'</filter><member-list>
<entry name="198.51.100.1" type="registered-ip"/></member-list></entry>
<entry><vsys>vsys1</vsys><group-name>g</group-name><filter>'x'</filter><member-list>
<entry name="192.0.2.7" type="registered-ip"/><entry name="host" type="address-object"/>
</member-list></entry>
<entry><vsys>vsys2</vsys><group-name>other</group-name><filter>'x'</filter><member-list>
<entry name="192.0.2.9" type="registered-ip"/></member-list></entry>
<entry><vsys>vsys1</vsys><group-name>none</group-name><member-list/></entry>
</dyn-addr-grp>"""
OBJECTS = (
    "<address><entry name='host'><ip-netmask>10.0.0.1</ip-netmask></entry>"
    "<entry name='n'><fqdn>A.example.</fqdn></entry><entry name='c'><fqdn>c.example</fqdn></entry>"
    "<entry name='u'><fqdn>u.example</fqdn></entry></address>"
    "<address-group><entry name='g'><dynamic><filter>'x'</filter></dynamic></entry>"
    "<entry name='other'><dynamic><filter>'x'</filter></dynamic></entry>"
    "<entry name='none'><dynamic><filter>'x'</filter></dynamic></entry>"
    "<entry name='all'><static><member>g</member><member>n</member></static></entry>"
    "</address-group>"
    "<external-list><entry name='l'><type><ip><url>x</url><exception-list><member>192.0.2.2"
    "</member></exception-list></ip></type></entry>"
    "<entry name='v'><type><predefined-ip><url>panw-known-ip-list</url></predefined-ip></type>"
    "</entry><entry name='d'><type><domain><url>x</url></domain></type></entry></external-list>"
    "<region><entry name='plant'><address><member>10.1.0.0/16</member></address></entry>"
    "<entry name='DE'><address><member>10.2.0.0/16</member></address></entry>"
    "<entry name='place'><geo-location><latitude>1</latitude></geo-location></entry></region>"
)


def rule(name: str, *sources: str, body: str = "") -> str:
    return panos_documents.rule(name, source=sources, body=body)


def system(rules: str, objects: str = OBJECTS) -> bytes:
    return panos_documents.system(rules, objects)


def listed(name: str = "l", members: tuple[str, ...] = (), **said: object) -> bytes:
    told: dict[str, Any] = {"vsys": "vsys1", "name": name, "total-valid": len(members)}
    told |= {"total-ignored": 0, "total-invalid": 0} | {
        key.replace("_", "-"): value for key, value in said.items()
    }
    head = "".join(f"<{key}>{escape(str(value))}</{key}>" for key, value in told.items())
    inside = "".join(f"<member>{one}</member>" for one in members)
    return answer(
        f"<result><external-list>{head}<valid-members>{inside}</valid-members></external-list>"
        "</result>"
    )


def live(rules: str, parts: Mapping[str, bytes], objects: str = OBJECTS) -> PanosLive:
    """Read a document with these answers about what the device fills."""
    clock = {filled.AT: b"Sun Nov 29 11:00:00 2026"}
    return panos_documents.live(rules, objects, clock | dict(parts))


def held(name: str, parts: Mapping[str, bytes], objects: str = OBJECTS) -> Filled:
    return live(rule("r", name), parts, objects).filled[name]


# --- what is asked -------------------------------------------------------------------------------


def asked(rules: str, *more: bytes, objects: str = OBJECTS) -> list[str]:
    """Return the commands that are sent."""
    sent: list[str] = []

    def get(params: Mapping[str, str]) -> bytes:
        assert (params["type"], params["vsys"]) == ("op", "vsys1")
        assert not is_write(params)
        sent.append(params["cmd"])
        return b""

    filled.ask(get, (system(rules, objects), *more), "vsys1")
    return sent


@pytest.mark.parametrize(
    "rules",
    [
        "",
        rule("r", "any"),
        rule("r", "host", "10.0.0.0/8", "plant"),
        rule("r", "l", "g", "n", body="<disabled>yes</disabled>"),
        rule("r", "d"),
    ],
)
def test_nothing_is_asked_that_no_rule_in_use_names(rules: str) -> None:
    assert not asked(rules)


def test_each_list_in_use_is_asked_for_once_and_everything_else_together() -> None:
    rules = rule("r", "l", "all", "v") + rule("s", "l", "g", "c") + rule("t", "panw-known-ip-list")
    sent = asked(rules)
    assert len(sent) == 5
    assert sum("<dynamic-address-group><all>" in one for one in sent) == 1
    assert sum("<dns-proxy><fqdn><all>" in one for one in sent) == 1
    assert [one for one in sent if "<external-list>" in one] == [
        "<request><system><external-list><show><type>"
        f"<{kind}><name>{name}</name><anchor>1</anchor><num-records>150001</num-records></{kind}>"
        "</type></show></external-list></system></request>"
        for name, kind in (
            ("l", "ip"),
            ("panw-known-ip-list", "predefined-ip"),
            ("v", "predefined-ip"),
        )
    ]


def test_what_panorama_pushed_uses_and_defines_counts() -> None:
    base = f"<pre-rulebase><security><rules>{rule('r', 'p')}</rules></security></pre-rulebase>"
    lists = "<external-list><entry name='p' loc='dg'><type><ip/></type></entry></external-list>"
    pushed = answer(f"<result><policy><panorama>{lists}{base}</panorama></policy></result>")
    assert len(asked("", pushed)) == 1


def test_a_nat_rule_that_names_a_list_is_not_looked_at() -> None:
    nat = f"<rulebase><nat><rules>{rule('n', 'l', 'g')}</rules></nat></rulebase>"
    assert not asked("", objects=OBJECTS + nat)


def test_no_more_lists_are_read_than_a_firewall_can_have() -> None:
    every = [f"l{number}" for number in range(100)]
    lists = "".join(f"<entry name='{one}'><type><ip/></type></entry>" for one in every)
    objects = f"<external-list>{lists}</external-list>"
    rules = rule("r", *every)
    assert len(asked(rules, objects=objects)) == filled.MOST_LISTS
    found = filled.ask(lambda _: listed(), (system(rules, objects),), "vsys1")
    told = live(rules, found, objects).filled
    assert sum("more than 64 lists" in one.unread for one in told.values()) == 36


def test_a_lost_connection_ends_the_read_and_a_refusal_does_not() -> None:
    def refuse(_: Mapping[str, str]) -> bytes:
        raise ParseError("fw1", "refuses")

    def lose(_: Mapping[str, str]) -> bytes:
        raise ConnectError("fw1", "is gone")

    rules = system(rule("r", "l", "g", "n"))
    found = filled.ask(refuse, (rules,), "vsys1")
    assert {held(name, found).unread for name in ("l", "g", "n")} == {"refuses"}
    with pytest.raises(ConnectError):
        filled.ask(lose, (rules,), "vsys1")


LISTS = "<request><system><external-list>"
SHOWN = "<type><ip><name>x</name><anchor>1</anchor><num-records>1</num-records></ip></type>"


@pytest.mark.parametrize(
    "command",
    [
        f"{LISTS}<refresh>{SHOWN}</refresh></external-list></system></request>",
        f"{LISTS}<show>{SHOWN}</show></external-list></system></request><x/>",
        f"{LISTS}<show>{SHOWN}</show><refresh/></external-list></system></request>",
        f"{LISTS}<show>{SHOWN}</show><x></external-list></system></request>",
        "<request><restart><system/></restart></request>",
    ],
)
def test_whatever_is_not_just_a_look_at_a_list_is_a_write(command: str) -> None:
    assert is_write({"type": "op", "cmd": command})


# --- what answers are taken for ------------------------------------------------------------------


def test_a_list() -> None:
    found = held("l", {filled.LIST + "l": listed(members=("192.0.2.1", "192.0.2.0/28"))})
    assert found == Filled(
        what="a list that the device fetches",
        addresses=("192.0.2.1", "192.0.2.0/28"),
        at="Sun Nov 29 11:00:00 2026",
    )
    assert held("l", {filled.LIST + "l": listed()}).count == 0


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (listed("other"), "the answer is not about it"),
        (listed(vsys="vsys2"), "the answer is about the one of 'vsys2'"),
        (listed(members=("192.0.2.1",), total_valid=4), "the answer has 1 of its 4 entries"),
        (listed(total_valid="many"), "the answer has no total-valid"),
        (listed(total_valid=150_001), "it holds more than 150000 addresses"),
        (listed(total_invalid=1), "it has no valid entry: the device may not have fetched it"),
        (listed(members=("x" * 200,)), f"it holds '{'x' * 60}', which is no address"),
        (answer("<result/>"), "the answer is not about it"),
        (answer(""), "the answer has no result"),
        (b'<response status="error" code="17"><msg><line>l is invalid name</line></msg></response>',
         "l is invalid name"),
        (b"<response", "not complete XML"),
        (b"<!DOCTYPE x><response/>", "declares XML entities"),
        (answer("<result>" + "<x/>" * 700_000 + "</result>"), "more than 600000 parts"),
    ],
)  # fmt: skip
def test_an_answer_about_a_list_that_is_not_understood(body: bytes, why: str) -> None:
    found = held("l", {filled.LIST + "l": body})
    assert why in found.unread
    assert not found.addresses
    assert not found.passing


def test_a_list_of_as_many_addresses_as_a_firewall_takes() -> None:
    every = tuple(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(150_000))
    found = held("l", {filled.LIST + "l": listed(members=every)})
    assert found.count == 150_000
    parts = {
        filled.LIST + "l": listed(members=every),
        filled.LIST + "v": listed("v", ("10.0.0.1",)),
    }
    both = live(rule("r", "l", "v"), parts).filled
    assert both["v"].unread == "it and others hold more than 150000 addresses"


def test_the_exceptions_of_a_list_may_not_be_taken() -> None:
    found = filled.ask(
        lambda _: listed(members=("192.0.2.1", "192.0.2.2")), (system(rule("r", "l")),), "vsys1"
    )
    read = live(rule("r", "l"), found)
    assert read.filled["l"].perhaps == ("192.0.2.2",)
    now = reading(provider("panos"), read).now
    assert now is not None
    meant = now.address("l")
    assert sum(last - first + 1 for first, last in meant.can) == 2
    assert sum(last - first + 1 for first, last in meant.sure) == 1


def test_groups_of_the_virtual_system_come_before_shared_ones() -> None:
    parts = {filled.GROUPS: answer(f"<result>{GROUPS}</result>")}
    found = held("g", parts)
    assert (found.addresses, found.members) == (("192.0.2.7",), ("host",))
    assert held("other", parts).unread == "the device does not list it"
    assert held("none", parts).count == 0
    assert not held("none", parts).unread


def test_members_of_groups_that_are_not_understood() -> None:
    strange = GROUPS.replace('name="host" type="address-object"', 'name="x" type="tunnel"')
    assert "it holds 'x' of type 'tunnel'" in held(
        "g", {filled.GROUPS: answer(f"<result>{strange}</result>")}
    ).unread  # fmt: skip
    for inside in ("<msg><line><outfile>/tmp/x</outfile></line></msg>", "<result/>"):
        assert held("g", {filled.GROUPS: answer(inside)}).unread


def test_a_group_within_itself_is_not_told() -> None:
    loop = GROUPS.replace("host", "g")
    read = live(rule("r", "g"), {filled.GROUPS: answer(f"<result>{loop}</result>")})
    now = reading(provider("panos"), read).now
    assert now is not None
    assert now.address("g").can == ALL_ADDRESSES


def test_names_that_are_looked_up() -> None:
    parts = {filled.NAMES: answer(f"<result><![CDATA[{TABLE}]]></result>")}
    assert held("n", parts).addresses == ("192.0.2.1", "2001:db8::1")
    assert held("c", parts).count == 0
    assert not held("c", parts).unread
    assert held("u", parts).unread == "the device has not looked it up"


def test_a_table_of_an_earlier_release_and_of_several_resolvers() -> None:
    found = contents.looked_up(OLDER)
    assert found == {"a.example": [frozenset({"192.0.2.1", "192.0.2.2"}), frozenset({"192.0.2.2"})]}
    parts = {filled.NAMES: answer(f"<result>{OLDER}</result>")}
    assert held("n", parts).addresses == ("192.0.2.1", "192.0.2.2")
    assert held("n", parts).perhaps == ("192.0.2.1",)


@pytest.mark.parametrize("table", ["", "a.example", "x\n" * 100_000, "\t192.0.2.1\n::\n(\n-\n"])
def test_whatever_a_table_holds_no_address_comes_from_nowhere(table: str) -> None:
    assert not any(one for answers in contents.looked_up(table).values() for one in answers)


def test_regions_with_addresses_are_known_and_countries_are_only_extended() -> None:
    read = live(rule("r", "plant", "DE", "place", "CN"), {})
    assert {name: one.lasting for name, one in read.filled.items()} == {
        "plant": "all",
        "DE": "at least",
    }
    held_by = reading(provider("panos"), read)
    assert held_by.now is None
    assert held_by.address("plant").can == held_by.address("plant").sure != ALL_ADDRESSES
    assert held_by.address("DE").can == ALL_ADDRESSES
    assert held_by.address("DE").sure
    for name in ("place", "CN"):
        assert held_by.address(name).can == ALL_ADDRESSES
        assert not held_by.address(name).sure


def test_a_region_named_like_another_object_is_not_that_one() -> None:
    twice = OBJECTS.replace("name='plant'", "name='u'")
    assert "u" not in live(rule("r", "u"), {}, twice).filled


def test_an_object_named_like_an_address_is_not_that_address() -> None:
    named = OBJECTS.replace("entry name='l'", "entry name='10.9.9.9'")
    meant = reading(provider("panos"), live(rule("r", "10.9.9.9"), {}, named)).address("10.9.9.9")
    assert meant.can == ALL_ADDRESSES
    assert not meant.sure


def test_nothing_is_certain_by_what_is_held_now() -> None:
    parts = {filled.LIST + "l": listed(members=("192.0.2.1",))}
    read = live(rule("r", "l"), parts)
    known = reading(provider("panos"), read)
    told = permitted(known.between("a", "b"))
    assert not told.sure
    assert told.can
    assert known.now is not None
    assert known.now.now is None
    by_now = permitted(known.now.between("a", "b"))
    assert by_now.can == by_now.sure
    assert by_now.sure


def test_a_snapshot_keeps_what_was_read() -> None:
    parts = {
        filled.LIST + "l": listed(members=("192.0.2.1",)),
        filled.GROUPS: answer(f"<result>{GROUPS}</result>"),
        filled.NAMES: answer("<result>x</result>"),
    }
    read = live(rule("r", "l", "g", "n", "plant"), parts)
    assert len(read.filled) == 5
    assert parsed.load(parsed.dump(read), PanosLive).filled == read.filled


def test_what_a_snapshot_holds_of_times_is_no_text_of_others() -> None:
    for said in (b"\x1b[31m", b"<x>", b"a" * 41, b"\xff"):
        parts = {filled.LIST + "l": listed(), filled.AT: said}
        assert held("l", parts).at == ""


# --- the order of rules with wildcards -----------------------------------------------------------

WILD = (
    "<address><entry name='w1'><ip-wildcard>10.0.0.1/0.0.255.0</ip-wildcard></entry>"
    "<entry name='w2'><ip-wildcard>10.0.0.1/0.0.0.254</ip-wildcard></entry></address>"
)
MODE = "<wildcard-topdown-match-mode>{}</wildcard-topdown-match-mode>"


@pytest.mark.parametrize(
    ("own", "template", "certain"),
    [
        ("", "", False),
        ("no", "", False),
        ("yes", "", True),
        ("", "yes", True),
        ("no", "yes", False),
        ("yes", "no", True),
    ],
)
def test_rules_with_wildcards_that_overlap_are_told_by_the_setting(
    own: str,
    template: str,
    certain: bool,  # noqa: FBT001 - a column of the table
) -> None:
    def config(value: str) -> bytes:
        inside = MODE.format(value) if value else ""
        setting = f"<setting><management>{inside}</management></setting>"
        return answer(f"<result><deviceconfig>{setting}</deviceconfig></result>")

    parts = {"deviceconfig": config(own), "pushed template": config(template)}
    read = live(rule("r", "w1") + rule("s", "w2"), parts, WILD)
    assert read.in_order is certain
    meant = reading(provider("panos"), read).address("w1")
    assert (meant.can == meant.sure) is certain
    assert any("Wildcard Top Down Match Mode" in why for why in meant.why) is not certain
