"""Reordering: as few moves as there can be, found fast."""

from __future__ import annotations

import random
import time
from bisect import bisect_left
from statistics import median
from typing import TYPE_CHECKING

from bench import corpus
from bench.measure import Case, Claim

from segctl.model.diff import diff
from segctl.model.policy import Policy
from segctl.model.site import Position
from segctl.providers.panos.fit import fit

if TYPE_CHECKING:
    from collections.abc import Sequence


def order(quick: bool) -> Case:  # noqa: FBT001 - every case has this one switch
    """Plan the moves from several orders of the same rules to the wanted one."""
    count, rounds = (200, 1) if quick else (10_000, 5)
    case = Case("diff of n rules that stand in another order")
    wanted = corpus.desired(count)
    policy = Policy(rules=fit(wanted.policy, wanted.device)[0].rules)
    slowest, excess = 0.0, 0
    for name, numbers in _orders(count).items():
        held = policy.replace(rules=tuple(policy.rules[number] for number in numbers))
        names = [rule.name for rule in held.rules]
        seconds: list[float] = []
        moves = 0
        for _ in range(rounds):
            begin = time.perf_counter()
            changes = diff(policy, held, order=names, position=Position())
            seconds.append(time.perf_counter() - begin)
            moves = sum(change.op == "move" for change in changes)
        fewest = count - _longest(numbers)
        excess += abs(moves - fewest)
        slowest = max(slowest, median(seconds))
        case.results.append(
            {
                "rules": count,
                "order": name,
                "moves": moves,
                "fewest": fewest,
                "seconds_median": round(median(seconds), 4),
            }
        )
    case.claims += [
        Claim(text="moves beyond n less the LIS", value=excess, relation="==", target=0),
        Claim(text="seconds for the slowest order", value=slowest, relation="<", target=0.5),
    ]
    return case


def _orders(count: int) -> dict[str, list[int]]:
    pick = random.Random(10)
    shuffled = list(range(count))
    pick.shuffle(shuffled)
    few = list(range(count))
    for _ in range(count // 100):
        few.insert(pick.randrange(count - 1), few.pop(pick.randrange(count)))
    return {
        "as wanted": list(range(count)),
        "one percent moved": few,
        "halves exchanged": [*range(count // 2, count), *range(count // 2)],
        "shuffled": shuffled,
        "reversed": list(range(count))[::-1],
    }


def _longest(values: Sequence[int]) -> int:
    """Return the length of the longest increasing subsequence, by patience sorting."""
    tops: list[int] = []
    for value in values:
        place = bisect_left(tops, value)
        tops[place : place + 1] = [value]
    return len(tops)
