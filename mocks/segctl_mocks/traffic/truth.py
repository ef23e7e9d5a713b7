"""Ground truth: what every conversation of made traffic really was, beside what was written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from segctl_mocks.traffic.plant import KINDS, LEGITIMATE, Firewall
from segctl_mocks.traffic.protocols import PROTOCOLS
from segctl_mocks.traffic.sessions import addresses

if TYPE_CHECKING:
    from segctl_mocks.traffic.plant import Conversation, Plant, Witness
    from segctl_mocks.traffic.sessions import Session, Window
    from segctl_mocks.traffic.sights import Sight

#: So many addresses are named of one conversation; a scan has more.
NAMED = 300


@dataclass(slots=True)
class Seen:
    """What is counted of a conversation while it is made."""

    sessions: int = 0
    counted: int = 0
    first: float = 0.0
    last: float = 0.0
    bytes: int = 0
    passed: int = 0
    witnesses: dict[str, int] = field(default_factory=dict[str, int])
    pairs: dict[tuple[str, str, int], int] = field(default_factory=dict[tuple[str, str, int], int])

    def add(self, session: Session, sights: tuple[Sight, ...]) -> None:
        """Count a session, and who saw it."""
        self.first = self.first if self.sessions else session.start
        self.last = session.start
        self.sessions += 1
        self.counted += session.repeats
        self.bytes += session.sent[0] + session.received[0]
        self.passed += all(sight.passed for sight in sights)
        for sight in sights:
            name = sight.witness.name
            self.witnesses[name] = self.witnesses.get(name, 0) + 1
        pair = session.source, session.target, session.dport
        if pair in self.pairs or len(self.pairs) < NAMED:
            self.pairs[pair] = self.pairs.get(pair, 0) + 1


@dataclass(slots=True)
class Counted:
    """What is counted of a witness's records: written, lost in gaps, arrived twice."""

    records: int = 0
    lost: int = 0
    twice: int = 0


def conversation(one: Conversation, seen: Seen) -> dict[str, Any]:
    """Return the truth about one conversation."""
    protocol = PROTOCOLS[one.protocol]
    found: dict[str, Any] = {
        "name": one.name,
        "kind": one.kind,
        "expected": KINDS[one.kind],
        "legitimate": one.kind in LEGITIMATE,
        "declared": bool(one.conduit),
        "clients": list(one.clients),
        "servers": list(one.servers),
        "transport": protocol.transport,
        "port": one.port or protocol.port,
        "protocol": one.protocol,
        "functions": list(one.functions),
        "access": protocol.classes(one.functions),
        "applications": list(protocol.applications(one.functions)),
        "sessions": seen.sessions,
        "sessions_that_passed": seen.passed,
        "sessions_with_repeats": seen.counted,
        "bytes": seen.bytes,
        "first": round(seen.first, 6),
        "last": round(seen.last, 6),
        "witnesses": dict(sorted(seen.witnesses.items())),
        "pairs": [
            {"source": source, "destination": target, "port": port, "sessions": sessions}
            for (source, target, port), sessions in sorted(seen.pairs.items())
        ],
    }
    return found | _particulars(one)


def _particulars(one: Conversation) -> dict[str, Any]:
    """Return what only some conversations have."""
    found: dict[str, Any] = {
        "conduit": one.conduit,
        "ports": list(one.ports),
        "threat": one.threat,
        "note": one.note,
    }
    if one.translation is not None:
        found["translation"] = {
            "firewall": one.translation.firewall,
            "source": one.translation.source,
            "destination": one.translation.target,
        }
    return {name: value for name, value in found.items() if value}


def witness(plant: Plant, window: Window, one: Witness, counted: Counted) -> dict[str, Any]:
    """Return the truth about one witness: what its records do not tell."""
    found: dict[str, Any] = {
        "name": one.name,
        "kind": "firewall" if isinstance(one, Firewall) else "sensor",
        "clock_ahead": one.clock,
        "utc_offset": plant.offset,
        "gaps": [list(window.of(gap)) for gap in one.gaps],
        "records": counted.records,
        "lost_in_gaps": counted.lost,
        "arrived_twice": counted.twice,
    }
    if isinstance(one, Firewall):
        found["serial"] = one.serial
        found["logs_default_rules"] = one.log_defaults
    return found


def document(
    plant: Plant,
    window: Window,
    seen: dict[str, Seen],
    counted: dict[str, Counted],
    lines: dict[str, int],
) -> dict[str, Any]:
    """Return the whole ground truth, as values for JSON; times are seconds since 1970."""
    everybody: list[Witness] = [*plant.firewalls.values(), *plant.sensors.values()]
    return {
        "plant": plant.name,
        "seed": window.seed,
        "start": window.start,
        "end": window.end,
        "days": window.days,
        "busy": window.busy,
        "zones": {
            zone.name: {"networks": list(zone.networks), "leases": list(zone.leases)}
            for zone in plant.zones.values()
        },
        "hosts": {
            host.name: {
                "zone": host.zone,
                "user": host.user,
                "addresses": [
                    {"from": since, "to": until, "address": address}
                    for since, until, address in addresses(plant, window, host)
                ],
            }
            for host in plant.hosts.values()
        },
        "maintenance": [list(window.of(span)) for span in plant.maintenance],
        "conversations": [conversation(one, seen[one.name]) for one in plant.conversations],
        "witnesses": [
            witness(plant, window, one, counted.get(one.name, Counted())) for one in everybody
        ],
        "files": dict(sorted(lines.items())),
    }
