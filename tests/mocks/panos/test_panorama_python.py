"""pan-os-python's Panorama objects, unmodified, over HTTPS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from panos import errors, network, objects, policies
from panos.firewall import Firewall
from panos.panorama import (
    DeviceGroup,
    Panorama,
    PanoramaCommit,
    PanoramaCommitAll,
    Template,
    TemplateStack,
    TemplateVariable,
)

from support.managed import FIRST, RULES, SECOND, Managed, group, managed, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl_mocks import PanoramaMock


@pytest.fixture
def plant() -> Iterator[Managed]:
    found = managed()
    with found.panorama:
        yield found


@pytest.fixture
def panorama(plant: Managed) -> Any:
    mock: PanoramaMock = plant.panorama
    device = Panorama(mock.host, "admin", "pw", port=mock.port)
    device.refresh_system_info()
    return device


def every(cls: Any, parent: Any) -> list[Any]:
    found: list[Any] = cls.refreshall(parent, add=False)
    return found


def detected(cls: Any, host: str, port: int) -> Any:
    return cls.create_from_device(host, "admin", "pw", port=port)


def names(found: Any) -> list[str]:
    return [each.name for each in found]


def test_it_is_a_panorama(panorama: Any, plant: Managed) -> None:
    assert (panorama.version, panorama.serial) == ("11.1.6", plant.panorama.settings.serial)
    assert panorama.platform == "Panorama"
    found = detected(Panorama, plant.panorama.host, plant.panorama.port)
    assert type(found) is Panorama


def test_groups_their_objects_and_rules(panorama: Any) -> None:
    assert names(every(DeviceGroup, panorama)) == ["ot", "plant"]
    cell = panorama.add(DeviceGroup("cell"))
    cell.create()
    panorama.add(objects.AddressObject("any-plc", "10.0.0.0/24")).create()
    cell.add(objects.AddressObject("plc", "10.0.0.1")).create()
    cell.add(objects.AddressGroup("plcs", ["plc", "any-plc"])).create()
    pre, post = cell.add(policies.PreRulebase()), cell.add(policies.PostRulebase())
    pre.add(
        policies.SecurityRule("in", ["a"], ["b"], source=["plcs"], target=[FIRST], action="allow")
    ).create()
    post.add(policies.SecurityRule("out", action="deny")).create()
    found = every(policies.SecurityRule, pre)
    assert [(each.name, each.source, each.target) for each in found] == [("in", ["plcs"], [FIRST])]
    assert names(every(policies.SecurityRule, post)) == ["out"]
    with pytest.raises(errors.PanDeviceError, match="references"):
        cell.find("plc", objects.AddressObject).delete()
    cell.delete()
    assert names(every(DeviceGroup, panorama)) == ["ot", "plant"]


def test_the_hierarchy_is_read_and_changed(panorama: Any) -> None:
    plant = panorama.add(DeviceGroup("plant"))
    assert panorama.opstate.dg_hierarchy.fetch() == {"ot": None, "plant": "ot"}
    plant.opstate.dg_hierarchy.refresh()
    assert plant.opstate.dg_hierarchy.parent == "ot"
    plant.opstate.dg_hierarchy.parent = None
    assert plant.opstate.dg_hierarchy.update()["success"]
    assert panorama.opstate.dg_hierarchy.fetch() == {"ot": None, "plant": None}


def test_devices_are_found_in_their_groups(panorama: Any, plant: Managed) -> None:
    plant.panorama.push_all()
    plant.panorama.disconnect(SECOND)
    panorama.refresh_devices(add=True)
    found = panorama.find("plant", DeviceGroup)
    assert {
        (fw.serial, fw.state.connected, fw.state.shared_policy_synced) for fw in found.children
    } == {(FIRST, True, True), (SECOND, False, True)}
    only = panorama.refresh_devices(only_connected=True, add=False)
    serials = {fw.serial for each in only for fw in getattr(each, "children", [])}
    assert serials == {FIRST}
    wanted = [Firewall(serial=FIRST, vsys="vsys1")]
    (one,) = panorama.refresh_devices(devices=wanted, include_device_groups=False)
    assert (one.serial, one.vsys) == (FIRST, "vsys1")
    with pytest.raises(errors.PanNotAttachedOnPanorama):
        panorama.refresh_devices(devices=[Firewall(serial="999", vsys="vsys1")])


def test_templates_stacks_and_variables(panorama: Any) -> None:
    base = panorama.add(Template("base", description="d", default_vsys="vsys1"))
    base.create()
    base.add(network.Zone("OT", mode="layer3")).create()
    base.add(TemplateVariable("$gateway", "10.0.0.254")).create()
    stack = panorama.add(TemplateStack("line", templates=["base"], devices=[FIRST]))
    stack.create()
    stack.add(TemplateVariable("$gateway", "10.0.1.254")).create()
    assert names(every(Template, panorama)) == ["base"]
    (found,) = every(TemplateStack, panorama)
    assert (found.templates, found.devices) == (["base"], [FIRST])
    (zone,) = every(network.Zone, base)
    assert zone.name == "OT"
    (variable,) = every(TemplateVariable, stack)
    assert (variable.name, variable.value) == ("$gateway", "10.0.1.254")
    with pytest.raises(errors.PanDeviceError, match="references"):
        base.delete()


def test_commit_and_push(panorama: Any, plant: Managed) -> None:
    plant.put(f"{group('ot')}/address", "<entry name='b'><ip-netmask>10.0.0.1</ip-netmask></entry>")
    plant.put(f"{group('plant')}/{RULES}", rule("bobs"), user="bob")
    local = PanoramaCommit("why", admins=["bob"], device_groups=["plant"])
    result = panorama.commit(sync=True, cmd=local)
    assert result["success"], result
    assert b"bobs" in plant.panorama.running()
    assert b"10.0.0.1" not in plant.panorama.running()
    order = PanoramaCommitAll(
        PanoramaCommitAll.STYLE_DEVICE_GROUP, "plant", description="go", devices=[FIRST]
    )
    result = panorama.commit(sync=True, sync_all=True, cmd=order)
    assert result["success"], result
    assert list(result["devices"]) == [FIRST]
    result = panorama.commit_all(sync=True, sync_all=True, devicegroup="plant")
    assert {serial: each["success"] for serial, each in result["devices"].items()} == {
        FIRST: True,
        SECOND: True,
    }


def test_each_style_of_a_push(panorama: Any, plant: Managed) -> None:
    """Of a group for one account, of a template, and of a stack, each to one firewall."""
    base = panorama.add(Template("base", default_vsys="vsys1"))
    base.create()
    base.add(network.Zone("OT", mode="layer3")).create()
    panorama.add(TemplateStack("line", templates=["base"], devices=[FIRST])).create()
    assert panorama.commit(sync=True, cmd=PanoramaCommit("stack", admins=["admin"]))["success"]
    for style, name, admins in (
        (PanoramaCommitAll.STYLE_DEVICE_GROUP, "plant", None),
        (PanoramaCommitAll.STYLE_TEMPLATE_STACK, "line", None),
        (PanoramaCommitAll.STYLE_TEMPLATE, "base", None),
        (PanoramaCommitAll.STYLE_DEVICE_GROUP, "plant", ["bob"]),
    ):
        if admins:
            plant.put(f"{group('plant')}/{RULES}", rule("bobs"), user="bob")
            bobs = PanoramaCommit("bob", admins=["bob"], device_groups=["plant"])
            assert panorama.commit(sync=True, cmd=bobs)["success"]
        order = PanoramaCommitAll(style, name, description="go", devices=[FIRST], admins=admins)
        result = panorama.commit(sync=True, sync_all=True, cmd=order)
        assert result["success"], (style, result)
        assert list(result["devices"]) == [FIRST]
    pushed = plant.first.device.pushed
    assert "bobs" in {each.get("name") for each in pushed.rules("vsys1", "pre-rulebase")}
    assert pushed.template is not None
    assert pushed.template.find(".//zone/entry[@name='OT']") is not None


def test_a_firewall_is_reached_through_panorama(panorama: Any, plant: Managed) -> None:
    firewall = panorama.add(Firewall(serial=FIRST))
    firewall.refresh_system_info()
    assert (firewall.serial, firewall.platform) == (FIRST, "PA-VM")
    firewall.add(objects.AddressObject("own", "10.1.1.1")).create()
    assert b"own" in plant.first.config()
    assert b"own" not in plant.panorama.config()
    plant.panorama.disconnect(FIRST)
    with pytest.raises(errors.PanDeviceError, match=f"{FIRST} not connected"):
        firewall.refresh_system_info()


def test_shared_objects_are_refreshed(panorama: Any) -> None:
    panorama.add(objects.Tag("ot")).create()
    panorama.refresh_shared_objects()
    assert "ot" in names(panorama.children)


def test_locks(panorama: Any, plant: Managed) -> None:
    panorama.add_config_lock("mine", "shared")
    answer = plant.config("set", f"{group('ot')}/tag", "<entry name='t'/>", user="bob")
    assert "locked by admin" in answer.findtext("msg/line")
    assert panorama.check_config_locks()
    panorama.remove_config_lock("shared")
    assert not panorama.check_config_locks()
    plant.put(f"{group('ot')}/tag", "<entry name='t'/>", user="bob")
    assert panorama.pending_changes()
    panorama.revert_to_running_configuration()
    assert not panorama.pending_changes()
