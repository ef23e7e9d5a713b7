"""Long lists of applications, told by the protocol and the access classes they stand for."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING

from segctl.model.errors import UnsupportedError
from segctl.protocols import catalogue
from segctl.providers.base import application_names, provider
from segctl.report.labels import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: A group of no more applications than this is listed.
_LISTED = 6


def applications_text(members: Sequence[str], platform: str) -> str:
    """Say what a group of applications stands for, member by member where they are few.

    >>> applications_text(("modbus-base", "modbus-read-coils"), "panos")
    'modbus-base, modbus-read-coils'
    """
    if len(members) <= _LISTED:
        return ", ".join(members)
    whole = counted(len(members), "application")
    meant = _meant(tuple(sorted(members)), platform)
    if meant is None:
        return f"{', '.join(members[:3])} and {len(members) - 3} more: {whole}"
    protocol, classes = meant
    return f"{protocol}: {', '.join(classes)}, {whole}"


@cache
def _meant(members: tuple[str, ...], platform: str) -> tuple[str, tuple[str, ...]] | None:
    """Return the protocol and the fewest access classes that come to exactly these applications."""
    try:
        named = application_names(provider(platform))
    except UnsupportedError:
        return None
    for protocol in catalogue().protocols.values():
        for classes in _choices(protocol.classes):
            try:
                names = named(protocol, classes).names
            except UnsupportedError:
                continue
            if tuple(sorted(names)) == members:
                return protocol.id, classes
    return None


def _choices(classes: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for number in range(1, len(classes) + 1):
        yield from combinations(classes, number)
