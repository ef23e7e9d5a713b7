"""The zones that templates give to the firewalls of a device group; they are read, never written.

Source: configuration schema of Panorama 10.0: a template stack names its firewalls by serial and
its templates, of which the first has precedence; a template holds a configuration of its own, whose
virtual systems are named as people call them. Zones of all templates of a stack add up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from segctl.providers.panos import names
from segctl.providers.panos.small import small

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from segctl.providers.panos.elements import Element
    from segctl.providers.panos.panorama.members import Firewall
    from segctl.providers.panos.small import Part

STACKS: Final = "template stacks"
#: Before the name of a template, of which the part is its virtual systems.
TEMPLATE: Final = "template "
_STACKS: Final = f"{names.DEVICE}/template-stack"
_SYSTEMS: Final = "config/devices/entry[@name='localhost.localdomain']/vsys"


def ask(
    config: Callable[[str, str], bytes], host: str, firewalls: Iterable[Firewall]
) -> dict[str, bytes]:
    """Return the stacks, and the virtual systems of each template of these firewalls.

    One request, and one for each template.
    """
    stacks = config("show", _STACKS)
    parts = {STACKS: stacks}
    if b"No such node" in stacks[:1024]:
        return parts
    wanted = dict.fromkeys(
        name for stack in _stacks(host, stacks, firewalls) for name in _templates(stack)
    )
    for name in wanted:
        xpath = f"{names.DEVICE}/template/entry[@name={names.quote(name)}]/{_SYSTEMS}"
        parts[TEMPLATE + name] = config("show", xpath)
    return parts


def zones(
    host: str, parts: Mapping[str, Part], firewalls: Mapping[str, Firewall]
) -> dict[str, frozenset[str] | None]:
    """Return the zones that each firewall has from its templates; None where it has none.

    Raises:
        ParseError: an answer is not complete.
    """
    stacks = parts.get(STACKS, b"")
    if not stacks or b"No such node" in bytes(stacks[:1024]):
        return dict.fromkeys(firewalls)
    found: dict[str, frozenset[str] | None] = {}
    for name, one in firewalls.items():
        held: set[str] = set()
        own = list(_stacks(host, stacks, [one]))
        for stack in own:
            held |= _zones(stack.find(_SYSTEMS), one.part)
            for template in _templates(stack):
                part = parts.get(TEMPLATE + template, b"")
                if b"No such node" not in bytes(part[:1024]):
                    root = small(host, TEMPLATE + template, part)
                    held |= _zones(root.find("result/vsys"), one.part)
        found[name] = frozenset(held) if own else None
    return found


def _stacks(host: str, part: Part, firewalls: Iterable[Firewall]) -> Iterable[Element]:
    serials = {one.serial for one in firewalls}
    for stack in small(host, STACKS, part).iterfind("result/template-stack/entry"):
        if any(device.get("name") in serials for device in stack.iterfind("devices/entry")):
            yield stack


def _templates(stack: Element) -> Iterable[str]:
    return [(member.text or "").strip() for member in stack.iterfind("templates/member")]


def _zones(systems: Element | None, part: str) -> set[str]:
    """Return the zones of a virtual system; of all of them where it goes by another name there."""
    entries = [] if systems is None else systems.findall("entry")
    named = [entry for entry in entries if part and entry.get("name") == part] or entries
    return {zone.get("name", "") for entry in named for zone in entry.iterfind("zone/entry")}
