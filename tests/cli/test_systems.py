"""Several virtual systems of one firewall on the command line: one transaction, two outcomes."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli_support import RULES
from segctl.compiler.build import compile_site
from segctl.fleet import Brake, apply_plans, plan_devices
from segctl.inventory import load
from segctl.planning.apply import Order
from segctl.planning.plan import DevicePlan
from support.matrix import killed_while_it_hangs
from support.panos import other_rule
from support.systems import DEVICE, SYSTEMS, rules, two_systems

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cli_support import Done, Plant
    from segctl.planning.outcome import Outcome
    from segctl_mocks import PanosMock

VARIABLES = "group_vars/plant.yml"
ADMIN = """\
  admin:
    from: supervisory
    to: control
    reason: Administration of the firewalls
    owner: automation
    flows:
      way:
        services: [tcp/443]
"""
RULES_2 = RULES.replace("vsys1", "vsys2")
#: Both hosts have another policy with this.
CHANGE = (("source: [scada1]", "source: [historian1]"), ("[tcp/8443]", "[tcp/8443, tcp/9443]"))
#: Requests at which a run is killed: part of each, and how many such requests come before it.
KILLS = {
    "reading before": ("predefined/application/entry", 0),
    "reading in the change": ("predefined/application/entry", 3),
    "taking the commit lock": ("<commit-lock><add>", 0),
    "taking the first configuration lock": ("<config-lock><add>", 0),
    "taking the second": ("<config-lock><add>", 1),
    "reading under the locks": ("predefined/application/entry", 5),
    "saving": ("<save>", 0),
    "writing": ("multi-config", 0),
    "validating": ("<validate>", 0),
    "the last look": ("predefined/application/entry", 7),
    "committing": ("<commit>", 0),
    "waiting for the commit": ("<jobs><id>", 1),
    "taking the commit lock again": ("<commit-lock><add>", 1),
    "reading back": ("predefined/application/entry", 8),
    "reading back the second": ("predefined/application/entry", 9),
    "releasing the first lock": ("<config-lock><remove>", 0),
    "releasing the second lock": ("<config-lock><remove>", 1),
    "releasing the commit lock": ("<commit-lock><remove>", 0),
}


@pytest.fixture
def plant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Plant]:
    monkeypatch.chdir(tmp_path)
    with two_systems(tmp_path, capsys) as made:
        yield made


@pytest.fixture
def applied(plant: Plant) -> Plant:
    """The plant, provisioned, and with changes for both hosts in its files."""
    done = plant("apply", "--auto-approve")
    assert done.code == 0, done.out + done.err
    change(plant)
    return plant


def change(plant: Plant) -> None:
    for old, new in CHANGE:
        plant.edit(VARIABLES, old, new)


def device(plant: Plant) -> PanosMock:
    return plant.fleet["fw1"]


def commits(plant: Plant) -> int:
    return sum(one.type == "commit" for one in device(plant).requests)


def planned() -> tuple[tuple[DevicePlan, ...], Mapping[str, Mapping[str, object]]]:
    """Return the plans of both hosts, as `segctl apply` makes them before it asks."""
    today = date(2026, 11, 22)
    loaded = load([Path("hosts.yml"), Path("mocks.yml")], today=today)
    wanted = list(compile_site(loaded.site, today).values())
    made = plan_devices(wanted, loaded.connections, forks=2, report=lambda _host, _step: None)
    plans = tuple(one for one in made if isinstance(one, DevicePlan))
    assert len(plans) == 2
    return plans, loaded.connections


def apply_both(
    plans: Sequence[DevicePlan], connections: Mapping[str, Mapping[str, object]]
) -> dict[str, Outcome]:
    found = apply_plans(
        plans,
        connections,
        forks=2,
        order=Order(),
        brake=Brake(),
        report=lambda _host, _step: None,
    )
    return {one.device: one for one in found}


def statuses(done: Done) -> dict[str, str]:
    return {one["device"]: one["status"] for one in done.json["outcomes"]}


def message(done: Done, host: str) -> str:
    found = {one["device"]: str(one["message"]) for one in done.json["outcomes"]}
    return found[host]


def test_two_hosts_of_one_device_are_changed_in_one_commit(plant: Plant) -> None:
    with_keys = sum(one.type == "keygen" for one in device(plant).requests)
    done = plant("apply", "--auto-approve", "--json")
    assert done.code == 0, done.out + done.err
    assert statuses(done) == {"fw1": "applied", "fw2": "applied"}
    assert commits(plant) == 1
    # one connection for both plans, and one for both changes
    assert sum(one.type == "keygen" for one in device(plant).requests) == with_keys + 2
    assert plant.locks == 0
    assert plant("drift", "--no-history").code == 0
    found = rules(device(plant).running())
    assert "plant.polling.modbus" in found["vsys1"]
    assert "plant.replication.tls" in found["vsys2"]
    again = plant("apply", "--auto-approve", "--json")
    assert again.code == 0
    assert commits(plant) == 1


def test_saved_plans_of_both_hosts_are_one_transaction(applied: Plant) -> None:
    assert applied("plan", "-o", "plan.json").code == 0
    done = applied("apply", "plan.json", "--json")
    assert statuses(done) == {"fw1": "applied", "fw2": "applied"}
    assert commits(applied) == 2
    assert applied.locks == 0


def test_a_stale_host_is_left_out_and_the_other_goes_on(applied: Plant) -> None:
    plans, connections = planned()
    device(applied).edit("set", RULES, other_rule("theirs"), commit=True)
    before = rules(device(applied).running())
    found = apply_both(plans, connections)
    assert (found["fw1"].status, found["fw1"].code) == ("failed", "stale")
    assert "run segctl plan again" in found["fw1"].message
    assert found["fw2"].status == "applied"
    after = rules(device(applied).running())
    assert after["vsys1"] == before["vsys1"]
    assert after["vsys2"] != before["vsys2"]
    assert applied.locks == 0


def test_a_host_that_turns_stale_before_the_commit_stops_both(applied: Plant) -> None:
    """No lock keeps a content update out, and rules of both name applications."""
    plans, connections = planned()

    def update(_host: str, step: str) -> None:
        if step == "validating":
            mock = device(applied).device
            mock.settings = replace(mock.settings, content_version="9999-1")

    with applied.unchanged():
        first, second = apply_plans(
            plans, connections, forks=2, order=Order(), brake=Brake(), report=update
        )
        assert (first.status, first.code) == ("failed", "stale")
        assert second.status == "failed"
        assert "fw1, which is on the same device, failed" in second.message


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ({"ansible_user": "other"}, "log in with different accounts"),
        ({"segctl_tls_verify": False}, "do not verify it alike"),
        ({"segctl_tls_fingerprint": "SHA256:" + "00" * 32}, "do not verify it alike"),
        ({"segctl_members": {"fw2-b": "192.0.2.9"}}, "do not name the same pair"),
    ],
)
def test_hosts_of_one_device_that_cannot_be_one_transaction_are_refused(
    applied: Plant, declared: dict[str, object], told: str
) -> None:
    plans, connections = planned()
    connections = {**connections, "fw2": {**connections["fw2"], **declared}}
    with applied.unchanged():
        found = apply_both(plans, connections)
        assert {one.code for one in found.values()} == {"unsupported"}
        assert all(told in one.message for one in found.values()), found


@pytest.mark.parametrize("scope", ["vsys1", ""], ids=["the same", "not declared"])
def test_two_hosts_cannot_be_one_virtual_system(applied: Plant, scope: str) -> None:
    (first, second), connections = planned()
    with applied.unchanged():
        found = apply_both([first, replace(second, scope=scope)], connections)
        assert {one.code for one in found.values()} == {"unsupported"}
        assert all("two of them are its vsys1" in one.message for one in found.values())


def test_the_shared_connection_is_as_patient_as_either_host(applied: Plant) -> None:
    plans, connections = planned()
    mock = device(applied).device
    mock.settings = replace(mock.settings, job_seconds=1.5)
    connections = {**connections, "fw1": {**connections["fw1"], "segctl_commit_timeout": "1"}}
    found = apply_both(plans, connections)
    assert {one.status for one in found.values()} == {"applied"}, found


def test_a_zone_that_leads_to_another_virtual_system_is_told(plant: Plant) -> None:
    zone = '<entry name="TO-2"><network><external><member>{}</member></external></network></entry>'
    where = f"{DEVICE}/vsys/entry[@name='vsys1']/zone"
    device(plant).edit("set", where, zone.format("vsys2"), commit=True)
    findings = plant("plan", "--json").json["devices"][0]["findings"]
    (one,) = [one for one in findings if one["kind"] == "external_zone"]
    assert one["message"] == (
        "zone TO-2 is external: it leads to vsys2 of the same device, which must permit the same "
        "traffic as well"
    )
    assert one["hint"] == "fw2 is vsys2: it is planned and judged, too"
    findings = plant("plan", "-l", "fw1", "--json").json["devices"][0]["findings"]
    (one,) = [one for one in findings if one["kind"] == "external_zone"]
    assert "cannot tell whether it does, since no host of this run is vsys2" in one["message"]
    assert one["severity"] == "warning"


def lead(plant: Plant, zone: str, into: str, vsys: str = "vsys1") -> None:
    """Make a zone of a virtual system lead to another one, or to a shared gateway."""
    network = f"<network><external><member>{into}</member></external></network>"
    where = f"{DEVICE}/vsys/entry[@name='{vsys}']/zone/entry[@name='{zone}']/network"
    device(plant).edit("edit", where, network, commit=True)
    host = next(name for name, one in SYSTEMS.items() if one == vsys)
    path = plant.folder / f"host_vars/{host}.yml"
    text = path.read_text("utf-8")
    path.write_text(re.sub(rf"(zone: {zone}, interfaces: )\[.*?\]", rf"\1[{into}]", text), "utf-8")


def verdicts(plant: Plant, *words: str) -> tuple[str, dict[str, str]]:
    """Return the answer end to end, and that of each host."""
    (check,) = plant("check", *words, "--json").json["checks"]
    return check["end_to_end"]["answer"], {one["name"]: one["answer"] for one in check["devices"]}


POLL = ("--from", "scada1", "--to", "plc1", "--application", "modbus.read", "--port", "502")


def test_an_end_in_another_virtual_system_that_is_not_asked_cannot_be_told(plant: Plant) -> None:
    """Nobody says whether the other one lets it through; what the first denies is denied."""
    assert plant("apply", "--auto-approve").code == 0
    assert verdicts(plant, *POLL) == ("allow", {"fw1": "allow"})
    lead(plant, "CTRL", "vsys2")
    assert verdicts(plant, *POLL) == ("cannot_tell", {"fw1": "cannot_tell"})
    out = plant("check", *POLL).out
    assert "virtual system vsys2: it judges what passes zone CTRL, too" in " ".join(out.split())
    assert verdicts(plant, "--from", "scada1", "--to", "plc1", "--port", "23")[0] == "deny"
    rows = plant("query", "--from", "supervisory", "--to", "control", "--json").json["rows"]
    assert {row["state"] for row in rows} == {"cannot_tell"}
    (plant.folder / "checks.yml").write_text(
        "- policy: {from: supervisory, to: control, permits: []}\n", "utf-8"
    )
    done = plant("check", "checks.yml", "--json")
    assert done.json["policies"][0]["status"] == "cannot_tell"
    done = plant("prove", "-l", "fw1")
    assert done.code == 1
    told = "virtual system vsys2 judges what passes zone CTRL, too, and is not asked"
    assert told in " ".join(done.out.split())


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [("allow", "allow", "allow"), ("allow", "deny", "deny"), ("deny", "allow", "deny")],
)
def test_two_virtual_systems_in_series_both_judge(
    plant: Plant, first: str, second: str, told: str
) -> None:
    """The zone between them leads from each to the other one: it is an end of nothing."""
    for vsys, other, action in (
        ("vsys1", "vsys2", first),
        ("vsys2", "vsys1", second),
    ):
        lead(plant, "SUPV", other, vsys)
        at = f"{DEVICE}/vsys/entry[@name='{vsys}']/rulebase/security/rules"
        rule = other_rule("theirs", "<from><member>any</member></from>", action)
        device(plant).edit("set", at, rule, commit=True)
    answer, hosts = verdicts(plant, "--from", "plc1", "--to", "replica", "--port", "22")
    assert (answer, hosts) == (told, {"fw1": first, "fw2": second})


def test_a_shared_gateway_judges_nothing(plant: Plant) -> None:
    assert plant("apply", "--auto-approve").code == 0
    lead(plant, "CTRL", "sg1")
    assert verdicts(plant, *POLL) == ("allow", {"fw1": "allow"})
    findings = plant("plan", "--json").json["devices"][0]["findings"]
    assert all(one["kind"] != "external_zone" for one in findings)


def test_one_host_leaves_others_uncommitted_changes_in_the_other_alone(applied: Plant) -> None:
    device(applied).edit("set", RULES_2, other_rule("theirs"))
    before = rules(device(applied).running())
    done = applied("apply", "-l", "fw1", "--auto-approve", "--json")
    assert statuses(done) == {"fw1": "applied"}, done.out
    after = rules(device(applied).running())
    assert after["vsys2"] == before["vsys2"]
    assert after["vsys1"] != before["vsys1"]
    assert [one.admin for one in device(applied).device.journal.changes] == ["other"]
    both = applied("apply", "--auto-approve", "--json")
    assert both.code == 1
    assert "uncommitted changes in vsys2" in message(both, "fw2")
    assert rules(device(applied).running()) == after
    assert applied.locks == 0


def test_a_refused_commit_leaves_both_as_they_were(applied: Plant) -> None:
    with applied.unchanged():
        device(applied).fail("commit_invalid", lines=("vsys2 is wrong",))
        done = applied("apply", "--auto-approve", "--json")
        assert statuses(done) == {"fw1": "failed", "fw2": "failed"}
        assert "vsys2 is wrong" in message(done, "fw1")
        assert "vsys2 is wrong" in message(done, "fw2")


@pytest.mark.parametrize("strategy", ["linear", "free"])
def test_a_playbook_verifies_both_before_it_confirms(applied: Plant, strategy: str) -> None:
    play = applied.folder / "play.yml"
    probe = "check: {from: historian1, to: plc1, application: modbus.read}"
    play.write_text(f"- {{hosts: plant, strategy: {strategy}, verify: [{probe}]}}\n", "utf-8")
    done = applied("apply", "-p", "play.yml", "--auto-approve", "--json")
    assert done.code == 0, done.out + done.err
    assert commits(applied) == 2
    assert applied.locks == 0


def test_a_failed_probe_of_one_takes_back_both_in_one_commit(applied: Plant) -> None:
    before = rules(device(applied).running())
    play = applied.folder / "play.yml"
    probe = "check: {from: scada1, to: plc1, application: modbus.read}"  # no longer
    play.write_text(f"- {{hosts: plant, verify: [{probe}]}}\n", "utf-8")
    done = applied("apply", "-p", "play.yml", "--auto-approve", "--json")
    assert done.code == 1
    found = {one["device"]: one for one in done.json["plays"][0]["waves"][0]["devices"]}
    assert found["fw1"]["status"] == "failed"
    assert "is denied by" in found["fw1"]["message"]
    assert "fw1, which is on the same device, failed" in found["fw2"]["message"]
    assert rules(device(applied).running()) == before
    assert commits(applied) == 3
    assert applied.locks == 0


@pytest.mark.parametrize("step", KILLS)
def test_both_or_none_whenever_a_run_is_killed(applied: Plant, step: str) -> None:
    contains, skip = KILLS[step]
    mock = device(applied)
    old = rules(mock.running())
    assert applied("plan", "-o", "new.json").code == 0
    met = len(mock.effective())
    if contains == "multi-config":
        mock.fail("hang", action=contains, skip=skip, seconds=600, lost=True)
    else:
        mock.fail("hang", contains=contains, skip=skip, seconds=600, lost=True)
    command = applied.command("apply", "new.json")
    killed = killed_while_it_hangs(command, applied.folder, mock)
    held = rules(mock.running())
    alone = applied("apply", "-l", "fw1", "--auto-approve", "--json")
    assert killed
    if held != old:  # what is left has to be settled for both at once
        assert alone.code == 1
    if alone.code:
        assert "all of them at once" in message(alone, "fw1"), alone.out
        assert rules(mock.running()) == held
    done = applied("apply", "--auto-approve", "--json")
    assert done.code == 0, done.out + done.err
    assert applied.locks == 0
    assert not mock.device.journal.changes
    new = rules(mock.running())
    assert new["vsys1"] != old["vsys1"]
    assert new["vsys2"] != old["vsys2"]
    mixed = {**old, "vsys1": new["vsys1"]}
    known = (old, new) if alone.code else (old, new, mixed)  # fw1 alone was asked for
    assert all(rules(one) in known for one in mock.effective()[met:])


def test_a_wrong_virtual_system_says_which_exist(plant: Plant) -> None:
    plant.edit("host_vars/fw2.yml", "segctl_vsys: vsys2\n", "segctl_vsys: vsys7\n")
    done = plant("plan", "--json")
    assert done.code == 1
    assert "has no virtual system vsys7: it has vsys1, vsys2: correct segctl_vsys" in done.err


# --- with the audit journal, playbooks, and the guard against lock-out ----------------------------


def history(plant: Plant) -> list[tuple[str, str, str]]:
    """Return device, outcome and code of everything that the audit journal has, in its order."""
    document = plant("history", "--json").json
    return [(one["device"], one["outcome"], one["code"]) for one in document["applies"]]


def test_the_journal_has_an_entry_for_each_host(applied: Plant) -> None:
    assert history(applied) == [("fw1", "applied", ""), ("fw2", "applied", "")]
    device(applied).fail("commit_invalid", lines=("vsys2 is wrong",))
    assert applied("apply", "--auto-approve").code == 1
    assert history(applied)[2:] == [
        ("fw1", "failed", "apply_failed"),
        ("fw2", "failed", "apply_failed"),
    ]
    assert applied("apply", "--auto-approve").code == 0
    assert history(applied)[4:] == [("fw1", "applied", ""), ("fw2", "applied", "")]
    rows = applied("history", "--json").json["applies"]
    assert [one["scope"] for one in rows[4:]] == ["vsys1", "vsys2"]
    assert all(one["before"] and one["after"] != one["before"] for one in rows[4:])
    assert len({one["run"] for one in rows[4:]}) == 1
    assert applied("history", "verify").code == 0


def test_the_commit_of_both_has_the_tickets_of_both(applied: Plant) -> None:
    file, numbers = applied.folder / VARIABLES, count(1)
    owned = r"    owner: .*\n"
    file.write_text(
        re.sub(
            owned,
            lambda found: f"{found[0]}    ticket: CHG-{next(numbers)}\n",
            file.read_text("utf-8"),
        ),
        "utf-8",
    )
    assert applied("apply", "--auto-approve").code == 0
    first, second = (one["tickets"] for one in applied("history", "--json").json["applies"][2:])
    assert first
    assert second
    assert first != second
    *_, asked = [one.cmd for one in device(applied).requests if one.type == "commit"]
    assert f"tickets {' '.join(sorted({*first, *second}))}" in asked


@pytest.mark.parametrize(
    "verify", ["", ", verify: [{check: {from: historian1, to: plc1, application: modbus.read}}]"]
)
def test_hosts_in_two_waves_are_two_transactions(applied: Plant, verify: str) -> None:
    play = applied.folder / "play.yml"
    play.write_text(f"- {{hosts: plant, serial: 1, on_failure: revert{verify}}}\n", "utf-8")
    done = applied("apply", "-p", "play.yml", "--auto-approve", "--json")
    assert done.code == 0, done.out + done.err
    waves = done.json["plays"][0]["waves"]
    assert [[one["device"] for one in wave["devices"]] for wave in waves] == [["fw1"], ["fw2"]]
    assert commits(applied) == 3
    assert applied.locks == 0
    assert applied("drift", "--no-history").code == 0
    assert history(applied)[2:] == [("fw1", "applied", ""), ("fw2", "applied", "")]


def test_a_wave_that_fails_leaves_the_host_of_the_next_as_it_was(applied: Plant) -> None:
    before = rules(device(applied).running())
    play = applied.folder / "play.yml"
    probe = "check: {from: scada1, to: plc1, application: modbus.read}"  # no longer
    play.write_text(f"- {{hosts: plant, serial: 1, verify: [{probe}]}}\n", "utf-8")
    done = applied("apply", "-p", "play.yml", "--auto-approve", "--json")
    assert done.code == 1
    found = {
        one["device"]: one["status"]
        for wave in done.json["plays"][0]["waves"]
        for one in wave["devices"]
    }
    assert found["fw1"] == "failed"
    assert found.get("fw2", "not_begun") == "not_begun"
    assert rules(device(applied).running()) == before
    assert commits(applied) == 3
    assert applied.locks == 0


def test_a_playbook_that_was_killed_is_settled_as_a_whole(applied: Plant) -> None:
    mock = device(applied)
    old = rules(mock.running())
    play = applied.folder / "play.yml"
    probe = "check: {from: historian1, to: plc1, application: modbus.read}"
    play.write_text(f"- {{hosts: plant, verify: [{probe}]}}\n", "utf-8")
    mock.fail("hang", contains="<config-lock><remove>", seconds=600, lost=True)
    command = applied.command("apply", "-p", "play.yml", "--auto-approve")
    assert killed_while_it_hangs(command, applied.folder, mock)
    assert rules(mock.running()) != old
    assert [one[1] for one in history(applied)[2:]] == ["unrecorded", "unrecorded"]
    # the same probes judge it again, and it is kept
    again = applied("apply", "-p", "play.yml", "--auto-approve", "--json")
    assert again.code == 0, again.out + again.err
    assert commits(applied) == 2
    assert applied.locks == 0
    assert rules(mock.running()) != old


def test_the_way_to_the_device_is_not_cut_by_either_host(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its interface for management is plugged into the control zone, behind the first host."""
    monkeypatch.setenv("SEGCTL_SOURCE", "10.20.2.5")
    mock = device(plant).device
    mock.settings = replace(mock.settings, ip_address="10.20.1.200")
    text = (plant.folder / VARIABLES).read_text("utf-8")
    (plant.folder / VARIABLES).write_text(text + ADMIN, "utf-8")
    assert plant("apply", "--auto-approve").code == 0
    plant.edit(VARIABLES, ADMIN, "")
    first, second = plant("plan", "--json").json["devices"]
    found = [one for one in first["findings"] if one["kind"] == "management"]
    assert {one["subject"] for one in found} == {"fw1:management", "fw2:management"}
    assert all(one["severity"] == "error" for one in found)
    assert not [one for one in second["findings"] if one["kind"] == "management"]
    with plant.untouched():
        assert plant("apply", "--auto-approve").code == 1
    allow = [
        word for host in ("fw1", "fw2") for word in ("--allow-disruption", f"{host}:management")
    ]
    done = plant("apply", "--auto-approve", *allow, "--reason", "moves to the console")
    assert done.code == 0, done.out + done.err
    assert plant.locks == 0


