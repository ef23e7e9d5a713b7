"""Where the name of an object is looked for: in the virtual system, then in what is shared.

In both the firewall has objects of its own and those that Panorama pushed there. Source: measured
on PAN-OS 11.1 and 11.2; the device refuses the same name twice in one scope.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

from segctl.model.policy import Rule
from segctl.providers.panos import elements
from segctl.providers.parsed import without_note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import TypeAlias

    from segctl.model.policy import Item
    from segctl.providers.panos.elements import Element

    Reader: TypeAlias = Callable[[Element], Item]

#: Kinds whose names are of one space: an entry of any of them hides a shared one of another.
_NAMESPACES: Final[Sequence[frozenset[str]]] = (
    frozenset({"address", "address-group", "external-list"}),
    frozenset({"service", "service-group"}),
)
#: Kinds of others that a rule may refer to, of which more than their names counts, although it is
#: not read: a plan notices when they change. None of them holds a secret, of which even a digest
#: would be too much.
REFERRED: Final = frozenset(
    {
        "application",
        "application-filter",
        "application-group",
        "dynamic-user-group",
        "log-setting",
        "profile-group",
        "region",
        "schedule",
    }
)
#: Kinds that decide what a rule permits.
_DECIDING: Final = frozenset(
    {"address", "address-group", "service", "service-group", "application-group", "schedule"}
)


@dataclass(slots=True)
class Objects:
    """The objects that one owner has in one scope; of some kinds only their names."""

    items: dict[tuple[str, str], Item] = field(default_factory=dict[tuple[str, str], "Item"])
    names: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    #: of the kinds in `REFERRED`, by kind and name
    digests: dict[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(
        cls, items: Iterable[Item], names: Mapping[str, frozenset[str]], *, compared: bool = True
    ) -> Objects:
        """Return the scope of these items and of further names by kind.

        Rules are none of its objects. Items that nothing is compared with are kept by name alone.
        """
        held = cls()
        for item in items:
            if not isinstance(item, Rule):
                held.names.setdefault(item.kind_name, set()).add(item.name)
                if compared:
                    held.items[item.kind_name, item.name] = item
        for kind, more in names.items():
            held.names.setdefault(kind, set()).update(more)
        return held

    def take(self, kind: str, entry: Element, read: Reader | None) -> None:
        """Take an entry; of two of a name the first counts."""
        name = entry.get("name", "")
        self.names.setdefault(kind, set()).add(name)
        if read is not None and (kind, name) not in self.items:
            self.items[kind, name] = read(entry)
        if kind in REFERRED:
            join(self.digests, f"{kind} {name}", elements.digest(entry))

    def add(self, other: Objects) -> None:
        """Add what another has; of two of a name the one that is here counts."""
        for key, item in other.items.items():
            self.items.setdefault(key, item)
        for kind, more in other.names.items():
            self.names.setdefault(kind, set()).update(more)
        self.digests = both(self.digests, other.digests)

    def called(self, kinds: Iterable[str]) -> frozenset[str]:
        """Return the names of all entries of some kinds."""
        return frozenset(name for kind in kinds for name in self.names.get(kind, ()))


def both(first: Mapping[str, str], second: Mapping[str, str]) -> dict[str, str]:
    """Return the digests of two owners in one scope; a name that both have has one of both."""
    joined = dict(first)
    for key, digest in second.items():
        join(joined, key, digest)
    return joined


def join(digests: dict[str, str], key: str, digest: str) -> None:
    """Add a digest; what has another one already gets one of both."""
    known = digests.setdefault(key, digest)
    if known != digest:
        digests[key] = hashlib.sha256(f"{known} {digest}".encode()).hexdigest()


def visible(steps: Iterable[tuple[Objects, Objects]]) -> tuple[list[Item], list[str]]:
    """Return the objects that a name of the virtual system can mean, and which are not clear.

    Each step has the firewall's own objects and the pushed ones of a scope, the virtual system's
    first. The virtual system's own objects are not repeated.
    """
    found: list[Item] = []
    unclear: list[str] = []
    nearer: defaultdict[frozenset[str], set[str]] = defaultdict(set)
    for number, (own, pushed) in enumerate(steps):
        if number:
            found += (
                item for (kind, name), item in own.items.items() if name not in nearer[_space(kind)]
            )
        beside = {space: own.called(space) for space in map(_space, pushed.names)}
        for (kind, name), item in pushed.items.items():
            space = _space(kind)
            if name in nearer[space]:
                continue
            if name not in beside[space]:
                found.append(item)
            elif kind in _DECIDING and not _same(item, own.items.get((kind, name))):
                unclear.append(f"{kind} {name} is defined both on the device and by Panorama")
        for scope in (own, pushed):
            for kind, names in scope.names.items():
                nearer[_space(kind)] |= names
    return found, unclear


@cache
def _space(kind: str) -> frozenset[str]:
    """Return the kinds that share the names of a kind."""
    return next((space for space in _NAMESPACES if kind in space), frozenset({kind}))


def _same(item: Item, other: Item | None) -> bool:
    return other is not None and without_note(item) == without_note(other)
