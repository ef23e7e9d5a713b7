"""NAT rules that translate destinations: security rules are about the original ones.

Source: vendor's networking guide, NAT Policy Overview: security rules are matched with the
addresses before translation and the zone after it; a static source translation that is
bi-directional also translates what is sent to the translated address. Of NAT64 the address behind
the prefix is the last 32 bits of the one that was sent to (RFC 6052), of which nothing is read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from segctl.model.policy import ANY, Rule
from segctl.model.translation import Translation
from segctl.providers.panos.elements import listed, said
from segctl.providers.panos.overrides import BASES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl.providers.panos.elements import Element

#: Where they are in a rulebase.
RULES: Final = ("nat", "rules")
_TRANSLATED: Final = (
    "destination-translation",
    "dynamic-destination-translation",
)


def held(root: Element) -> Iterator[Translation]:
    """Yield those that are in use of a virtual system, or of a device group."""
    for base in BASES:
        for entry in root.iterfind("/".join((base, *RULES, "entry"))):
            yield from translations(entry, "NAT rule ")


def translations(entry: Element, origin: str) -> Iterator[Translation]:
    """Yield what an entry does to destinations; `origin` precedes its name."""
    if said(entry, "disabled") == "yes":
        return
    rule = Rule(
        name=origin + entry.get("name", ""),
        from_zones=listed(entry, "from"),
        to_zones=(ANY,),  # that of the packets as they arrive, by routing
        sources=listed(entry, "source"),
        destinations=listed(entry, "destination"),
        services=(said(entry, "service") or ANY,),
    )
    if said(entry, "nat-type") == "nat64":
        inside = said(entry, f"{_TRANSLATED[0]}/translated-address")  # else the prefix has it
        yield Translation(rule=rule, to=(inside or ANY,), across=True)
        return
    for tag in _TRANSLATED:
        if to := said(entry, f"{tag}/translated-address"):
            port = said(entry, f"{tag}/translated-port")
            yield Translation(rule=rule, to=(to,), port=int(port) if port.isdecimal() else 0)
    static = entry.find("source-translation/static-ip")
    if static is not None and said(static, "bi-directional") == "yes":
        outside = said(static, "translated-address")
        back = replace(rule, from_zones=listed(entry, "to"), sources=(ANY,), services=(ANY,))
        if outside:
            yield Translation(rule=replace(back, destinations=(outside,)), to=rule.sources)
