"""Conduit declarations into `Conduit` values, every name in them looked up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from segctl.inventory import convert
from segctl.inventory.convert import BadValueError
from segctl.inventory.schema import CONDUIT
from segctl.inventory.segmentation import rules
from segctl.inventory.zones import contains
from segctl.model.errors import nearest
from segctl.model.site import (
    Asset,
    Conduit,
    Decision,
    Endpoint,
    Flow,
    Mode,
    Network,
    PortRange,
    ProtocolUse,
    Review,
    RuleException,
    ThreatPrevention,
    Zone,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from segctl.inventory.check import Checker, Node, Reference

_ANY = frozenset({"any", "all", "*", "0.0.0.0/0", "::/0"})


class ConduitReader:
    """Reads conduits of a system whose zones and firewalls are known."""

    def __init__(
        self, checker: Checker, zones: Mapping[str, Zone], firewalls: Mapping[str, frozenset[str]]
    ) -> None:
        self._checker = checker
        self._zones = zones
        self._assets = {
            key: {asset.name: asset for asset in zone.assets} for key, zone in zones.items()
        }
        self._firewalls = firewalls
        self._schedules = frozenset[str]().union(*firewalls.values())

    def read(self, node: Node, site: str, conduit_id: str) -> Conduit | None:
        """Return the conduit a node declares, or None when it is not a mapping."""
        found = self._checker.record(node, CONDUIT)
        if found is None:
            return None
        from_zones = self._zone_keys(found.get("from"), site)
        to_zones = self._zone_keys(found.get("to"), site)
        for both in sorted(set(from_zones) & set(to_zones)):
            self._checker.report_key(
                node,
                f"runs from zone {both} to itself",
                "traffic inside a zone is governed by its intrazone setting",
            )
        return Conduit(
            site=site,
            id=conduit_id,
            from_zones=from_zones,
            to_zones=to_zones,
            reason=str(found.get("reason") or ""),
            owner=str(found.get("owner") or ""),
            flows=self._flows(node, found.get("flows"), from_zones, to_zones),
            ticket=str(found.get("ticket") or ""),
            expires=cast("date | None", found.get("expires")),
            review_by=cast("date | None", found.get("review_by")),
            reviewed=_reviewed(found.get("reviewed")),
            mode=cast("Mode", found.get("mode") or "enforce"),
            threat_prevention=cast("ThreatPrevention | None", found.get("threat_prevention")),
            via=self._via(found.get("via")),
            renamed_from=cast("tuple[str, ...]", found.get("renamed_from") or ()),
            exceptions=self._exceptions(node, found.get("exceptions")),
            declared=node.source,
        )

    def _exceptions(self, node: Node, value: object) -> tuple[RuleException, ...]:
        if not isinstance(value, dict):
            return ()
        known = [rule.id for rule in rules()]
        nodes = dict(self._checker.children(self._checker.child(node, "exceptions")))
        exceptions: list[RuleException] = []
        for name, found in cast("dict[str, dict[str, object] | None]", value).items():
            if name not in known:
                self._checker.report_key(
                    nodes[name],
                    f"there is no segmentation rule {name!r}",
                    nearest(name, known, "segctl explain lists them"),
                )
            elif found and {"reason", "owner", "expires"} <= found.keys():
                exceptions.append(
                    RuleException(
                        rule=name,
                        reason=str(found["reason"]),
                        owner=str(found["owner"]),
                        expires=cast("date", found["expires"]),
                    )
                )
        return tuple(exceptions)

    # Zones and firewalls

    def _zone_keys(self, value: object, site: str) -> tuple[str, ...]:
        references = cast("tuple[Reference, ...]", value or ())
        keys = (self.zone_key(reference, site) for reference in references)
        return tuple(dict.fromkeys(key for key in keys if key))

    def zone_key(self, reference: Reference, site: str) -> str | None:
        """Return the key of the zone a reference names, or note that there is none."""
        text = reference.text
        key = text if "/" in text else f"{site}/{text}"
        if key in self._zones:
            return key
        if text.lower() in _ANY:
            self._checker.report(
                reference.node,
                f"{text!r} is not a zone: a conduit joins named zones",
                "name the zones one by one",
            )
            return None
        own = {zone.id if zone.site == site else zone.key for zone in self._zones.values()}
        now = [zone for zone in self._zones.values() if _was(zone, key)]
        hint = (
            f"it is called {now[0].id} now"
            if now
            else nearest(text, own, f"declare it under segctl_zones of site {key.split('/')[0]}")
        )
        its_site, _, name = key.partition("/")
        self._checker.miss(reference.node, its_site, name, hint)
        return None

    def _via(self, value: object) -> tuple[str, ...]:
        references = cast("tuple[Reference, ...]", value or ())
        for reference in references:
            if reference.text not in self._firewalls:
                hint = nearest(reference.text, self._firewalls, "name a host that is a firewall")
                self._checker.report(reference.node, f"{reference.text!r} is not a firewall", hint)
        return tuple(reference.text for reference in references)

    # Flows

    def _flows(
        self, node: Node, value: object, from_zones: tuple[str, ...], to_zones: tuple[str, ...]
    ) -> tuple[Flow, ...]:
        if not isinstance(value, dict):
            return ()
        at = self._checker.child(node, "flows")
        if not value:
            self._checker.report(at, "has no flow", "declare at least one need")
        nodes = dict(self._checker.children(at))
        return tuple(
            self._flow(nodes[name], name, cast("dict[str, object]", found), from_zones, to_zones)
            for name, found in cast("dict[str, object]", value).items()
            if isinstance(found, dict)
        )

    def _flow(
        self,
        node: Node,
        flow_id: str,
        found: dict[str, object],
        from_zones: tuple[str, ...],
        to_zones: tuple[str, ...],
    ) -> Flow:
        if not {"protocols", "services", "applications"} & found.keys():
            self._checker.report_key(
                node, "permits nothing", "give it protocols, services or applications"
            )
        applications = cast("tuple[str, ...]", found.get("applications") or ())
        self._traps(node, applications)
        services = cast("tuple[tuple[PortRange, ...], ...]", found.get("services") or ())
        functions = found.get("functions") or "enforced"
        schedule = cast("Reference | None", found.get("schedule"))
        log = found.get("log")
        return Flow(
            id=flow_id,
            sources=self._endpoints(found.get("source"), from_zones, "from"),
            destinations=self._endpoints(found.get("destination"), to_zones, "to"),
            protocols=self._protocols(node, found.get("protocols")),
            services=tuple(dict.fromkeys(one for some in services for one in some)),
            applications=applications,
            users=cast("tuple[str, ...]", found.get("users") or ()),
            schedule=self._schedule(schedule),
            essential=found.get("essential") is True,
            log=log is not False,
            functions=cast("Literal['enforced', 'not-enforced']", functions),
            renamed_from=cast("tuple[str, ...]", found.get("renamed_from") or ()),
            declared=node.source,
        )

    def _schedule(self, reference: Reference | None) -> str:
        if reference is None:
            return ""
        if reference.text not in self._schedules:
            hint = nearest(reference.text, self._schedules, "declare it in segctl_schedules")
            self._checker.report(
                reference.node, f"schedule {reference.text!r} is not defined", hint
            )
        return reference.text

    def _traps(self, node: Node, applications: tuple[str, ...]) -> None:
        if not applications:
            return
        from segctl.protocols import catalogue

        at = self._checker.child(node, "applications")
        items = [item for _, item in self._checker.children(at)] or [at]
        for item in items:
            if isinstance(item.value, str) and (hint := catalogue().trap(item.value)):
                self._checker.report(item, f"{item.value!r} is a name trap", hint)

    def _protocols(self, node: Node, value: object) -> tuple[ProtocolUse, ...]:
        if not isinstance(value, dict):
            return ()
        at = self._checker.child(node, "protocols")
        if not value:
            self._checker.report(at, "must not be empty", "name a protocol, or leave it out")
        nodes = dict(self._checker.children(at))
        return tuple(
            ProtocolUse(protocol=name, classes=self._classes(nodes[name], name, classes))
            for name, classes in cast("dict[str, tuple[str, ...]]", value).items()
        )

    def _classes(self, node: Node, name: str, classes: tuple[str, ...]) -> tuple[str, ...]:
        from segctl.protocols import catalogue

        known = catalogue()
        if name not in known:
            likely = known.nearest(name)
            hint = f"did you mean {likely}?" if likely else "see the protocol catalogue"
            self._checker.report_key(node, f"the catalogue has no protocol {name!r}", hint)
            return classes
        offered = known.get(name).classes
        for one in classes:
            if offered and one not in offered:
                self._checker.report(
                    node,
                    f"{name} has no functions of class {one}",
                    f"it has {', '.join(offered)}",
                )
        return tuple(dict.fromkeys(classes))

    # Endpoints

    def _endpoints(self, value: object, zones: tuple[str, ...], side: str) -> tuple[Endpoint, ...]:
        endpoints: dict[Endpoint, None] = {}
        for reference in cast("tuple[Reference, ...]", value or ()):
            endpoints.update(dict.fromkeys(self._endpoint(reference, zones, side)))
        return tuple(endpoints)

    def _endpoint(
        self, reference: Reference, zones: tuple[str, ...], side: str
    ) -> tuple[Endpoint, ...]:
        text = reference.text
        named = [zone for zone in zones if text in self._assets[zone]]
        if named:
            return tuple(Endpoint(zone=zone, asset=text) for zone in named)
        if "/" in text or ":" in text or text.replace(".", "").isdigit():
            return self._literal(reference, zones, side)
        if not zones:
            return ()
        if text.lower() in _ANY:
            self._checker.report(
                reference.node,
                f"{text!r} is not an asset",
                "leave the key out for the whole zones",
            )
            return ()
        known: dict[str, Asset] = {}
        for zone in zones:
            known |= self._assets[zone]
        hint = nearest(text, known, f"declare it in {' or '.join(zones)}")
        self._checker.report(
            reference.node,
            f"{text!r} is not an asset of the {side} zones ({', '.join(zones)})",
            hint,
        )
        return ()

    def _literal(
        self, reference: Reference, zones: tuple[str, ...], side: str
    ) -> tuple[Endpoint, ...]:
        try:
            network = convert.network(reference.text)
        except BadValueError as error:
            self._checker.report(reference.node, error.message, error.hint)
            return ()
        inside = [zone for zone in zones if self._holds(zone, network)]
        if zones and not inside:
            listed = "; ".join(f"{zone}: {self._networks_of(zone)}" for zone in zones)
            self._checker.report(
                reference.node,
                f"{network} is in none of the {side} zones",
                f"their networks are {listed}",
            )
        return tuple(Endpoint(zone=zone, network=network) for zone in inside)

    def _holds(self, key: str, network: Network) -> bool:
        zone = self._zones[key]
        own = zone.networks or tuple(
            address for asset in zone.assets for address in asset.addresses
        )
        return any(contains(outer, network) for outer in own)

    def _networks_of(self, key: str) -> str:
        return ", ".join(str(network) for network in self._zones[key].networks) or "none"


def _was(zone: Zone, key: str) -> bool:
    """Whether `key` is one that a zone had before."""
    return any(f"{zone.site}/{former}" == key for former in zone.renamed_from)


def _reviewed(found: object) -> Review | None:
    """Return the last review of a conduit, None where there is none or it lacks something."""
    said = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    if not {"date", "by", "decision", "reason"} <= {name for name in said if said[name]}:
        return None
    return Review(
        day=cast("date", said["date"]),
        by=str(said["by"]),
        decision=cast("Decision", said["decision"]),
        reason=str(said["reason"]),
    )
