"""Undefined names, reported by their cause: a file that is not read, a site without zones.

A cause comes before what only follows from it, which is counted and not listed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from segctl.model.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from segctl.inventory.model import Silent
    from segctl.model.site import Source

_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Undefined:
    """A reference to a zone (`site` and `name`) that is not there, with its problem."""

    site: str
    name: str
    problem: Problem


def by_cause(
    undefined: Sequence[Undefined],
    silent: Sequence[Silent],
    sites: Container[str],
    told: Sequence[Problem],
) -> tuple[Problem, ...]:
    """Return `told` and what is undefined, causes first.

    Args:
        undefined: the references, in the order met.
        silent: variable files that declare nothing.
        sites: the sites that declare at least one zone.
        told: the problems known so far.
    """
    followers: dict[int, list[Undefined]] = {}
    bare: dict[str, list[Undefined]] = {}
    rest: dict[tuple[str, str], list[Undefined]] = {}
    for one in undefined:
        cause = next((at for at, file in enumerate(silent) if file.names(one.name)), None)
        if cause is not None:
            followers.setdefault(cause, []).append(one)
        elif one.site not in sites:
            bare.setdefault(one.site, []).append(one)
        else:
            rest.setdefault((one.site, one.name), []).append(one)
    causes = {
        silent[at].problem: _with_followers(silent[at].problem, found)
        for at, found in followers.items()
    }
    empty = [file.problem for file in silent if not file.text.strip()]
    return (
        *causes.values(),
        *(problem for problem in told if problem not in causes),
        *(_without_zones(site, found, empty) for site, found in bare.items()),
        *(_each(found) for found in rest.values()),
    )


def _with_followers(problem: Problem, found: Sequence[Undefined]) -> Problem:
    message = f"{problem.message}; {_follow(found)} from it and {_are(found)} not listed"
    return replace(problem, message=message, severity="error", kind="")


def _without_zones(site: str, found: Sequence[Undefined], empty: Iterable[Problem]) -> Problem:
    if len(found) == 1:
        return found[0].problem
    files = ", ".join(problem.file for problem in empty)
    hint = (
        "declare its zones in a variable whose name begins with segctl_zones, in group_vars of a "
        "group that its firewalls are in"
    )
    return replace(
        found[0].problem,
        path="",
        message=f"site {site} declares no zone; {_follow(found)} from it, the first one here, "
        f"and {_are(found)} not listed",
        hint=f"{files} is empty: {hint}" if files else hint,
    )


def _each(found: Sequence[Undefined]) -> Problem:
    """Return the problem of one name: its first place, and how many more there are."""
    problem = found[0].problem
    more = len(found) - 1
    if not more:
        return problem
    places = ", ".join(one.problem.where for one in found[1 : _SHOWN + 1])
    rest = " …" if more > _SHOWN else ""
    times = "once more" if more == 1 else f"{more} times more"
    return replace(problem, message=f"{problem.message}; named {times}: {places}{rest}")


def _follow(found: Sequence[Undefined]) -> str:
    names = list(dict.fromkeys(one.name for one in found))
    listed = ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")
    if len(found) == 1:
        return f"1 reference to a zone that is not defined ({listed}) follows"
    return f"{len(found)} references to zones that are not defined ({listed}) follow"


def _are(found: Sequence[Undefined]) -> str:
    return "is" if len(found) == 1 else "are"


def unchecked(conduits: Mapping[str, Source], files: Mapping[str, Source]) -> Iterator[Problem]:
    """Yield what could not be checked because of earlier problems; the first one's place counts."""
    for what, places, why in (
        ("conduit", conduits, "paths and platforms"),
        ("file", files, "what they hold"),
    ):
        if places:
            names = list(places)
            listed = ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")
            number = f"{len(names)} {what}s" if len(names) > 1 else f"1 {what}"
            where = next(iter(places.values()))
            yield Problem(
                message=f"not checked because of the problems above: {why} of {number} ({listed})",
                file=where.file,
                line=where.line,
                column=where.column,
                hint="correct them, then run segctl validate again",
            )
