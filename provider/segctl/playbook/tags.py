"""Which tasks ``--tags`` and ``--skip-tags`` select, as in Ansible."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_UNTAGGED = frozenset({"untagged"})


def selected(tags: Iterable[str], only: Iterable[str] = (), skip: Iterable[str] = ()) -> bool:
    """Whether to run a task with `tags`, which include those of its play.

    An empty `only` means Ansible's default, ``all``.
    """
    own = frozenset(tags) or _UNTAGGED
    wanted, unwanted = frozenset(only) or {"all"}, frozenset(skip)
    return _wanted(own, wanted) and not _skipped(own, unwanted)


def _wanted(own: frozenset[str], wanted: Iterable[str]) -> bool:
    if "always" in own or own & frozenset(wanted):
        return True
    named = {"all"} | ({"tagged"} if own != _UNTAGGED else set[str]())
    return "never" not in own and bool(named & frozenset(wanted))


def _skipped(own: frozenset[str], unwanted: frozenset[str]) -> bool:
    if "all" in unwanted:
        return "always" not in own or "always" in unwanted
    return bool(own & unwanted) or ("tagged" in unwanted and own != _UNTAGGED)
