"""Whether what would be proposed passes the rules by which an inventory is judged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from segctl.inventory.findings import find
from segctl.inventory.segmentation import rules
from segctl.model.site import Conduit, Site
from segctl.model.site import Flow as Declared
from segctl.observe.discover.services import COMMANDS

if TYPE_CHECKING:
    from datetime import date

    from segctl.observe.discover.services import Service

#: Findings of `segctl validate` for which nothing is proposed.
_REFUSED: Final = frozenset(
    {
        "control-into-higher-level",
        "protocol-at-boundary",
        "remote-access-without-users",
        "safety-beyond-reads",
        "skips-dmz",
    }
)
#: Where files are shared and machines are managed: the ways by which intruders move on.
_SPREADING: Final = frozenset({"smb", "winrm", "opc-da", "opc-hda", "opc-ae", "ftp-tftp"})
_SPREADING_PORTS: Final = frozenset({"tcp/135", "tcp/139", "tcp/5985", "tcp/5986", "tcp/23"})
_SPREADING_APPLICATIONS: Final = frozenset({"msrpc", "msrpc-base", "telnet", "ms-wmi", "winrm"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """What the rules say: why not, or until when only, or what a person should know."""

    refused: str = ""
    expires: bool = False
    notes: tuple[str, ...] = ()


#: What the rules say of what they were not asked about.
NO_PASSAGE: Final = Passage()


class Boundaries:
    """Judges what would be declared as of a day, each service between two zones once."""

    def __init__(self, site: Site, today: date) -> None:
        """Take the zones of a site."""
        self._site = replace(site, conduits=(), devices=())
        self._zones = {zone.key: zone for zone in site.zones}
        self._today = today
        self._known: dict[tuple[str, str, Service], Passage] = {}

    def of(self, source: str, destination: str, service: Service) -> Passage:
        """Return what the rules say about a service between two zones (keys)."""
        key = (source, destination, service)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._judged(source, destination, service)
        return found

    def _judged(self, source: str, destination: str, service: Service) -> Passage:
        bounded = self._findings(source, destination, service, expires=True)
        refused = sorted({text for kind, text in bounded.items() if kind in _REFUSED})
        if refused:
            return Passage(refused="; ".join(refused))
        always = self._findings(source, destination, service, expires=False)
        expires = "protocol-at-boundary" in always
        commands = sorted(service.classes & COMMANDS)
        if expires and commands and service.protocols:
            said = always["protocol-at-boundary"]
            return Passage(refused=f"{said}, and here with {', '.join(commands)}")
        notes = [always[kind] for kind in ("protocol-at-boundary", "skips-level") if kind in always]
        return Passage(expires=expires, notes=tuple(notes))

    def _findings(
        self, source: str, destination: str, service: Service, *, expires: bool
    ) -> dict[str, str]:
        conduit = Conduit(
            site=source.partition("/")[0],
            id="proposed",
            from_zones=(source,),
            to_zones=(destination,),
            reason="",
            owner="",
            flows=(declared("flow", service),),
            mode="monitor",
            expires=self._today if expires else None,
        )
        trial = replace(self._site, conduits=(conduit,))
        return {
            one.kind: one.message
            for one in find(trial, self._today)
            if one.subject.startswith(conduit.key)
        }


def declared(name: str, service: Service) -> Declared:
    """Return a service as a flow of whole zones."""
    return Declared(
        id=name,
        protocols=service.protocols,
        applications=service.applications,
        services=service.ports,
    )


def spreads(service: Service) -> bool:
    """Whether a service is one by which intruders move on: interactive, or of files."""
    flow = declared("flow", service)
    interactive = next(one for one in rules() if one.id == "remote-access-without-users").service
    return (
        interactive.permitted_by(flow)
        or bool(_SPREADING & {use.protocol for use in flow.protocols})
        or any(name.startswith("ms-ds-smb") for name in flow.applications)
        or bool(_SPREADING_APPLICATIONS & set(flow.applications))
        or (not flow.applications and bool(_SPREADING_PORTS & set(map(str, flow.services))))
    )
