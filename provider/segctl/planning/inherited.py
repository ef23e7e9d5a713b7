"""Names that a place above ours holds already: the same there is no matter, other content is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

from segctl.model.errors import PlanError, Problem
from segctl.model.items import Address, AddressGroup, Service, ServiceGroup
from segctl.planning.findings import REFUSED
from segctl.providers.parsed import without_note

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segctl.model.items import Item
    from segctl.model.policy import Policy
    from segctl.providers.base import Live

#: The kinds that share their names, for each kind that segctl makes.
_SPACES: Final[Mapping[type[Item], tuple[type[Item], ...]]] = {
    Address: (Address, AddressGroup),
    AddressGroup: (Address, AddressGroup),
    Service: (Service, ServiceGroup),
}


def other_content(wanted: Policy, live: Live) -> Iterator[Problem]:
    """Yield the wanted objects whose name a place above holds with other content.

    One of the same content is hidden by ours, which changes nothing for anybody; ours does not
    follow when theirs is changed, and then it is told here.
    """
    for kind, kinds in _SPACES.items():
        for item in wanted[kind]:
            for place, held in live.above.items():
                found = next(
                    (one for other in kinds for one in held[other] if one.name == item.name), None
                )
                if found is not None and _content(found) != _content(item):
                    yield _differs(item, found, place)


def refuse_other_content(name: str, wanted: Policy, live: Live) -> None:
    """Refuse to hide an object that others see with other content.

    Raises:
        PlanError: there is such a name.
    """
    problems = list(other_content(wanted, live))
    if problems:
        more = f"; and {len(problems) - 4} more" if len(problems) > 4 else ""
        told = "; ".join(one.message for one in problems[:4])
        raise PlanError(f"{name}: {told}{more}: {problems[0].hint}")


def _content(item: Item) -> Item:
    """Return what an object means to a rule: neither what it is described as, nor any order."""
    plain = without_note(item, kept=lambda text: text)
    if isinstance(plain, AddressGroup | ServiceGroup):
        return cast("Item", replace(plain, members=tuple(sorted(plain.members))))
    return plain


def _differs(item: Item, found: Item, place: str) -> Problem:
    return Problem(
        message=f"{place} has {found.kind_name} {item.name} already, and it is {_said(found)}; "
        f"the inventory has {item.kind_name} {item.name}, which is {_said(item)}",
        hint="rename it there or in the inventory: rules of others that use the name would come "
        "to mean ours",
        kind=REFUSED,
        subject=item.name,
        about=("other content", place, item.kind_name, item.name, _said(found)),
    )


def _said(item: Item) -> str:
    """Return the content of an object in words."""
    extras = cast("tuple[str, ...]", getattr(item, "extras", ()))
    match item:
        case Address():
            text = item.value
        case AddressGroup() | ServiceGroup():
            text = ", ".join(item.members) or "empty"
        case Service():
            text = f"{item.protocol}/{item.ports}"
        case _:
            text = item.name
    return f"{text} (with {len(extras)} settings of which segctl knows nothing)" if extras else text
