"""pan-os-python, unmodified, over HTTPS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from panos import errors, network, objects, policies
from panos.firewall import Firewall, FirewallCommit

if TYPE_CHECKING:
    from segctl_mocks import PanosMock


@pytest.fixture
def firewall(served: PanosMock) -> Any:
    device = Firewall(served.host, "admin", "pw", port=served.port)
    device.refresh_system_info()
    return device


@pytest.fixture
def rulebase(firewall: Any) -> Any:
    return firewall.add(policies.Rulebase())


def rule(name: str, **more: Any) -> Any:
    values = {"fromzone": ["trust"], "tozone": ["untrust"], "action": "allow"} | more
    return policies.SecurityRule(name, **values)


def every(cls: Any, parent: Any, **more: Any) -> list[Any]:
    found: list[Any] = cls.refreshall(parent, add=False, **more)
    return found


def names(cls: Any, parent: Any, **more: Any) -> list[str]:
    return [each.name for each in every(cls, parent, **more)]


def test_system_info(firewall: Any) -> None:
    assert firewall.version == "11.1.6"
    assert firewall.platform == "PA-VM"
    assert firewall.serial == "007000001222"
    assert not firewall.multi_vsys


def test_objects_live_and_die(firewall: Any) -> None:
    firewall.add(objects.Tag("ot", color="color3", comments="plant")).create()
    firewall.add(objects.AddressObject("plc", "10.0.0.1", description="a", tag=["ot"])).create()
    firewall.add(objects.AddressObject("hmi", "10.0.1.0-10.0.1.9", type="ip-range")).create()
    group = firewall.add(objects.AddressGroup("cell", static_value=["plc"]))
    group.create()
    service = firewall.add(objects.ServiceObject("modbus", "tcp", destination_port="502"))
    service.create()
    firewall.add(objects.ServiceGroup("scada", ["modbus", "service-http"])).create()
    firewall.add(objects.ApplicationGroup("ot-apps", ["modbus-base", "dnp3-base"])).create()
    found = every(objects.AddressObject, firewall)
    assert [(each.name, each.value, each.tag) for each in found] == [
        ("plc", "10.0.0.1", ["ot"]),
        ("hmi", "10.0.1.0-10.0.1.9", None),
    ]
    group.static_value = ["plc", "hmi"]
    group.apply()
    group.refresh()
    assert group.static_value == ["plc", "hmi"]
    group.static_value = ["hmi"]
    group.update("static_value")
    group.refresh()
    assert group.static_value == ["hmi"]
    group.delete()
    assert names(objects.AddressGroup, firewall) == []
    assert names(objects.ServiceGroup, firewall) == ["scada"]


def test_apply_makes_what_is_missing(firewall: Any) -> None:
    firewall.add(objects.AddressObject("new", "10.9.9.9")).apply()
    assert names(objects.AddressObject, firewall) == ["new"]


def test_bulk(firewall: Any) -> None:
    many = [firewall.add(objects.AddressObject(f"h{n}", f"10.1.0.{n}")) for n in range(20)]
    many[0].create_similar()
    assert len(names(objects.AddressObject, firewall)) == 20
    for each in many:
        each.description = "changed"
    many[0].apply_similar()
    assert every(objects.AddressObject, firewall)[3].description == "changed"
    many[0].delete_similar()
    assert names(objects.AddressObject, firewall) == []


def test_names_only(firewall: Any) -> None:
    firewall.add(objects.AddressObject("a", "10.0.0.1")).create()
    found = every(objects.AddressObject, firewall, name_only=True)
    assert [each.name for each in found] == ["a"]


def test_rules_are_ordered(firewall: Any, rulebase: Any) -> None:
    rules = {name: rulebase.add(rule(name)) for name in ("one", "two", "three")}
    for each in rules.values():
        each.create()
    rules["three"].move("top")
    assert names(policies.SecurityRule, rulebase) == ["three", "one", "two"]
    rules["three"].move("after", "one")
    assert names(policies.SecurityRule, rulebase) == ["one", "three", "two"]
    rules["one"].move("bottom")
    rules["two"].move("before", "three")
    assert names(policies.SecurityRule, rulebase) == ["two", "three", "one"]
    with pytest.raises(errors.PanDeviceXapiError):
        rules["two"].move("top")
    assert firewall.xapi.status_code == "14"
    with pytest.raises(errors.PanDeviceXapiError, match="not found"):
        rules["two"].move("after", "nowhere")


def test_rename_is_followed(firewall: Any, rulebase: Any) -> None:
    host = firewall.add(objects.AddressObject("old", "10.0.0.1"))
    host.create()
    firewall.add(objects.AddressGroup("g", static_value=["old"])).create()
    one = rulebase.add(rule("r", source=["old"], destination=["g"]))
    one.create()
    host.rename("new")
    one.refresh()
    assert one.source == ["new"]
    assert every(objects.AddressGroup, firewall)[0].static_value == ["new"]


def test_refused(firewall: Any, rulebase: Any) -> None:
    host = firewall.add(objects.AddressObject("used", "10.0.0.1"))
    host.create()
    rulebase.add(rule("r", source=["used"])).create()
    with pytest.raises(errors.PanDeviceXapiError, match="references from") as caught:
        host.delete()
    assert "vsys -> vsys1 -> rulebase -> security -> rules -> r -> source" in str(caught.value)
    assert firewall.xapi.status_code == "10"
    with pytest.raises(errors.PanDeviceXapiError, match="at most 63 characters"):
        rulebase.add(rule("x" * 64)).create()
    with pytest.raises(errors.PanDeviceXapiError, match="'nobody' is not a valid reference"):
        rulebase.add(rule("bad", source=["nobody"])).create()
    with pytest.raises(errors.PanObjectMissing):
        firewall.add(objects.AddressObject("missing")).refresh()
    firewall.add(objects.AddressObject("missing")).delete()


def test_commit(firewall: Any, served: PanosMock) -> None:
    assert not firewall.pending_changes()
    assert firewall.commit(sync=True) is None
    firewall.add(objects.AddressObject("a", "10.0.0.1")).create()
    assert firewall.pending_changes()
    assert names(objects.AddressObject, firewall, running_config=True) == []
    answer = firewall.commit(sync=True, exception=True)
    assert answer["success"]
    assert answer["messages"][0] == "Configuration committed successfully"
    assert not firewall.pending_changes()
    assert names(objects.AddressObject, firewall, running_config=True) == ["a"]
    assert served.running() == served.config()
    assert len(served.effective()) == 3


def test_commit_of_one_administrator(firewall: Any, served: PanosMock, vsys: str) -> None:
    served.edit("set", f"{vsys}/tag", "<entry name='theirs'/>", admin="bob")
    firewall.add(objects.Tag("mine")).create()
    command = FirewallCommit("one of two", admins=["admin"])
    assert firewall.commit(sync=True, cmd=command)["success"]
    assert b"theirs" not in served.running()
    assert b"theirs" in served.config()
    assert b'"mine"' in served.running()


def test_failing_commit(firewall: Any, rulebase: Any, served: PanosMock) -> None:
    served.fail("commit_invalid", lines=["vsys -> vsys1 -> rulebase is invalid"])
    rulebase.add(rule("r")).create()
    with pytest.raises(errors.PanCommitFailed) as caught:
        firewall.commit(sync=True, exception=True)
    failure: Any = caught.value
    assert " vsys -> vsys1 -> rulebase is invalid" in failure.result["messages"]
    assert b'name="r"' not in served.running()
    assert firewall.commit(sync=True)["success"]


def test_validate(firewall: Any, rulebase: Any, served: PanosMock) -> None:
    rulebase.add(rule("r", source=["any"], negate_source=True)).create()
    firewall.xapi.op("<validate><full></full></validate>")
    job = firewall.xapi.element_root.findtext("result/job")
    result = firewall.syncjob(firewall.xapi.element_root)
    assert job == result["jobid"]
    assert not result["success"]
    assert any("Negate cannot be enabled" in line for line in result["messages"])
    assert served.running() != served.config()


def test_locks(firewall: Any, served: PanosMock) -> None:
    firewall.add_config_lock("mine")
    with pytest.raises(errors.PanLockError):
        firewall.add_config_lock()
    firewall.remove_config_lock()
    with pytest.raises(errors.PanLockError):
        firewall.remove_config_lock()
    served.hold_lock("commit", "bob")
    with pytest.raises(errors.PanLockError):
        firewall.add_commit_lock()
    firewall.add(objects.Tag("t")).create()
    with pytest.raises(errors.PanDeviceXapiError, match="holding device wide commit locks"):
        firewall.commit(sync=True)
    served.release_lock("commit", "bob")
    served.hold_lock("config", "bob")
    with pytest.raises(errors.PanLockError, match="locked by bob"):
        firewall.add(objects.Tag("u")).create()


def test_revert(firewall: Any, served: PanosMock) -> None:
    firewall.add(objects.Tag("t")).create()
    firewall.revert_to_running_configuration()
    assert not firewall.pending_changes()
    assert served.config() == served.running()


def test_network_objects(firewall: Any) -> None:
    port = firewall.add(network.EthernetInterface("ethernet1/9", mode="layer3", ip="10.3.0.1/24"))
    port.create()
    zone = firewall.add(network.Zone("cell", mode="layer3", interface=["ethernet1/9"]))
    zone.create()
    with pytest.raises(errors.PanDeviceXapiError, match="references from"):
        port.delete()
    sub = port.add(network.Layer3Subinterface("ethernet1/9.5", tag=5, ip="10.4.0.1/24"))
    sub.create()
    zone.interface = ["ethernet1/9", "ethernet1/9.5"]
    zone.apply()
    assert set(names(network.Zone, firewall)) == {"trust", "untrust", "cell"}
    with pytest.raises(errors.PanDeviceXapiError, match="'ethernet9/9' is not a valid reference"):
        firewall.add(network.Zone("bad", mode="layer3", interface=["ethernet9/9"])).create()
    firewall.add(network.VirtualRouter("vr2", interface=["ethernet1/9"])).create()
    firewall.add(network.TunnelInterface("tunnel.7", ip="10.5.0.1/30")).create()
    zone.delete()
    sub.delete()
    port.delete()


def test_predefined(firewall: Any) -> None:
    firewall.predefined.refreshall_applications()
    app = firewall.predefined.application("modbus-base")
    assert app.default_port == ["tcp/502", "udp/502"]
    firewall.predefined.refreshall_services()
    assert firewall.predefined.service("service-https").destination_port == "443"


def test_hit_counts_follow_the_rule(firewall: Any, rulebase: Any, served: PanosMock) -> None:
    one = rulebase.add(rule("r"))
    one.create()
    firewall.commit(sync=True)
    served.set_hits("r", 42)
    one.rename("s")
    firewall.commit(sync=True)
    counts = rulebase.opstate.hit_count.refresh("security", all_rules=True)
    assert counts["s"].hit_count == 42
    assert "interzone-default" in counts


def test_policy_match(firewall: Any, rulebase: Any) -> None:
    firewall.add(objects.AddressObject("plc", "10.0.0.0/24")).create()
    rulebase.add(rule("r", destination=["plc"])).create()
    firewall.commit(sync=True)
    found = firewall.test_security_policy_match(
        "10.9.0.1", "10.0.0.7", 6, port=502, from_zone="trust", to_zone="untrust"
    )
    assert [each["name"] for each in found] == ["r"]


def test_users_and_tags(firewall: Any) -> None:
    firewall.userid.login("acme\\bob", "10.1.1.1", timeout=20)
    firewall.userid.register(["10.1.1.1", "10.1.1.2"], ["a", "b"])
    firewall.userid.register("10.1.1.1", "a")
    assert set(firewall.userid.get_registered_ip()) == {"10.1.1.1", "10.1.1.2"}
    firewall.userid.unregister("10.1.1.1", ["a", "b"])
    assert set(firewall.userid.get_registered_ip()) == {"10.1.1.2"}
    firewall.userid.clear_registered_ip()
    assert firewall.userid.get_registered_ip() == {}


def test_small_talk(firewall: Any) -> None:
    assert firewall.clock() is not None
    assert firewall.whoami() == "admin"
    assert firewall.is_ready()
    assert firewall.show_system_resources()["mem_total"] == 8000000
    assert firewall.plugins() == []
    assert firewall.request_license_info() == []
    assert firewall.show_highavailability_state()[0] == "disabled"
    hashed = firewall.request_password_hash("secret")
    assert "secret" not in hashed


def test_wrong_password(served: PanosMock) -> None:
    device = Firewall(served.host, "admin", "wrong", port=served.port)
    with pytest.raises(errors.PanURLError, match="Invalid Credential"):
        device.refresh_system_info()
