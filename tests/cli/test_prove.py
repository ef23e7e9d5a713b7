"""Proofs of live firewalls, of snapshots and of the inventory: the evidence, the exit status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from cli_support import POLL, RULES, VSYS, Plant
from support.cells import Cells, cells

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


def proved(plant: Plant, *words: str, code: int = 0) -> Any:
    """The document of a proof, which reads devices and leaves them alone."""
    with plant.untouched():
        done = plant("prove", *words, "--json")
    assert done.code == code, (done.err, done.out)
    jsonschema.validate(done.json, plant("schema", "prove").json)
    return done.json


def device(document: Any, name: str = "fw1") -> Any:
    """What a document says of one firewall."""
    return next(one for one in document["devices"] if one["name"] == name)


def add(plant: Plant, fields: str, name: str = "theirs", host: str = "fw1") -> None:
    """Put a rule of somebody else at the end of a firewall's."""
    plant.fleet[host].edit("set", RULES, f"<entry name='{name}'>{fields}</entry>", commit=True)


def fields(**given: str) -> str:
    """The fields of a rule, from supervisory to control unless said otherwise."""
    said = {
        "from": "SUPV",
        "to": "CTRL",
        "source": "any",
        "destination": "any",
        "application": "any",
        "service": "any",
    } | given
    listed = "".join(f"<{tag}><member>{text}</member></{tag}>" for tag, text in said.items())
    return f"{listed}<action>allow</action>"