# --- a pair with two virtual systems --------------------------------------------------------------


@pytest.fixture
def paired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Plant]:
    monkeypatch.chdir(tmp_path)
    with two_systems(tmp_path, capsys, pair=True) as made:
        yield made


def test_two_hosts_of_one_pair_are_one_transaction(paired: Plant) -> None:
    members = (paired.fleet["fw1"], paired.fleet["fw1-b"])
    done = paired("apply", "--auto-approve", "--json")
    assert statuses(done) == {"fw1": "applied", "fw2": "applied"}, done.out + done.err
    assert [sum(one.type == "commit" for one in mock.requests) for mock in members] == [1, 0]
    for mock in members:
        found = rules(mock.running())
        assert "plant.polling.modbus" in found["vsys1"]
        assert "plant.replication.tls" in found["vsys2"]
        assert not mock.device.locks.held
    room = members[0].device.room
    assert room is not None
    room.fail_over()
    assert paired("drift", "--no-history").code == 0
    change(paired)
    play = paired.folder / "play.yml"
    probe = "check: {from: historian1, to: plc1, application: modbus.read}"
    play.write_text(f"- {{hosts: plant, verify: [{probe}]}}\n", "utf-8")
    done = paired("apply", "-p", "play.yml", "--auto-approve")
    assert done.code == 0, done.out + done.err
    assert [sum(one.type == "commit" for one in mock.requests) for mock in members] == [1, 1]
    assert rules(members[0].running()) == rules(members[1].running())
    assert not any(mock.device.locks.held for mock in members)


