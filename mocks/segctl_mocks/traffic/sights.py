"""What each witness of a session sees: its zones and addresses there, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl_mocks.traffic.routes import Way, judge, ways

if TYPE_CHECKING:
    from segctl_mocks.traffic.plant import Plant, Witness
    from segctl_mocks.traffic.routes import Verdict
    from segctl_mocks.traffic.sessions import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A session as a witness sees it.

    `source` and `target` are the addresses before translation there, `nat` those after it (equal
    where there is none). A sensor has no `verdict`; `passed` says that the other end got it.
    """

    witness: Witness
    source: str
    target: str
    nat: tuple[str, str]
    passed: bool
    verdict: Verdict | None = None
    zones: tuple[str, str] = ("", "")
    interfaces: tuple[str, str] = ("", "")

    @property
    def translated(self) -> bool:
        """Whether an address is translated there."""
        return self.nat != (self.source, self.target)


class Sights:
    """Finds who sees a session; what is alike is found once."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._ways = ways(plant)
        self._known: dict[tuple[object, ...], tuple[Sight, ...]] = {}

    def of(self, session: Session) -> tuple[Sight, ...]:
        """Return what each witness sees of a session, firewalls in the order of its way first."""
        one = session.conversation
        key = (one.name, session.source, session.target, session.applications, session.zones)
        found = self._known.get(key)
        if found is None:
            if len(self._known) > 20_000:  # a scan makes many
                self._known.clear()
            found = self._known[key] = tuple(self._find(session))
        return found

    def _find(self, session: Session) -> list[Sight]:
        way = self._ways.get(session.zones) or Way(zones=(session.zones[0],), firewalls=())
        translation = session.conversation.translation
        source, target = session.source, session.target
        if translation is not None and translation.target:
            target = translation.target
        seen, passed = {way.zones[0]: (source, target)}, True
        firewalls: list[Sight] = []
        for number, name in enumerate(way.firewalls):
            firewall = self._plant.firewalls[name]
            pairs = firewall.zones[way.zones[number]], firewall.zones[way.zones[number + 1]]
            zones = pairs[0][0], pairs[1][0]
            verdict = judge(firewall, zones, source, target, session.applications)
            passed = verdict.allow
            after = source, target
            if translation is not None and translation.firewall == name and passed:
                after = (translation.source or source, session.target)
            firewalls.append(
                Sight(
                    witness=firewall,
                    source=source,
                    target=target,
                    nat=after,
                    passed=passed,
                    verdict=verdict,
                    zones=zones,
                    interfaces=(pairs[0][1], pairs[1][1]),
                )
            )
            if not passed:
                break
            source, target = after
            seen[way.zones[number + 1]] = after
        sights = [
            Sight(witness=sensor, source=at[0], target=at[1], nat=at, passed=passed)
            for sensor in self._plant.sensors.values()
            if (at := next((seen[zone] for zone in seen if zone in sensor.zones), None))
        ]
        return [*firewalls, *sights]