@pytest.fixture
def gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Generator[Cells]:
    """A cell behind a firewall of PAN-OS, and one behind a Linux gateway."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    with cells(tmp_path, capsys, "fw1", "gw2") as plant:
        yield plant


# --- as declared ---------------------------------------------------------------------------------


def test_what_was_applied_is_proved(applied: Plant) -> None:
    document = proved(applied)
    assert document["source"] == "device"
    assert [(one["name"], one["status"]) for one in document["devices"]] == [
        ("fw1", "proved"),
        ("fw2", "proved"),
    ]
    assert document["summary"] == {"proved": 2, "not_proved": 0, "cannot_tell": 0, "error": 0}
    assert "error" not in document
    assert "fw1  proved  (4 pairs of zones)" in applied("prove").out


def test_what_is_declared_is_proved_without_a_device(plant: Plant) -> None:
    document = proved(plant, "--declared")
    assert document["source"] == "declared"
    assert document["summary"]["proved"] == 2
    assert not any(mock.requests for mock in plant.fleet.mocks.values())
    out = plant("prove", "--declared").out
    assert "2 proved (as declared, no device was asked)" in out


def test_both_platforms_are_proved(gateway: Cells) -> None:
    assert gateway("apply", "--auto-approve").code == 0
    assert proved(gateway)["summary"]["proved"] == 2


# --- otherwise -----------------------------------------------------------------------------------


def test_a_firewall_that_holds_nothing_lacks_what_is_declared(plant: Plant) -> None:
    document = proved(plant, "-l", "fw1", code=1)
    assert document["error"]["code"] == "not_proved"
    (example,) = device(document)["examples"]
    assert (example["kind"], example["rule"]) == ("denied", "interzone-default")
    assert (example["conduit"], example["flow"]) == ("plant/polling", "modbus")
    assert example["packet"]["source"] == "10.20.2.5"
    assert example["packet"]["destination"] == "10.20.1.11"
    assert example["packet"]["service"] == "tcp/502"
    assert (
        device(document)["device_asked"] == "about 1 of these packets; of 0 it names another rule"
    )
    out = plant("prove", "-l", "fw1").out
    assert "declared but not permitted (SUPV → CTRL): 10.20.2.5 → 10.20.1.11 tcp/502" in out


def test_a_rule_of_others_that_permits_more_is_found(applied: Plant) -> None:
    add(applied, fields(source="10.20.2.20", service="service-https", application="ssh"))
    document = proved(applied, code=1)
    assert document["error"]["code"] == "not_proved"
    assert device(document, "fw2")["status"] == "proved"
    (example,) = device(document)["examples"]
    assert (example["kind"], example["rule"], example["conduit"]) == ("permitted", "theirs", "")
    assert example["packet"] == {
        "source": "10.20.2.20",
        "destination": "0.0.0.0",
        "service": "tcp/443",
        "application": "ssh",
        "user": "",
        "time": "",
    }
    assert not example["disagreement"]
    assert "of 0 it names another rule" in device(document)["device_asked"]


def test_our_rule_that_was_opened_by_hand_is_found_with_its_conduit(applied: Plant) -> None:
    applied.by_hand()
    document = proved(applied, "-l", "fw1", code=1)
    kinds = {(one["kind"], one["rule"], one["conduit"]) for one in device(document)["examples"]}
    assert ("permitted", POLL, "plant.polling") in kinds


def test_what_only_the_device_knows_is_not_proved(applied: Plant) -> None:
    address = "<entry name='name'><fqdn>support.example.com</fqdn></entry>"
    applied.fleet["fw1"].edit("set", f"{VSYS}/address", address)
    add(applied, fields(source="name", service="service-https"))
    document = proved(applied, "-l", "fw1", code=1)
    assert document["error"]["code"] == "cannot_tell"
    (example,) = device(document)["examples"]
    assert (example["kind"], example["rule"]) == ("cannot_tell", "theirs")
    assert example["why"] == ["theirs: name is a name that the device looks up"]


def test_a_rule_that_denies_before_ours_is_found(applied: Plant) -> None:
    deny = fields(source="10.20.2.5").replace("allow", "deny")
    add(applied, deny)
    assert device(proved(applied))["status"] == "proved"  # below ours it meets nothing
    applied.fleet["fw1"].edit("move", f"{RULES}/entry[@name='theirs']", where="top", commit=True)
    (example,) = device(proved(applied, "-l", "fw1", code=1))["examples"]
    assert (example["kind"], example["rule"], example["flow"]) == ("denied", "theirs", "modbus")


def test_a_gateway_without_a_rule_is_not_proved(gateway: Cells) -> None:
    assert gateway("apply", "--auto-approve").code == 0
    assert proved(gateway, "-l", "gw2")["summary"]["proved"] == 1
    gateway.edit(
        "hosts.yml", "plc2, protocols: {modbus: read}", "plc2, protocols: {modbus: [read, write]}"
    )
    document_of_gateway = device(proved(gateway, "-l", "gw2", code=1), "gw2")
    (example,) = document_of_gateway["examples"]
    assert (example["kind"], example["conduit"]) == ("denied", "plant/poll-2")
    assert example["packet"]["application"] == "modbus.write"
    assert document_of_gateway["device_asked"] == "no: the platform has no question for it"


@pytest.mark.parametrize(
    ("rules", "status", "kind"),
    [
        ("", "not_proved", "denied"),
        ("ct state established accept; tcp dport 502 drop;", "not_proved", "denied"),
        ("tcp dport 502 limit rate 5/second accept;", "cannot_tell", "cannot_tell"),
        ("jump elsewhere;", "not_proved", "denied"),
        ("accept;", "proved", ""),
        ('ct state established accept; iifname "docker0" drop; accept;', "proved", ""),
    ],
)
def test_a_chain_of_others_is_judged_with_our_rules(
    gateway: Cells, rules: str, status: str, kind: str
) -> None:
    assert gateway("apply", "--auto-approve").code == 0
    gateway.fleet.linux["gw2"].load(
        "table inet filter { chain elsewhere { return; }; "
        f"chain c {{ type filter hook forward priority 10; policy drop; {rules} }}; }}\n"
    )
    document = proved(gateway, "-l", "gw2", code=0 if status == "proved" else 1)
    found = device(document, "gw2")
    assert (found["status"], {one["kind"] for one in found["examples"]}) == (status, {kind} - {""})
    for one in found["examples"]:
        assert one["rule"] == "chain c of table inet filter"
        assert one["conduit"] == "plant/poll-2"
        assert "tcp/502" in str(one)
        assert not one["disagreement"]


def test_a_zone_with_another_interface_is_not_compared(applied: Plant) -> None:
    applied.edit("host_vars/fw1.yml", "ethernet1/2", "ethernet1/7")
    document = proved(applied, "-l", "fw1", code=1)
    assert document["error"]["code"] == "inventory"
    assert "zone CTRL is bound to ethernet1/2" in device(document)["error"]["message"]


# --- the device is asked -------------------------------------------------------------------------


def test_a_device_that_decides_otherwise_is_believed_no_more_than_we_are(applied: Plant) -> None:
    deny = fields(source="10.20.2.5", application="modbus").replace("allow", "deny")
    add(applied, deny)
    applied.fleet["fw1"].edit("move", f"{RULES}/entry[@name='theirs']", where="top", commit=True)
    rule = f"<entry name='{POLL}'><index>2</index><action>allow</action></entry>"
    body = f"<response status='success'><result><rules>{rule}</rules></result></response>".encode()
    applied.fleet["fw1"].fail("body", contains="security-policy-match", body=body, times=2)
    document = proved(applied, "-l", "fw1", code=1)
    (example,) = device(document)["examples"]
    assert (example["kind"], example["rule"]) == ("denied", "theirs")
    assert example["disagreement"] == f"the device decides about it by {POLL}"
    assert device(document)["device_asked"].endswith("of 1 it names another rule")
    out = applied("prove", "-l", "fw1").out
    assert f"! the device decides about it by {POLL}: a defect in segctl, please report it" in out


def test_a_device_that_refuses_the_question_is_judged_without(plant: Plant) -> None:
    plant.fleet["fw1"].fail("error", contains="security-policy-match", message="not today", code=17)
    document = proved(plant, "-l", "fw1", code=1)
    assert device(document)["device_asked"].startswith("no: ")
    assert document["error"]["code"] == "not_proved"


def test_what_depends_on_more_is_not_asked(applied: Plant) -> None:
    more = fields() + "<source-user><member>s\\ops</member></source-user>"
    add(applied, more)
    document = proved(applied, "-l", "fw1", code=1)
    (example,) = device(document)["examples"]
    assert (example["kind"], example["packet"]["user"]) == ("permitted", "s\\ops")
    assert device(document)["device_asked"].startswith("about none of these packets")


# --- snapshots -----------------------------------------------------------------------------------


def test_a_snapshot_is_proved_as_its_device(applied: Plant) -> None:
    assert applied("snapshot", "-o", "snapshots").code == 0
    applied.by_hand()
    document = proved(applied, "--offline", "snapshots")
    assert (document["source"], document["summary"]["proved"]) == ("snapshot", 2)
    assert "snapshot taken" in device(document)["findings"][0]["message"]
    assert applied("snapshot", "-o", "snapshots").code == 0
    assert proved(applied, "--offline", "snapshots", code=1)["error"]["code"] == "not_proved"


def test_a_firewall_without_a_snapshot_is_not_compared(applied: Plant) -> None:
    assert applied("snapshot", "fw1", "-o", "fw1.snapshot.json").code == 0
    document = proved(applied, "--offline", "fw1.snapshot.json", code=1)
    assert document["error"]["code"] == "snapshot"
    assert device(document, "fw2")["status"] == "error"
    assert "fw2  ! snapshot" in applied("prove", "--offline", "fw1.snapshot.json").out


# --- end to end ----------------------------------------------------------------------------------


def deepen(plant: Plant) -> None:
    """Let the controllers' logs cross both firewalls."""
    plant.edit(
        "group_vars/plant.yml",
        "segctl_conduits:\n",
        "segctl_conduits:\n"
        "  logs:\n"
        "    {from: control, to: dmz, reason: logs, owner: o, flows: {syslog: {source: [plc1],\n"
        "    destination: [replica], services: [udp/514], applications: [syslog]}}}\n",
    )


