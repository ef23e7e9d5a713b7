"""What a plan means, against `decide` packet by packet: the rows, and the marks of its changes."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from itertools import product
from typing import TYPE_CHECKING, cast

from hypothesis import event, given, settings
from hypothesis import strategies as st

from segctl.analysis.decide import Packet, decide
from segctl.model.addresses import interval
from segctl.model.diff import diff
from segctl.model.policy import (
    ANY,
    APPLICATION_DEFAULT,
    Address,
    AddressGroup,
    ApplicationGroup,
    DefaultRule,
    FirewallZone,
    Policy,
    Rule,
    Service,
)
from segctl.model.scope import Scope
from segctl.model.site import Position
from segctl.planning.meaning import meaning
from segctl.planning.outlook import outlook
from segctl.planning.sides import sides as sides_of
from segctl.providers.base import Capabilities, Identity, Live
from support.words import Plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segctl.analysis.rows import Row
    from segctl.analysis.words import Platform
    from segctl.model.diff import Change
    from segctl.providers.base import Provider

PORTS = {"modbus": 502, "ssh": 22}
PLAIN = Plain(ports=PORTS, services={})
ZONES = ("it", "ot", "dmz")
HOSTS = [f"10.0.0.{n}" for n in range(7)] + ["fd00::", "fd00::3"]
SERVICES = [("tcp", n) for n in (21, 22, 23, 501, 502, 503)] + [("udp", 502)]
APPLICATIONS = ("modbus", "ssh", "web")
VALUES = ("10.0.0.0/30", "10.0.0.4", "10.0.0.3-10.0.0.5", "10.0.0.0-10.0.0.1", "fd00::/126")


class Firewall:
    """As much of a platform as a plan's meaning asks for."""

    name = "plain"
    capabilities = Capabilities()

    def words(self, live: Live | None) -> Platform:
        del live
        return PLAIN


FIREWALL = cast("Provider", Firewall())


def objects(
    values: Sequence[str], group: tuple[str, ...], ports: str, known: tuple[str, ...]
) -> Policy:
    """The objects that rules name, in one of their forms."""
    return Policy(
        zones=tuple(FirewallZone(name=zone, interfaces=(f"e{zone}",)) for zone in ZONES),
        addresses=tuple(
            Address(name=f"a{n}", value=value, type="range" if "-" in value else "network")
            for n, value in enumerate(values)
        ),
        address_groups=(AddressGroup(name="g", members=group),),
        services=(Service(name="s", protocol="tcp", ports=ports),),
        application_groups=(ApplicationGroup(name="apps", members=known),),
    )


held = st.builds(
    objects,
    st.lists(st.sampled_from(VALUES), min_size=2, max_size=2),
    st.sampled_from([("a0",), ("a1",), ("a0", "a1")]),
    st.sampled_from(["502", "22,502-503"]),
    st.sampled_from([("ssh",), ("modbus", "ssh")]),
)
sides = st.sampled_from([(ANY,), ("a0",), ("a1",), ("g",), ("10.0.0.5",)])
rules = st.builds(
    Rule,
    name=st.just("r"),
    from_zones=st.sampled_from([("it",), (ANY,), ("dmz", "it")]),
    to_zones=st.sampled_from([("ot",), (ANY,)]),
    sources=sides,
    destinations=sides,
    applications=st.sampled_from([(ANY,), ("modbus",), ("apps",), ("web",)]),
    services=st.sampled_from([(ANY,), ("s",), (APPLICATION_DEFAULT,)]),
    action=st.sampled_from(["allow", "allow", "deny"]),
    disabled=st.sampled_from([False, False, False, True]),
    negate_source=st.booleans(),
    type=st.sampled_from(["universal", "universal", "intrazone", "interzone"]),
    description=st.sampled_from(["", "a reason"]),
).map(
    lambda rule: replace(
        rule,
        negate_source=rule.negate_source and rule.sources != (ANY,),
        services=(ANY,)
        if rule.applications in {(ANY,), ("web",)} and rule.services == (APPLICATION_DEFAULT,)
        else rule.services,
    )
)


@st.composite
def sets_of_rules(draw: st.DrawFn, names: str) -> tuple[Rule, ...]:
    chosen = draw(st.lists(st.sampled_from(names), unique=True, max_size=3))
    return tuple(replace(draw(rules), name=name) for name in chosen)


defaults = st.sampled_from(
    [(), (DefaultRule(name="interzone-default", action="allow", log=False),)]
)


@st.composite
def plans(draw: st.DrawFn) -> tuple[tuple[Change, ...], Live]:
    """What a device holds, ours and others', and the changes of a plan for it."""
    others = draw(sets_of_rules("xy"))
    before = draw(held).replace(rules=draw(sets_of_rules("abc")), defaults=draw(defaults))
    after = draw(held).replace(rules=draw(sets_of_rules("abc")), defaults=draw(defaults))
    order = draw(st.permutations([rule.name for rule in (*before.rules, *others)]))
    position = draw(st.sampled_from([Position(), Position(where="last")]))
    ours = {rule.name: rule for rule in before.rules}
    before = before.replace(rules=tuple(ours[name] for name in order if name in ours))
    live = Live(
        identity=Identity(serial="", os_version="", content_version="", scope=Scope.of("")),
        policy=before,
        others=Policy(rules=others),
        order=tuple(order),
        zones=before[FirewallZone],
    )
    return diff(after, before, order=order, position=position), live


packets = st.builds(
    Packet,
    from_zone=st.sampled_from(ZONES),
    to_zone=st.sampled_from(ZONES),
    source=st.sampled_from(HOSTS).map(ip_address),
    destination=st.sampled_from(HOSTS).map(ip_address),
    application=st.sampled_from(APPLICATIONS),
)


