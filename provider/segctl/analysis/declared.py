"""What a flow declares in the words of a platform: as sets of packets, with what it cannot tell.

Where a platform cannot look into functions, a flow may pass more than it declares; that is known
beforehand, bounded, and told (`Permit.limits`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl.analysis.space import (
    ALL_NAMES,
    NO_NAMES,
    REAL,
    WEEK,
    Box,
    Names,
    Space,
    by_version,
    ranges,
    service,
)
from segctl.analysis.symbols import DEFAULT_PORTS
from segctl.model.errors import UnsupportedError
from segctl.protocols import catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from segctl.analysis.intended import Need
    from segctl.analysis.space import Numbers
    from segctl.model.site import ProtocolUse
    from segctl.protocols import Naming, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """How a platform names what may pass.

    With `applications` its rules name applications, each with its own default `ports`; otherwise
    functions of protocols, on ports. `meaning` gives the applications that a name stands for.
    """

    title: str
    applications: bool
    naming: Naming
    meaning: Callable[[str], Names]
    ports: Mapping[str, Numbers]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Something that a platform cannot tell apart, of a protocol that a flow uses."""

    protocol: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """A need as packets: all of `least` are to pass, and none beyond `most`.

    What lies between them the platform cannot express, for the reasons in `limits`. ``why`` says
    what cannot be told of the need itself.
    """

    need: Need
    least: Space
    most: Space
    limits: tuple[Limit, ...] = ()
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Part:
    """Names on ports: those declared, and those that the platform lets pass with them."""

    ports: Numbers
    least: Names
    most: Names


def permit(need: Need, words: Vocabulary) -> Permit:
    """Return what a need comes to on a platform.

    Raises:
        UnsupportedError: the platform cannot express it.
    """
    limits: list[Limit] = []
    parts = list(_spoken(need, words, limits))
    sure = need.time is not None
    why = () if sure else (f"schedule {need.schedule} is not declared for this firewall",)
    most = _space(need, [(one.most, one.ports) for one in parts])
    least = most
    if not sure:
        least = Space()
    elif any(one.least is not one.most for one in parts):
        least = _space(need, [(one.least, one.ports) for one in parts])
    return Permit(
        need=need,
        least=least,
        most=most,
        limits=tuple(dict.fromkeys(limits)),
        why=why,
    )


def _space(need: Need, spoken: Iterable[tuple[Names, Numbers]]) -> Space:
    time = WEEK if need.time is None else need.time
    if not (need.sources and need.destinations and time):
        return Space()
    boxes = [
        Box(source, destination, services, names, need.users, time)
        for names, ports in spoken
        if names and ports
        for source, destination, services in by_version(need.sources, need.destinations, ports)
    ]
    return Space(tuple(boxes)) & REAL


def _spoken(need: Need, words: Vocabulary, limits: list[Limit]) -> Iterator[_Part]:
    if words.applications:
        yield from _by_application(need, words, limits)
        return
    named = _meant(need.applications, words)
    if named or not need.protocols:
        both = named or ALL_NAMES
        yield _Part(need.services, both, both)
    for use in need.protocols:
        protocol = catalogue().get(use.protocol)
        ports = need.services or _listened(protocol)
        functions = _functions(use, words)
        widened = not need.enforced or _whole(protocol, use)
        if widened:
            limits.append(_widened(use, words, enforced=need.enforced))
        yield _Part(ports, functions, ALL_NAMES if widened else functions)


def _by_application(need: Need, words: Vocabulary, limits: list[Limit]) -> Iterator[_Part]:
    names = _meant(need.applications, words)
    on_ports: list[tuple[int, int]] = []
    for use in need.protocols:
        protocol = catalogue().get(use.protocol)
        try:
            used = words.naming(protocol, use.classes)
        except UnsupportedError:
            if need.enforced:
                raise
            limits.append(_widened(use, words, enforced=False))
            on_ports += need.services or _listened(protocol)
            continue
        names |= _meant(used.names, words)
        if protocol.single:
            limits.append(
                Limit(
                    protocol=use.protocol,
                    text=f"{words.title} has one application for {use.protocol}: it passes "
                    "everything that the protocol can do",
                )
            )
    if on_ports:
        yield _Part(ranges(on_ports), ALL_NAMES, ALL_NAMES)
    if names or not on_ports:
        both = names or ALL_NAMES
        if need.services:
            yield _Part(need.services, both, both)
        else:
            yield from _on_own_ports(both, words)


def _on_own_ports(names: Names, words: Vocabulary) -> Iterator[_Part]:
    """Yield applications by their default ports; those that nobody knows have a place of theirs."""
    by_ports: dict[Numbers, set[str]] = {}
    for name in words.ports if names.but else names.listed:
        if name in names:
            by_ports.setdefault(words.ports.get(name, DEFAULT_PORTS), set()).add(name)
    for ports, alike in by_ports.items():
        both = Names(frozenset(alike))
        yield _Part(ports, both, both)


def _meant(names: Iterable[str], words: Vocabulary) -> Names:
    found = NO_NAMES
    for name in names:
        found |= words.meaning(name)
    return found


def _functions(use: ProtocolUse, words: Vocabulary) -> Names:
    """Return the functions of a use; ``session`` comes with every other class."""
    classes = tuple(one for one in use.classes if one != "session") or use.classes
    return Names(frozenset(words.naming(catalogue().get(use.protocol), classes).names))


def _whole(protocol: Protocol, use: ProtocolUse) -> bool:
    """Whether a use is all that the protocol can do."""
    return {*protocol.classes} - {"session"} <= {*use.classes}


def _listened(protocol: Protocol) -> Numbers:
    """Return the ports that a protocol's servers are known to listen on."""
    return ranges(
        part
        for one in protocol.ports
        if one.main and one.confidence != "low"
        for part in service(one.protocol, one.first, one.last)
    )


def _widened(use: ProtocolUse, words: Vocabulary, *, enforced: bool) -> Limit:
    asked = "all of it is declared" if enforced else "the flow says functions: not-enforced"
    return Limit(
        protocol=use.protocol,
        text=f"{words.title} passes anything on the ports of {use.protocol}: {asked}, and what "
        "else uses them is not looked at",
    )
