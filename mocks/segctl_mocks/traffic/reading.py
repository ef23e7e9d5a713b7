"""Reading a plant from YAML: every key is known, every name refers to something."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

import yaml

from segctl_mocks.traffic.plant import (
    KINDS,
    Conversation,
    Firewall,
    Host,
    Pace,
    Plant,
    Rule,
    Sensor,
    Span,
    Translation,
    Zone,
)
from segctl_mocks.traffic.protocols import PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_HOUR = re.compile(r"([01]\d|2[0-4]):([0-5]\d)")
_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)")
RELEASES = ("6.0", "8.1", "9.1", "10.2", "11.1")
HEADERS = ("none", "bsd", "ietf", "relay")


def read(text: str) -> Plant:
    """Read a plant.

    Raises:
        ValueError: it is not one; the message names the place.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        message = f"not YAML: {error}"
        raise ValueError(message) from error
    top = _Table(document, "the plant")
    zones = top.each("zones", _zone)
    hosts = top.each("hosts", _host)
    plant = Plant(
        name=top.text("plant"),
        offset=_offset(top.text("timezone", "+00:00")),
        zones=zones,
        hosts=hosts,
        firewalls=top.each("firewalls", _firewall),
        sensors=top.each("sensors", _sensor),
        conversations=tuple(top.each("conversations", _conversation).values()),
        maintenance=tuple(_span(each) for each in top.tables("maintenance")),
    )
    top.done()
    _check(plant)
    return plant


