"""Checks of the boundary of a zone: where it is, what passes it, and who may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from segctl.compiler.naming import label
from segctl.evidence.scene import OUTSIDE, UNTRUSTED, Scene, Seen, Verdict, listed
from segctl.evidence.words import meets, unplaced
from segctl.model.policy import ANY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segctl.model.policy import Rule

#: Users of a rule that nobody has to be known for.
_ANYONE: Final = frozenset({ANY, "unknown", "pre-logon"})
_SHARED_PORTS: Final = ("vlan", "loopback", "tunnel")


def segmentation(scene: Scene) -> Seen:
    """The zone is on interfaces of its own, and its networks are nobody else's."""
    expected = "interfaces of its own on the firewall, and networks that no other zone has"
    for other in scene.site.zones:
        if other.key == scene.zone.key:
            continue
        shared = [
            str(one)
            for one in scene.zone.networks
            for two in other.networks
            if one.version == two.version and one.overlaps(two)
        ]
        if shared:
            text = f"{listed(shared)} of the zone overlap with networks of {other.key}"
            return Seen(verdict="bad", observed=text, expected=expected)
    held = {zone.name: zone for zone in scene.live.zones}
    zone = held.get(scene.name)
    if zone is None:
        text = f"the firewall has no zone {scene.name}"
        return Seen(verdict="bad", observed=text, expected=expected)
    if not zone.interfaces:
        text = f"zone {scene.name} has no interface on the firewall"
        return Seen(verdict="bad", observed=text, expected=expected)
    (bound,) = (one for one in scene.witness.device.zones if one.zone == scene.zone.key)
    if bound.interfaces and {*bound.interfaces} != {*zone.interfaces}:
        text = (
            f"{scene.name} has {listed(zone.interfaces)}, declared are {listed(bound.interfaces)}"
        )
        return Seen(verdict="bad", observed=text, expected=expected)
    for near in scene.live.zones:
        if near.name != zone.name and {*near.interfaces} & {*zone.interfaces}:
            text = f"{zone.name} and {near.name} share an interface"
            return Seen(verdict="bad", observed=text, expected=expected)
    if not scene.zone.networks:
        text = f"{scene.name} has {listed(zone.interfaces)}; the inventory names no networks of it"
        return Seen(verdict="unknown", observed=text, expected=expected)
    return Seen(
        verdict="ok", observed=f"{scene.name} on {listed(zone.interfaces)}", expected=expected
    )


def physical(scene: Scene) -> Seen:
    """Control networks and others meet on no port."""
    expected = "no port shared between zones inside and outside the industrial system"
    own = scene.side(scene.name)
    held = {zone.name: zone for zone in scene.live.zones}
    if own == "unknown" or scene.name not in held or not held[scene.name].interfaces:
        text = "the zone declares no kind, or has no interface"
        return Seen(verdict="unknown", observed=text, expected=expected)
    ports = {one.partition(".")[0] for one in held[scene.name].interfaces}
    if ports & {*_SHARED_PORTS}:
        text = f"{listed(sorted(ports))}: on which port it lies cannot be told"
        return Seen(verdict="unknown", observed=text, expected=expected)
    for zone in held.values():
        meet = ports & {one.partition(".")[0] for one in zone.interfaces}
        if zone.name == scene.name or not meet:
            continue
        other = scene.side(zone.name)
        if other != own:
            verdict: Verdict = "unknown" if other == "unknown" else "bad"
            text = f"{listed(sorted(meet))} also carries {zone.name}, which is {other}"
            return Seen(verdict=verdict, observed=text, expected=expected)
    text = f"port {listed(sorted(ports))} carries only zones on the same side"
    return Seen(verdict="ok", observed=text, expected=expected)


def independence(scene: Scene) -> Seen:
    """Neither the firewall nor an essential flow needs a zone outside the industrial system."""
    expected = "servers of the firewall and essential flows inside the industrial system"
    for conduit in scene.conduits:
        outer = [
            zone.key
            for zone in scene.site.zones
            if zone.key in (*conduit.from_zones, *conduit.to_zones) and zone.kind in OUTSIDE
        ]
        if outer and any(flow.essential for flow in conduit.flows):
            text = f"conduit {conduit.key} has an essential flow with {listed(outer)}"
            return Seen(verdict="bad", observed=text, expected=expected)
    fetched = [
        name
        for rule in scene.rules
        for name in (*rule.sources, *rule.destinations)
        if "fetches" in scene.live.implied.get(name, "")
    ]
    if fetched:
        text = f"rules use {listed(fetched)}, which the firewall fetches from elsewhere"
        return Seen(verdict="bad", observed=text, expected=expected)
    known = scene.live.management
    if known is None or known.unread or not known.needs:
        text = "which servers the firewall needs is not known"
        return Seen(verdict="unknown", observed=text, expected=expected)
    unsure: list[str] = []
    for need in known.needs:
        for host in need.hosts:
            where = _zone_of(scene, host)
            if where in OUTSIDE:
                text = f"the firewall asks {host} for {need.name}, which is in a {where} zone"
                return Seen(verdict="bad", observed=text, expected=expected)
            if not where:
                unsure.append(f"{need.name} {host}")
    if unsure:
        text = f"in which zone these servers are is not known: {listed(unsure)}"
        return Seen(verdict="unknown", observed=text, expected=expected)
    text = f"{len(known.needs)} servers of the firewall, all inside"
    return Seen(verdict="ok", observed=text, expected=expected)


