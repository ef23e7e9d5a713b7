"""Snapshots hold what is parsed and nothing else, and a plan from one is the device's own."""

from __future__ import annotations

import json
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from segctl.compiler.build import compile_site
from segctl.model.errors import ParseError, UnsupportedError
from segctl.model.policy import Address, Policy, Rule, Service, Tag
from segctl.model.scope import Scope
from segctl.model.site import (
    Asset,
    Conduit,
    Device,
    Endpoint,
    Flow,
    PortRange,
    Site,
    Zone,
    ZoneBinding,
)
from segctl.planning.make import plan_device
from segctl.planning.snapshot import snapshot_of
from segctl.providers.base import Identity, Live, reading
from segctl.providers.management import without_addresses
from segctl.providers.panos import PanosProvider, elements, words
from segctl.providers.panos.snapshot import load
from segctl.providers.parsed import MAGIC, dump, without_notes
from segctl.providers.parsed import load as load_parsed
from segctl.providers.state import UNREAD
from segctl.testing import TODAY
from support.canaries import (
    ALLOWED,
    BASES,
    OBJECTS,
    RULE,
    Canaries,
    Element,
    answer,
    document,
    of_list,
    pushed_whole,
    whole,
)
from support.pushed import Policy as Pushed
from support.pushed import rule as pushed_rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segctl.planning.plan import DevicePlan

#: What lies beside a checkout: real configurations, researched facts.
SHARED_FILES = Path(__file__).resolve().parents[4] / "shared"
SAMPLES = SHARED_FILES / "third-party/panos-samples/configs"
LIST = SHARED_FILES / "facts/panos-schema-subset.txt"
PANOS = PanosProvider()


# --- what is in it -------------------------------------------------------------------------------


def test_only_what_is_planned_with_survives_of_a_canary_in_every_leaf() -> None:
    birds = Canaries()
    system, shared, rest = whole(birds)
    assert len(birds.places) > 900
    taken = snapshot_of("fw1", "vsys1", document(system, shared, more=rest), PANOS)
    assert birds.seen_in(taken.dumps()) == ALLOWED


@pytest.mark.skipif(not LIST.exists(), reason="the vendor's list of nodes is not on this machine")
def test_only_what_is_planned_with_survives_of_the_vendors_own_list() -> None:
    birds = Canaries()
    system = etree.fromstring("<entry name='vsys1'/>")
    for place, node in of_list(LIST, birds):
        parent = system
        for tag in place.split("/")[:-1]:
            found = parent.find(tag)
            parent = etree.SubElement(parent, tag) if found is None else found
        parent.append(node)
    assert len(birds.places) > 100
    made = PANOS.mask(document(system, etree.Element("shared"))).decode()
    seen = {f"vsys/{place}" for place in birds.seen_in(made)}
    assert seen <= ALLOWED, seen - ALLOWED
    assert len(seen) > 20


def test_of_ours_the_description_stays_and_of_others_none() -> None:
    def rules(tag: str) -> str:
        return (
            f"<rulebase><security><rules><entry name='r'><description>seen</description>"
            f"<tag><member>{tag}</member></tag><action>allow</action></entry></rules></security>"
            f"</rulebase><address><entry name='a'><description>seen</description>"
            f"<tag><member>{tag}</member></tag><fqdn>a.example</fqdn></entry></address>"
        )

    def kept(tag: str) -> int:
        system = etree.fromstring(f"<entry name='vsys1'>{rules(tag)}</entry>")
        return PANOS.mask(document(system, etree.Element("shared"))).count(b"seen")

    assert kept("segctl") == 2
    assert kept("theirs") == 0


def test_an_external_list_with_a_password_leaves_not_even_a_digest() -> None:
    def kept(password: str) -> bytes:
        text = (
            "<entry name='vsys1'><external-list><entry name='feed'><type><ip><auth><username>u"
            f"</username><password>{password}</password></auth></ip></type></entry></external-list>"
            "</entry>"
        )
        return PANOS.mask(document(etree.fromstring(text), etree.Element("shared")))

    assert kept("one") == kept("another")


# --- the same plan -------------------------------------------------------------------------------


