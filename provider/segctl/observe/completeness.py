"""Whether records show all that there was in a time: only then is a silence worth a word. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from segctl.observe.times import when_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from segctl.observe.coverage import Coverage, WitnessCoverage

DAY: Final = 86_400
#: A witness may be silent for so many seconds at once, and for this share of the time in all:
#: what is done once a year takes longer.
_AT_ONCE: Final = DAY
_IN_ALL: Final = 0.01
#: Ways in which a device tells of sessions that no log tells of before they end.
_OPEN: Final = frozenset({"session table", "connections"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A time, in seconds since 1970."""

    first: float
    last: float


class Completeness:
    """Says of whom nothing is missing in a time.

    `spoilt` is why nobody's records are whole, empty if they may be. `witnesses` says of each one
    why its are not, empty if they are.
    """

    def __init__(self, coverage: Coverage, window: Window, called: Mapping[str, str]) -> None:
        """Take what records can show; `called` says which firewall a witness is."""
        self._coverage = coverage
        self._window = window
        self.spoilt = next(_spoilt(coverage), "")
        self.witnesses = {one.name: self._witness(one) for one in coverage.witnesses}
        self._firewalls: dict[str, str] = {}
        for name, why in self.witnesses.items():
            firewall = called.get(name, name)
            if self._firewalls.get(firewall) != "":  # one witness that saw all is enough
                self._firewalls[firewall] = why

    def logged(self, firewall: str) -> str:
        """Return why not all that a firewall passed was written down; empty if it was."""
        if firewall not in self._firewalls:
            return f"there is no record of {firewall}"
        why = self._firewalls[firewall]
        return f"{firewall}: {why}" if why else ""

    def told(self, firewall: str) -> str:
        """Return why a firewall may hold sessions that nobody knows of; empty if it does not."""
        answers = [
            one for one in self._coverage.asked if one.device == firewall and one.way in _OPEN
        ]
        if not answers:
            return f"{firewall} did not tell which sessions are open, of which no log tells yet"
        for one in answers:
            if one.cut or one.unread:
                return (
                    f"{one.member} did not tell all sessions that are open: {one.cut or one.unread}"
                )
        return ""

    def of(self, firewalls: Collection[str]) -> str:
        """Return why records of firewalls do not show all that they passed; empty if they do."""
        if self.spoilt or not firewalls:
            return self.spoilt or "no firewall holds its rules"
        said = (self.logged(name) or self.told(name) for name in sorted(firewalls))
        return next((why for why in said if why), "")

    def _witness(self, one: WitnessCoverage) -> str:
        if one.sampled:
            return "it looks at some packets only"
        if one.limited:
            return "it writes down some records only"
        if one.first is None or one.last is None:
            return "its records have no time"
        if one.first > self._window.first + DAY:
            return f"its records begin on {(when_text(one.first) or '')[:10]}, too late"
        if one.last < self._window.last - DAY:
            return f"its records end on {(when_text(one.last) or '')[:10]}, too early"
        longest = max((last - first for first, last in one.gaps), default=0.0)
        if longest > _AT_ONCE:
            return f"it is silent for {longest / 3600:.0f} hours at once"
        if one.gap_seconds > _IN_ALL * (self._window.last - self._window.first):
            return f"it is silent for {one.gap_seconds / 3600:.0f} hours in all"
        return ""


def _spoilt(coverage: Coverage) -> Iterator[str]:
    """Yield why any record may be missing, whoever's it is."""
    for failed in coverage.failed:
        yield f"{failed.device} was asked and told nothing: {failed.why}"
    for one in coverage.files:
        if one.problem or one.cut:
            yield f"{one.name}: {one.problem or one.cut}"
        if one.refused:
            yield f"{one.name}: {one.refused:,} lines could not be read, whatever they tell of"
        if one.future or one.undated:
            yield f"{one.name}: {one.future + one.undated:,} records have no time that can be"