def drawn_packet(data: st.DataObject) -> Packet:
    packet = data.draw(packets)
    others = [host for host in HOSTS if ip_address(host).version == packet.source.version]
    protocol, port = data.draw(st.sampled_from(SERVICES))
    return replace(
        packet,
        destination=ip_address(data.draw(st.sampled_from(others))),
        protocol=protocol,
        port=port,
        default_port=(protocol, port) == ("tcp", PORTS.get(packet.application)),
    )


def _listed(row: Row, field: str, *, inside: bool) -> bool:
    return inside is not (field in row.negated)


def _in_row(packet: Packet, row: Row) -> bool:
    """Read a row as a person would."""

    def host(values: tuple[str, ...], one: object) -> bool:
        found = ip_address(str(one))
        parts = [interval(value) for value in values if not value.startswith(ANY)]
        return any(value in {ANY, f"any IPv{found.version}"} for value in values) or any(
            version == found.version and first <= int(found) <= last
            for version, first, last in parts
        )

    def port(value: str) -> bool:
        protocol, _, ports = value.partition("/")
        first, _, last = ports.partition("-")
        return protocol == packet.protocol and (
            not ports or int(first) <= packet.port <= int(last or first)
        )

    fields = {
        "source": host(row.source, packet.source),
        "destination": host(row.destination, packet.destination),
        "services": row.services == (ANY,) or any(map(port, row.services)),
        "applications": ANY in row.applications or packet.application in row.applications,
        "users": row.users == (ANY,),
    }
    return (
        packet.from_zone in row.from_zones
        and packet.to_zone in row.to_zones
        and all(_listed(row, name, inside=inside) for name, inside in fields.items())
    )


@settings(deadline=None, max_examples=150)
@given(plans(), st.data())
def test_a_decision_changes_exactly_where_a_row_says_so(
    plan: tuple[tuple[Change, ...], Live], data: st.DataObject
) -> None:
    changes, live = plan
    found, _ = meaning(changes, sides_of(changes, live, FIREWALL))
    before, after = live.effective(), outlook(live.effective(), changes)
    assert not found.unknown
    for _ in range(20):
        packet = drawn_packet(data)
        was, will = decide(before, packet), decide(after, packet)
        opened = (was.action, will.action) == ("deny", "allow")
        closed = (was.action, will.action) == ("allow", "deny")
        more = [row for row in found.more if _in_row(packet, row)]
        less = [row for row in found.less if _in_row(packet, row)]
        assert bool(more) is opened, (packet, more)
        assert bool(less) is closed, (packet, less)
        assert {row.rule for row in more} <= {will.rule}
        assert {row.rule for row in less} <= {was.rule}
        unmatched = will.rule in {"interzone-default", "intrazone-default"}
        for rows, so in ((found.more, opened), (found.less, closed)):
            for row in rows:
                if row.rest and (packet.from_zone, packet.to_zone) in product(
                    row.from_zones, row.to_zones
                ):
                    event("whatever no rule matches")
                    assert so or not unmatched, (packet, row)
                    assert unmatched or not _in_row(packet, row), (packet, row)
        if opened or closed:
            event("a decision that changes")
            _marked(changes, found.marks, packet, before, after, widened=opened)


def _marked(
    changes: Sequence[Change],
    marks: Sequence[str],
    packet: Packet,
    before: Policy,
    after: Policy,
    *,
    widened: bool,
) -> None:
    """At least one change is marked, among them each that makes or unmakes the deciding rule."""
    right = {"widens" if widened else "narrows", "both"}
    assert any(mark in right for mark in marks)
    deciding = {decide(before, packet).rule, decide(after, packet).rule}
    for change, mark in zip(changes, marks, strict=True):
        if change.kind == "rule" and change.op in {"create", "delete"} and change.name in deciding:
            if change.op == "create" and decide(after, packet).rule != change.name:
                continue
            if change.op == "delete" and decide(before, packet).rule != change.name:
                continue
            assert mark in right, (change, packet)


@settings(deadline=None, max_examples=100)
@given(plans())
def test_a_plan_is_marked_as_it_is(plan: tuple[tuple[Change, ...], Live]) -> None:
    """It widens if and only if a change of it does; what only describes does neither."""
    changes, live = plan
    found, _ = meaning(changes, sides_of(changes, live, FIREWALL))
    assert bool(found.more) is any(mark in {"widens", "both"} for mark in found.marks)
    assert bool(found.less) is any(mark in {"narrows", "both"} for mark in found.marks)
    assert len(found.marks) == len(changes)
    for change, mark in zip(changes, found.marks, strict=True):
        if change.op == "update" and set(change.fields) <= {"description"}:
            assert mark == "neither"


@settings(deadline=None, max_examples=100)
@given(plans(), st.data())
def test_a_guarded_rule_loses_a_packet_if_and_only_if_that_is_said(
    plan: tuple[tuple[Change, ...], Live], data: st.DataObject
) -> None:
    changes, live = plan
    guarded = {
        rule.name: False
        for rule in live.policy.rules
        if rule.action == "allow" and not rule.disabled
    }
    _, cuts = meaning(changes, sides_of(changes, live, FIREWALL), guarded)
    before, after = live.effective(), outlook(live.effective(), changes)
    assert all(cut.sure for cut in cuts)
    lost = {cut.rule for cut in cuts}
    for _ in range(20):
        packet = drawn_packet(data)
        was, will = decide(before, packet), decide(after, packet)
        if was.action == "allow" and will.action == "deny" and was.rule in guarded:
            assert was.rule in lost