class _Table:
    """A mapping of the document; who has read it says so, and what is left over is an error."""

    def __init__(self, value: object, place: str) -> None:
        self.place = place
        if not isinstance(value, dict):
            self.wrong("must be a mapping")
        self._rest: dict[Any, Any] = dict(cast("Any", value))

    def wrong(self, text: str) -> NoReturn:
        message = f"{self.place}: {text}"
        raise ValueError(message)

    def take(self, key: str, default: object = None) -> Any:
        return self._rest.pop(key, default)

    def text(self, key: str, default: str | None = None) -> str:
        value = self.take(key, default)
        if not isinstance(value, str) or not (value or default == ""):
            self.wrong(f"{key} must be text")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.take(key, [])
        value = [value] if isinstance(value, str) else value
        if not isinstance(value, list):
            self.wrong(f"{key} must be a list of texts")
        found = cast("list[object]", value)
        if not all(isinstance(each, str) for each in found):
            self.wrong(f"{key} must be a list of texts")
        return tuple(cast("list[str]", found))

    def number(self, key: str, default: float = 0) -> float:
        value = self.take(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.wrong(f"{key} must be a number")
        return float(value)

    def yes(self, key: str) -> bool:
        value = self.take(key, False)
        if not isinstance(value, bool):
            self.wrong(f"{key} must be true or false")
        return value

    def seconds(self, key: str, default: float = 0.0) -> float:
        value = self.take(key)
        if value is None:
            return default
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", str(value))
        if found is None:
            self.wrong(f"{key} must be a length of time such as 30s, 5m, 2h or 1d, not {value!r}")
        return float(found[1]) * _UNITS[found[2]]

    def table(self, key: str) -> _Table | None:
        value = self.take(key)
        return None if value is None else _Table(value, f"{self.place}: {key}")

    def tables(self, key: str) -> list[_Table]:
        value = self.take(key, [])
        if not isinstance(value, list):
            self.wrong(f"{key} must be a list")
        rows = cast("list[object]", value)
        return [_Table(row, f"{self.place}: {key}[{at}]") for at, row in enumerate(rows)]

    def each(self, key: str, make: Callable[[str, _Table], T]) -> dict[str, T]:
        inner = _Table(self.take(key, {}), key)
        return {
            name: make(name, _Table(inner.take(name) or {}, f"{key}: {name}"))
            for name in inner.names()
        }

    def names(self) -> list[str]:
        return [str(key) for key in self._rest]

    def done(self) -> None:
        if self._rest:
            self.wrong(f"unknown: {', '.join(map(str, self._rest))}")


def _offset(text: str) -> int:
    found = _OFFSET.fullmatch(text)
    if found is None:
        message = f"the plant: timezone must be an offset such as +01:00, not {text!r}"
        raise ValueError(message)
    seconds = int(found[2]) * 3600 + int(found[3]) * 60
    return -seconds if found[1] == "-" else seconds


def _clock(table: _Table, key: str) -> float:
    text = table.text(key)
    found = _HOUR.fullmatch(text)
    if found is None:
        table.wrong(f"{key} must be a time of day such as 07:30, not {text!r}")
    return int(found[1]) * 3600.0 + int(found[2]) * 60.0


def _span(table: _Table) -> Span:
    span = Span(day=int(table.number("day")), first=_clock(table, "from"), last=_clock(table, "to"))
    table.done()
    if span.day < 0 or not span.first < span.last:
        table.wrong("a span goes from a time of a day, counted from 0, to a later one")
    return span


def _zone(name: str, table: _Table) -> Zone:
    networks = table.texts("networks")
    leases = table.texts("leases")
    table.done()
    for network in networks:
        _as(ip_network, network, table)
    if len(leases) not in {0, 2}:
        table.wrong("leases are a first and a last address")
    for address in leases:
        _as(ip_address, address, table)
    return Zone(name=name, networks=networks, leases=(leases[0], leases[1]) if leases else ())


def _as(kind: Callable[[str], object], text: str, table: _Table) -> None:
    try:
        kind(text)
    except ValueError as error:
        table.wrong(str(error))


def _host(name: str, table: _Table) -> Host:
    host = Host(
        name=name,
        zone=table.text("zone"),
        address=table.text("address", ""),
        user=table.text("user", ""),
        lease=table.seconds("lease"),
    )
    table.done()
    if bool(host.address) == bool(host.lease):
        table.wrong("a host has either an address or a lease")
    if host.address:
        _as(ip_address, host.address, table)
    return host


def _rule(table: _Table) -> Rule:
    action = table.text("action", "allow")
    log = table.texts("log") or ("end",)
    rule = Rule(
        name=table.text("name"),
        sources=table.texts("from"),
        targets=table.texts("to"),
        source_networks=table.texts("source"),
        target_networks=table.texts("destination"),
        applications=table.texts("applications"),
        allow=action == "allow",
        log=frozenset(log) - {"none"},
    )
    table.done()
    if action not in {"allow", "deny"} or not rule.log <= {"start", "end"}:
        table.wrong("action is allow or deny; log is start, end or none")
    for network in (*rule.source_networks, *rule.target_networks):
        _as(ip_network, network, table)
    return rule


def _firewall(name: str, table: _Table) -> Firewall:
    zones = table.table("zones")
    if zones is None:
        table.wrong("zones are missing")
    names = {zone: zones.texts(zone) for zone in zones.names()}
    firewall = Firewall(
        name=name,
        platform=table.text("platform", "panos"),
        zones={zone: (pair[0], pair[-1]) for zone, pair in names.items() if len(pair) == 2},
        rules=tuple(_rule(each) for each in table.tables("rules")),
        release=table.text("release", "10.2"),
        serial=table.text("serial", "007000000000"),
        vsys=table.text("vsys", "vsys1"),
        header=table.text("header", "bsd"),
        log_defaults=table.yes("log_defaults"),
        clock=table.number("clock"),
        duplicates=table.number("duplicates"),
        gaps=tuple(_span(each) for each in table.tables("gaps")),
    )
    table.done()
    if len(firewall.zones) != len(names):
        table.wrong("a zone on it is [its name there, its interface]")
    if firewall.platform not in {"panos", "nftables"}:
        table.wrong("platform is panos or nftables")
    if firewall.release not in RELEASES or firewall.header not in HEADERS:
        table.wrong(f"release is of {', '.join(RELEASES)}; header of {', '.join(HEADERS)}")
    return firewall


def _sensor(name: str, table: _Table) -> Sensor:
    sensor = Sensor(
        name=name,
        zones=frozenset(table.texts("zones")),
        exports_flows=table.yes("exports_flows"),
        midstream=table.number("midstream"),
        clock=table.number("clock"),
        duplicates=table.number("duplicates"),
        gaps=tuple(_span(each) for each in table.tables("gaps")),
    )
    table.done()
    return sensor


def _pace(table: _Table) -> Pace:
    hours = table.table("hours")
    at = table.table("at")
    span = (_clock(hours, "from"), _clock(hours, "to")) if hours is not None else ()
    if hours is not None:
        hours.done()
    pace = Pace(
        every=table.seconds("every"),
        jitter=table.number("jitter", 0.2),
        hours=span,
        times=int(table.number("times")),
        at=None if at is None else _span(at),
    )
    if pace.jitter < 0 or pace.jitter > 1:
        table.wrong("jitter is a share between 0 and 1")
    return pace


def _conversation(name: str, table: _Table) -> Conversation:
    protocol = table.text("protocol")
    if protocol not in PROTOCOLS:
        table.wrong(f"protocol is one of {', '.join(PROTOCOLS)}, not {protocol!r}")
    translated = table.table("translation")
    translation = None
    if translated is not None:
        translation = Translation(
            firewall=translated.text("firewall"),
            source=translated.text("source", ""),
            target=translated.text("destination", ""),
        )
        translated.done()
    conversation = Conversation(
        name=name,
        kind=table.text("kind"),
        clients=table.texts("from"),
        servers=table.texts("to"),
        protocol=protocol,
        pace=_pace(table),
        port=int(table.number("port")),
        functions=table.texts("functions"),
        lasts=table.seconds("lasts", 30.0),
        size=int(table.number("size", 2000)),
        conduit=table.text("conduit", ""),
        threat=table.text("threat", ""),
        note=table.text("note", ""),
        sweep=table.text("sweep", ""),
        ports=tuple(int(port) for port in table.texts("ports")),
        translation=translation,
    )
    table.done()
    if conversation.kind not in KINDS:
        table.wrong(f"kind is one of {', '.join(KINDS)}")
    for function in conversation.functions:
        if function not in PROTOCOLS[protocol].functions:
            table.wrong(f"{protocol} has no function {function}")
    if conversation.kind in {"declared", "silent", "long"} and not conversation.conduit:
        table.wrong("what is declared names its conduit")
    return conversation


def _check(plant: Plant) -> None:
    """Refuse names that nothing has."""
    times: dict[str, float] = {}
    for host in plant.hosts.values():
        if host.lease and times.setdefault(host.zone, host.lease) != host.lease:
            message = f"hosts: {host.name}: leases of zone {host.zone} are of one length"
            raise ValueError(message)
        _known(f"hosts: {host.name}: zone", (host.zone,), plant.zones)
        if host.lease and not plant.zones[host.zone].leases:
            message = f"hosts: {host.name}: zone {host.zone} has no leases"
            raise ValueError(message)
    for firewall in plant.firewalls.values():
        _known(f"firewalls: {firewall.name}: zones", firewall.zones, plant.zones)
    for sensor in plant.sensors.values():
        _known(f"sensors: {sensor.name}: zones", sensor.zones, plant.zones)
    for one in plant.conversations:
        _known(f"conversations: {one.name}: from", one.clients, plant.hosts)
        _known(f"conversations: {one.name}: to", one.servers, plant.hosts)
        if one.sweep:
            _known(f"conversations: {one.name}: sweep", (one.sweep,), plant.zones)
        if one.translation is not None:
            place = f"conversations: {one.name}: translation: firewall"
            _known(place, (one.translation.firewall,), plant.firewalls)


def _known(place: str, names: object, known: Mapping[str, object]) -> None:
    for name in cast("tuple[str, ...]", names):
        if name not in known:
            message = f"{place}: there is no {name}"
            raise ValueError(message)
