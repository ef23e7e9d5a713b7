"""A pair of mock firewalls: who is active, what both hold, and what happens to them."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from lxml import etree
from panos import errors, ha, objects
from panos.firewall import Firewall

from segctl_mocks import Authority, HostSpec, PanosMock, PanosPair, serve_fleet
from segctl_mocks.panos.ha import ACTIVE_ACTIVE, JOB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

VSYS = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"
SYSTEM = "/config/devices/entry[@name='localhost.localdomain']/deviceconfig/system"
STATE = "<show><high-availability><state/></high-availability></show>"
TO_PEER = (
    "<request><high-availability><sync-to-remote><running-config/></sync-to-remote>"
    "</high-availability></request>"
)
HOST = '<entry name="plc"><ip-netmask>10.0.0.1</ip-netmask></entry>'
RULE = (
    '<entry name="r1"><from><member>any</member></from><to><member>any</member></to>'
    "<source><member>any</member></source><destination><member>any</member></destination>"
    "<application><member>any</member></application><service><member>any</member></service>"
    "<action>deny</action></entry>"
)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create()


@pytest.fixture
def pair(authority: Authority) -> Iterator[PanosPair]:
    with PanosPair.of_two(job_seconds=0.0, authority=authority) as made:
        yield made


def ask(mock: PanosMock, **params: str) -> Any:
    """Send one request over HTTPS, as admin."""
    context = ssl.create_default_context(cafile=str(mock.ca_file))
    body = urllib.parse.urlencode({"key": mock.key(), **params}).encode()
    with urllib.request.urlopen(
        urllib.request.Request(mock.url, data=body), context=context, timeout=10
    ) as answer:
        return etree.fromstring(answer.read())


def told(mock: PanosMock, what: str) -> str:
    found: str = ask(mock, type="op", cmd=STATE).findtext(f"result/group/{what}")
    return found


def roles(pair: PanosPair) -> list[tuple[str, str]]:
    return [(told(mock, "local-info/state"), told(mock, "peer-info/state")) for mock in pair.mocks]


def job_of(mock: PanosMock) -> Any:
    jobs = ask(mock, type="op", cmd="<show><jobs><all/></jobs></show>").findall("result/job")
    return next(job for job in jobs if job.findtext("type") == JOB)


# --- what each is ---------------------------------------------------------------------------------


def test_each_has_its_own_identity_and_account(pair: PanosPair) -> None:
    seen = [
        ask(mock, type="op", cmd="<show><system><info/></system></show>") for mock in pair.mocks
    ]
    for tag in ("serial", "hostname", "ip-address"):
        assert len({system.findtext(f"result/system/{tag}") for system in seen}) == 2
    assert pair.first.key() != pair.second.key()
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(pair.second, type="version", key=pair.first.key())
    refused.value.close()
    assert refused.value.code == 403
    lock = "<request><config-lock><add/></config-lock></request>"
    for mock in pair.mocks:
        assert ask(mock, type="op", cmd=lock, vsys="shared").get("status") == "success"


def test_the_state_is_as_recorded(pair: PanosPair, third_party: Path) -> None:
    recorded = etree.parse(third_party / "demisto/show_ha_state_enabled.xml").getroot()
    mine = ask(pair.second, type="op", cmd=STATE)
    for section in ("local-info", "peer-info", ".", "link-monitoring", "path-monitoring"):
        wanted = {child.tag for child in recorded.iterfind(f"result/group/{section}/*")}
        found = {child.tag for child in mine.iterfind(f"result/group/{section}/*")}
        assert wanted - found <= {"active-passive"}, section
    assert told(pair.second, "local-info/state") == "passive"
    assert told(pair.first, "peer-info/mgmt-ip") == told(pair.second, "local-info/mgmt-ip")
    everything = ask(pair.first, type="op", cmd=STATE.replace("state", "all"))
    assert everything.findtext("result/group/local-info/state") == "active"


# --- what both hold -------------------------------------------------------------------------------


def test_a_commit_reaches_the_peer_and_what_is_a_members_own_does_not(pair: PanosPair) -> None:
    banner = "<login-banner>plant</login-banner><hostname>renamed</hostname>"
    pair.first.edit("set", SYSTEM, banner, admin="admin")
    pair.first.edit("set", f"{VSYS}/rulebase/security/rules", RULE, admin="admin", commit=True)
    first, second = (etree.fromstring(mock.running()) for mock in pair.mocks)
    rule = "devices/entry/vsys/entry/rulebase/security/rules/entry"
    ours, theirs = first.find(rule), second.find(rule)
    assert ours is not None
    assert theirs is not None
    assert ours.get("uuid") == theirs.get("uuid")
    system = "devices/entry/deviceconfig/system"
    assert second.findtext(f"{system}/login-banner") == "plant"
    assert first.findtext(f"{system}/hostname") == "renamed"
    assert second.findtext(f"{system}/hostname") == "fw1-b"
    peers = [
        root.findtext("devices/entry/deviceconfig/high-availability/group/peer-ip")
        for root in (first, second)
    ]
    assert peers == ["192.0.2.12", "192.0.2.11"]
    assert job_of(pair.second).findtext("result") == "OK"
    assert pair.synchronized
    assert told(pair.first, "running-sync") == "synchronized"


def test_hits_are_counted_by_each_and_identities_may_differ(pair: PanosPair) -> None:
    rules = f"{VSYS}/rulebase/security/rules"
    pair.first.edit("set", rules, RULE, commit=True)
    pair.first.set_hits("r1", 7)
    pair.second.set_hits("r1", 5)
    cmd = (
        "<show><rule-hit-count><vsys><vsys-name><entry name='vsys1'><rule-base>"
        "<entry name='security'><rules><all/></rules></entry></rule-base></entry></vsys-name>"
        "</vsys></rule-hit-count></show>"
    )
    counts = [
        ask(mock, type="op", cmd=cmd).findtext(".//entry[@name='r1']/hit-count")
        for mock in pair.mocks
    ]
    assert counts == ["7", "5"]
    pair.part()
    assert not pair.synchronized
    assert ask(pair.second, type="op", cmd=cmd).findtext(".//entry[@name='r1']/hit-count") == "0"
    ask(pair.first, type="op", cmd=TO_PEER)
    assert pair.synchronized
    assert ask(pair.second, type="op", cmd=cmd).findtext(".//entry[@name='r1']/hit-count") == "5"


@pytest.mark.parametrize("fault", ["sync_fails", "sync_never", "sync_stuck", "sync_slow"])
def test_a_sync_that_goes_wrong_is_seen(fault: str, pair: PanosPair) -> None:
    pair.room.sync_seconds = 600 if fault == "sync_slow" else 0
    pair.first.fail(fault)
    pair.first.edit("set", f"{VSYS}/address", HOST, commit=True)
    assert b"plc" in pair.first.running()
    assert b"plc" not in pair.second.running()
    running = fault in {"sync_stuck", "sync_slow"}
    wanted = "synchronization in progress" if running else "not synchronized"
    assert [told(mock, "running-sync") for mock in pair.mocks] == [wanted] * 2
    if fault == "sync_fails":
        assert job_of(pair.second).findtext("result") == "FAIL"
    again = ask(pair.first, type="op", cmd=TO_PEER)
    assert again.get("status") == ("error" if running else "success")
    if running:
        assert again.findtext("msg/line").startswith("Another sync is in progress.")
    else:
        assert pair.synchronized
        assert b"plc" in pair.second.running()


def test_where_sync_is_off_nothing_is_sent(pair: PanosPair) -> None:
    pair.turn_sync(on=False)
    pair.first.edit("set", f"{VSYS}/address", HOST, commit=True)
    assert told(pair.first, "running-sync-enabled") == "no"
    assert b"plc" not in pair.second.running()
    assert told(pair.first, "running-sync") == "not synchronized"


def test_what_is_uncommitted_on_the_peer_is_lost(pair: PanosPair) -> None:
    pair.second.edit("set", f"{VSYS}/address", HOST.replace("plc", "late"))
    pair.first.edit("set", f"{VSYS}/address", HOST, commit=True)
    assert b"late" not in pair.second.config()
    assert not pair.second.device.journal.changes


# --- what happens to it ---------------------------------------------------------------------------


def test_roles_change(pair: PanosPair) -> None:
    assert roles(pair) == [("active", "passive"), ("passive", "active")]
    assert pair.active is pair.first
    pair.failover()
    assert roles(pair) == [("passive", "active"), ("active", "passive")]
    ask(
        pair.second,
        type="op",
        cmd="<request><high-availability><state><suspend/></state></high-availability></request>",
    )
    assert roles(pair) == [("active", "suspended"), ("suspended", "active")]
    assert told(pair.second, "local-info/last-error-reason") == "User requested"
    ask(
        pair.second,
        type="op",
        cmd=STATE.replace("show", "request").replace("<state/>", "<state><functional/></state>"),
    )
    assert roles(pair) == [("active", "passive"), ("passive", "active")]


def test_two_that_do_not_hear_each_other_are_both_active(pair: PanosPair) -> None:
    pair.cut()
    assert roles(pair) == [("active", "unknown"), ("active", "unknown")]
    assert told(pair.first, "peer-info/conn-status") == "down"
    pair.first.edit("set", f"{VSYS}/address", HOST, commit=True)
    assert b"plc" not in pair.second.running()
    pair.mend()
    assert roles(pair) == [("active", "passive"), ("passive", "active")]
    assert told(pair.first, "running-sync") == "not synchronized"


def test_a_member_that_is_off_does_not_answer_and_comes_back_behind(pair: PanosPair) -> None:
    port = pair.first.port
    pair.power_off(pair.first)
    with pytest.raises(urllib.error.URLError):
        ask(pair.first, type="version")
    assert told(pair.second, "local-info/state") == "active"
    assert told(pair.second, "peer-info/conn-status") == "down"
    pair.second.edit("set", f"{VSYS}/address", HOST, commit=True)
    pair.power_on(pair.first)
    assert pair.first.port == port
    assert roles(pair) == [("passive", "active"), ("active", "passive")]
    assert told(pair.second, "running-sync") == "not synchronized"
    pair.reboot(pair.first)
    assert roles(pair) == [("passive", "active"), ("active", "passive")]


def test_both_of_an_active_active_pair_are_active() -> None:
    with PanosPair.of_two(mode=ACTIVE_ACTIVE, job_seconds=0.0) as pair:
        assert roles(pair) == [
            ("active-primary", "active-secondary"),
            ("active-secondary", "active-primary"),
        ]
        pair.failover()
        assert pair.active is pair.second
        pair.suspend(pair.second)
        assert roles(pair)[0] == ("active-primary", "suspended")


def test_a_wrong_key_is_not_a_dead_device(pair: PanosPair) -> None:
    pair.first.fail("key_invalid", times=1)
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(pair.first, type="version")
    refused.value.close()
    assert refused.value.code == 403
    assert roles(pair)[1] == ("passive", "active")


def test_a_passive_member_takes_no_mappings(pair: PanosPair) -> None:
    message = "<uid-message><version>1.0</version><type>update</type><payload/></uid-message>"
    assert ask(pair.second, type="user-id", cmd=message).get("code") == "15"
    assert ask(pair.first, type="user-id", cmd=message).get("status") == "success"


def test_a_pair_keeps_its_addresses_apart() -> None:
    with pytest.raises(ValueError, match="two management addresses"):
        PanosPair(PanosMock("a"), PanosMock("b"))


# --- pan-os-python, unmodified --------------------------------------------------------------------


@pytest.fixture
def firewalls(pair: PanosPair) -> tuple[Any, Any]:
    made: Any = Firewall  # which carries no types
    one, other = (made(mock.host, "admin", "pw", port=mock.port) for mock in pair.mocks)
    one.set_ha_peers(other)
    return one, other


def test_the_active_one_is_found(pair: PanosPair, firewalls: tuple[Any, Any]) -> None:
    one, other = firewalls
    assert one.refresh_ha_active() == "active"
    pair.failover()
    assert one.refresh_ha_active() == "passive"
    assert one.active() is other


def test_a_dead_one_is_replaced_by_its_peer(pair: PanosPair, firewalls: tuple[Any, Any]) -> None:
    one, other = firewalls
    one.refresh_system_info()
    other.refresh_system_info()
    pair.power_off(pair.first)
    one.add(objects.AddressObject("plc", "10.0.0.1")).create()
    other.commit(sync=True)
    assert b"plc" in pair.second.running()


def test_a_refused_key_sends_its_write_to_the_peer(
    pair: PanosPair, firewalls: tuple[Any, Any]
) -> None:
    """The trap of pan-os-python that segctl must not share: facts, section 10.5."""
    one, other = firewalls
    one.refresh_system_info()
    other.refresh_system_info()
    pair.first.revoke_keys()
    one.add(objects.AddressObject("plc", "10.0.0.1")).create()
    assert b"plc" in pair.second.config()
    assert b"plc" not in pair.first.config()


def test_a_configuration_is_synchronized(pair: PanosPair, firewalls: tuple[Any, Any]) -> None:
    one, _ = firewalls
    pair.first.fail("sync_never")
    pair.first.edit("set", f"{VSYS}/address", HOST, commit=True)
    assert not one.config_synced()
    one.synchronize_config()
    assert one.config_synced()
    assert one.synchronize_config()
    pair.first.fail("sync_never")
    pair.first.edit("delete", f"{VSYS}/address/entry[@name='plc']", commit=True)
    pair.first.fail("sync_busy")
    with pytest.raises(errors.PanHASyncInProgress):
        one.synchronize_config()


def test_settings_of_a_pair_are_a_members_own(pair: PanosPair, firewalls: tuple[Any, Any]) -> None:
    one, other = firewalls
    one.refresh_system_info()
    settings = one.add(ha.HighAvailability())
    settings.refresh()
    assert (settings.enabled, settings.mode, settings.config_sync) == (True, "active-passive", True)
    settings.config_sync = False
    settings.description = "west"
    settings.apply()
    settings.add(ha.HA1("10.0.0.1", "255.255.255.252", port="management")).create()
    one.commit(sync=True)
    assert one.config_sync_state() is None
    assert b"west" not in pair.second.running()
    assert b"10.0.0.1" in pair.first.running()
    assert b"10.0.0.1" not in pair.second.running()
    other.refresh_system_info()
    theirs = other.add(ha.HighAvailability())
    theirs.refresh()
    assert theirs.config_sync


def test_alone_there_is_no_pair(ask: Callable[..., Any]) -> None:
    assert ask(kind="op", cmd=TO_PEER).get("status") == "error"
    assert ask(kind="op", cmd=STATE).findtext("result/enabled") == "no"


def test_a_served_pair_is_kept_in_a_folder(tmp_path: Path) -> None:
    specs = {
        "fw1": HostSpec(ha_peer="fw1-b", ip_address="192.0.2.1", zones={"CTRL": ("ethernet1/2",)}),
        "fw1-b": HostSpec(ip_address="192.0.2.2", serial="2"),
    }
    with serve_fleet(specs, state=tmp_path, job_seconds=0.0) as fleet:
        fleet["fw1"].edit("set", f"{VSYS}/address", HOST, commit=True)
        assert b"plc" in fleet["fw1-b"].running()
        assert b"CTRL" in fleet["fw1-b"].running()
        assert b"plc" in (tmp_path / "fw1-b" / "running.xml").read_bytes()  # before it stops
    with serve_fleet(specs, state=tmp_path, job_seconds=0.0) as fleet:
        room = fleet["fw1"].device.room
        assert room is not None
        assert room.running_sync() == "synchronized"
        assert b"plc" in fleet["fw1-b"].running()
        assert len(fleet["fw1"].device.versions) == 2
        fleet["fw1"].edit("delete", f"{VSYS}/address/entry[@name='plc']", commit=True)
        assert b"plc" not in fleet["fw1-b"].running()
