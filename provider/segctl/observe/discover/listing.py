"""What is not proposed, a line for each reason and client, so that a person can read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from segctl.observe.discover.judge import ASK, SEEN, sum_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segctl.observe.discover.judge import Judged, Outcome

#: So many servers, and so many ports, are named on a line.
_NAMED: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What one client did that ended alike: flows, sessions, and a line of text."""

    reason: str
    source: str
    flows: int
    sessions: int
    text: str


def why(one: Judged) -> str:
    """Return in words why a part of a flow is not proposed."""
    return ASK.get(one.reason) or SEEN.get(one.reason) or one.reason


def listing(judged: Iterable[Judged], outcome: Outcome) -> tuple[Listed, ...]:
    """Return all that ended in one way, a line for each reason and client."""
    held: dict[tuple[str, str, str], list[Judged]] = {}
    for one in judged:
        if one.outcome == outcome:
            key = (one.reason, one.part.ends.source, one.about)
            held.setdefault(key, []).append(one)
    return tuple(
        _listed(reason, source, about, held[reason, source, about])
        for reason, source, about in sorted(held)
    )


def _listed(reason: str, source: str, about: str, held: list[Judged]) -> Listed:
    whole = sum_of(one.part.volume() for one in held)
    place = held[0].part.standing.source
    client = f"{source} [{place.asset or place.zone}]" if place.zone else source
    servers = sorted({_server(one) for one in held})
    services = sorted({_service(one) for one in held})
    said = f"{client} → {_some(servers)} {_some(services)}: {why(held[0])}"
    more = f" ({about})" if about else ""
    count = f"{len(held)} flow{'' if len(held) == 1 else 's'}, "
    sessions = f"{whole.sessions} session{'' if whole.sessions == 1 else 's'}"
    return Listed(
        reason=reason,
        source=source,
        flows=len(held),
        sessions=whole.sessions,
        text=f"{said}{more}; {count if len(held) > 1 else ''}{sessions}",
    )


def _server(one: Judged) -> str:
    place = one.part.standing.destination
    address = one.part.ends.destination
    return f"{address} [{place.asset}]" if place.asset else address


def _service(one: Judged) -> str:
    ends = one.part.ends
    return f"{ends.protocol}/{ends.port}" if ends.port else ends.protocol


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
