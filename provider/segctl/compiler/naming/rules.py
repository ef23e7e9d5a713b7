"""Names of rules, and labels of the conduits and zones that they are made of.

A rule is called ``conduit.flow``; of a conduit between several pairs of zones
``conduit.flow.source-destination``, and where its firewall is crossed more than once
``.enter-leave`` follows. ``site.`` stands before a conduit unless its site is the default one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl.compiler.naming.short import is_shortened

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from segctl.model.site import Conduit, Zone

DEFAULT_SITE = "site"
CLOSING_RULE = "segctl.deny"
#: The rule that denies what a firewall does not recognise and no conduit declares.
UNKNOWN_RULE = "segctl.unknown"
#: The group of those who are contained; also the tag by which an address is in it.
CONTAINED = "segctl-contained"
#: The log forwarding profile by which a firewall contains by itself; also the tag that says so.
AUTOMATIC = "segctl-automatic"
#: The rules that deny what those who are contained send, and what is sent to them.
CONTAINED_SOURCE = "segctl.contained-source"
CONTAINING_RULES = {
    CONTAINED_SOURCE: "source",
    "segctl.contained-destination": "destination",
}
_INTRAZONE = "segctl.intrazone-deny."

Pair = tuple[str, str]


def labelled(site: str, name: str) -> str:
    """Return the id of a conduit or zone, with its site unless that is the default one."""
    return name if site == DEFAULT_SITE else f"{site}.{name}"


def label(conduit: Conduit) -> str:
    """Return what a conduit is called on devices."""
    return labelled(conduit.site, conduit.id)


def zone_label(zone: Zone) -> str:
    """Return what a zone is called on devices."""
    return labelled(zone.site, zone.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleName:
    """What a rule's name says: a conduit by its label, a flow and zones by their ids.

    `zones` are the source and the destination of a conduit between several pairs, `crossing` the
    zones through which traffic enters and leaves a firewall that it crosses more than once.
    """

    conduit: str
    flow: str
    zones: Pair | None = None
    crossing: Pair | None = None

    def __str__(self) -> str:
        """Return the name, however long."""
        pairs = (
            f".{one}-{other}"
            for pair in (self.zones, self.crossing)
            if pair
            for one, other in [pair]
        )
        return f"{self.conduit}.{self.flow}{''.join(pairs)}"


def decode_rule(
    name: str, *, conduit: str, flow: str, zones: Collection[str], limit: int
) -> tuple[RuleName, ...]:
    """Return every reading of a rule's name, none of a shortened one.

    Args:
        name: the name on the device.
        conduit: the label of the conduit, as the rule's mark says.
        flow: the id of the flow, as the rule's mark says.
        zones: the ids of all zones it may name.
        limit: how long names may be on the platform.
    """
    begin = f"{conduit}.{flow}"
    if is_shortened(name, limit) or not name.startswith(begin):
        return ()
    rest = name[len(begin) :]
    if not rest:
        return (RuleName(conduit=conduit, flow=flow),)
    if not rest.startswith("."):
        return ()
    return tuple(
        RuleName(conduit=conduit, flow=flow, zones=first, crossing=second)
        for first, second in _pairs(rest[1:], zones)
    )


def _pairs(text: str, zones: Collection[str]) -> Iterator[tuple[Pair | None, Pair | None]]:
    """Yield the pairs that ``a-b`` or ``a-b.c-d`` may be; one pair alone may be of either kind."""
    for pair in _pair(text, zones):
        yield pair, None
        yield None, pair
    for at, letter in enumerate(text):
        if letter == ".":
            for first in _pair(text[:at], zones):
                for second in _pair(text[at + 1 :], zones):
                    yield first, second


def _pair(text: str, zones: Collection[str]) -> Iterator[Pair]:
    for at, letter in enumerate(text):
        if letter == "-" and text[:at] in zones and text[at + 1 :] in zones:
            yield text[:at], text[at + 1 :]


def intrazone_rule(zone: str) -> str:
    """Return the name of the rule that denies traffic inside a zone, by its label."""
    return f"{_INTRAZONE}{zone}"


def decode_intrazone_rule(name: str, limit: int) -> str | None:
    """Return the label of the zone inside which a rule of this name denies traffic."""
    return None if is_shortened(name, limit) else same_intrazone(name) or None


def same_intrazone(name: str) -> str:
    """Return a label of a zone for which the name of such a rule comes out again, else nothing.

    Of a shortened name that is not the label of the zone it was made for.
    """
    label = name.removeprefix(_INTRAZONE)
    return "" if label == name else label
