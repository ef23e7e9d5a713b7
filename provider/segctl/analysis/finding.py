"""What lint says of a policy: findings, which are certain, and what cannot be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from segctl.analysis.present import Held
    from segctl.analysis.space import Point

Kind = Literal[
    "shadowed",
    "redundant",
    "generalised",
    "correlated",
    "never_matches",
    "application_port",
    "permits_everything",
    "unused_object",
    "indirect_reach",
]
Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is certainly so of a rule, of an object, or of two zones.

    ``others`` are the rules that it is so because of, in their order. ``example`` is a packet
    between ``zones`` that shows it: the rule matches it, and so does one of the others. ``conduit``
    and ``flow`` are those that a rule of ours is for.
    """

    kind: Kind
    severity: Severity
    subject: str
    message: str
    others: tuple[str, ...] = ()
    zones: tuple[str, str] = ("", "")
    example: Point | None = None
    conduit: str = ""
    flow: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """What is so of a rule by what objects hold now that the device fills.

    ``findings`` are None where that cannot be told either: nothing is known of an object, or it
    hangs on more than objects.
    """

    objects: tuple[Held, ...]
    findings: tuple[Finding, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """What cannot be told of a rule, or between two zones; `kind` says what may be so.

    ``present`` is what is so by what objects hold now, if it hangs on any.
    """

    subject: str
    why: tuple[str, ...]
    kind: Kind | Literal["unknown_words", "too_complex"] = "unknown_words"
    present: Now | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lint:
    """What there is to say of a policy: findings by rule in its order, what cannot be told.

    ``rules`` and ``chains`` say how much was looked at: enabled rules, and different chains of
    them between zones.
    """

    findings: tuple[Finding, ...]
    doubts: tuple[Doubt, ...]
    rules: int
    chains: int

    @property
    def complete(self) -> bool:
        """Whether everything was looked at."""
        return not any(doubt.kind == "too_complex" for doubt in self.doubts)
