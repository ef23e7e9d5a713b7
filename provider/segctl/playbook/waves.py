"""How hosts are split into waves, and when a wave has failed, as in Ansible."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

Item = TypeVar("Item")


def waves(hosts: Sequence[Item], serial: Sequence[int | str]) -> tuple[tuple[Item, ...], ...]:
    """Split hosts into waves: the last size repeats; a percentage is of all hosts, rounded down.

    A wave has at least one host; a size of zero or less takes all the remaining hosts.
    """
    found: list[tuple[Item, ...]] = []
    sizes = list(serial) or [0]
    at = 0
    while at < len(hosts):
        size = _size(sizes[min(len(found), len(sizes) - 1)], len(hosts))
        end = at + size if size > 0 else len(hosts)
        found.append(tuple(hosts[at:end]))
        at = end
    return tuple(found)


def _size(part: int | str, total: int) -> int:
    if isinstance(part, int):
        return part
    # the expression is Ansible's, in floating point, so that both get the same number
    return int((int(part.removesuffix("%")) / 100.0) * total) or 1


def exceeds(failed: int, size: int, tolerated: float) -> bool:
    """Whether a wave of `size` hosts has failed: more than `tolerated` percent, or all of them."""
    return failed > 0 and (failed >= size or failed / size > tolerated / 100.0)
