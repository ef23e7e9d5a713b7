"""The plant that comes with the mocks, and plants of one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from segctl_mocks.panos.content import applications
from segctl_mocks.traffic.generate import FORMS, generate
from segctl_mocks.traffic.plant import KINDS
from segctl_mocks.traffic.plants import BUILT_IN, plant
from segctl_mocks.traffic.protocols import PROTOCOLS
from segctl_mocks.traffic.reading import read
from traffic_support import SMALL, window

ROOT = Path(__file__).resolve().parents[3]
GROUPS = ROOT / "inventory/group_vars"


def declared(group: str, name: str) -> dict[str, Any]:
    document = yaml.safe_load((GROUPS / group / f"{name}.yml").read_text("utf-8"))
    found: dict[str, Any] = document[f"segctl_{name}"]
    return found


def addresses(asset: Any) -> list[str]:
    return [asset] if isinstance(asset, str) else asset["addresses"]


@pytest.mark.parametrize("group", BUILT_IN)
def test_it_tells_the_story_of_the_example(group: str) -> None:
    """Zones, networks and assets are those of the example inventory."""
    ours = plant(group)
    for name, zone in declared(group, "zones").items():
        assert ours.zones[name].networks[0] == zone["networks"][0]
        for asset, value in zone.get("assets", {}).items():
            host = ours.hosts[asset]
            assert (host.zone, host.address) == (name, addresses(value)[0])
    for host_vars in (ROOT / "inventory/host_vars").glob("*-fw.yml"):
        if host_vars.stem not in ours.firewalls:
            continue
        bound = yaml.safe_load(host_vars.read_text("utf-8"))["segctl_zone_map"]
        found = {name: (one["zone"], one["interfaces"][0]) for name, one in bound.items()}
        assert found == ours.firewalls[host_vars.stem].zones


@pytest.mark.parametrize("group", BUILT_IN)
def test_what_it_calls_declared_is_declared(group: str) -> None:
    ours, conduits = plant(group), declared(group, "conduits")
    seen: set[str] = set()
    for one in ours.conversations:
        if not one.conduit:
            continue
        seen.add(one.conduit)
        conduit = conduits[one.conduit]
        assert conduit.get("mode") != "absent"
        sources = conduit["from"] if isinstance(conduit["from"], list) else [conduit["from"]]
        assert {ours.hosts[name].zone for name in one.clients} <= set(sources)
        assert {ours.hosts[name].zone for name in one.servers} == {conduit["to"]}
        flows = [flow for flow in conduit["flows"].values() if covers(flow, one)]
        assert flows, f"no flow of {one.conduit} is that of {one.name}"
    assert len(seen) == {"waterworks": 12, "substation": 7, "gas_pipeline": 5}[group]


def covers(flow: dict[str, Any], one: Any) -> bool:
    """Say whether a flow of the example has a conversation's ends and its protocol."""
    if not set(one.clients) <= set(flow.get("source", one.clients)):
        return False
    if not set(one.servers) <= set(flow.get("destination", one.servers)):
        return False
    protocol = PROTOCOLS[one.protocol]
    names = {"cip": "cip-ethernet-ip", "iec104": "iec-60870-5-104", "mms": "iec-61850-mms"}
    classes = flow.get("protocols", {}).get(names.get(one.protocol, one.protocol))
    if classes is not None:
        return set(protocol.classes(one.functions)) <= set(classes)
    return f"{protocol.transport}/{protocol.port}" in flow.get("services", ())


@pytest.mark.parametrize("group", BUILT_IN)
def test_what_it_calls_undeclared_is_not(group: str) -> None:
    ours, conduits = plant(group), declared(group, "conduits")
    for one in ours.conversations:
        if one.conduit or not one.servers:
            continue
        zones = {ours.hosts[name].zone for name in one.clients}
        targets = {ours.hosts[name].zone for name in one.servers}
        for name, conduit in conduits.items():
            sources = conduit["from"] if isinstance(conduit["from"], list) else [conduit["from"]]
            if conduit.get("mode") == "absent" or conduit["to"] not in targets:
                continue
            if not zones & set(sources):
                continue
            assert not any(covers(flow, one) for flow in conduit["flows"].values()) or (
                one.kind == "translated"  # the client comes by another address
            ), f"{one.name} is declared by {name}"


@pytest.mark.parametrize("group", BUILT_IN)
def test_it_has_every_kind(group: str) -> None:
    assert {one.kind for one in plant(group).conversations} == KINDS.keys()


