"""A fleet serves the Panorama of its firewalls, with their groups, templates and zones."""

from __future__ import annotations

import ssl
import urllib.parse
import urllib.request
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from lxml import etree

from segctl_mocks import Fleet, HostSpec, PanoramaMock, PanosMock, platform, serve_fleet
from support.managed import RULES, group, push_of, rule, template

if TYPE_CHECKING:
    from pathlib import Path

RULE = rule("r2", enter="OT", leave="IT")
ZONES = {"OT": ("ethernet1/1",), "IT": ("ae1.10", "loopback.3")}


def hosts(**more: Any) -> dict[str, HostSpec]:
    firewall = HostSpec(
        panorama="pano",
        device_group="line",
        zones=ZONES,
        profile_groups=["strict"],
        log_forwarding=["to-siem"],
        schedules=["shift"],
    )
    return {
        "fw1": replace(firewall, serial="0071"),
        "pano": HostSpec(serial="0079", **more),
        "fw2": replace(firewall, serial="0072", device_group="other"),
        "fw3": HostSpec(serial="0073", panorama="elsewhere", device_group="x", zones=ZONES),
    }


def ask(fleet: Fleet, host: str, **params: str) -> Any:
    mock = fleet.everything[host]
    assert isinstance(mock, PanosMock | PanoramaMock)
    body = urllib.parse.urlencode({**params, "key": mock.key()}).encode()
    context = ssl.create_default_context(cafile=str(fleet.ca_file))
    request = urllib.request.Request(f"https://{mock.host}:{mock.port}/api/", data=body)
    with urllib.request.urlopen(request, context=context, timeout=10) as answer:
        return etree.fromstring(answer.read())


def op(fleet: Fleet, host: str, cmd: str) -> Any:
    return ask(fleet, host, type="op", cmd=cmd)


def states(fleet: Fleet) -> dict[str, tuple[str, str]]:
    found = op(fleet, "pano", "<show><devicegroups/></show>")
    stacks = op(fleet, "pano", "<show><template-stack/></show>")
    return {
        entry.get("name"): (
            entry.findtext("shared-policy-status"),
            stacks.findtext(f".//devices/entry[@name='{entry.get('name')}']/template-status"),
        )
        for entry in found.iterfind(".//devices/entry")
    }


def test_it_manages_those_that_name_it() -> None:
    with serve_fleet(hosts()) as fleet:
        assert list(fleet.everything) == ["fw1", "pano", "fw2", "fw3"]
        assert list(fleet.panoramas) == ["pano"]
        assert list(fleet.mocks) == ["fw1", "fw2", "fw3"]
        assert states(fleet) == {"0071": ("In Sync", "In Sync"), "0072": ("In Sync", "In Sync")}
        assert not fleet.panoramas["pano"].device.journal.changes


def test_zones_come_from_a_template_and_serve_rules() -> None:
    with serve_fleet(hosts()) as fleet:
        assert b"<zone/>" in fleet["fw1"].running()
        merged = op(fleet, "fw1", "<show><config><merged/></config></show>")
        zones = merged.findall(".//vsys/entry[@name='vsys1']/zone/entry")
        assert [(zone.get("name"), zone.get("ptpl")) for zone in zones] == [
            ("OT", "fw1"),
            ("IT", "fw1"),
        ]
        more = "<profile-setting><group><member>strict</member></group></profile-setting>"
        more += "<log-setting>to-siem</log-setting><schedule>shift</schedule>"
        element = rule("r1", enter="OT", leave="IT", more=more)
        pano = fleet.panoramas["pano"]
        pano.edit("set", f"{group('line')}/{RULES}", element, commit=True)
        pano.push("line")
        answer = op(fleet, "fw1", "<show><config><effective-running/></config></show>")
        assert answer.findtext(".//rulebase/security/rules/entry/from/member") == "OT"
        assert not fleet["fw2"].device.pushed.rules("vsys1", "pre-rulebase")


def test_who_names_no_host_of_the_fleet_is_nobodys() -> None:
    with serve_fleet(hosts()) as fleet:
        assert b'<entry name="OT">' in fleet["fw3"].running()


def test_state_survives(tmp_path: Path) -> None:
    with serve_fleet(hosts(), state=tmp_path) as fleet:
        pano = fleet.panoramas["pano"]
        pano.edit("set", f"{group('line')}/{RULES}", rule("r1", enter="OT", leave="IT"))
        pano.device.commit_now("other")
        pano.push("line")
        pano.edit("set", f"{group('other')}/{RULES}", RULE, admin="admin", commit=True)
        pano.disconnect("0072")
        before = pano.running()
    with serve_fleet(hosts(), state=tmp_path) as fleet:
        pano = fleet.panoramas["pano"]
        assert pano.restored
        assert pano.running() == before
        assert states(fleet) == {
            "0071": ("In Sync", "In Sync"),
            "0072": ("Out of Sync", "In Sync"),
        }
        assert len(fleet["fw1"].device.pushed.rules("vsys1", "pre-rulebase")) == 1
        pano.reconnect("0072")
        limited = "<admin><member>admin</member></admin>"
        answer = ask(
            fleet, "pano", type="commit", action="all", cmd=push_of("other", options=limited)
        )
        assert answer.findtext("result/job")
        pano.push("other")
        assert states(fleet)["0072"] == ("In Sync", "In Sync")


def test_it_starts_with_a_configuration_of_others() -> None:
    with serve_fleet(hosts()) as fleet:
        pano = fleet.panoramas["pano"]
        pano.edit("set", f"{group('line')}/{RULES}", rule("theirs", enter="OT", leave="IT"))
        pano.edit("delete", template("fw1-stack", "template-stack"))
        pano.device.commit_now("other")
        exported = pano.running()
    maker = platform("panos")
    managers = replace(hosts()["pano"], manages=("fw1", "fw2"))
    with serve_fleet(hosts() | {"pano": maker.holding(managers, exported)}) as fleet:
        assert b"theirs" in fleet.panoramas["pano"].running()
        assert len(fleet["fw1"].device.pushed.rules("vsys1", "pre-rulebase")) == 1
        assert b'<entry name="OT">' in fleet["fw1"].running()
    firewall = next(iter(serve_one()))
    with pytest.raises(ValueError, match="not the configuration of a Panorama"):
        maker.holding(managers, firewall)
    with pytest.raises(ValueError, match="no virtual system"):
        maker.holding(hosts()["fw1"], exported)
    lacking = exported.replace(b'name="other"', b'name="renamed"')
    served = serve_fleet(hosts() | {"pano": maker.holding(managers, lacking)})
    with pytest.raises(ValueError, match="no group other"), served:
        pass


def serve_one() -> list[bytes]:
    with serve_fleet({"fw3": hosts()["fw3"]}) as fleet:
        return [fleet["fw3"].running()]


def test_it_is_a_mock_like_others() -> None:
    with serve_fleet(hosts()) as fleet:
        mock = fleet.everything["pano"]
        assert isinstance(mock, PanoramaMock)
        assert (mock.transport, mock.host_key_line) == ("HTTPS", "")
        assert fleet.entries["pano"]["ansible_port"] == mock.port
