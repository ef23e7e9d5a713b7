"""What becomes of a flow end to end: through all firewalls in series, on every path.

A packet has to pass every firewall on its path. Where paths lie side by side, the network decides
which one it takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from segctl.analysis.answer import Answer, Example, Flow, Spoken, ends_of, region_of
from segctl.analysis.pairs import difference, intersection, pairs_of, union
from segctl.analysis.query import types_of
from segctl.analysis.series import Span, along
from segctl.analysis.space import (
    ALL_NAMES,
    REAL,
    WEEK,
    Names,
    Space,
    common,
    host_of,
    protocol_text,
    ranges,
    service,
)
from segctl.analysis.words import Literally
from segctl.model.icmp import TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from segctl.analysis.answer import Passage
    from segctl.analysis.pairs import Pairs
    from segctl.analysis.query import Question
    from segctl.analysis.space import Numbers, Point
    from segctl.compiler.topology import Hop

#: What a question may leave open.
Field = Literal["port", "application", "time", "user"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """A field that a question left open, and the values with which something is allowed.

    One of `numbers` (ports, minutes of the week) and `names` says which.
    """

    field: Field
    numbers: Numbers = ()
    names: Names | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of a flow on its whole way; examples name no rule.

    `present` is what becomes of it by what objects hold now, where that says more.
    """

    answer: Answer
    open: tuple[Open, ...] = ()
    present: Answer | None = None


def end_to_end(
    question: Question,
    passages: Mapping[Hop, Passage],
    platforms: Mapping[str, str],
    reasons: Iterable[str],
) -> Verdict:
    """Return what becomes of a flow on all paths between its ends.

    Args:
        question: what was asked.
        passages: what each firewall lets through; one that is missing could not be asked.
        platforms: the platform of each firewall that was asked.
        reasons: why single firewalls cannot tell.

    Raises:
        TooComplexError: the answer falls into too many pieces.
    """
    check = question.check
    flow = Flow(
        zones=(),
        sources=question.source.addresses,
        destinations=question.destination.addresses,
        protocol=check.protocol,
        port=check.port,
        user=check.user,
        spoken=Spoken(),
        types=types_of(check, Literally()),
    )
    region = region_of(flow, ALL_NAMES) & REAL
    pairs = pairs_of([ends_of(flow) & REAL])
    some = _along(
        question,
        region,
        {
            hop: Span(can=one.can, sure=one.sure, platform=platforms[hop.device])
            for hop, one in passages.items()
        },
    )
    whole = _along(
        question,
        ends_of(flow) & REAL,
        {
            hop: Span(can=_space(one.whole_can), sure=_space(one.whole_sure))
            for hop, one in passages.items()
        },
    )
    allowed_can, allowed_sure = pairs_of([some.can]), pairs_of([some.sure])
    whole_can = intersection(pairs_of([whole.can]), allowed_can)
    whole_sure = intersection(pairs_of([whole.sure]), allowed_sure)
    denied_sure, denied_can = difference(pairs, whole_can), difference(pairs, whole_sure)
    unknown = union(difference(allowed_can, allowed_sure), difference(denied_can, denied_sure))
    why = (*reasons, *_missing(question, passages)) or (_ELSEWHERE,)
    answer = Answer(
        allowed=_example(some.sure),
        denied=_example(_within(denied_sure, region) - some.can or _within(denied_sure, region)),
        unknown=_example(_within(unknown, some.can) - some.sure or _within(unknown, region)),
        why=tuple(dict.fromkeys(why)) if unknown else (),
    )
    return Verdict(answer=answer, open=tuple(_open(question, some.can)))


#: Why it cannot be told what gets through, where each firewall can tell what it does.
_ELSEWHERE = (
    "the firewalls permit different parts of it, and which path the traffic takes, or whether "
    "their applications are the same, is not known"
)


def _along(question: Question, region: Space, spans: Mapping[Hop, Span]) -> Span:
    source, destination = question.source.zone, question.destination.zone
    return along(question.hops, spans, source, destination, region)


def _missing(question: Question, passages: Mapping[Hop, Passage]) -> tuple[str, ...]:
    names = sorted({hop.device for hop in question.hops if hop not in passages})
    return tuple(f"{name} was not asked" for name in names)


def _space(pairs: Pairs) -> Space:
    return Space(tuple(stripe.box for stripe in pairs))


def _within(pairs: Pairs, region: Space) -> Space:
    """Return what of a region is between the first of some pairs of addresses."""
    return Space((pairs[0].box,)) & region if pairs else Space()


def _example(space: Space) -> Example | None:
    if not space:
        return None
    point: Point = space.example()
    return Example(
        source=host_of(point.source),
        destination=host_of(point.destination),
        rule="",
        port=point.service & 0xFFFF,
        application=point.application,
        protocol=protocol_text(point.service >> 16),
    )


def _open(question: Question, can: Space) -> Iterable[Open]:
    """Yield the open fields of which the answer depends, where anything is allowed."""
    check = question.check
    if not can:
        return
    services = ranges(part for box in can.boxes for part in box.service)
    if not check.port and check.protocol in ("tcp", "udp"):
        asked = service(check.protocol)
        if common(services, asked) != asked:
            yield Open(field="port", numbers=services)
    whole = [service(one) for one in TYPES if check.protocol == one and not check.icmp_type]
    if any(common(services, asked) not in ((), asked) for asked in whole):
        yield Open(field="port", numbers=services)
    if not check.application:
        names = Names()
        for box in can.boxes:
            names |= box.application
        anything = names.but if check.protocol in TYPES else names == ALL_NAMES
        if not anything:  # some applications are never spoken on ICMP
            yield Open(field="application", names=names)
    times = ranges(part for box in can.boxes for part in box.time)
    if times != WEEK:
        yield Open(field="time", numbers=times)
