"""What becomes of each rule of one chain: whether packets reach it, and whether it is needed.

All that is said is certain: of the rules that cover another counts what they surely match, of the
covered one what it can match.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

from segctl.analysis.coverage import Effort, real_boxes, uncovered
from segctl.analysis.overlaps import overlaps, places
from segctl.analysis.space import Space, TooComplexError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from segctl.analysis.overlaps import Overlaps, Part, Values
    from segctl.analysis.space import Box

_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")
#: Stands for the default rule among places of rules.
DEFAULT = -1
#: Steps that the question about one rule may take, and all those of one chain.
STEPS_OF_RULE = 50_000
STEPS_OF_CHAIN = 1_000_000
#: Pieces in which what a rule decides may lie.
MAX_PIECES = 200

State = Literal["live", "covered", "replaced", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What becomes of a rule in a chain.

    It is `covered` where the rules `by` before it match all that it can match, and `replaced`
    where those after it, or the default rule, decide the same about all that reaches it. Of
    `unknown` it cannot be told, for the reason `why`. Those `leaning` are themselves covered in
    this chain; without them it would be replaced by others, if by any.
    """

    state: State
    by: frozenset[int] = frozenset()
    leaning: frozenset[int] = frozenset()
    others: frozenset[int] | None = None
    why: str = ""


