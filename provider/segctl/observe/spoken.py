"""What was spoken, in a platform's words: all that has to pass, and what it may have been."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from segctl.model.errors import UnsupportedError
from segctl.observe.functions import application_of
from segctl.observe.sensors import sensed
from segctl.protocols.catalogue import catalogue
from segctl.providers.base import application_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from segctl.observe.observation import Group
    from segctl.protocols import Naming
    from segctl.providers.base import Provider

#: No application was told apart: nobody answered, or it was dropped before.
_NONE_YET: Final = frozenset({"incomplete", "not-applicable"})
#: What a firewall writes in the place of an application that it could not tell.
_NO_NAMES: Final = frozenset({"insufficient-data", "non-syn-tcp", *_NONE_YET})
_UNTOLD: Final = "the records name no application that the policy is about"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """The applications that have to pass, in a platform's words; none where they are not known.

    `among` are those of which one or more were spoken as well, nobody knows which. With
    `any_of_them` no application was told apart, so that a session begins where any may.
    """

    names: tuple[str, ...] = ()
    among: tuple[str, ...] = ()
    any_of_them: bool = False
    why: str = ""


def spoken_of(group: Group, provider: Provider) -> Spoken:
    """Return what a platform would call what was spoken: all on the way, and what these need.

    Functions that were seen count before names of applications: they say more. A firewall names
    applications in its own words; a sensor names a protocol, of which any function may have been
    used.
    """
    if group.reason in _NONE_YET:
        return Spoken(any_of_them=True)
    for one in group.functions:
        if not one.access_class:
            return Spoken(why=f"it is open what {one.name} of {one.protocol} is")
    if provider.capabilities.applications:
        return _in_applications(group, application_names(provider))
    return _in_classes(group, application_names(provider))


def _in_applications(group: Group, naming: Naming) -> Spoken:
    """Return the very applications, for a platform that tells them apart."""
    known = catalogue()
    told = [application_of(one.protocol, one.name) for one in group.functions]
    if not told and not group.from_zone and any(sensed(group.applications)):
        return _of_sensor(group.applications, naming)
    told += [
        name
        for name in group.applications
        if known.application(name) is not None or (group.from_zone and name not in _NO_NAMES)
    ]
    return Spoken(names=_required(told)) if told else Spoken(why=_UNTOLD)


def _required(told: Iterable[str]) -> tuple[str, ...]:
    """Return applications with all that they need, without what comes with them by itself."""
    known = catalogue()
    names = known.requires(told)
    owners = {one.id: one for name in names if (one := known.protocol_of(name)) is not None}
    by_itself = {name for one in owners.values() for name in one.implicit}
    needed = {name for one in owners.values() for name in one.must_also_allow}
    return tuple(name for name in names if name not in by_itself - needed) or names


def _in_classes(group: Group, naming: Naming) -> Spoken:
    """Return access classes, for a platform that knows functions of a few protocols only."""
    known = catalogue()
    classes: dict[str, set[str]] = {}
    for one in group.functions:
        classes.setdefault(one.protocol, set()).add(one.access_class)
    for name in group.applications if not classes else ():
        owner, application = known.protocol_of(name), known.application(name)
        if owner is not None and application is not None:
            classes.setdefault(owner.id, set()).add(application.access_class)
    if not classes:
        return _of_sensor(group.applications, naming)
    return _named(classes, naming)


def _named(classes: Mapping[str, set[str]], naming: Naming) -> Spoken:
    known = catalogue()
    try:
        uses = [naming(known.protocols[name], sorted(held)) for name, held in classes.items()]
    except UnsupportedError as error:
        return Spoken(why=str(error))
    return Spoken(names=tuple(sorted({name for use in uses for name in use.names})))


def _of_sensor(names: Iterable[str], naming: Naming) -> Spoken:
    """Return what a sensor's names of protocols stand for: any function, unless there is one."""
    known = catalogue()
    protocols, applications = sensed(names)
    if not protocols and not applications:
        return Spoken(why=_UNTOLD)
    has_to: set[str] = set(known.requires(applications))
    among: set[str] = set()
    for name in protocols:
        found = [*_each_class(name, known.protocols[name].classes, naming)]
        if not found:
            return Spoken(why=f"the policy cannot be about {name}")
        always = [set(all_of_it) - set(own) for all_of_it, own in found]
        has_to |= always[0].intersection(*always[1:])
        among |= {one for _, own in found for one in own}
    return Spoken(
        names=tuple(sorted(has_to)),
        among=tuple(sorted(among - has_to)),
        why="it depends on functions that the records do not show",
    )


def _each_class(
    name: str, classes: Sequence[str], naming: Naming
) -> Iterable[tuple[Sequence[str], Sequence[str]]]:
    for word in classes:
        try:
            use = naming(catalogue().protocols[name], [word])
        except UnsupportedError:
            continue
        yield use.names, use.own
