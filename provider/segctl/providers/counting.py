"""What devices count of their rules, as they say it: missing is unknown, never nought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence  # noqa: TC003 - read at runtime by protocols
from dataclasses import dataclass, field
from datetime import datetime, timedelta  # noqa: TC003 - as above
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """What one firewall counted of one rule: new sessions that it decided.

    `count` is None where the firewall does not say, or says that its value is not current. `last`
    and `first` are None where it does not say; `never` is told by a count of nought alone.
    `counted_from` is since when it counts: the rule's creation or the last reset, None where that
    is not told.
    """

    rule: str
    count: int | None
    first: datetime | None = None
    last: datetime | None = None
    counted_from: datetime | None = None
    #: why a count of nought says nothing, empty if it does
    doubt: str = ""
    #: before when it cannot have counted, as before its machine started; None: not known
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What one firewall, which may be a member of a pair, counted.

    `unknown` says why nothing is known of it; `hits` are then empty. `sessions` are those that are
    open now, by rule, of the rules that were asked about.
    """

    member: str
    hits: Sequence[Hits] = ()
    sessions: Mapping[str, int] = field(default_factory=dict[str, int])
    unknown: str = ""


@runtime_checkable
class Counting(Protocol):
    """An additional capability of sessions whose device counts by rule; never resets a counter."""

    def counts(
        self, rules: Sequence[str], window: timedelta, *, risky: bool = False
    ) -> Sequence[Counts]:
        """Return what each firewall of the device counted; read-only.

        Args:
            rules: those for which open sessions are looked for if they have no hits in `window`.
            window: how far back from now.
            risky: ask also where asking can hang the device.

        Raises:
            UnsupportedError: asking can hang this device.
        """
        ...