def test_a_conduit_through_two_firewalls_is_proved_as_a_whole(plant: Plant) -> None:
    deepen(plant)
    assert plant("apply", "--auto-approve").code == 0
    (path,) = proved(plant)["paths"]
    assert (path["from"], path["to"], path["firewalls"]) == (
        "plant/control",
        "plant/dmz",
        ["fw1", "fw2"],
    )
    assert path["status"] == "proved"
    rule = f"{RULES}/entry[@name='plant.logs.syslog']"
    plant.fleet["fw2"].edit("set", rule, "<disabled>yes</disabled>", commit=True)
    document = proved(plant, code=1)
    (path,) = document["paths"]
    (example,) = path["examples"]
    assert (example["firewall"], example["kind"], example["flow"]) == ("fw2", "denied", "syslog")
    assert device(document)["status"] == "proved"
    out = plant("prove").out
    assert "plant/control → plant/dmz through fw1, fw2  not proved" in out
    assert "  fw2: declared but not permitted (SUPV → DMZ): 10.20.1.11 → 10.20.35.10" in out


def test_a_path_that_is_left_out_is_named_and_one_that_cannot_be_read_is_open(plant: Plant) -> None:
    deepen(plant)
    assert plant("apply", "--auto-approve").code == 0
    document = proved(plant, "-l", "fw1")
    assert document["paths"] == []
    assert [one["firewalls"] for one in document["left_out"]] == [["fw1", "fw2"]]
    assert "through fw1, fw2 (left out by -l)" in plant("prove", "-l", "fw1").out
    plant.fleet["fw2"].fail("error", message="not now", code=13, times=1000)
    document = proved(plant, code=1)
    (path,) = document["paths"]
    assert path["status"] == "cannot_tell"
    assert path["examples"][0]["why"] == ["what fw2 permits is not known"]


