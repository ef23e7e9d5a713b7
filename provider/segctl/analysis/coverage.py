"""Whether sets of packets cover another together, with an end to the search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.analysis.space import ALL_ADDRESSES, REAL, Space, TooComplexError, meet, of_ipv4

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from segctl.analysis.space import Box

_IPV6 = ALL_ADDRESSES[1][0]


class Effort:
    """How many steps a search may still take."""

    def __init__(self, steps: int) -> None:
        """Allow so many."""
        self.left = steps

    def spend(self, steps: int = 1) -> None:
        """Take some.

        Raises:
            TooComplexError: there are no more.
        """
        self.left -= steps
        if self.left < 0:
            raise TooComplexError("the question takes too many steps")


def uncovered(
    boxes: Iterable[Box], covers: Sequence[Space], effort: Effort
) -> tuple[Box | None, set[int]]:
    """Return packets of some boxes that no cover holds, None if there are none.

    The second value are the places of the covers that were needed.

    Raises:
        TooComplexError: the search takes too many steps.
    """
    flat = [(box, at) for at, cover in enumerate(covers) for box in cover.boxes]
    stack = [(box, 0) for box in boxes]
    used: set[int] = set()
    while stack:
        piece, start = stack.pop()
        for index in range(start, len(flat)):
            cover, at = flat[index]
            if meet(piece, cover) is None:
                continue
            effort.spend(1 + index - start)
            used.add(at)
            rest = Space((piece,)) - Space((cover,))
            stack += [(one, index + 1) for one in rest.boxes]
            break
        else:
            effort.spend(1 + len(flat) - start)
            return piece, used
    return None, used


def real(space: Space) -> Space:
    """Return the packets of a set whose ends are of one IP version, in no more boxes than before.

    A box with both versions at both ends stays as it is.
    """
    if all(map(of_ipv4, space.boxes)):
        return space
    found: list[Box] = []
    for box in space.boxes:
        source, destination = _versions(box.source), _versions(box.destination)
        if source == destination:
            found.append(box)
        else:
            found += (Space((box,)) & REAL).boxes
    return space if len(found) == len(space.boxes) and found == [*space.boxes] else Space((*found,))


def real_boxes(space: Space) -> tuple[Box, ...]:
    """Return the boxes of a set that `real` made, those of both IP versions in two."""
    if all(not all(_versions(box.source) + _versions(box.destination)) for box in space.boxes):
        return space.boxes
    return (space & REAL).boxes


def _versions(numbers: tuple[tuple[int, int], ...]) -> tuple[bool, bool]:
    return bool(numbers) and numbers[0][0] < _IPV6, bool(numbers) and numbers[-1][1] >= _IPV6
