"""What one firewall enforces, in firewall terms: objects and ordered rules.

A `DeclaredPolicy` is what the inventory asks of a firewall; a platform's `fit` makes a `Policy` of
it, in the platform's own words. Both sides of every comparison are a `Policy`: the fitted one and
the one parsed from a device. Lists whose order a firewall ignores are kept sorted, so that two
policies that mean the same are equal.

``renamed_from`` of a wanted item are names the device may have it under; nothing is compared by it.
"""

from __future__ import annotations

import hashlib
import warnings
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from segctl.model import items as kinds
from segctl.model.addresses import EVERYTHING, interval, merge, wildcard, wildcard_intervals
from segctl.model.items import (
    AHEAD,
    ANY,
    APPLICATION_DEFAULT,
    CONTAINMENT,
    ECHOES,
    Action,
    Address,
    AddressGroup,
    AddressKind,
    ApplicationGroup,
    DeclaredRule,
    DefaultRule,
    FirewallZone,
    Item,
    LogProfile,
    Rule,
    Schedule,
    Service,
    ServiceGroup,
    Tag,
    as_dict,
    canonical,
    compared_fields,
    item_digest,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Self

    from segctl.model.addresses import Interval

__all__ = [
    "AHEAD",
    "ANY",
    "APPLICATION_DEFAULT",
    "CONTAINMENT",
    "ECHOES",
    "Action",
    "Address",
    "AddressGroup",
    "AddressKind",
    "ApplicationGroup",
    "DeclaredPolicy",
    "DeclaredRule",
    "DefaultRule",
    "FirewallZone",
    "Item",
    "LogProfile",
    "Policy",
    "Rule",
    "Schedule",
    "Service",
    "ServiceGroup",
    "Tag",
    "as_dict",
    "compared_fields",
    "item_digest",
    "resolver",
    "sealed",
]

_T = TypeVar("_T", bound=Item | DeclaredRule)


@dataclass(frozen=True, slots=True, init=False)
class _Items:
    """Items by kind, with every kind in the order of `items.KINDS`."""

    by_kind: Mapping[str, tuple[Any, ...]]

    def __init__(self, by_kind: Mapping[str, tuple[Any, ...]] | None = None, **items: Any) -> None:
        """Take the items of each kind by its plural; other kinds come from `by_kind`.

        Raises:
            TypeError: the kind does not exist, or an item has another kind.
        """
        held: dict[str, tuple[Any, ...]] = {}
        for plural, kind in self._kinds():
            if plural in items:
                held[kind.kind_name] = self._checked(kind, self._taken(tuple(items.pop(plural))))
            else:
                held[kind.kind_name] = by_kind.get(kind.kind_name, ()) if by_kind else ()
        if items:
            message = f"{type(self).__name__} has no {', '.join(sorted(items))}"
            raise TypeError(message)
        object.__setattr__(self, "by_kind", held)

    @classmethod
    def _kinds(cls) -> Iterator[tuple[str, Any]]:
        """Yield the plural and the class of each kind, in the order of `items.KINDS`."""
        for row in kinds.KINDS:
            yield row.plural, row.item

    @classmethod
    def _checked(cls, kind: type[Any], items: tuple[Any, ...]) -> tuple[Any, ...]:
        wrong = set(map(type, items)) - {kind}
        if wrong:
            found = ", ".join(sorted(one.__name__ for one in wrong))
            message = f"{found} among the {kind.__name__} items of a {cls.__name__}"
            raise TypeError(message)
        return items

    @classmethod
    def _taken(cls, items: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the items in the form in which this type of policy holds them."""
        return items

    def __getitem__(self, kind: type[_T]) -> tuple[_T, ...]:
        """Return the items of one kind.

        Raises:
            KeyError: a policy of this type has no items of this kind.
        """
        return self.by_kind[kind.kind_name]

    def replace(self, **items: Iterable[Any]) -> Self:
        """Return the policy with the items of some kinds replaced, by plural.

        Raises:
            TypeError: the kind does not exist, or an item has another kind.
        """
        return type(self)(self.by_kind, **items)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> tuple[Any, ...]:
            """Return the items of one kind by its plural, for platforms of an older release."""
            for plural, kind in self._kinds():
                if name == plural:
                    warnings.warn(
                        f"policy.{name} is now policy[{kind.__name__}]; the old form will be "
                        "removed in release 2",
                        DeprecationWarning,
                        stacklevel=2,
                    )
                    return self[kind]
            message = f"{type(self).__name__} has no {name}"
            raise AttributeError(message)


@dataclass(frozen=True, slots=True, init=False)
class DeclaredPolicy(_Items):
    """All objects and rules that the inventory declares for one firewall; rules in order."""

    @classmethod
    def _kinds(cls) -> Iterator[tuple[str, Any]]:
        for row in kinds.KINDS:
            yield row.plural, DeclaredRule if row.item is Rule else row.item

    @property
    def rules(self) -> tuple[DeclaredRule, ...]:
        """The rules, first to last."""
        return self[DeclaredRule]


@dataclass(frozen=True, slots=True, init=False)
class Policy(_Items):
    """The objects and rules of one device, or the managed part of them; rules in order.

    ``policy[Address]`` are the addresses; ``Policy(addresses=…, rules=…)`` makes a policy.
    """

    @classmethod
    def _taken(cls, items: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(map(_as_fitted, items)) if DeclaredRule in map(type, items) else items

    @classmethod
    def of(cls, items: Iterable[Item]) -> Policy:
        """Return a policy of these items; the items of each kind keep their order.

        Raises:
            TypeError: an item has a kind that is not in `items.KINDS`.
        """
        held: dict[type[Item], list[Item]] = {}
        for item in items:
            held.setdefault(type(item), []).append(item)
        known = {kind.item for kind in kinds.KINDS}
        unknown = ", ".join(sorted(kind.__name__ for kind in held.keys() - known))
        if unknown:
            message = f"a policy cannot hold {unknown}"
            raise TypeError(message)
        return cls({kind.kind_name: tuple(found) for kind, found in held.items()})

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules, first to last."""
        return self[Rule]

    def beside(self, other: Policy) -> Policy:
        """Return the policy with the items of another appended, kind by kind."""
        return Policy({kind: (*held, *other.by_kind[kind]) for kind, held in self.by_kind.items()})

    def objects(self) -> Iterator[tuple[str, tuple[Item, ...]]]:
        """Yield every kind except rules with its items, in the order in which to create them."""
        for kind in kinds.KINDS:
            if kind.item is not Rule:
                yield kind.name, self[kind.item]

    @property
    def digest(self) -> str:
        """``sha256:…`` of the canonical JSON: equal for equivalent policies."""
        digest = hashlib.sha256()
        later = {kind.name for kind in kinds.KINDS if kind.later}
        for kind, items in self.objects():
            if not items and kind in later:
                continue
            digest.update(f"{kind}\n".encode())
            for item in sorted(items, key=_name):
                digest.update(canonical(item))
        digest.update(b"rule\n")
        for rule in self.rules:
            digest.update(canonical(rule))
        return f"sha256:{digest.hexdigest()}"


def _as_fitted(rule: Rule | DeclaredRule) -> Rule:
    """Return the fitted rule of a platform that predates the type `DeclaredRule`.

    Raises:
        TypeError: the rule still has protocols, so it was not fitted.
    """
    if isinstance(rule, Rule):
        return rule
    fitted = rule.fitted()
    warnings.warn(
        "a fitted policy holds Rule, not DeclaredRule: use DeclaredRule.fitted; the old form will "
        "be removed in release 2",
        DeprecationWarning,
        stacklevel=2,
    )
    return fitted


def _name(item: Item) -> str:
    return item.name


def sealed(policy: Policy, described: Callable[[Rule, str], str] | None = None) -> Policy:
    """Return `policy` with a seal on every essential rule: a digest of all it permits.

    `described` makes the description of such a rule from the rule and its seal, for devices that
    keep the seal in the description.

    A device keeps the seal in the rule's mark. A change back to what was sealed repairs the flow;
    any other narrowing of the rule cuts it.
    """
    if not any(rule.essential for rule in policy.rules):
        return policy
    addresses = resolver(policy)
    ports = {item.name: (item.protocol, item.ports) for item in policy[Service]}
    applications = {group.name: group.members for group in policy[ApplicationGroup]}

    def seal(rule: Rule) -> Rule:
        if not rule.essential:
            return rule
        permitted = (
            rule.from_zones,
            rule.to_zones,
            addresses(rule.sources),
            addresses(rule.destinations),
            rule.users,
            sorted({app for name in rule.applications for app in applications.get(name, (name,))}),
            sorted(str(ports.get(name, name)) for name in rule.services),
            rule.schedule,
        )
        found = hashlib.sha256(repr(permitted).encode()).hexdigest()[:8]
        text = described(rule, found) if described else rule.description
        return replace(rule, seal=found, description=text)

    return policy.replace(rules=map(seal, policy.rules))


def resolver(policy: Policy | DeclaredPolicy) -> Callable[[Iterable[str]], tuple[Interval, ...]]:
    """Return a function from object names (or literal addresses) to address intervals.

    Names that do not stand for fixed addresses (FQDNs, dynamic groups, regions) resolve to nothing.
    Callers that must not underestimate use `opaque`.
    """
    addresses = {address.name: address for address in policy[Address]}
    groups = {group.name: group for group in policy[AddressGroup]}

    @cache
    def one(name: str) -> tuple[Interval, ...]:
        return tuple(walk(name, frozenset()))

    def walk(name: str, seen: frozenset[str]) -> Iterator[Interval]:
        if name == ANY:
            yield from EVERYTHING
        elif (address := addresses.get(name)) is not None:
            if address.type in ("network", "range"):
                yield interval(address.value)
            elif address.type == "wildcard":
                with suppress(ValueError):
                    yield from wildcard_intervals(*wildcard(address.value)) or ()
        elif (group := groups.get(name)) is not None:
            for member in group.members if name not in seen else ():
                yield from walk(member, seen | {name})
        else:
            yield from _literal(name)

    @cache
    def many(names: tuple[str, ...]) -> tuple[Interval, ...]:
        return merge(part for name in names for part in one(name))

    return lambda names: many(tuple(names))


def _literal(text: str) -> Iterator[Interval]:
    """Yield the addresses that a rule names literally; a region or the like has none."""
    try:
        yield interval(text)
    except ValueError:
        return