# --- two side by side ----------------------------------------------------------------------------


def beside(plant: Plant) -> None:
    """Attach the second firewall to the control zone, too."""
    plant.edit(
        "host_vars/fw2.yml",
        "segctl_zone_map:",
        "segctl_zone_map:\n  control: {zone: CELL, interfaces: [ethernet1/4]}",
    )


def test_two_firewalls_permit_the_same(plant: Plant) -> None:
    beside(plant)
    same = proved(plant, "--declared", "--same", "fw1,fw2")["same"]
    assert (same["left"], same["right"], same["status"]) == ("fw1", "fw2", "proved")
    assert same["pairs"] == 4
    out = plant("prove", "--declared", "--same", "fw1,fw2").out
    assert "fw1 and fw2  permit the same  (4 pairs of zones)" in out


def test_two_firewalls_that_differ_are_told_apart(applied: Plant) -> None:
    assert applied("snapshot", "-o", "snapshots").code == 0
    beside(applied)
    done = applied("prove", "--same", "fw1,fw2", "--offline", "snapshots", "--json")
    assert done.code == 1
    assert done.json["error"]["code"] == "inventory"  # fw2 has no such zone yet
    with applied.unchanged():
        refused = applied("prove", "--declared", "--same", "fw1,fw2", "-l", "fw1")
    assert "needs two of the firewalls that are selected: fw1" in refused.err


def test_firewalls_without_common_zones_are_not_compared(plant: Plant) -> None:
    done = plant("prove", "--declared", "--same", "fw1,fw2")
    assert done.code == 1
    assert "no two zones in common" in done.err


# --- wrong use -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--declared", "--offline", "x.json"), "either --declared or --offline"),
        (("--same", "fw1"), "two firewalls"),
        (("--same", "fw1,fw1"), "needs two"),
        (("--same", "fw1,fw9"), "needs two"),
    ],
)
def test_wrong_use_is_refused(plant: Plant, words: tuple[str, ...], says: str) -> None:
    done = plant("prove", *words)
    assert done.code == 1
    assert says in done.err
