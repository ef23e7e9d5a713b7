"""Which functions of industrial protocols nft can tell apart, and the chains that do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl.errors import Problem, UnsupportedError
from segctl.protocols import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from segctl.policy import Rule
    from segctl.providers.nftables.table import Chain, Set

NAMES: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """What a rule's protocols come to: names of functions to judge (none: ports), and notes."""

    names: tuple[str, ...] = ()
    notes: tuple[Problem, ...] = ()


def uses(rule: Rule, where: str) -> Uses:
    """Return what a rule's protocols come to.

    Raises:
        UnsupportedError: nft cannot tell these functions from others of the protocol.
    """
    notes: list[Problem] = []
    for use in rule.protocols:
        protocol = catalogue().get(use.protocol)
        if rule.enforce_functions and not set(protocol.classes) <= set(use.classes):
            message = f"{where}: nftables cannot tell functions of {use.protocol} apart"
            raise UnsupportedError(message)
    return Uses(notes=tuple(notes))


def chain(name: str) -> str:
    """Return the chain that judges one name."""
    return f"fn_{name}"


def support(used: Iterable[str]) -> Iterator[Set | Chain]:
    """Yield the sets and chains that the used names need."""
    del used
    yield from ()


def check_version(used: Iterable[str], version: str) -> None:
    """Refuse names that this version of nft cannot judge."""
    del used, version