def _zone_of(scene: Scene, host: str) -> str:
    """Return the kind of the zone in which a server is, empty where that is not known."""
    from ipaddress import ip_address, ip_network

    try:
        address = ip_network(ip_address(host))
    except ValueError:
        return ""
    kinds = [
        zone.kind
        for zone in scene.site.zones
        for network in zone.networks
        if network.version == address.version and network.supernet_of(address)  # type: ignore[arg-type] # the same version
    ]
    return kinds[0] if len({*kinds}) == 1 else ""


def boundary(scene: Scene) -> Seen:
    """What passes the boundary is what conduits declare, and each decision is logged."""
    expected = "exactly what the conduits declare passes, and every rule logs"
    seen = compared(scene, expected)
    if seen.verdict != "ok":
        return seen
    silent = [rule.name for rule in scene.rules if not rule.log]
    if silent:
        text = f"rules that do not log: {listed(silent)}"
        return Seen(verdict="bad", observed=text, expected=expected)
    text = f"{seen.observed}; {len(scene.rules)} rules at the boundary, all log"
    return Seen(verdict="ok", observed=text, expected=expected)


def compared(scene: Scene, expected: str, *, permitted_only: bool = False) -> Seen:
    """Return what the proof says of a zone, and rules with zones that it does not know."""
    stray = [rule.name for rule in scene.rules if scene.strangers(rule)]
    if stray:
        text = f"rules with zones of the firewall that the inventory does not have: {listed(stray)}"
        return Seen(verdict="bad", observed=text, expected=expected)
    proof = scene.witness.proof
    if proof is None:
        text = f"what passes could not be compared with the conduits: {scene.witness.unproved}"
        return Seen(verdict="unknown", observed=text, expected=expected)
    wrong = [
        one
        for one in scene.examples
        if one.direction == "permitted" or (one.direction == "denied" and not permitted_only)
    ]
    if wrong:
        one = wrong[0]
        what = (
            "permitted but not declared" if one.direction == "permitted" else "declared but denied"
        )
        text = f"{what}: {one.enter} → {one.leave} by {one.rule} ({len(wrong)} examples)"
        return Seen(verdict="bad", observed=text, expected=expected)
    unsure = [one for one in scene.examples if one.direction == "unknown" or one.disagreement]
    if unsure or proof.more:
        why = "; ".join(unsure[0].why) if unsure and unsure[0].why else "not all could be compared"
        return Seen(verdict="unknown", observed=f"cannot tell: {why}", expected=expected)
    return Seen(verdict="ok", observed=f"{proof.pairs} pairs of zones compared", expected=expected)


def deny_default(scene: Scene) -> Seen:
    """What no rule permits is denied and logged; what is permitted is accounted for."""
    expected = "denied and logged by default; every conduit with a day of review or an end"
    rule = scene.default
    if rule is None:
        text = "the firewall shows no default rule between zones of its own"
        return Seen(verdict="unknown", observed=text, expected=expected)
    if rule.action == "allow":
        return Seen(verdict="bad", observed=f"{rule.name} allows", expected=expected)
    if not rule.log:
        return Seen(verdict="bad", observed=f"{rule.name} does not log", expected=expected)
    seen = compared(scene, expected, permitted_only=True)
    if seen.verdict != "ok":
        return seen
    undated = [one.key for one in scene.conduits if one.review_by is None and one.expires is None]
    if undated:
        text = f"conduits without a day of review or an end: {listed(undated)}"
        return Seen(verdict="bad", observed=text, expected=expected)
    overdue = [
        one.key
        for one in scene.conduits
        if one.review_by is not None and one.review_by < scene.today
    ]
    if overdue:
        text = f"conduits whose review is overdue: {listed(overdue)}"
        return Seen(verdict="bad", observed=text, expected=expected)
    return Seen(verdict="ok", observed=f"{rule.name} {rule.action}, logged", expected=expected)


# --- messages ------------------------------------------------------------------------------------


