from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segctl.compiler import naming
from segctl.compiler.naming import Description, Mark, Named, RuleName, shorten
from segctl.model.addresses import interval, interval_text
from segctl.model.site import ACCESS_CLASSES

NAMES = st.text(st.sampled_from("ab.-_ /ü"), min_size=1, max_size=90)


@given(NAMES, st.integers(20, 63))
def test_a_short_name_fits(name: str, limit: int) -> None:
    short = shorten(name, limit)
    assert len(short) <= limit
    assert re.fullmatch(r"[0-9A-Za-z._-]+", short)
    assert shorten(name, limit) == short


@given(NAMES, NAMES)
def test_two_names_stay_two(one: str, two: str) -> None:
    if one != two:
        assert shorten(one, 31) != shorten(two, 31)


def test_a_name_that_fits_stays() -> None:
    assert shorten("c1.poll", 63) == "c1.poll"
    assert shorten("a" * 63, 63) == "a" * 63
    assert shorten("a" * 64, 63).startswith("a" * 54 + "-")


# --- what is encoded decodes ---------------------------------------------------------------------

IDS = st.text("ab1.-_", min_size=1, max_size=12).filter(lambda text: text[0] in "ab1")
PLAIN = st.text("abc1", min_size=1, max_size=12)
LABELS = st.builds(naming.labelled, st.sampled_from(("site", "plant", "plant.a")), IDS)
SEALS = st.one_of(st.none(), st.text("0123456789abcdef", max_size=8))
ADDRESSES = st.one_of(
    st.builds("10.{}.0.{}/{}".format, st.integers(0, 99), st.integers(0, 9), st.integers(8, 32)),
    st.builds(
        "fd00:{:x}::{:x}/{}".format, st.integers(0, 99), st.integers(0, 9), st.integers(8, 128)
    ),
    st.builds("10.0.0.{}-10.0.1.{}".format, st.integers(1, 9), st.integers(1, 9)),
).map(lambda text: interval_text(interval(text)))
LIMIT = 63


@st.composite
def rule_names(draw: st.DrawFn, ids: st.SearchStrategy[str] = IDS) -> tuple[RuleName, set[str]]:
    zones = draw(st.lists(ids, min_size=2, max_size=5, unique=True))
    pairs = st.one_of(st.none(), st.tuples(st.sampled_from(zones), st.sampled_from(zones)))
    site = draw(st.sampled_from(("site", "plant")))
    name = RuleName(
        conduit=naming.labelled(site, draw(ids)),
        flow=draw(ids),
        zones=(first := draw(pairs)),
        crossing=draw(pairs) if first else None,
    )
    return name, set(zones)


def read_back(name: RuleName, text: str, zones: set[str]) -> tuple[RuleName, ...]:
    return naming.decode_rule(text, conduit=name.conduit, flow=name.flow, zones=zones, limit=LIMIT)


@given(rule_names())
def test_rule_names_come_back(drawn: tuple[RuleName, set[str]]) -> None:
    name, zones = drawn
    text = shorten(str(name), LIMIT)
    found = read_back(name, text, zones)
    if naming.is_shortened(text, LIMIT):
        assert found == ()
    else:
        assert name in found
        assert {str(one) for one in found} == {text}


@given(rule_names(PLAIN))
def test_a_rule_name_of_plain_ids_has_one_reading(drawn: tuple[RuleName, set[str]]) -> None:
    name, zones = drawn
    text = shorten(str(name), LIMIT)
    found = [one for one in read_back(name, text, zones) if one.zones or not one.crossing]
    assert found == ([] if naming.is_shortened(text, LIMIT) else [name])


def test_a_rule_name_of_something_else_says_nothing() -> None:
    known = {"a", "b"}
    for text in ("c.f.a-x", "c.fa-b", "d.f", "c.f.", "c.f.a-b.x"):
        assert read_back(RuleName(conduit="c", flow="f"), text, known) == ()


def named(ids: st.SearchStrategy[str]) -> st.SearchStrategy[Named]:
    return st.builds(Named, zone=ids, asset=ids, several=st.booleans())


@given(st.one_of(st.builds(Named, zone=LABELS), named(LABELS)), ADDRESSES, st.sets(LABELS))
def test_object_names_come_back(name: Named, address: str, others: set[str]) -> None:
    text = shorten(name.encode(address), LIMIT)
    found = naming.decode_object(text, address, zones={name.zone, *others}, limit=LIMIT)
    if naming.is_shortened(text, LIMIT):
        assert found == ()
    else:
        assert name in found
        assert {one.encode(address) for one in found} == {text}


@given(named(PLAIN), ADDRESSES)
def test_an_object_name_of_plain_ids_has_one_reading(name: Named, address: str) -> None:
    found = naming.decode_object(name.encode(address), address, zones={name.zone}, limit=LIMIT)
    assert found[0] == name
    assert name.several or found == (name,)


@given(LABELS, ADDRESSES)
def test_a_network_spells_its_zone_and_address(zone: str, address: str) -> None:
    assert naming.decode_network(naming.network_object(zone, address)) == (zone, address)


@given(LABELS, PLAIN, ADDRESSES)
def test_one_address_of_several_is_spelled(zone: str, asset: str, address: str) -> None:
    if "/" in address or "-" in address:
        return  # an asset has single addresses
    text = naming.asset_object(zone, asset, address)
    assert naming.decode_several(text) == (f"{zone}.{asset}", address)