def test_both_virtual_systems_of_a_pair_cannot_have_one_peer_host(paired: Plant) -> None:
    paired.edit("host_vars/fw2.yml", "segctl_ha_peer: fw2-b", "segctl_ha_peer: fw1-b")
    done = paired("plan")
    assert done.code == 1
    assert "fw1-b is already the peer of fw1" in done.err
    assert "virtual systems of one pair name a host each, at the same address" in done.err


@pytest.mark.parametrize(
    ("words", "phases"),
    [
        (("plan", "--no-cache"), 1),
        (("drift", "--no-cache"), 2),  # what differs, and who changed it
        (("snapshot", "--out", "kept"), 1),
        (("prove",), 1),
    ],
    ids=["plan", "drift", "snapshot", "prove"],
)
def test_hosts_on_one_device_are_read_with_one_login_on_one_connection(
    words: tuple[str, ...], phases: int, applied: Plant
) -> None:
    mock = device(applied)
    connections, requests = mock.connections, len(mock.requests)
    applied(*words)
    asked = mock.requests[requests:]
    assert len([one for one in asked if one.type == "keygen"]) == phases
    assert mock.connections - connections == phases
    systems = {name for name in ("vsys1", "vsys2") for one in asked if f"'{name}'" in one.xpath}
    assert systems == {"vsys1", "vsys2"}


def test_hosts_on_one_device_with_two_accounts_log_in_by_themselves(applied: Plant) -> None:
    """A key of one account is never used for the other."""
    mock = device(applied)
    own = applied.folder / "host_vars/fw2.yml"
    text = own.read_text(encoding="utf-8")
    own.write_text(f"{text}ansible_password: not-its-password\n", encoding="utf-8")
    requests = len(mock.requests)
    done = applied("plan", "--no-cache")
    assert done.code == 1
    assert "refuses the account" in done.out + done.err
    assert "fw2" in done.out + done.err
    assert "fw1: " not in done.err
    assert len([one for one in mock.requests[requests:] if one.type == "keygen"]) == 2
