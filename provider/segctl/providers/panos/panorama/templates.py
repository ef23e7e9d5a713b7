"""The zones that templates give to the firewalls of a device group; they are read, never written.

Source: configuration schema of Panorama 10.0: a template stack names its firewalls by serial and
its templates, of which the first has precedence; a template holds a configuration of its own, whose
virtual systems are named as people call them. Zones of all templates of a stack add up. Vendor's
guide, "Template and Template Stack Variables": a firewall's own value comes before that of its
stack, and that before those of templates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from segctl.model.items import FirewallZone
from segctl.providers.panos import names
from segctl.providers.panos.small import is_missing, small

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from segctl.providers.panos.elements import Element
    from segctl.providers.panos.panorama.members import Firewall
    from segctl.providers.panos.small import Part

STACKS: Final = "template stacks"
#: Before the name of a template, of which the part is its virtual systems.
TEMPLATE: Final = "template "
#: Before the name of a template, of which the part is its variables.
VARIABLES: Final = "variables "
#: What a variable has for a value where it has none.
_UNSET: Final = ("", "None")
_KINDS: Final = ("layer3", "layer2", "virtual-wire", "tap", "tunnel", "external")
_STACKS: Final = f"{names.DEVICE}/template-stack"
_SYSTEMS: Final = "config/devices/entry[@name='localhost.localdomain']/vsys"


def ask(
    config: Callable[[str, str], bytes], host: str, firewalls: Iterable[Firewall]
) -> dict[str, bytes]:
    """Return the stacks, and the virtual systems of each template of these firewalls.

    One request, and two for each template.
    """
    stacks = config("show", _STACKS)
    parts = {STACKS: stacks}
    if is_missing(stacks):
        return parts
    wanted = dict.fromkeys(
        name for stack in _stacks(host, stacks, firewalls) for name in _templates(stack)
    )
    for name in wanted:
        template = f"{names.DEVICE}/template/entry[@name={names.quote(name)}]"
        parts[TEMPLATE + name] = config("show", f"{template}/{_SYSTEMS}")
        parts[VARIABLES + name] = config("show", f"{template}/variable")
    return parts


def zones(
    host: str, parts: Mapping[str, Part], firewalls: Mapping[str, Firewall]
) -> dict[str, tuple[FirewallZone, ...] | None]:
    """Return the zones that each firewall has from its templates; None where it has none.

    Their interfaces are those of the highest layer that names any; a variable that has no value
    stays as it is, with its dollar sign.

    Raises:
        ParseError: an answer is not complete.
    """
    stacks = parts.get(STACKS, b"")
    if not stacks or is_missing(stacks):
        return dict.fromkeys(firewalls)
    found: dict[str, tuple[FirewallZone, ...] | None] = {}
    for name, one in firewalls.items():
        own = list(_stacks(host, stacks, [one]))
        layers = [layer for stack in own for layer in _layers(host, parts, stack)]
        known = _variables(own, layers, one.serial)
        found[name] = _zones(layers, one, known) if own else None
    return found


@dataclass(frozen=True, slots=True)
class _Layer:
    """A stack or a template: its virtual systems, and the values of its variables."""

    systems: Element | None
    variables: Element | None


def _stacks(host: str, part: Part, firewalls: Iterable[Firewall]) -> Iterable[Element]:
    serials = {one.serial for one in firewalls}
    for stack in small(host, STACKS, part).iterfind("result/template-stack/entry"):
        if any(device.get("name") in serials for device in stack.iterfind("devices/entry")):
            yield stack


def _templates(stack: Element) -> Iterable[str]:
    return [(member.text or "").strip() for member in stack.iterfind("templates/member")]


def _layers(host: str, parts: Mapping[str, Part], stack: Element) -> Iterator[_Layer]:
    """Yield what a firewall's zones are made of, the layer that counts first first."""
    yield _Layer(stack.find(_SYSTEMS), stack.find("variable"))
    for name in _templates(stack):
        found: list[Element | None] = []
        for title, tag in ((TEMPLATE, "vsys"), (VARIABLES, "variable")):
            part = parts.get(title + name, b"")
            there = part and not is_missing(part)
            found.append(small(host, title + name, part).find(f"result/{tag}") if there else None)
        yield _Layer(*found)


def _variables(stacks: Iterable[Element], layers: Iterable[_Layer], serial: str) -> dict[str, str]:
    """Return the values of variables on a firewall: its own come first, then those of layers."""
    own = [
        device.find("variable")
        for stack in stacks
        for device in stack.iterfind("devices/entry")
        if device.get("name") == serial
    ]
    known: dict[str, str] = {}
    for held in (*own, *(layer.variables for layer in layers)):
        for entry in () if held is None else held.iterfind("entry"):
            value = next(((node.text or "").strip() for node in entry.iterfind("type/*")), "")
            if value not in _UNSET:
                known.setdefault(entry.get("name", ""), value)
    return known


def _zones(
    layers: Sequence[_Layer], one: Firewall, known: Mapping[str, str]
) -> tuple[FirewallZone, ...]:
    """Return the zones that add up from all layers."""
    held: dict[str, list[Element]] = {}
    for layer in layers:
        for system in _meant(layer.systems, one):
            for zone in system.iterfind("zone/entry"):
                held.setdefault(zone.get("name", ""), []).append(zone)
    return tuple(
        FirewallZone(name=name, interfaces=_interfaces(entries, known))
        for name, entries in sorted(held.items())
    )


def _meant(systems: Element | None, one: Firewall) -> list[Element]:
    """Return the virtual system of a template that a firewall's part is.

    It goes by its id or its display name. Of a firewall that has one system it is the one that the
    template has, and so is another's where the template has no other.
    """
    entries = [] if systems is None else systems.findall("entry")
    named = [entry for entry in entries if entry.get("name") in (one.part, one.display)]
    return named if one.part and (named or len(entries) > 1) else entries


def _interfaces(entries: Iterable[Element], known: Mapping[str, str]) -> tuple[str, ...]:
    """Return the interfaces of a zone, of whose kinds of network the first one counts."""
    kind = ""
    for entry in entries:
        for network in entry.iterfind("network/*"):
            if network.tag not in _KINDS or kind not in ("", network.tag):
                continue
            kind = str(network.tag)
            named = [(member.text or "").strip() for member in network.iterfind("member")]
            if named:
                return tuple(sorted(known.get(name, name) for name in named))
    return ()