def site_of(device: Device) -> Site:
    first, second = device.zones
    zones = tuple(
        Zone(
            site="site",
            id=binding.zone.removeprefix("site/"),
            networks=(ip_network(f"10.{number}.0.0/16"),),
            assets=(Asset(name=f"host{number}", addresses=(ip_network(f"10.{number}.0.9/32"),)),),
        )
        for number, binding in enumerate(device.zones, 1)
    )
    flow = Flow(
        id="poll",
        sources=(Endpoint(zone=first.zone, asset="host1"),),
        destinations=(Endpoint(zone=second.zone, asset="host2"),),
        services=(PortRange(protocol="tcp", first=502, last=502),),
    )
    conduit = Conduit(
        site="site",
        id="polling",
        from_zones=(first.zone,),
        to_zones=(second.zone,),
        reason="polling",
        owner="automation",
        flows=(flow,),
    )
    return Site(zones=zones, conduits=(conduit,), devices=(device,))


def planned(device: Device, config: bytes) -> DevicePlan:
    wanted = compile_site(site_of(device), TODAY)[device.name]
    return plan_device(wanted, PANOS.parse(config), PANOS)


@cache
def systems() -> dict[str, tuple[Element, Element, dict[str, bytes]]]:
    """Return the virtual systems of real configurations, with shared and the rest."""
    found: dict[str, tuple[Element, Element, dict[str, bytes]]] = {}
    for path in sorted(SAMPLES.glob("*.xml")):
        root = etree.parse(path).getroot()
        device = root.find("devices/entry")
        shared = root.find("shared")
        for system in root.iterfind("devices/entry/vsys/entry"):
            if device is None or len(system.findall("zone/entry")) < 2:
                continue
            rest = {
                section: answer(deepcopy(node))
                for section in ("network", "deviceconfig")
                if (node := device.find(section)) is not None
            }
            name = f"{path.stem} {system.get('name')}"
            found[name] = (system, etree.Element("shared") if shared is None else shared, rest)
    return found


def firewall(system: Element, **values: Any) -> Device:
    names = [zone.get("name", "") for zone in system.findall("zone/entry")][:2]
    zones = tuple(
        ZoneBinding(zone=f"site/z{number}", name=name) for number, name in enumerate(names)
    )
    return Device(name="fw1", platform="panos", zones=zones, **values)


def with_ours(system: Element, device: Device) -> Element:
    """Return a virtual system with what is wanted and two addresses more; NAT names one."""
    wanted = compile_site(site_of(device), TODAY)["fw1"]
    policy, _ = PANOS.fit(wanted.policy, device)
    made = deepcopy(system)
    named, *_ = policy[Address]
    gone = [replace(named, name=name) for name in ("referred-to", "not-referred-to")]
    kinds = (
        ("rulebase/security/rules", policy.rules[:1]),
        ("address", (*policy[Address], *gone)),
        ("service", policy[Service]),
        ("tag", policy[Tag]),
    )
    for path, items in kinds:
        place = made
        for tag in path.split("/"):
            found = place.find(tag)
            place = etree.SubElement(place, tag) if found is None else found
        place.extend(map(elements.write, items))
    nat = etree.fromstring(
        "<nat><rules><entry name='theirs'><source><member>referred-to</member></source></entry>"
        "</rules></nat>"
    )
    rulebase = made.find("rulebase")
    assert rulebase is not None
    rulebase.append(nat)
    return made


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="no real configurations on this machine")
@pytest.mark.parametrize("unmanaged", ["keep", "purge"])
def test_real_configurations_plan_offline_as_online(unmanaged: str) -> None:
    assert len(systems()) >= 5
    for name, (system, shared, rest) in systems().items():
        device = firewall(system, unmanaged=unmanaged)
        for held in (system, with_ours(system, device)):
            config = document(held, shared, more=rest)
            kept = snapshot_of("fw1", "vsys1", config, PANOS).document.encode()
            online, offline = planned(device, config), planned(device, kept)
            assert offline == replace(online, management=without_addresses(online.management)), name
            assert online.changes
        deleted = [change.name for change in offline.changes if change.op == "delete"]
        assert "not-referred-to" in deleted
        assert "referred-to" not in deleted


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="no real configurations on this machine")
def test_no_comment_address_of_a_server_or_hash_of_real_configurations_stays() -> None:
    for name, (system, shared, rest) in systems().items():
        config = document(system, shared, more=rest)
        kept = PANOS.mask(config).decode()
        for root in (system, shared):
            for tag in ("phash", "description", "comments", "url", "server", "uri", "payload"):
                for leaf in root.iter(tag):
                    text = (leaf.text or "").strip()
                    assert len(text) < 12 or text not in kept, (name, tag, text)


