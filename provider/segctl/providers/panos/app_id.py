"""The App-IDs that permit what a flow may do with an industrial protocol.

The catalogue has their names and meanings. Fails closed: a class that App-ID cannot distinguish is
refused, never widened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.model.errors import UnsupportedError
from segctl.protocols import Applications, asked_classes, catalogue, not_routable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from segctl.protocols import Application, Catalogue, Protocol


def applications(protocol: Protocol, classes: Sequence[str]) -> Applications:
    """Return the applications that permit these access classes of a protocol.

    They are the base, the set-up functions that every use needs, the functions of these
    classes, and everything those depend on. Raises `UnsupportedError` if PAN-OS has no
    application for a class, or only one that also permits functions not requested.
    """
    known = catalogue()
    chosen = _chosen(protocol, asked_classes(protocol, classes))
    direct = {one.name for one in chosen} | set(protocol.must_also_allow)
    names = known.requires(direct)
    entries = [entry for name in names if (entry := known.application(name))]
    return Applications(
        names=names,
        own=_own(protocol, classes) or names,
        warnings=(*_protocol_doubts(protocol), *_doubts(known, names)),
        notes=_notes(protocol, chosen),
        since=tuple((one.name, one.since) for one in entries if one.since),
    )


def relatives(used: Iterable[str], known: frozenset[str]) -> dict[str, tuple[str, ...]]:
    """Return what an update of the content may have made of App-IDs, by their names.

    The App-IDs of a protocol begin with the name of its base: ``modbus-base`` with ``modbus-``
    (names in the vendor's content, as the catalogue has them).
    """
    catalogued = catalogue()
    found: dict[str, tuple[str, ...]] = {}
    for name in used:
        protocol = catalogued.protocol_of(name)
        bases = protocol.base if protocol else ()
        stems = tuple(one.removesuffix("base") for one in bases if one.endswith("-base"))
        if name not in known:
            stems = (*stems, f"{name.partition('-')[0]}-")
        near = [one for one in known if stems and one.startswith(stems)]
        if names := tuple(sorted(one for one in near if not _catalogued(catalogued, one))):
            found[name] = names
    return found


def _catalogued(known: Catalogue, name: str) -> bool:
    return known.application(name) is not None or known.trap(name) is not None


def _own(protocol: Protocol, classes: Sequence[str]) -> tuple[str, ...]:
    functions = {one.name for one in protocol.usable if one.access_class in classes}
    return tuple(sorted(functions - set(protocol.base)))


def _chosen(protocol: Protocol, classes: tuple[str, ...]) -> tuple[Application, ...]:
    if not protocol.usable:
        raise UnsupportedError(_no_app_id(protocol))
    if protocol.single:
        if protocol.single.access_class not in classes:
            raise UnsupportedError(_cannot_split(protocol, protocol.single, classes))
        return (protocol.single,)
    missing = tuple(word for word in classes if word not in protocol.classes)
    if missing:
        raise UnsupportedError(_no_function(protocol, missing))
    return tuple(
        one for one in protocol.usable if one.access_class in classes or _comes_with_all(one)
    )


def _comes_with_all(application: Application) -> bool:
    if application.access_class != "session":
        return False
    return application.base or not application.single


def _doubts(known: Catalogue, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(doubt for name in names for doubt in _doubt(name, known.application(name)))


def _doubt(name: str, application: Application | None) -> tuple[str, ...]:
    if application is None:
        return (f"{name}: not in the catalogue; check that the firewall has it",)
    if application.confidence == "low":
        return (f"{name}: the name is not confirmed; check that the firewall has it",)
    if application.class_confidence == "low":
        return (f"{name}: assumed to be {application.access_class}, judging by its name only",)
    return ()


def _protocol_doubts(protocol: Protocol) -> tuple[str, ...]:
    if protocol.confidence != "low":
        return ()
    return (f"{protocol.id}: little about this protocol is confirmed; test before use",)


def _notes(protocol: Protocol, chosen: Sequence[Application]) -> tuple[str, ...]:
    caveat = (protocol.caveat,) if protocol.caveat else ()
    single = (
        f"{one.name} is a single application: it permits everything its protocol can do"
        for one in chosen
        if one.single
    )
    inferred = (
        (
            (
                f"the dependencies of {protocol.id}'s applications are inferred, not "
                "documented by the vendor"
            ),
        )
        if protocol.dependency_confidence == "low"
        else ()
    )
    return (*caveat, *single, *inferred)


def _no_app_id(protocol: Protocol) -> str:
    if not protocol.routable:
        return not_routable(protocol)
    expected = (
        f" (expect {', '.join(protocol.must_also_allow)})" if protocol.must_also_allow else ""
    )
    return (
        f"{protocol.id}: PAN-OS has no application for {protocol.name}{expected}; declare "
        "services and, where the firewall sees another protocol, its applications"
    )


def _cannot_split(protocol: Protocol, single: Application, classes: Sequence[str]) -> str:
    return (
        f"{protocol.id}: {', '.join(classes)} cannot be separated from the rest: PAN-OS has a "
        f"single application, {single.name}, for all of {protocol.name}; "
        f"declare {protocol.id}: [{single.access_class}] to permit all of it"
    )


def _no_function(protocol: Protocol, missing: Sequence[str]) -> str:
    return (
        f"{protocol.id}: PAN-OS has no application of class {', '.join(missing)}; it has the "
        f"classes {', '.join(protocol.classes)}"
    )