@pytest.mark.parametrize("group", BUILT_IN[1:])
def test_the_other_plants_are_made(tmp_path: Path, group: str) -> None:
    lines = generate(plant(group), window(5, busy=0.3), tmp_path)
    truth = json.loads((tmp_path / "truth.json").read_text("utf-8"))
    silent = {one["kind"] for one in truth["conversations"] if not one["sessions"]}
    assert silent == {"silent"}
    for name, firewall in plant(group).firewalls.items():
        assert firewall.platform == "panos"
        assert lines[f"{name}/traffic.log"] > 1000
    passed = {one["name"] for one in truth["conversations"] if one["sessions_that_passed"]}
    stopped = {one["name"] for one in truth["conversations"] if one["sessions"]} - passed
    assert stopped == ({"feeder-scan"} if group == "substation" else set())


def test_a_session_that_crosses_two_firewalls_is_logged_by_both(tmp_path: Path) -> None:
    generate(plant("gas_pipeline"), window(1), tmp_path, forms=["panos-api"])
    entries = [
        json.loads(line) for line in (tmp_path / "traffic.jsonl").read_text("utf-8").splitlines()
    ]
    seen: dict[str, set[tuple[str, ...]]] = {"centre-fw": set(), "station-fw": set()}
    zones: dict[str, set[tuple[str, str]]] = {"centre-fw": set(), "station-fw": set()}
    for entry in entries:
        if entry["kind"] == "log" and entry["src"] == "10.60.2.30":
            name = entry["device"]
            seen[name].add(tuple(entry[word] for word in ("src", "dst", "sport", "dport")))
            zones[name].add((entry["from"], entry["to"]))
    assert zones == {"centre-fw": {("SCADA", "WAN")}, "station-fw": {("WAN", "METERING")}}
    assert seen["centre-fw"] == seen["station-fw"]
    assert len(seen["centre-fw"]) > 400


def test_every_application_is_the_vendors() -> None:
    """The content of the mocks has each, and a session is on the way through what it depends on."""
    known = {one.name: one for one in applications()[0]}
    for protocol in PROTOCOLS.values():
        for functions in ((), *((name,) for name in protocol.functions)):
            way = protocol.applications(functions)
            for name in way:
                assert set(known[name].depends_on) <= set(way), name


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("zone: cell", "zone: cellar", "hosts: plc: zone: there is no cellar"),
        ("kind: undeclared", "kind: odd", "conversations: poll: kind is one of"),
        ("[read-coils]", "[fly]", "conversations: poll: modbus has no function fly"),
        ("every: 1h", "every: often", "every must be a length of time"),
        ("every: 1h", "evry: 1h", "conversations: poll: unknown: evry"),
        ("lease: 1d", "lease: 1d, address: 10.1.0.7", "either an address or a lease"),
        ("10.2.0.0/24", "10.2.0.7/24", "has host bits set"),
        ("plant: small", "plant: [1]", "the plant: plant must be text"),
        ("plant: small", "plant: small\n: [", "not YAML"),
        ("to: plc", "to: nobody", "conversations: poll: to: there is no nobody"),
        (", leases: [10.1.0.100, 10.1.0.110]", "", "zone office has no leases"),
        ("from: OFFICE", "from: OFFICE, action: maybe", "action is allow or deny"),
        ("[OFFICE, ethernet1/1]", "[OFFICE]", "a zone on it is"),
    ],
)
def test_what_is_wrong_in_a_plant_is_named(old: str, new: str, message: str) -> None:
    assert read(SMALL).conversations[0].pace.every == 3600
    with pytest.raises(ValueError, match=message.replace("[", r"\[")):
        read(SMALL.replace(old, new, 1))


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no file nowhere\.yml; without a file there is"):
        plant("nowhere.yml")
    (tmp_path / "odd.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"odd\.yml: not text in UTF-8"):
        plant(str(tmp_path / "odd.yml"))


def test_the_plant_of_the_page_is_one() -> None:
    page = (ROOT / "docs/mocks.md").read_text("utf-8")
    text = page.partition("```yaml\n")[2].partition("```")[0]
    assert {one.kind for one in read(text).conversations} == {"declared", "undeclared", "scan"}


def test_the_page_names_every_kind_and_form() -> None:
    page = (ROOT / "docs/mocks.md").read_text("utf-8")
    assert [name for name in (*KINDS, *FORMS) if f"`{name}`" not in page] == []