def messages_in(scene: Scene) -> Seen:
    """No messages from person to person come in from outside."""
    return _messages(scene, [rule for rule in scene.rules if scene.enters(rule)])


def messages_both(scene: Scene) -> Seen:
    """No messages from person to person come in from outside, or go out."""
    return _messages(scene, scene.rules)


def _messages(scene: Scene, rules: Iterable[Rule]) -> Seen:
    expected = "no rule with zones outside that may carry e-mail, chat, calls or social media"
    if scene.side(scene.name) == "outside":
        text = "the zone is outside the industrial system"
        return Seen(verdict="none", observed=text, expected=expected)
    crossing = [(rule, {scene.side(name) for name in scene.peers(rule)}) for rule in rules]
    outer = [rule for rule, sides in crossing if "outside" in sides]
    carrying = [rule.name for rule in outer if meets(scene, rule, "messages")]
    if carrying:
        text = f"rules that may carry messages: {listed(carrying)}"
        return Seen(verdict="bad", observed=text, expected=expected)
    unsure = [rule.name for rule, sides in crossing if "unknown" in sides]
    if unsure or scene.side(scene.name) == "unknown":
        text = "a zone declares no kind, so that inside and outside cannot be told apart"
        return Seen(verdict="unknown", observed=text, expected=expected)
    odd = [f"{rule.name} ({listed(names)})" for rule in outer if (names := unplaced(scene, rule))]
    if odd:
        text = f"whether these carry messages cannot be told: {listed(odd)}"
        return Seen(verdict="unknown", observed=text, expected=expected)
    seen = _default_denies(scene, expected)
    if seen is not None:
        return seen
    text = f"{len(outer)} rules with zones outside, none of which carries messages"
    return Seen(verdict="ok", observed=text, expected=expected)


def _default_denies(scene: Scene, expected: str) -> Seen | None:
    """Return what is wrong with the default between zones, None where it denies."""
    rule = scene.default
    if rule is None:
        text = "the firewall shows no default rule between zones of its own"
        return Seen(verdict="unknown", observed=text, expected=expected)
    if rule.action == "allow":
        return Seen(verdict="bad", observed=f"{rule.name} allows", expected=expected)
    return None


# --- who -----------------------------------------------------------------------------------------


def human_users(scene: Scene) -> Seen:
    """Interactive access into the zone is for known users only."""
    expected = "every rule for interactive access into the zone names users"
    rules = [
        rule for rule in scene.rules if scene.enters(rule) and meets(scene, rule, "interactive")
    ]
    anyone = [rule.name for rule in rules if not rule.users or {*rule.users} & _ANYONE]
    if anyone:
        text = f"interactive access for anyone: {listed(anyone)}"
        return Seen(verdict="bad", observed=text, expected=expected)
    seen = _default_denies(scene, expected)
    if seen is not None:
        return seen
    if not rules:
        text = "no rule permits interactive access into the zone"
        return Seen(verdict="none", observed=text, expected=expected)
    text = f"{len(rules)} rules for interactive access, each with users"
    return Seen(verdict="ok", observed=text, expected=expected)


def untrusted_access(scene: Scene) -> Seen:
    """What comes from untrusted zones is declared, logged, forwarded and inspected."""
    from segctl.evidence.settings_checks import profiled

    expected = "only declared flows from untrusted zones; logged, forwarded, with blocking profiles"
    untrusted = {name for name, zone in scene.zones.items() if zone.kind in UNTRUSTED}
    rules = [
        rule
        for rule in scene.rules
        if scene.enters(rule) and {*rule.from_zones} & {*untrusted, ANY}
    ]
    if not untrusted:
        text = "no untrusted zone is declared at this firewall"
        return Seen(verdict="none", observed=text, expected=expected)
    seen = compared(scene, expected, permitted_only=True)
    if seen.verdict != "ok" or not rules:
        return seen
    return profiled(scene, rules, expected, blocking=True, logged=True)


def authorise_human(scene: Scene) -> Seen:
    """No function of a protocol is permitted that no conduit declares."""
    expected = "no function beyond what conduits declare"
    seen = compared(scene, expected, permitted_only=True)
    proof = scene.witness.proof
    if seen.verdict != "ok" or proof is None:
        return seen
    keys = {one.key for one in scene.conduits}
    wide = [f"{one.conduit} {one.flow}" for one in proof.widenings if one.conduit in keys]
    if wide:
        text = f"functions that the firewall cannot tell apart: {listed(wide)}"
        return Seen(verdict="bad", observed=text, expected=expected)
    return Seen(verdict="ok", observed=seen.observed, expected=expected)


