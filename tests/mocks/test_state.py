"""Certificates, state on disk, and fleets."""

from __future__ import annotations

import http.client
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from lxml import etree

from segctl_mocks import Authority, HostSpec, PanosMock, serve_fleet

if TYPE_CHECKING:
    from collections.abc import Callable

VSYS = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"


def reach(device: PanosMock, host: str = "127.0.0.1") -> int:
    context = ssl.create_default_context(cafile=str(device.ca_file))
    connection = http.client.HTTPSConnection(host, device.port, context=context, timeout=5)
    try:
        connection.request("GET", "/api/?type=version", headers={"X-PAN-KEY": device.key()})
        return connection.getresponse().status
    finally:
        connection.close()


def test_its_certificate_is_good() -> None:
    with PanosMock() as device:
        assert reach(device) == 200
        assert reach(device, "localhost") == 200
        assert device.ca_pem.startswith(b"-----BEGIN CERTIFICATE-----")


def test_bad_certificates() -> None:
    authority = Authority.create()
    expired = authority.issue(["fw1"], expired=True)
    other = authority.issue(["elsewhere.example"], loopback=False)
    for certificate, reason in ((expired, "expired"), (other, "mismatch")):
        with (
            PanosMock(authority=authority, certificate=certificate) as device,
            pytest.raises(ssl.SSLCertVerificationError, match=reason),
        ):
            reach(device)
    stranger = Authority.create().issue()
    with (
        PanosMock(certificate=stranger) as device,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        reach(device)


def test_a_connection_stays_if_asked() -> None:
    with PanosMock() as device:
        context = ssl.create_default_context(cafile=str(device.ca_file))
        connection = http.client.HTTPSConnection(*device.address, context=context)
        headers = {"X-PAN-KEY": device.key(), "Connection": "keep-alive"}
        for _ in range(3):
            connection.request("GET", "/api/?type=version", headers=headers)
            answer = connection.getresponse()
            assert answer.headers["Connection"] == "keep-alive"
            answer.read()
        connection.request("GET", "/api/?type=version", headers={"X-PAN-KEY": device.key()})
        assert connection.getresponse().headers["Connection"] == "close"
        connection.close()


def test_basic_authentication() -> None:
    sent = {"type": "version"}
    device = PanosMock()
    assert device.handle(sent, basic="admin:pw").status == 200
    assert device.handle(sent, basic="admin:no").status == 403


def test_a_password_set_on_the_device(mock: PanosMock, op: Callable[..., Any]) -> None:
    cmd = "<request><password-hash><password>secret</password></password-hash></request>"
    hashed = op(cmd).findtext("result/phash")
    path = "/config/mgt-config/users"
    mock.edit("set", path, f"<entry name='new'><phash>{hashed}</phash></entry>")
    sent = {"type": "keygen", "user": "new", "password": "secret"}
    assert mock.handle(sent).status == 200


def test_state_survives(tmp_path: Path) -> None:
    with PanosMock("fw1", state_dir=tmp_path) as device:
        key = device.key()
        ca = device.ca_pem
        device.edit("set", f"{VSYS}/tag", "<entry name='kept'/>", admin="admin", commit=True)
        device.edit("set", f"{VSYS}/tag", "<entry name='staged'/>", admin="bob")
        device.hold_lock("config", "bob")
        device.set_hits("intrazone-default", 7)
        save = "<save><config><to>mine.xml</to></config></save>"
        device.handle({"type": "op", "cmd": save, "key": key})
        candidate, running, met = device.config(), device.running(), device.effective()
    with PanosMock("fw1", state_dir=tmp_path) as device:
        assert device.restored
        assert (device.config(), device.running(), device.effective()) == (candidate, running, met)
        assert device.key() == key
        assert device.ca_pem == ca
        assert reach(device) == 200
        assert device.device.hits == {"intrazone-default": 7}
        assert list(device.device.saved) == ["mine.xml"]
        assert [lock.admin for lock in device.device.locks.held] == ["bob"]
        device.release_lock("config", "bob")
        answer = device.handle({"type": "commit", "cmd": "<commit/>", "key": key})
        assert b"jobid 2" in answer.content()
        device.device.jobs.clock = lambda: 1e12
        assert device.running() == candidate


def test_state_is_there_after_a_crash(tmp_path: Path) -> None:
    device = PanosMock("fw1", state_dir=tmp_path).start()
    sent = {"type": "config", "action": "set", "xpath": f"{VSYS}/tag", "key": device.key()}
    device.handle({**sent, "element": "<entry name='t'/>"})
    again = PanosMock("fw1", state_dir=tmp_path)
    assert again.config() == device.config()
    assert again.device.journal.changes == device.device.journal.changes
    device.stop()


def test_fleet(tmp_path: Path) -> None:
    hosts = {
        "fw1": HostSpec(
            user="ops",
            password='p"w',
            zones={"CTRL": ["ethernet1/2"], "SUPV": ["ethernet1/9.20", "tunnel.3"], "DMZ": []},
            profile_groups=["ot-strict"],
            log_forwarding=["to-siem"],
            schedules=["shift"],
        ),
        "fw2": HostSpec(),
    }
    with serve_fleet(hosts, state=tmp_path) as fleet:
        overlay = yaml.safe_load(fleet.overlay.read_text())["all"]["hosts"]
        assert overlay["fw1"]["ansible_password"] == 'p"w'
        assert overlay["fw1"]["ansible_user"] == "ops"
        assert overlay["fw1"]["ansible_port"] == fleet["fw1"].port
        assert overlay["fw1"]["ansible_host"] == "127.0.0.1"
        assert Path(overlay["fw2"]["segctl_ca_file"]).read_bytes() == fleet["fw2"].ca_pem
        root = etree.fromstring(fleet["fw1"].running())
        zones = {
            zone.get("name"): [member.text for member in zone.iter("member")]
            for zone in root.iterfind(".//zone/entry")
        }
        assert zones == {
            "CTRL": ["ethernet1/2"], "SUPV": ["ethernet1/9.20", "tunnel.3"], "DMZ": [],
        }  # fmt: skip
        assert len(fleet["fw1"].effective()) == 1
        assert reach(fleet["fw1"]) == 200
        ports = {name: mock.port for name, mock in fleet.mocks.items()}
        fleet["fw1"].edit("set", f"{VSYS}/tag", "<entry name='t'/>", commit=True)
    with serve_fleet(hosts, state=tmp_path) as fleet:
        assert {name: mock.port for name, mock in fleet.mocks.items()} == ports
        assert b'name="t"' in fleet["fw1"].running()
        assert len(fleet["fw1"].effective()) == 2


def test_a_fleet_without_a_folder() -> None:
    with serve_fleet({"fw1": HostSpec()}) as fleet:
        assert fleet.overlay.exists()
    assert not fleet.overlay.exists()
    with (
        pytest.raises(ValueError, match="no mock for platform 'acme'"),
        serve_fleet({"fw1": HostSpec(platform="acme")}),
    ):
        pass
