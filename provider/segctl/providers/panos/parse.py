"""From a device's answers to `Live`: streamed, counted, and nothing dropped.

Rules, addresses, groups and services are taken one entry at a time and freed; what is left of the
tree (zones, schedules, NAT rules, profiles, …) is read once at the end.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lxml import etree

from segctl.errors import ParseError
from segctl.policy import (
    Address,
    AddressGroup,
    ApplicationGroup,
    DefaultRule,
    FirewallZone,
    Item,
    Policy,
    Rule,
    Schedule,
    Service,
    Tag,
)
from segctl.providers.base import Identity, Live
from segctl.providers.panos import elements, names
from segctl.providers.panos.snapshot import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from segctl.providers.panos.elements import Element

_CHUNK = 1 << 20
COUNTED_KINDS = ("rule", "address", "address-group", "service")
#: Kinds whose names a rule may use, apart from those segctl writes itself.
_OTHER_KINDS = (
    "service-group",
    "application-filter",
    "application",
    "external-list",
    "profile-group",
    "region",
    "dynamic-user-group",
)


@dataclass(slots=True)
class _Found:
    """What a walk over one scope (virtual system or shared) has gathered so far."""

    rules: list[Rule] = field(default_factory=list[Rule])
    addresses: list[Address] = field(default_factory=list[Address])
    address_groups: list[AddressGroup] = field(default_factory=list[AddressGroup])
    services: list[Service] = field(default_factory=list[Service])
    ours: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    referenced: set[str] = field(default_factory=set[str])
    digests: dict[str, str] = field(default_factory=dict[str, str])
    rule_digests: dict[str, str] = field(default_factory=dict[str, str])
    rest: Element | None = None


def parse(document: bytes) -> Live:
    """Read a snapshot.

    Raises:
        ParseError: an answer is not XML, is an error, is incomplete, or counts do not agree.
    """
    snapshot = load(document)
    host, vsys = snapshot.host, snapshot.vsys
    system = _small(host, "system", snapshot.parts["system"])
    own = _stream(host, snapshot.parts["vsys"], "entry")
    if own.rest is None:
        raise ParseError(host, f"has no virtual system {vsys}: check segctl_vsys")
    shared = _stream(host, snapshot.parts["shared"], "shared")
    pending = tuple(_pending(_small(host, "pending", snapshot.parts["pending"])))
    counts = {
        "rule": len(own.rules),
        "address": len(own.addresses),
        "address-group": len(own.address_groups),
        "service": len(own.services),
    }
    if not pending:
        _check_counts(host, counts, snapshot.parts)
    rest = _rest(own.rest)
    rest_shared = _rest(shared.rest)
    live, others = _split(own, rest, shared, rest_shared)
    text = system.findtext
    return Live(
        identity=Identity(
            serial=text("result/system/serial") or "",
            os_version=text("result/system/sw-version") or "",
            content_version=text("result/system/app-version") or "",
            scope=vsys,
            model=text("result/system/model") or "",
            hostname=text("result/system/hostname") or "",
        ),
        policy=live,
        others=others,
        order=tuple(rule.name for rule in own.rules),
        zones=rest.zones,
        known=_known(own, rest, shared, rest_shared, snapshot.parts["applications"]),
        taken=_taken(own, rest),
        referenced=frozenset(own.referenced | _texts(own.rest)),
        pending=pending,
        other_rules=own.rule_digests,
        other_objects=shared.digests | own.digests | rest_shared.digests | rest.digests,
        counts=counts,
    )


# --- streaming -----------------------------------------------------------------------------------


def _stream(host: str, part: bytes, root: str) -> _Found:
    """Walk one scope's ``show`` answer; `root` is the tag of the scope's own node."""
    refuse_dtd(host, part)
    found = _Found()
    handlers: dict[str, Callable[[_Found, Element], None]] = {
        "address": _take_address,
        "address-group": _take_address_group,
        "service": _take_service,
    }
    parser = etree.XMLPullParser(events=("end",), tag="entry", resolve_entities=False)
    view = memoryview(part)
    try:
        for start in range(0, len(part), _CHUNK):
            parser.feed(bytes(view[start : start + _CHUNK]))
            for _, element in parser.read_events():
                _take(found, element, handlers)
        tree_root = parser.close()
    except etree.XMLSyntaxError as error:
        raise ParseError(host, f"the configuration is not complete XML: {error}") from error
    status = tree_root.get("status")
    if status == "error" and "No such node" in "".join(str(t) for t in tree_root.itertext()):
        return found
    if status != "success":
        message = " ".join(str(t).strip() for t in tree_root.itertext()).strip()
        raise ParseError(host, f"refused to show the configuration: {message or status}")
    found.rest = tree_root.find(f"result/{root}")
    return found


def _take(
    found: _Found,
    element: Element,
    handlers: dict[str, Callable[[_Found, Element], None]],
) -> None:
    container = element.getparent()
    if container is None:
        return
    scope = container.getparent()
    if scope is None:
        return
    if container.tag == "rules":
        if scope.tag != "security":
            return
        base = scope.getparent()
        if base is None or base.tag != "rulebase":
            return
        _take_rule(found, element)
    else:
        handler = handlers.get(container.tag)
        if handler is None or scope.tag not in ("entry", "shared"):
            return
        above = scope.getparent()
        if above is None or above.tag != "result":
            return
        handler(found, element)
    element.clear()
    container.remove(element)


def _take_rule(found: _Found, element: Element) -> None:
    rule = elements.parse_rule(element)
    found.rules.append(rule)
    if elements.is_ours(rule):
        found.ours.add(("rule", rule.name))
        return
    found.rule_digests[rule.name] = _digest(element)
    found.referenced.update(rule.sources, rule.destinations, rule.services, rule.applications)
    found.referenced.update(rule.tags, (rule.schedule,))


def _take_address(found: _Found, element: Element) -> None:
    item = elements.parse_address(element)
    found.addresses.append(item)
    _note(found, "address", item.name, element)


def _take_address_group(found: _Found, element: Element) -> None:
    item = elements.parse_address_group(element)
    found.address_groups.append(item)
    if not _note(found, "address-group", item.name, element):
        found.referenced.update(item.members)


def _take_service(found: _Found, element: Element) -> None:
    item = elements.parse_service(element)
    found.services.append(item)
    _note(found, "service", item.name, element)


def _note(found: _Found, kind: str, name: str, element: Element) -> bool:
    if elements.tagged(element):
        found.ours.add((kind, name))
        return True
    found.digests[f"{kind} {name}"] = _digest(element)
    found.referenced.update(_tags(element))
    return False


def _tags(element: Element) -> Iterator[str]:
    tag = element.find("tag")
    for child in tag if tag is not None else ():
        yield child.text or ""


def _digest(element: Element) -> str:
    return hashlib.sha256(elements.text_of(element).encode()).hexdigest()


# --- the rest ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rest:
    """The kinds that are few: read from what streaming left of the tree."""

    zones: tuple[FirewallZone, ...] = ()
    tags: tuple[Tag, ...] = ()
    application_groups: tuple[ApplicationGroup, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    defaults: tuple[DefaultRule, ...] = ()
    names: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    digests: dict[str, str] = field(default_factory=dict[str, str])


def _rest(root: Element | None) -> _Rest:
    if root is None:
        return _Rest()
    digests: dict[str, str] = {}
    held: dict[str, frozenset[str]] = {}
    for kind in (*_OTHER_KINDS, "application-group", "schedule"):
        entries = root.findall(f"{kind}/entry")
        held[kind] = frozenset(entry.get("name", "") for entry in entries)
        digests.update(
            {
                f"{kind} {entry.get('name')}": _digest(entry)
                for entry in entries
                if not (entry.get("name") or "").startswith(names.PREFIX)
            }
        )
    held["log-setting"] = frozenset(
        entry.get("name", "") for entry in root.findall("log-settings/profiles/entry")
    )
    return _Rest(
        zones=tuple(map(elements.parse_zone, root.findall("zone/entry"))),
        tags=tuple(map(elements.parse_tag, root.findall("tag/entry"))),
        application_groups=tuple(
            map(elements.parse_application_group, root.findall("application-group/entry"))
        ),
        schedules=tuple(map(elements.parse_schedule, root.findall("schedule/entry"))),
        defaults=tuple(
            map(
                elements.parse_default_rule,
                root.findall("rulebase/default-security-rules/rules/entry"),
            )
        ),
        names=held,
        digests=digests,
    )


def _texts(root: Element) -> frozenset[str]:
    """Return every text in what others own outside the security rulebase: possible references."""
    found: set[str] = set()
    for element in root.iter("member", "dst", "src", "source", "destination", "service"):
        if not len(element) and element.text:
            ancestor = element.getparent()
            ours = False
            while ancestor is not None and ancestor is not root:
                if ancestor.tag == "entry" and (ancestor.get("name") or "").startswith(
                    names.PREFIX
                ):
                    ours = True
                    break
                ancestor = ancestor.getparent()
            if not ours:
                found.add(element.text)
    return frozenset(found)


def _split(own: _Found, rest: _Rest, shared: _Found, rest_shared: _Rest) -> tuple[Policy, Policy]:
    """Part what is ours from what others own; shared objects count where nothing shadows them."""

    def part(kind: str, items: list[Item], *, ours: bool) -> list[Item]:
        return [item for item in items if ((kind, item.name) in own.ours) is ours]

    def prefixed(items: tuple[Item, ...], *, ours: bool) -> list[Item]:
        return [item for item in items if item.name.startswith(names.PREFIX) is ours]

    def side(*, ours: bool) -> Policy:
        def below(mine: list[Item], theirs: list[Item]) -> tuple[Item, ...]:
            if ours:
                return tuple(mine)
            taken = {item.name for item in mine}
            return (*mine, *(item for item in theirs if item.name not in taken))

        make = {
            "addresses": below(part("address", [*own.addresses], ours=ours), [*shared.addresses]),
            "address_groups": below(
                part("address-group", [*own.address_groups], ours=ours), [*shared.address_groups]
            ),
            "services": below(part("service", [*own.services], ours=ours), [*shared.services]),
            "application_groups": below(
                prefixed(rest.application_groups, ours=ours), [*rest_shared.application_groups]
            ),
            "schedules": below(prefixed(rest.schedules, ours=ours), [*rest_shared.schedules]),
            "tags": below(
                [tag for tag in rest.tags if (tag.name == names.TAG) is ours], [*rest_shared.tags]
            ),
            "rules": part("rule", [*own.rules], ours=ours),
            "defaults": rest.defaults if ours else (),
        }
        return Policy(**{key: tuple(value) for key, value in make.items()})  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - each key gets its own kind

    return side(ours=True), side(ours=False)


def _known(
    own: _Found, rest: _Rest, shared: _Found, rest_shared: _Rest, applications: bytes
) -> dict[str, frozenset[str]]:
    known: dict[str, set[str]] = {
        kind: set(rest.names.get(kind, ())) | set(rest_shared.names.get(kind, ()))
        for kind in (*_OTHER_KINDS, "application-group", "schedule", "log-setting")
    }
    known["address"] = {item.name for item in (*own.addresses, *shared.addresses)}
    known["address-group"] = {item.name for item in (*own.address_groups, *shared.address_groups)}
    known["service"] = {item.name for item in (*own.services, *shared.services)}
    known["zone"] = {zone.name for zone in rest.zones}
    predefined = etree.fromstring(applications, etree.XMLParser(resolve_entities=False))
    known["application"] |= {entry.get("name", "") for entry in predefined.iterfind("result/entry")}
    return {kind: frozenset(found) for kind, found in known.items()}


def _taken(own: _Found, rest: _Rest) -> dict[str, frozenset[str]]:
    """Return the names that others hold in the virtual system, by the kinds that share them."""

    def others(kind: str, items: Iterable[Item]) -> set[str]:
        return {item.name for item in items if (kind, item.name) not in own.ours}

    addresses = others("address", own.addresses) | others("address-group", own.address_groups)
    addresses |= rest.names.get("external-list", frozenset())
    services = others("service", own.services) | rest.names.get("service-group", frozenset())
    return {
        "rule": frozenset(others("rule", own.rules)),
        "address": frozenset(addresses),
        "address-group": frozenset(addresses),
        "service": frozenset(services),
    }


# --- small answers -------------------------------------------------------------------------------


def refuse_dtd(host: str, part: bytes) -> None:
    """Raise ParseError for an answer that declares entities: devices send none."""
    if b"<!DOCTYPE" in part[:65536] or b"<!ENTITY" in part[:65536]:
        raise ParseError(
            host,
            "the answer declares XML entities, which a firewall never does: "
            "something else answers at this address",
        )


def _small(host: str, name: str, part: bytes) -> Element:
    refuse_dtd(host, part)
    try:
        return etree.fromstring(part, etree.XMLParser(resolve_entities=False))
    except etree.XMLSyntaxError as error:
        raise ParseError(host, f"the answer to {name} is not complete XML: {error}") from error


def _pending(root: Element) -> Iterator[tuple[str, str]]:
    """Yield who has uncommitted changes where, from ``show config list changes``."""
    for entry in root.iterfind("result/journal/entry"):
        yield (entry.findtext("owner") or "").strip(), (entry.findtext("xpath") or "").strip()


def _check_counts(host: str, counts: Mapping[str, int], parts: Mapping[str, bytes]) -> None:
    """Compare what was parsed of each kind with what the device counts.

    The device counts its candidate configuration, so this holds only while nobody has uncommitted
    changes.
    """
    for kind in COUNTED_KINDS:
        result = _small(host, f"count {kind}", parts[f"count {kind}"]).find("result")
        counted = int(result.get("total-count", "0")) if result is not None else 0
        if counted != counts[kind]:
            raise ParseError(
                host,
                f"the device counts {counted} entries of kind {kind}, its configuration holds "
                f"{counts[kind]}: the answer was incomplete, read again",
            )
