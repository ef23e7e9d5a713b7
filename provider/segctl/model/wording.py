"""What a rule says, in words: the one place that writes its lists, negated or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.model.items import ANY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from segctl.model.items import Rule

#: Fields that hold addresses, with the field that says whether they hold everything but these.
NEGATED = {"sources": "negate_source", "destinations": "negate_destination"}


def list_text(values: Sequence[str], *, negated: bool = False, few: int = 0) -> str:
    """Write a list of a rule: ``any``, ``10.0.0.0/8, plc1``, ``everything but 10.0.0.0/8``.

    Args:
        values: the list; an empty one narrows nothing.
        negated: whether it holds everything but these.
        few: the most of them that are written, 0 for all.
    """
    shown = values[:few] if few else values
    more = " …" if len(shown) < len(values) else ""
    text = f"{', '.join(shown or (ANY,))}{more}"
    return f"everything but {text}" if negated else text


def side_text(rule: Rule, field: str, *, few: int = 0) -> str:
    """Write the ``sources`` or ``destinations`` of a rule."""
    return list_text(getattr(rule, field), negated=getattr(rule, NEGATED[field]), few=few)


def traffic_of(rule: Rule, *, few: int = 0) -> Iterator[tuple[str, str]]:
    """Yield which traffic between its zones a rule is about, field by field.

    A field that narrows nothing says `any`: the widest rule is not to read as the shortest.
    """
    for field in ("sources", "destinations"):
        yield field, side_text(rule, field, few=few)
    for field in ("users", "applications", "services"):
        yield field, list_text(getattr(rule, field), few=few)


def sentence_of(rule: Rule, *, few: int = 3) -> str:
    """``any on service ssh from IT (everything but lab) to OT (any)``: what a rule is about."""
    said = dict(traffic_of(rule, few=few))
    service = f" on service {said['services']}" if rule.services != (ANY,) else ""
    user = f", user {said['users']}" if rule.users != (ANY,) else ""
    return (
        f"{said['applications']}{service} "
        f"from {list_text(rule.from_zones, few=few)} ({said['sources']}) "
        f"to {list_text(rule.to_zones, few=few)} ({said['destinations']}){user}"
    )