# --- the document itself -------------------------------------------------------------------------


def test_a_document_is_read_as_what_it_was_written_from() -> None:
    birds = Canaries()
    system, shared, rest = whole(birds)
    config = document(system, shared, more=rest)
    live = PANOS.parse(config)
    kept = PANOS.mask(config)
    assert PANOS.parse(kept) == without_notes(live, words.kept) != live
    assert PANOS.mask(kept) == kept


LIVE = Live(
    identity=Identity(
        serial="1", os_version="11.1.6", content_version="", scope=Scope(name="vsys1")
    ),
    policy=Policy(addresses=(Address(name="a", value="10.0.0.1/32"),)),
    others=Policy(rules=(Rule(name="r", from_zones=("A",), to_zones=("B",)),)),
    order=("r",),
    known={"zone": frozenset({"A", "B"})},
    pending=(("eve", "/config"),),
)


def test_fields_that_are_not_kept_leave_a_mark_and_earlier_documents_a_doubt() -> None:
    plain = Rule(name="r", from_zones=("A",), to_zones=("B",))
    strange = replace(plain, name="strange", extras=("odd{secret=xyzzy}",))
    live = replace(LIVE, others=Policy(rules=(plain, strange)), order=("r", "strange"))
    written = dump(live)
    assert b"xyzzy" not in written
    mark = ("fields that a snapshot does not keep",)
    assert [rule.extras for rule in load_parsed(written, Live).others.rules] == [(), mark]
    earlier = dump(live, lambda _text: "").replace(MAGIC, b"segctl-parsed 1\n")
    assert [rule.extras for rule in load_parsed(earlier, Live).others.rules] == [mark, mark]


#: Values of any type, as JSON.
OTHERS = ("null", "1", "1.5", "true", "[]", "{}", "[[]]", "[1]", '{"x": 1}', '"\\ud800"', "1e999")


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(cast("dict[str, Any]", value).items())
    elif isinstance(value, list):
        items = list(enumerate(cast("Sequence[Any]", value)))
    return [at, *(path for key, one in items for path in paths(one, (*at, key)))]


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_document_with_any_value_of_another_type_is_refused_or_read(data: st.DataObject) -> None:
    found = json.loads(dump(LIVE)[len(MAGIC) :])
    path = data.draw(st.sampled_from([one for one in paths(found) if one]))
    place = found
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = json.loads(data.draw(st.sampled_from(OTHERS)))
    with suppress(ParseError):
        live = load_parsed(MAGIC + json.dumps(found).encode(), Live)
        assert load_parsed(dump(live, lambda _text: ""), Live) == without_notes(live)


@pytest.mark.parametrize("rest", [b"", b"{", b"[" * 100_000, b"\xff", b'{"unknown": 1}', b"{}"])
def test_a_damaged_document_is_refused(rest: bytes) -> None:
    with pytest.raises(ParseError, match="take it again"):
        PANOS.parse(MAGIC + rest)


def test_a_provider_that_does_not_know_what_may_be_kept_has_no_snapshots() -> None:
    class Toy:
        name = "toy"

    toy: object = Toy()
    with pytest.raises(UnsupportedError, match="snapshots are not supported on toy"):
        snapshot_of("fw1", "vsys1", b"", toy)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - it is none


def test_what_says_something_else_than_the_device_is_not_kept() -> None:
    class Forgetful(PanosProvider):
        def mask(self, config: bytes) -> bytes:
            return dump(replace(self.parse(config), order=()))

    rule = "<rulebase><security><rules><entry name='r'/></rules></security></rulebase>"
    system = etree.fromstring(f"<entry name='vsys1'>{rule}</entry>")
    with pytest.raises(UnsupportedError, match="would not parse to the same"):
        snapshot_of("fw1", "vsys1", document(system, etree.Element("shared")), Forgetful())


# --- what a document lacks -----------------------------------------------------------------------


def bare() -> bytes:
    return document(etree.fromstring("<entry name='vsys1'/>"), etree.Element("shared"))


@pytest.mark.parametrize("missing", ["network", "deviceconfig"])
def test_a_document_without_a_section_is_refused(missing: str) -> None:
    found = load(bare())
    parts = {name: part for name, part in found.parts.items() if name != missing}
    with pytest.raises(ParseError, match=f"lacks {missing}"):
        PANOS.parse(replace(found, parts=parts).dump())


