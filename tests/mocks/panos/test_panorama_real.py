"""Real configurations of Panoramas, where they are present, in the mock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from lxml import etree

from segctl_mocks import PanoramaMock, PanosMock
from segctl_mocks.panos.panorama import groups
from segctl_mocks.panos.tree import parse, serialize
from support.managed import DEVICE, POST_RULES, RULES, SHARED, VSYS, Managed, group, push_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMPLETE = (
    "iron-skillet_panorama_full",
    "pan-os-php_examples_sample-configs_panorama-example",
    "pan-os-php_migration_parser_panorama_baseconfig",
    "pan-os-php_tests_input_panorama-8.0",
    "pan-os-php_tests_input_panorama-8.0-merger",
)


def config(third_party: Path, name: str) -> bytes:
    return (third_party / "configs" / f"{name}.xml").read_bytes()


def release(document: bytes) -> str:
    root = etree.fromstring(document)
    return root.get("detail-version") or root.get("version") or ""


def panorama(document: bytes, **more: Any) -> PanoramaMock:
    return PanoramaMock(config=document, sw_version=release(document), job_seconds=0.0, **more)


def own(document: bytes) -> bytes:
    """Return a configuration without what Panorama notes itself, and without its firewalls."""
    root = parse(document)
    for path in ("readonly", "mgt-config/devices"):
        for node in root.findall(path):
            above = node.getparent()
            assert above is not None
            above.remove(node)
    return serialize(root)


@pytest.mark.parametrize("name", COMPLETE)
def test_it_is_loaded_as_it_is(third_party: Path, name: str) -> None:
    document = config(third_party, name)
    mock = panorama(document)
    assert own(mock.running()) == own(document)
    root: Any = etree.fromstring(document)
    for entry in root.iterfind("readonly/devices/entry/device-group/entry"):
        number = groups.number(mock.device.running, "device-group", entry.get("name"))
        assert number == entry.findtext("id")
        assert groups.parent(mock.device.running, entry.get("name")) == (
            entry.findtext("parent-dg") or ""
        )


@pytest.mark.parametrize("name", COMPLETE)
def test_everything_in_it_can_be_written_again(third_party: Path, name: str) -> None:
    document = config(third_party, name)
    mock = panorama(document)
    mock.edit("edit", "/config", document.decode().partition("?>")[2] or document.decode())
    cmd = "<validate><full/></validate>"
    answer = mock.handle({"type": "op", "cmd": cmd, "key": mock.key()}).content()
    number = etree.fromstring(answer).findtext("result/job")
    shown = f"<show><jobs><id>{number}</id></jobs></show>"
    job = etree.fromstring(
        mock.handle({"type": "op", "cmd": shown, "key": mock.key()}).content()
    ).find("result/job")
    assert job is not None
    assert job.findtext("result") == "OK", etree.tostring(job)


def rules(root: Any, path: str) -> list[str]:
    return [
        rule.get("name")
        for rule in root.iterfind(f"{path}/entry")
        if rule.findtext("disabled") != "yes"
    ]


def zones_of(document: bytes) -> list[str]:
    root: Any = etree.fromstring(document)
    found = {member.text for tag in ("from", "to") for member in root.iterfind(f".//{tag}/member")}
    return sorted(found - {"any", "multicast"})


def firewalls(document: bytes) -> Iterator[PanosMock]:
    """Yield a firewall for each that a group of the configuration holds, with all zones."""
    root: Any = etree.fromstring(document)
    ports = "".join(f'<entry name="tunnel.{n}"/>' for n in range(1, 20))
    for entry in root.iterfind("devices/entry/device-group/entry/devices/entry"):
        mock = PanosMock(
            f"fw-{entry.get('name')}",
            serial=entry.get("name"),
            sw_version=release(document),
            job_seconds=0.0,
        )
        mock.edit("set", f"{DEVICE}/network/interface/tunnel/units", ports)
        for number, zone in enumerate(zones_of(document), start=1):
            member = f"<member>tunnel.{number}</member>"
            element = f"<entry name='{zone}'><network><layer3>{member}</layer3></network></entry>"
            mock.edit("set", f"{VSYS}/zone", element)
        mock.device.commit_now("other")
        mock.device.learn(PanoramaMock(config=document).device.running)
        yield mock


@pytest.mark.parametrize("name", [COMPLETE[3], COMPLETE[4]])
def test_its_policy_reaches_firewalls_of_its_numbers(third_party: Path, name: str) -> None:
    document = config(third_party, name)
    served = list(firewalls(document))
    assert served
    mock = panorama(document, firewalls=served)
    mock.edit("delete", f"{DEVICE}/deviceconfig/setting/management", commit=True)
    root: Any = etree.fromstring(document)
    tree = mock.device.running
    for member in groups.members(tree):
        plant = Managed(mock, served[0], served[0])
        job = plant.push(push_of(member.group))
        assert job.findtext("result") == "OK", etree.tostring(job)
        pushed = plant.pushed(mock.firewalls[member.serial])
        lineage = [
            root.find(f"devices/entry/device-group/entry[@name='{each}']")
            for each in groups.lineage(tree, member.group)
        ]
        lineage.append(root.find("shared"))
        expected = [name for level in lineage[::-1] for name in rules(level, RULES)]
        assert rules(pushed.find("policy/panorama"), RULES) == expected
        expected = [name for level in lineage for name in rules(level, POST_RULES)]
        assert rules(pushed.find("policy/panorama"), POST_RULES) == expected
        assert plant.pushed(mock.firewalls[member.serial]).findall(".//address/entry")


def test_a_part_of_a_file_is_loaded(third_party: Path) -> None:
    mock = PanoramaMock(job_seconds=0.0)
    plant = Managed(mock, PanosMock(), PanosMock())
    for number in (1, 2):
        text = config(third_party, f"netbox-configpump_panorama_config{number}").decode()
        file = {"file-name": f"conf{number}.xml", "file": text}
        answer = plant.ask(type="import", category="configuration", **file)
        assert answer.findtext("msg/line") == f"conf{number}.xml saved"
    entry = "devices/entry[@name='localhost.localdomain']/device-group/entry[@name='Netbox']"
    places = f"<from-xpath>{entry}</from-xpath><to-xpath>/config/{entry}</to-xpath>"

    def load(name: str, mode: str = "merge") -> Any:
        parts = f"<mode>{mode}</mode>{places}<from>{name}</from>"
        return plant.op(f"<load><config><partial>{parts}</partial></config></load>")

    recorded = (third_party / "panorama-11.1.6/load_partial_config_ok.xml").read_bytes()
    wanted = recorded.decode().strip().replace("netbox_firewall1.xml", "conf2.xml")
    assert etree.tostring(load("conf2.xml")).decode() == wanted
    assert b"testi1233" in mock.config()
    assert plant.op("<show><dg-hierarchy/></show>").find(".//dg").get("name") == "Netbox"
    assert load("conf1.xml", "replace").get("status") == "success"
    nothing = places.replace("Netbox", "Nobody")
    parts = f"<mode>merge</mode>{nothing}<from>conf1.xml</from>"
    answer = plant.op(f"<load><config><partial>{parts}</partial></config></load>")
    recorded = (third_party / "panorama-11.1.6/load_partial_config_nok.xml").read_bytes()
    shape = [node.tag for node in etree.fromstring(recorded).iter()]
    assert [node.tag for node in answer.iter()] == shape


def test_a_saved_configuration_and_versions_come_back(third_party: Path) -> None:
    mock = panorama(config(third_party, COMPLETE[3]))
    plant = Managed(mock, PanosMock(), PanosMock())
    before = mock.running()
    plant.op("<save><config><to>mine.xml</to></config></save>")
    plant.put(f"{SHARED}/tag", "<entry name='new'/>")
    plant.commit()
    listed = plant.op("<show><config><audit><info/></audit></config></show>")
    assert len(listed.findall(".//versions/entry")) == 2
    answer = plant.op("<load><config><from>mine.xml</from></config></load>")
    assert answer.get("status") == "success"
    assert mock.config() == before
    plant.commit()
    assert mock.running() == before
    plant.put(group("only-now"), "<description>x</description>")
    plant.op("<load><config><version>1</version></config></load>")
    assert mock.config() == before
    assert "only-now" not in groups.names(mock.device.candidate)
