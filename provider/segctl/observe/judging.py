"""What a policy does with traffic that was seen, told exactly or not at all."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, Literal

from segctl.analysis.effective import Chain, permitted
from segctl.analysis.space import (
    ALL_NAMES,
    PROTOCOLS,
    Box,
    Names,
    Space,
    TooComplexError,
    addresses,
    service,
)
from segctl.observe.observation import PROTOCOLS as NUMBERS
from segctl.observe.observation import WITH_PORTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segctl.analysis.effective import Reading
    from segctl.analysis.space import Numbers
    from segctl.observe.observation import Flow, Group
    from segctl.observe.spoken import Spoken

Ruling = Literal["allow", "deny", "unknown"]
Translated = Literal["original", "translated", ""]
#: So many addresses are remembered with the pieces that they are in.
_REMEMBERED: Final = 300_000
_NUMBERS: Final = {name: number for number, name in NUMBERS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a policy does, the first rule that may decide, and why it cannot be told."""

    ruling: Ruling
    rule: str = ""
    why: str = ""


class Judge:
    """Tells what one policy does; what no rule tells apart is judged once.

    The addresses and services that a chain of rules names cut all others into pieces, within which
    every packet meets the same rules: two flows whose ends are in the same pieces share a
    judgement.
    """

    def __init__(self, reading: Reading, destination: Translated = "") -> None:
        """Take a policy, and which destination its rules are about where it is translated."""
        self._reading = reading
        self._destination: Translated = destination
        self._pieces: dict[tuple[str, str], tuple[Chain, _Pieces]] = {}
        self._known: dict[tuple[object, ...], Judgement] = {}

    def of(self, zones: tuple[str, str], group: Group, spoken: Spoken) -> Judgement:
        """Return what the policy does with what a group is of.

        Args:
            zones: where it enters and leaves, in the firewall's words.
            group: what was seen.
            spoken: the applications that have to pass.
        """
        flow = group.flow
        if flow.inner:
            return self._translated(zones, group, spoken)
        number = _number(flow.protocol)
        if number is None:
            return Judgement(ruling="unknown", why=f"protocol {flow.protocol} is not known")
        held = self._pieces.get(zones)
        if held is None:
            chain = Chain.of(self._reading.between(*zones))
            held = self._pieces[zones] = (chain, _Pieces(chain))
        chain, pieces = held
        key = (zones, *pieces.of(flow, number), spoken, group.user)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = _judged(chain, _region(flow, number, group.user), spoken)
        return found

    def _translated(self, zones: tuple[str, str], group: Group, spoken: Spoken) -> Judgement:
        """Return what becomes of it by the destination that rules are about.

        Where nobody knows which one that is, only what is the same for both can be told.
        """
        flow = group.flow
        either: dict[Translated, Flow] = {
            "original": flow._replace(inner=""),
            "translated": flow._replace(destination=flow.inner, inner=""),
        }
        both: tuple[Translated, ...] = ("original", "translated")
        chosen = (self._destination,) if self._destination else both
        found = [self.of(zones, group._replace(flow=either[one]), spoken) for one in chosen]
        if len({one.ruling for one in found}) == 1:
            return found[0]
        return Judgement(ruling="unknown", why="its destination is translated")


class _Pieces:
    """Where the sets of a chain begin and end, on the lines of addresses and services."""

    def __init__(self, chain: Chain) -> None:
        boxes = [box for match in chain for box in (*match.can.boxes, *match.sure.boxes)]
        self._sources = _borders(box.source for box in boxes)
        self._destinations = _borders(box.destination for box in boxes)
        self._services = _borders(box.service for box in boxes)
        self._ports: dict[tuple[str, int], tuple[int, ...]] = {}
        self._at: dict[tuple[str, bool], int] = {}

    def of(self, flow: Flow, protocol: int) -> tuple[object, ...]:
        """Return the pieces in which source, destination and services of a flow are."""
        return (
            self._of_address(flow.source, source=True),
            self._of_address(flow.destination, source=False),
            self._of_service(flow, protocol),
        )

    def _of_address(self, address: str, *, source: bool) -> int:
        key = (address, source)
        found = self._at.get(key)
        if found is None:
            if len(self._at) >= _REMEMBERED:
                self._at.clear()
            ((first, _),) = _one_address(address)
            found = bisect_right(self._sources if source else self._destinations, first)
            self._at[key] = found
        return found

    def _of_service(self, flow: Flow, protocol: int) -> tuple[int, ...]:
        key = (flow.protocol, flow.port)
        found = self._ports.get(key)
        if found is None:
            ((first, last),) = _services(flow, protocol)
            ends = bisect_right(self._services, first), bisect_right(self._services, last)
            found = self._ports[key] = ends
        return found


def _borders(sets: Iterable[Numbers]) -> list[int]:
    found = {border for one in sets for first, last in one for border in (first, last + 1)}
    return sorted(found)


def _judged(chain: Chain, region: Box, spoken: Spoken) -> Judgement:
    """Return what a chain does with packets, all of whose applications have to pass."""
    names = [Names(frozenset({name})) for name in spoken.names]
    if not names and not spoken.among:
        names = [ALL_NAMES]
    spaces = [Space((region._replace(application=one),)) for one in names]
    try:
        found = [_ruling(chain, one, whole=not spoken.any_of_them) for one in spaces]
        if spoken.among:
            found.append(_one_of(chain, region, spoken))
    except TooComplexError as error:
        return Judgement(ruling="unknown", why=str(error))
    denied = next((one for one in found if one.ruling == "deny"), None)
    if denied is not None:
        return denied
    for one in found:
        if one.ruling == "unknown":
            said = one.why or spoken.why or "it depends on what the records do not show"
            return Judgement(ruling="unknown", rule=one.rule, why=said)
    return found[-1]


def _one_of(chain: Chain, region: Box, spoken: Spoken) -> Judgement:
    """Return what becomes of some of several applications: known if it is the same for all."""
    found = [
        _ruling(chain, Space((region._replace(application=Names(frozenset({name}))),)), whole=True)
        for name in spoken.among
    ]
    if len({one.ruling for one in found}) == 1:
        return found[0]
    return Judgement(ruling="unknown", rule=found[0].rule, why=spoken.why)


def _number(protocol: str) -> int | None:
    if protocol in PROTOCOLS:
        return PROTOCOLS[protocol]
    found = _NUMBERS.get(protocol)
    return found if found is not None else int(protocol) if protocol.isdigit() else None


def _region(flow: Flow, protocol: int, user: str) -> Box:
    """Return the packets of a flow, of any application."""
    return Box(
        source=_one_address(flow.source),
        destination=_one_address(flow.destination),
        service=_services(flow, protocol),
        user=Names(frozenset({user})) if user else ALL_NAMES,
    )


def _one_address(text: str) -> Numbers:
    host = ip_address(text)
    return addresses([(host.version, int(host), int(host))])


def _services(flow: Flow, protocol: int) -> Numbers:
    first, last = (flow.port, flow.port) if flow.protocol in WITH_PORTS else (0, 0xFFFF)
    return service(protocol, first, last)


def _ruling(chain: Chain, region: Space, *, whole: bool) -> Judgement:
    """Return what a chain does with all packets of a region, or whether it permits any of them."""
    found = permitted(chain, region)
    rule = next((match.rule for match in chain.meeting(region.example())), "")
    if not region - found.sure or (found.sure and not whole):
        return Judgement(ruling="allow", rule=rule)
    if not found.can:
        return Judgement(ruling="deny", rule=rule)
    return Judgement(ruling="unknown", rule=rule, why="; ".join(found.why[:3]))