@pytest.mark.parametrize(
    "body",
    [
        b"<response status='error'><msg><line>busy</line></msg></response>",
        b"<response status='success'><result><network>",
        b"",
    ],
)
def test_a_section_that_was_not_shown_is_no_empty_one(body: bytes) -> None:
    found = load(bare())
    with pytest.raises(ParseError):
        PANOS.parse(replace(found, parts={**found.parts, "network": body}).dump())


def test_a_scope_stands_in_a_document_as_its_text() -> None:
    document = dump(LIVE)
    assert b'"scope":"vsys1"' in document
    assert load_parsed(document, Live).identity == LIVE.identity
    with pytest.raises(ParseError):
        load_parsed(document.replace(b'"scope":"vsys1"', b'"scope":{"name":"vsys1"}'), Live)


# --- what Panorama pushed ------------------------------------------------------------------------

#: Where objects and rules that Panorama pushed are, and which of their leaves stay.
PUSHED = {
    *OBJECTS,
    *(f"{base}/security/rules/{leaf}" for base in BASES for leaf in RULE),
    *(f"post-rulebase/default-security-rules/rules/{leaf}" for leaf in ("action", "log-setting")),
}
SERVER = "<deviceconfig><system><panorama-server>x</panorama-server></system></deviceconfig>"


def managed(policy: Element, template: Element, *, system: Element | None = None) -> bytes:
    """Return what a session returns of a firewall to which this was pushed."""
    bare = etree.fromstring("<entry name='vsys1'/>")
    more = {
        "deviceconfig": answer(etree.fromstring(SERVER)),
        "pushed policy": answer(policy),
        "pushed template": answer(template),
    }
    one_system = b"<response status='success'><result><system><multi-vsys>off</multi-vsys></system>"
    more["system"] = one_system + b"</result></response>"
    return document(bare if system is None else system, etree.Element("shared"), more=more)


def test_of_what_panorama_pushed_only_what_is_judged_survives() -> None:
    birds = Canaries()
    policy, template = pushed_whole(birds)
    assert len(birds.places) > 300
    text = snapshot_of("fw1", "vsys1", managed(policy, template), PANOS).dumps()
    seen = birds.seen_in(text)
    assert {place for place in seen if place.startswith("pushed/")} == {
        f"pushed/{place}" for place in PUSHED
    }
    assert {place for place in seen if place.startswith("template/")} == {
        "template/zone/@name",
        "template/zone/network/layer3/member",
    }


def test_a_snapshot_of_a_managed_firewall_is_judged_as_the_firewall() -> None:
    narrow = (
        "<category><member>games</member></category><source-imsi><member>secret</member>"
        "</source-imsi><description>secret</description>"
    )
    policy = Pushed(pre=pushed_rule("r", more=narrow), post=pushed_rule("z"))
    found = etree.fromstring(policy.answer()).find("result/policy")
    assert found is not None
    local = etree.fromstring(
        "<entry name='vsys1'><rulebase><security><rules><entry name='l'><from><member>a</member>"
        "</from><to><member>b</member></to><service><member>s</member></service>"
        "<action>deny</action></entry></rules></security></rulebase><service><entry name='s'>"
        "<protocol><tcp><port>22</port><source-port>1</source-port></tcp></protocol></entry>"
        "</service></entry>"
    )
    config = managed(found, etree.Element("config"), system=local)
    kept = snapshot_of("fw1", "vsys1", config, PANOS).document
    assert "secret" not in kept
    online, offline = PANOS.parse(config), PANOS.parse(kept.encode())
    assert [one.name for one in offline.pushed.rules] == [one.name for one in online.pushed.rules]
    there, here = (reading(PANOS, one).between("a", "b") for one in (online, offline))
    assert [(one.rule, one.can, one.sure) for one in here] == [
        (one.rule, one.can, one.sure) for one in there
    ]
    assert here[0].sure != here[0].can
    assert "it also asks for category{member=games}" in here[0].why[0]
    assert "it also asks for source-imsi=…" in here[0].why[1]
    assert here[1].why == ("l: s also asks for source-port=1",)


def test_a_snapshot_says_what_could_not_be_read() -> None:
    config = managed(etree.Element("other"), etree.Element("config"))
    live = PANOS.parse(snapshot_of("fw1", "vsys1", config, PANOS).document.encode())
    assert live.pushed.unread == ("the pushed policy has other, which is not understood",)
    assert UNREAD in {one.kind for one in live.findings}