LIVE = Standing(state="live")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A chain with what is asked of it again and again.

    `own` are the places of each rule's parts, as bits; `default` is whether the default rule
    allows, None where that cannot be told.
    """

    overlaps: Overlaps
    own: dict[int, int]
    allows: int
    sure: int
    can: int
    default: bool | None
    effort: Effort
    covered: set[int] = field(default_factory=set[int])

    @property
    def parts(self) -> Sequence[Part]:
        """The parts of all rules, in order."""
        return self.overlaps.parts

    @property
    def unclear(self) -> int:
        """The places of what a rule only can match."""
        return self.can & ~self.sure

    def before(self, rule: int) -> int:
        """Return the places before a rule."""
        own = self.own[rule]
        return (own & -own) - 1

    def after(self, rule: int) -> int:
        """Return the places after a rule."""
        return -1 << self.own[rule].bit_length() & (self.can | self.sure)

    def possible(self, rule: int) -> Iterator[int]:
        """Yield the places of what a rule can match."""
        return places(self.own[rule] & self.can)

    def certain(self, rule: int) -> Iterator[int]:
        """Yield the places of what a rule surely matches."""
        return places(self.own[rule] & self.sure)

    def opposite(self, rule: int) -> int:
        """Return the places of rules that decide otherwise."""
        return ~self.allows if self.allowing(rule) else self.allows

    def allowing(self, rule: int) -> bool:
        """Whether a rule allows what it matches."""
        return bool(self.own[rule] & self.allows)

    def same(self, rule: int, other: int) -> bool:
        """Whether two rules decide alike."""
        return self.allowing(rule) is self.allowing(other)


def judged(parts: Sequence[Part], values: Values, default: bool | None) -> Judged:  # noqa: FBT001 - what falls through
    """Return the parts of a chain's rules, in order, ready to be asked about.

    Raises:
        TooComplexError: it would take too much memory.
    """
    own: dict[int, int] = {}
    allows = sure = can = 0
    for at, part in enumerate(parts):
        bit = 1 << at
        own[part.rule] = own.get(part.rule, 0) | bit
        allows |= bit if part.allows else 0
        sure |= bit if part.sure else 0
        can |= bit if part.can else 0
    return Judged(
        overlaps=overlaps(parts, values),
        own=own,
        allows=allows,
        sure=sure,
        can=can,
        default=default,
        effort=Effort(STEPS_OF_CHAIN),
    )


def standings(chain: Judged, rules: Iterable[int]) -> dict[int, Standing]:
    """Return what becomes of rules, by their places.

    Raises:
        TooComplexError: the chain takes too many steps.
    """
    found: dict[int, Standing] = {}
    reached: dict[int, Box] = {}
    for rule in rules:
        if _shown_to_live(chain, rule):
            found[rule] = LIVE
            continue
        answer = _bounded(chain, _covering, rule, chain.sure)
        if isinstance(answer, Standing):
            found[rule] = answer
            continue
        by, left = answer
        if left is None:
            chain.covered.add(rule)
            found[rule] = Standing(state="covered", by=by, others=by)
        else:
            reached[rule] = left
    for rule, left in reached.items():  # what is covered is known by now
        after = _bounded(chain, _standing, rule, left)
        found[rule] = LIVE if after is None else after
    return found


def _shown_to_live(chain: Judged, rule: int) -> bool:
    """Whether one packet shows that a rule is needed, as it does of most rules.

    It reaches the rule, and what comes after decides, or may decide, otherwise.
    """
    own = chain.own[rule] & chain.can
    if not own:
        return False
    holding = chain.overlaps.first((own & -own).bit_length() - 1)
    if holding is None or holding & chain.before(rule) & chain.sure:
        return False
    after = holding & chain.after(rule)
    allows = chain.allowing(rule)
    alike = after & chain.sure & (chain.allows if allows else ~chain.allows)
    unlike = after & (~chain.allows if allows else chain.allows)
    if not alike:
        return bool(unlike) or chain.default is not allows
    return bool(unlike & ((alike & -alike) - 1))


def _standing(chain: Judged, rule: int, reached: Box, effort: Effort) -> Standing | None:
    """Return by what a rule is replaced, None where it is not."""
    by = _replacing(chain, rule, reached, effort, frozenset())
    if by is None:
        return None
    leaning = by & chain.covered
    others: frozenset[int] | None = by
    if leaning:
        others = _replacing(chain, rule, reached, effort, frozenset(chain.covered))
    return Standing(state="replaced", by=by, leaning=leaning, others=others)


def _bounded(
    chain: Judged,
    asked: Callable[[Judged, int, _Asked, Effort], _Answer],
    rule: int,
    about: _Asked,
) -> _Answer | Standing:
    """Return an answer, or that it takes too many steps; those of the chain are counted down."""
    effort = Effort(min(STEPS_OF_RULE, chain.effort.left))
    allowed = effort.left
    try:
        return asked(chain, rule, about, effort)
    except TooComplexError as error:
        return Standing(state="unknown", why=str(error))
    finally:
        chain.effort.spend(allowed - max(effort.left, 0))


def may_be_covered(chain: Judged, rule: int) -> frozenset[int]:
    """Return the rules that keep every packet from a rule, if they match all they can match.

    None are returned where they do not, or are as sure as they can be.
    """
    before = chain.before(rule) & chain.unclear
    if not before:
        return frozenset()
    unsure: set[int] = set()
    for at in chain.possible(rule):
        near = chain.overlaps.meeting(at, before)
        unsure |= {chain.parts[place].rule for place in places(near)}
    if not unsure:
        return frozenset()
    try:
        _, reached = _covering(chain, rule, chain.can, Effort(STEPS_OF_RULE))
    except TooComplexError:
        return frozenset(unsure)
    return frozenset(unsure) if reached is None else frozenset()


def _covering(
    chain: Judged, rule: int, of: int, effort: Effort
) -> tuple[frozenset[int], Box | None]:
    """Return the rules before it that match all it can match, and what they leave if not all.

    They match what `of` them is asked about.
    """
    before = chain.before(rule) & of
    by: set[int] = set()
    for at in chain.possible(rule):
        holders = chain.overlaps.holding(at, before)
        if holders:
            by.add(chain.parts[next(places(holders))].rule)
            continue
        boxes = real_boxes(chain.parts[at].space)
        near = [*places(chain.overlaps.meeting(at, before))]
        if not near:
            return frozenset(by), boxes[0]
        left, used = uncovered(boxes, [chain.parts[one].space for one in near], effort)
        by |= {chain.parts[near[index]].rule for index in used}
        if left is not None:
            return frozenset(by), left
    return frozenset(by), None


def _replacing(
    chain: Judged, rule: int, reached: Box, effort: Effort, leaving_out: frozenset[int]
) -> frozenset[int] | None:
    """Return the rules that decide the same once a rule is gone, None where others do not.

    `reached` is something that reaches it.
    """
    near = 0
    for at in chain.possible(rule):
        near |= chain.overlaps.meeting(at, chain.after(rule))
    following = _held_by_next(chain, rule, near)
    if following is not None and following not in leaving_out:
        return frozenset({following})
    if _decided_otherwise(chain, rule, reached, near):
        return None
    rest = [box for at in chain.possible(rule) for box in real_boxes(chain.parts[at].space)]
    used: set[int] = set()
    for place in places(near):
        part = chain.parts[place]
        alike = chain.same(rule, part.rule)
        if not (part.sure if alike else part.can) or (alike and part.rule in leaving_out):
            continue
        effort.spend(len(rest))
        if not alike and _reaches(chain, rule, (Space(tuple(rest)) & part.space).boxes, effort):
            return None
        left = [*(Space(tuple(rest)) - part.space).boxes]
        used |= {part.rule} if alike and left != rest else set()
        rest = left
        if len(rest) > MAX_PIECES:
            raise TooComplexError("what it decides falls into too many pieces")
    if not rest:
        return frozenset(used)
    return _replaced_by_default(chain, rule, rest, used, effort)


def _held_by_next(chain: Judged, rule: int, near: int) -> int | None:
    """Return the first rule after one that meets it, if it surely decides all of it, and alike."""
    own = [*chain.possible(rule)]
    if not near or len(own) != 1:
        return None
    place = next(places(near))
    part = chain.parts[place]
    alike = part.sure and chain.same(rule, part.rule)
    return part.rule if alike and chain.overlaps.holding(own[0], 1 << place) else None


def _replaced_by_default(
    chain: Judged, rule: int, rest: Sequence[Box], used: set[int], effort: Effort
) -> frozenset[int] | None:
    if chain.default is None:
        return None
    if chain.default is bool(chain.own[rule] & chain.allows):
        return frozenset({*used, DEFAULT})
    return None if _reaches(chain, rule, rest, effort) else frozenset(used)


def _decided_otherwise(chain: Judged, rule: int, reached: Box, near: int) -> bool:
    """Whether one packet that reaches a rule is decided otherwise by the next that matches it."""
    packet = Space((reached,)).example()
    for place in places(near):
        part = chain.parts[place]
        if packet not in part.space:
            continue
        if not chain.same(rule, part.rule):
            return True  # or may be: in both cases nothing is claimed
        if part.sure:
            return False
    return chain.default is not None and chain.default is not bool(chain.own[rule] & chain.allows)


def _reaches(chain: Judged, rule: int, boxes: Iterable[Box], effort: Effort) -> bool:
    """Whether any of some packets may reach a rule."""
    before = chain.before(rule) & chain.sure
    near: set[int] = set()
    for at in chain.possible(rule):
        near |= {*places(chain.overlaps.meeting(at, before))}
    covers = [chain.parts[place].space for place in sorted(near)]
    return uncovered(boxes, covers, effort)[0] is not None
