"""From the applications of a rule back to protocols and access classes of the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.compiler.naming import decode_function
from segctl.model.errors import UnsupportedError
from segctl.model.site import ACCESS_CLASSES, ProtocolUse
from segctl.protocols import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segctl.protocols import Naming, Protocol


def protocol_uses(
    names: Iterable[str], applications: Naming
) -> tuple[tuple[ProtocolUse, ...], tuple[str, ...]]:
    """Return the protocol uses that permit exactly some of `names`, and the names left over.

    A protocol is used only when its classes permit all of its applications among `names`, and
    nothing that is not among them; no class is named that others bring along anyway.
    """
    wanted = frozenset(names)
    known = catalogue()
    owners = sorted({known.owners[name] for name in wanted if name in known.owners})
    pieces: dict[tuple[str, str], frozenset[str]] = {}
    for owner in owners:
        pieces |= _classes(known.protocols[owner], wanted, applications)
    pieces = _needed(pieces)
    left = wanted - frozenset[str]().union(*pieces.values())
    uses = tuple(
        ProtocolUse(
            protocol=owner, classes=tuple(word for protocol, word in pieces if protocol == owner)
        )
        for owner in dict.fromkeys(protocol for protocol, _ in pieces)
    )
    return uses, tuple(sorted(left))


def function_uses(names: Iterable[str], applications: Naming) -> tuple[ProtocolUse, ...]:
    """Return the protocol uses that the platform calls exactly `names`, one by one.

    None where it has names of its own for functions, or where a name is no function.
    """
    wanted = frozenset(names)
    classes: dict[str, set[str]] = {}
    for name in wanted:
        found = decode_function(name)
        if found is None or found[0] not in catalogue().protocols:
            return ()
        classes.setdefault(found[0], set()).add(found[1])
    uses = tuple(
        ProtocolUse(
            protocol=protocol, classes=tuple(word for word in ACCESS_CLASSES if word in held)
        )
        for protocol, held in sorted(classes.items())
    )
    try:
        called = frozenset(
            name
            for use in uses
            for name in applications(catalogue().protocols[use.protocol], use.classes).names
        )
    except UnsupportedError:
        return ()
    return uses if wanted == called else ()


def _classes(
    protocol: Protocol, wanted: frozenset[str], applications: Naming
) -> dict[tuple[str, str], frozenset[str]]:
    """Return the classes of one protocol that need nothing but `wanted`, with what they need."""
    found: dict[tuple[str, str], frozenset[str]] = {}
    for word in protocol.classes:
        try:
            needed = frozenset(applications(protocol, (word,)).names)
        except UnsupportedError:
            continue
        if needed <= wanted:
            found[protocol.id, word] = needed
    own = {name for name in wanted if catalogue().owners.get(name) == protocol.id}
    return found if own <= frozenset[str]().union(*found.values()) else {}


def _needed(
    pieces: dict[tuple[str, str], frozenset[str]],
) -> dict[tuple[str, str], frozenset[str]]:
    """Leave out the pieces that the others make superfluous, set-up classes first."""
    everything = frozenset[str]().union(*pieces.values())
    for key in sorted(pieces, key=lambda key: (key[1] != "session", key)):
        rest = {other: names for other, names in pieces.items() if other != key}
        if frozenset[str]().union(*rest.values()) == everything and rest:
            pieces = rest
    return pieces
