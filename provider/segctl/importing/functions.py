"""From the applications of a rule back to protocols and access classes of the catalogue."""

from __future__ import annotations

from itertools import islice, permutations, product
from typing import TYPE_CHECKING

from segctl.model.errors import SegctlError, UnsupportedError
from segctl.model.policy import ANY, DeclaredPolicy, DeclaredRule
from segctl.model.site import ProtocolUse
from segctl.protocols import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from segctl.model.policy import Rule
    from segctl.model.site import Device
    from segctl.protocols import Naming, Protocol
    from segctl.providers.base import Provider

#: Orders of protocols and classes that are tried to find the name of an application group.
_MOST_ORDERS = 2000


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


def ordered_for(
    rule: Rule, uses: tuple[ProtocolUse, ...], provider: Provider, device: Device
) -> tuple[ProtocolUse, ...]:
    """Return `uses` in the order from which the provider makes the group that `rule` names.

    A long list of applications is written as a group, whose name follows the order in which the
    inventory names protocols and classes. When no order fits, they stay as they are.
    """
    for order in islice(_orders(uses), _MOST_ORDERS):
        if _group_of(rule, order, provider, device) == rule.applications:
            return order
    return uses


def _group_of(
    rule: Rule, uses: tuple[ProtocolUse, ...], provider: Provider, device: Device
) -> tuple[str, ...]:
    asked = DeclaredRule(
        name=rule.name,
        from_zones=rule.from_zones,
        to_zones=rule.to_zones,
        conduit=rule.conduit,
        flow=rule.flow,
        sources=(ANY,),
        destinations=(ANY,),
        services=(ANY,),
        protocols=uses,
        applications=(),
    )
    try:
        fitted, _ = provider.fit(DeclaredPolicy(rules=(asked,)), device)
    except SegctlError:
        return ()
    return fitted.rules[0].applications


def _orders(uses: tuple[ProtocolUse, ...]) -> Iterator[tuple[ProtocolUse, ...]]:
    """Yield every order of the protocols and of the classes of each, the usual order first."""
    for protocols in permutations(uses):
        spelled = (
            [ProtocolUse(protocol=use.protocol, classes=words) for words in _spellings(use)]
            for use in protocols
        )
        yield from product(*spelled)


def _spellings(use: ProtocolUse) -> Iterator[tuple[str, ...]]:
    """Yield the orders of the classes, then the same with ``session`` named as well."""
    yield from permutations(use.classes)
    if "session" not in use.classes and "session" in catalogue().get(use.protocol).classes:
        yield from permutations((*use.classes, "session"))