@pytest.mark.parametrize("text", ["a.b", "net.10.0.0.1", "a.net.", "a.net.b", "a.net.10.0.0.300"])
def test_what_spells_no_network(text: str) -> None:
    assert naming.decode_network(text) is None


@given(st.sampled_from(("tcp", "udp")), st.integers(1, 65535), st.integers(0, 9))
def test_services_come_back(protocol: str, first: int, more: int) -> None:
    ports = f"{first}-{first + more}" if more else f"{first}"
    assert naming.decode_service(naming.service_name(protocol, ports)) == (protocol, ports)
    assert naming.decode_service(naming.service_name("icmp")) == ("icmp", "")
    assert naming.decode_service("theirs") is None


@given(IDS, st.sampled_from(ACCESS_CLASSES))
def test_functions_come_back(protocol: str, access_class: str) -> None:
    name = naming.function_name(protocol, access_class)
    assert naming.decode_function(name) == (protocol, access_class)
    assert naming.decode_function(f"{protocol}.base") is None
    assert naming.decode_function(access_class) is None


@given(st.text("ab1.-_", min_size=1, max_size=60))
def test_schedules_and_intrazone_rules_come_back(text: str) -> None:
    for encode, decode, limit in (
        (naming.schedule_name, naming.decode_schedule, 31),
        (naming.intrazone_rule, naming.decode_intrazone_rule, 63),
    ):
        name = shorten(encode(text), limit)
        expected = None if naming.is_shortened(name, limit) else text
        assert decode(name, limit) == expected
    assert naming.decode_schedule("theirs", 31) is None
    assert naming.decode_intrazone_rule("theirs", 63) is None


MARKS = st.one_of(
    st.builds(Mark, conduit=LABELS, flow=IDS, seal=SEALS), st.builds(Mark, seal=SEALS)
)


@given(MARKS, st.text(max_size=20))
def test_marks_come_back(mark: Mark, text: str) -> None:
    description = naming.encode_mark(mark) + text
    assert naming.decode_mark(description) == mark
    assert naming.is_marked(description)
    assert naming.without_mark(description) == text
    for told in (mark, replace(mark, enforced=False)):
        assert naming.decode_comment(naming.encode_comment(told)) == told


@pytest.mark.parametrize("text", ["", "their rule", "segctl", "[segctler] x", " [segctl] x"])
def test_what_carries_no_mark(text: str) -> None:
    assert naming.decode_mark(text) is None
    assert not naming.is_marked(text)
    assert naming.without_mark(text) == text


def test_an_edited_mark_says_nothing_but_whose_it_is() -> None:
    assert naming.decode_mark("[segctl conduit=a flow=b by hand] x") is None
    assert naming.is_marked("[segctl conduit=a flow=b by hand] x")
    assert naming.without_mark("[segctl conduit=a flow=b by hand] x") == "x"


WORDS = st.text("abc ü<é'\"=", min_size=1, max_size=30).filter(str.strip)
DESCRIPTIONS = st.builds(
    Description,
    reason=WORDS,
    owner=WORDS,
    ticket=st.one_of(st.just(""), WORDS),
    expires=st.one_of(st.none(), st.dates()),
    monitor=st.booleans(),
)


@given(DESCRIPTIONS)
def test_descriptions_come_back(described: Description) -> None:
    assert naming.decode_description(str(described)) == described


@given(st.text("ab; ownertickxpsm"), st.lists(DESCRIPTIONS, max_size=2))
def test_whatever_is_read_of_a_description_writes_it_again(
    text: str, described: list[Description]
) -> None:
    text = "; ".join([text, *map(str, described)])
    found = naming.decode_description(text)
    assert found is None or str(found) == text


@given(st.text(max_size=2000))
def test_a_long_description_is_cut_and_says_so(text: str) -> None:
    short = naming.cut(text, 100)
    assert len(short) <= 100
    assert (short == text) == (len(text) <= 100)
    assert naming.is_cut(short, 100) or short == text


@given(LABELS)
def test_the_description_inside_a_zone_comes_back(label: str) -> None:
    text = naming.intrazone_description(label)
    assert naming.decode_intrazone_description(text) == label


@given(st.lists(LABELS, min_size=1, max_size=5, unique=True))
def test_joined_groups_come_back(labels: list[str]) -> None:
    name = naming.joined_group(labels, 50)
    assert len(name) <= 50
    expected = () if naming.is_shortened(name, 50) else tuple(sorted(labels))
    assert naming.split_group(name, 50) == expected


APPLICATIONS = st.lists(PLAIN, min_size=1, max_size=9, unique=True)


@given(st.data(), APPLICATIONS, st.lists(IDS, max_size=3))
def test_an_application_group_is_named_from_its_members(
    data: st.DataObject, members: list[str], about: list[str]
) -> None:
    name = naming.application_group(members, about, 31)
    assert len(name) <= 31
    assert re.fullmatch(r"segctl-[0-9A-Za-z._-]+-[0-9a-f]{8}", name)
    assert naming.is_prefixed(name)
    again = data.draw(st.permutations(members)), data.draw(st.permutations(about))
    assert naming.application_group(*again, 31) == name
    assert naming.application_group([*members, "another one"], about, 31) != name


def test_former_names_of_application_groups() -> None:
    for name in ("segctl-bacnet-ip-read--9c7d5f8c", "segctl-bacnet-ip-write-8308b7b0"):
        assert naming.is_former_application_group(name)
    for name in ("segctl-by-hand", "bacnet-ip-read-and-wri-9c7d5f8c", "segctl-a-9c7d5f8c"):
        assert not naming.is_former_application_group(name)