def authorise_all(scene: Scene) -> Seen:
    """No rule is for anyone, to anywhere, or for anything."""
    expected = "no rule with any source, any destination, or any application on any port"
    wide = [
        rule.name
        for rule in scene.rules
        if ANY in rule.sources
        or ANY in rule.destinations
        or (ANY in rule.applications and scene.ports(rule) is None)
    ]
    if wide:
        text = f"rules that are too wide: {listed(wide)}"
        return Seen(verdict="bad", observed=text, expected=expected)
    seen = _default_denies(scene, expected)
    if seen is not None:
        return seen
    return Seen(
        verdict="ok", observed=f"{len(scene.rules)} rules at the boundary", expected=expected
    )


def protocol_valid(scene: Scene) -> Seen:
    """Industrial protocols are recognised, not only their ports."""
    expected = "rules of industrial protocols name applications; no application override"
    flows = {
        (label(conduit), flow.id)
        for conduit in scene.conduits
        for flow in conduit.flows
        if flow.protocols
    }
    rules = [rule for rule in scene.rules if (rule.conduit, rule.flow) in flows]
    if not flows:
        text = "no conduit of the zone has an industrial protocol"
        return Seen(verdict="none", observed=text, expected=expected)
    by_port = [rule.name for rule in rules if ANY in rule.applications]
    if by_port:
        text = f"rules by port only: {listed(by_port)}"
        return Seen(verdict="bad", observed=text, expected=expected)
    missing = flows - {(rule.conduit, rule.flow) for rule in rules}
    held = scene.live.settings
    overrides = "" if held is None else held.values.get("application override rules", "")
    if overrides not in ("", "0"):
        text = f"{overrides} rules override what applications are"
        return Seen(verdict="bad", observed=text, expected=expected)
    if missing and not rules:
        text = "none of their rules is on this firewall"
        return Seen(verdict="none", observed=text, expected=expected)
    if not overrides:
        text = "whether applications are overridden is not known"
        return Seen(verdict="unknown", observed=text, expected=expected)
    return Seen(verdict="ok", observed=f"{len(rules)} rules name applications", expected=expected)


def clear_text(scene: Scene) -> Seen:
    """Nothing that shows passwords to anyone on the way passes the boundary."""
    expected = "no rule that permits administration or passwords in clear text"
    rules = [rule.name for rule in scene.rules if meets(scene, rule, "clear_text")]
    if rules:
        text = f"clear text may pass: {listed(rules)}"
        return Seen(verdict="bad", observed=text, expected=expected)
    seen = _default_denies(scene, expected)
    if seen is not None:
        return seen
    named = {"web-browsing", "snmp", "snmp-base"}
    unsure = [rule.name for rule in scene.rules if named & {*scene.applications(rule)}]
    if unsure:
        text = f"whether these carry passwords cannot be told: {listed(unsure)}"
        return Seen(verdict="unknown", observed=text, expected=expected)
    return Seen(
        verdict="ok", observed=f"{len(scene.rules)} rules at the boundary", expected=expected
    )


def least_functionality(scene: Scene) -> Seen:
    """Nothing is permitted or offered that nobody needs."""
    expected = "nothing beyond the conduits; telnet and http off; no management in the zone"
    seen = compared(scene, expected, permitted_only=True)
    if seen.verdict != "ok":
        return seen
    held = scene.live.settings
    if held is None:
        text = "the settings of the firewall are not known"
        return Seen(verdict="unknown", observed=text, expected=expected)
    for name in ("telnet", "http"):
        value = held.values.get(f"{name} disabled")
        if value != "yes":
            verdict: Verdict = "unknown" if value is None else "bad"
            text = f"management by {name} is {'not shown to be off' if value is None else 'on'}"
            return Seen(verdict=verdict, observed=text, expected=expected)
    known = scene.live.management
    if known is None or known.unread:
        text = "where the firewall is managed is not known"
        return Seen(verdict="unknown", observed=text, expected=expected)
    offered = [one.interface for one in known.planes if one.manages and one.zone == scene.name]
    if offered and scene.zone.kind != "management":
        text = f"the firewall can be managed from the zone, at {listed(offered)}"
        return Seen(verdict="bad", observed=text, expected=expected)
    text = f"{seen.observed}; telnet and http are off"
    return Seen(verdict="ok", observed=text, expected=expected)


def drift(scene: Scene) -> Seen:
    """The firewall holds what the inventory declares."""
    expected = "no difference between the firewall and the inventory"
    found = scene.witness.drifted
    if found is None:
        text = "the firewall could not be compared with the inventory"
        return Seen(verdict="unknown", observed=text, expected=expected)
    if found:
        text = f"{len(found)} differences: {listed(found)}"
        return Seen(verdict="bad", observed=text, expected=expected)
    return Seen(verdict="ok", observed="no difference", expected=expected)
