"""Several virtual systems of one firewall as one: one connection, one lock, one commit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from segctl.model.errors import UnsupportedError
from segctl.providers.panos.part import Part
from segctl.providers.panos.place import Place
from segctl.providers.panos.pushing import Pushing
from segctl.providers.panos.session import PanosSession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from segctl.providers.base import Session
    from segctl.transports.target import Target


class Together:
    """The sessions of several hosts of the inventory that are virtual systems of one firewall.

    The connection is that of the first, as patient as any of them.
    Whichever of them locks, confirms or reverts, it does so for all that were not left out.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        *,
        read_only: bool,
        progress: Mapping[str, Callable[[str], None]],
    ) -> None:
        _refuse_unlike(targets)

        def told(step: str) -> None:
            for name in [part.target.name for part in self._place.parts]:
                progress[name](step)

        first, *more = targets
        patient = replace(
            first,
            timeout=max(target.timeout for target in targets),
            commit_timeout=max(target.commit_timeout for target in targets),
        )
        self._place = Place(patient, *more, read_only=read_only, progress=told)
        self._pushing = Pushing(self._place)
        parts = {part.target.name: part for part in self._place.parts}
        self.sessions: Sequence[PanosSession] = [
            PanosSession(
                target,
                read_only=read_only,
                progress=progress[target.name],
                along=(self._place, self._pushing, parts[target.name]),
            )
            for target in targets
        ]

    def narrow(self, sessions: Sequence[Session]) -> None:
        """Leave out all other sessions: they are neither locked nor changed."""
        self._place.narrow(self._part(one) for one in sessions)

    def push(self, scripts: Sequence[tuple[Session, str]]) -> None:
        """Make the scripts of some sessions live in one commit; on any failure go back and raise.

        Requires an earlier `read` in each of them: a revert goes back to it.
        """
        self._pushing.push([(self._part(one), script) for one, script in scripts])

    def _part(self, session: Session) -> Part:
        return next(one.part for one in self.sessions if one is session)


def _refuse_unlike(targets: Sequence[Target]) -> None:
    """Refuse hosts on one device that cannot be one transaction.

    Raises:
        UnsupportedError: they log in with different accounts, or do not verify the device alike,
            or two are one virtual system, or they do not name the same members of a pair.
    """
    names = " and ".join(target.name for target in targets)
    if len({target.user for target in targets}) > 1:
        raise UnsupportedError(
            f"{names} are on one device and log in with different accounts, but a commit has one: "
            "give them one account, or apply them one after the other (-l)"
        )
    scopes = [str(Part(target=target).location) for target in targets]
    if len(set(scopes)) < len(scopes):
        twice = next(scope for scope in scopes if scopes.count(scope) > 1)
        raise UnsupportedError(
            f"{names} are on one device, and two of them are its {twice}: give each a virtual "
            "system of its own (segctl_vsys)"
        )
    if len({frozenset(_host(way) for way in _ways(target)) for target in targets}) > 1:
        raise UnsupportedError(
            f"{names} are on one device, but do not name the same pair: declare segctl_ha_peer "
            "alike for all of them, or apply them one after the other (-l)"
        )
    if len({frozenset(map(_verified, _ways(target))) for target in targets}) > 1:
        raise UnsupportedError(
            f"{names} are on one device and do not verify it alike: declare segctl_ca_file, "
            "segctl_tls_fingerprint and segctl_tls_verify alike for all of them, or apply them one "
            "after the other (-l)"
        )


def _ways(target: Target) -> Iterator[Target]:
    """Yield how a device is reached, and each other member of its pair."""
    yield target
    for member in target.members:
        yield member.way or replace(target, host=member.host)


def _host(way: Target) -> str:
    return way.host.lower().rstrip(".")


def _verified(way: Target) -> tuple[object, ...]:
    """Return by what the device at an address is recognised."""
    return _host(way), way.ca_file, way.tls_fingerprint, way.tls_verify
