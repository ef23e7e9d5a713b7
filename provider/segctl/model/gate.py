"""What a device has beside its policy that packets must pass, too: a drop there is final."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRule:
    """A rule of a gate: at most the packets of these interfaces, addresses and services.

    No interfaces are all of them. The numbers are those of `segctl.analysis.space`. Only with
    `certain` it matches all of these packets.
    """

    action: Literal["accept", "drop"]
    certain: bool
    enters: tuple[str, ...]
    leaves: tuple[str, ...]
    sources: tuple[tuple[int, int], ...]
    destinations: tuple[tuple[int, int], ...]
    services: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Rules of which the first that matches decides, and `why` packets may not pass them.

    With `drops`, what none matches is dropped. With `opens`, packets may also pass by it that the
    policy does not let through: what it does is told elsewhere. Answers pass after the first
    `answered` rules; None: they have to pass all of them. `hint` says what to do about it, and
    `kind` and `subject` name it as an item of drift; `digest` is of all that it says, which an
    acceptance is bound to.
    """

    name: str
    why: str
    rules: tuple[GateRule, ...] = ()
    drops: bool = False
    opens: bool = False
    answered: int | None = None
    hint: str = "have its owner accept traffic between our zones"
    kind: str = "chain"
    subject: str = ""
    digest: str = ""
