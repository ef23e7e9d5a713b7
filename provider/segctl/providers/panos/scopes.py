"""Where the name of an object is looked for: in the virtual system, then in what is shared.

In both the firewall has objects of its own and those that Panorama pushed there. Source: measured
on PAN-OS 11.1 and 11.2; the device refuses the same name twice in one scope.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

from segctl.model.policy import Rule
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
#: Kinds that decide what a rule permits.
_DECIDING: Final = frozenset(
    {"address", "address-group", "service", "service-group", "application-group", "schedule"}
)


@dataclass(slots=True)
class Objects:
    """The objects that one owner has in one scope; of some kinds only their names."""

    items: dict[tuple[str, str], Item] = field(default_factory=dict[tuple[str, str], "Item"])
    names: dict[str, set[str]] = field(default_factory=dict[str, set[str]])

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

    def add(self, other: Objects) -> None:
        """Add what another has; of two of a name the one that is here counts."""
        for key, item in other.items.items():
            self.items.setdefault(key, item)
        for kind, more in other.names.items():
            self.names.setdefault(kind, set()).update(more)

    def called(self, kinds: Iterable[str]) -> frozenset[str]:
        """Return the names of all entries of some kinds."""
        return frozenset(name for kind in kinds for name in self.names.get(kind, ()))


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
