"""Rollouts on fleets of mocks: waves, and what becomes of all devices when one goes wrong."""

from __future__ import annotations

import json
import shutil
import socket
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from cli_support import ROOT, RULES, VSYS
from segctl.cli import run
from segctl.cli.arguments import Settings
from segctl.cli.plan import Shown
from segctl.cli.rollout import apply_playbook
from segctl.inventory import load
from segctl.operations.demo import fleet
from segctl.operations.rollout import RolloutOptions
from segctl.planning.documents import schema
from segctl.playbook.model import DAYS
from support.cells import Cells, statuses, waves

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FLEET = ("fw1", "fw2", "fw3", "fw4")


# --- all goes well -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "words"),
    [("linear", ""), ("free", "on_failure: revert"), ("host_pinned", "on_failure: revert")],
)
def test_all_waves_are_done(four: Cells, strategy: str, words: str) -> None:
    four.play(f"""\
        - hosts: plant
          serial: [1, "50%"]
          strategy: {strategy}
          {words}
        """)
    done = four.apply()
    assert waves(done) == [("done", ["fw1"]), ("done", ["fw2", "fw3"]), ("done", ["fw4"])]
    assert done["summary"]["applied"] == 4
    assert (done["status"], done["resume"], done["state"]) == ("done", "", "")
    assert four.holding == set(FLEET)
    assert four.locks == 0
    assert not four.states
    again = four.apply()
    assert again["summary"]["unchanged"] == 4


def test_a_plan_shows_waves_and_touches_nothing(four: Cells) -> None:
    four.play("- {hosts: plant, serial: [1, 3], name: Cells}")
    with four.untouched():
        done = four("plan", "-p", "play.yml", "--brief")
        assert done.code == 0
        assert "Play 1: Cells  4 firewalls in 2 waves (1, 3): apply" in done.out
        assert "Wave 2: fw2, fw3, fw4" in done.out
        assert "+ rule plant.poll-4.modbus  allow SUPV → CELL" in done.out
        assert "4 to be changed." in done.out
        found = four("plan", "-p", "play.yml", "--json", "--detailed-exitcode")
        assert found.code == 2
        jsonschema.validate(found.json, schema("rollout"))
        assert found.json["action"] == "plan"
        assert four("apply", "-p", "play.yml", "--check").code == 0
    assert not four.states


def test_hosts_tags_and_limit(four: Cells) -> None:
    four.play("""\
        - {hosts: "fw1,fw2", tags: first}
        - {hosts: ["plant:!fw3"], tags: [second]}
        - {hosts: fw4, tags: always}
        """)
    done = four.apply("-t", "first", "-l", "fw2,fw3")
    assert [(play["number"], play["waves"] != []) for play in done["plays"]] == [
        (1, True),
        (3, False),
    ]
    assert four.holding == {"fw2"}
    four.apply("--skip-tags", "first", "-l", "!fw1")
    assert four.holding == {"fw2", "fw4"}
    done = four(
        "apply", "-p", "play.yml", "--auto-approve", "--tags", "nothing", "-l", "fw1", "--json"
    )
    assert done.code == 1
    assert done.json["error"]["code"] == "usage"
    assert "select no firewall" in done.json["error"]["message"]


@pytest.mark.parametrize(
    ("hosts", "message"),
    [
        ("fw9*", "fw9* selects no firewall"),
        ("fw1,fw9", "there is no host or group 'fw9'"),
        ("plant:!fw9", "there is no host or group 'fw9'"),
    ],
)
def test_a_play_for_hosts_that_are_not_there_is_refused(
    four: Cells, hosts: str, message: str
) -> None:
    four.play(f"""\
        - {{hosts: fw1}}
        - {{hosts: "{hosts}"}}
        """)
    with four.untouched():
        done = four("apply", "-p", "play.yml", "--auto-approve", "--json")
    assert done.code == 1
    assert done.json["error"]["code"] == "playbook"
    assert f"play.yml:2:3: hosts: {message}" in done.json["error"]["message"]


def test_variables_of_a_play_stand_above_the_inventory(four: Cells) -> None:
    four.play("""\
        - hosts: fw1
          vars: {segctl_default_rules: leave, segctl_timeout: 7}
        - hosts: fw2
          vars: {segctl_default_rules: leave}
        """)
    done = four("plan", "-p", "play.yml", "--json", "-e", "segctl_default_rules=manage").json
    plain = four("plan", "-p", "play.yml", "--json").json
    kinds = [
        {
            one["device"]: "default-rule" in {c["kind"] for c in one["plan"]["changes"]}
            for play in document["plays"]
            for wave in play["waves"]
            for one in wave["devices"]
        }
        for document in (done, plain)
    ]
    assert kinds == [{"fw1": True, "fw2": True}, {"fw1": False, "fw2": False}]


def test_drift_that_does_not_fail_is_told(four: Cells) -> None:
    four.play("- {hosts: fw1, tasks: [segctl_drift: {}]}")
    assert statuses(four.apply()) == {"fw1": "drifted"}
    assert (
        "fw1  differs from the inventory" in four("apply", "-p", "play.yml", "--auto-approve").out
    )


def test_tasks_of_a_play(four: Cells) -> None:
    four.play("""\
        - hosts: [fw1, fw2]
          tasks:
            - segctl_plan: {}
            - segctl_apply: {}
              tags: write
            - segctl_drift:
                fail_on_drift: true
        """)
    done = four.apply("--skip-tags", "write", code=1)
    assert {one["code"] for one in done["plays"][0]["waves"][0]["devices"]} == {"drift"}
    assert "rule plant.poll-1.modbus" in done["error"]["message"]
    assert four.holding == set()
    assert statuses(four.apply()) == {"fw1": "applied", "fw2": "applied"}


# --- a wave goes wrong ---------------------------------------------------------------------------


def refuse(plant: Cells, host: str) -> None:
    plant.fleet[host].fail("commit_invalid", lines=["no"], skip=0)


def hang(plant: Cells, host: str) -> None:
    plant.edit("hosts.yml", f"        {host}:\n", f"        {host}:\n          segctl_timeout: 2\n")
    plant.fleet[host].fail("hang", seconds=4, type="config", writes_only=True)


def vanish(plant: Cells, host: str) -> None:
    plant.fleet[host].stop()


FAULTS: dict[str, tuple[Callable[[Cells, str], None], set[str]]] = {
    "refused": (refuse, {"apply_failed"}),
    "hanging": (hang, {"unreachable"}),
    "unreachable": (vanish, {"unreachable"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_first_wave_that_fails_stops_the_rollout(four: Cells, fault: str) -> None:
    inject, codes = FAULTS[fault]
    inject(four, "fw2")
    four.play('- {hosts: plant, serial: [2, "100%"], name: Cells}')
    writes = {name: four.fleet[name].writes for name in ("fw3", "fw4")}
    done = four.apply(code=1)
    expected = {"fw1": "applied", "fw2": "failed", "fw3": "not_begun", "fw4": "not_begun"}
    if fault == "unreachable":  # known before anything was written
        expected["fw1"] = "not_begun"
    assert statuses(done) == expected
    assert done["status"] == "stopped"
    assert done["error"]["code"] == "wave_failed"
    assert "wave 1 of play 'Cells' failed: fw2: " in done["error"]["message"]
    assert {one["code"] for one in done["plays"][0]["waves"][0]["devices"] if one["code"]} == codes
    assert writes == {name: four.fleet[name].writes for name in ("fw3", "fw4")}
    assert four.holding == {name for name, status in expected.items() if status == "applied"}


@pytest.mark.parametrize(("fault", "strategy"), [("refused", "free"), ("hanging", "linear")])
def test_a_wave_goes_back_as_a_whole(four: Cells, fault: str, strategy: str) -> None:
    FAULTS[fault][0](four, "fw2")
    four.play(f"- {{hosts: plant, serial: 3, on_failure: revert, strategy: {strategy}}}")
    with four.unchanged():
        done = four.apply(code=1)
    assert statuses(done) == {
        "fw1": "reverted",
        "fw2": "failed",
        "fw3": "reverted",
        "fw4": "not_begun",
    }
    told = done["plays"][0]["waves"][0]["devices"][0]
    assert told["code"] == "wave_failed"
    assert told["message"].startswith("taken back because the wave failed: fw2: ")


def test_a_mixed_wave_goes_back_as_a_whole(mixed: Cells) -> None:
    refuse(mixed, "fw2")
    mixed.play("- {hosts: plant, on_failure: revert}")
    with mixed.unchanged():
        done = mixed.apply(code=1)
    assert statuses(done) == {
        "fw1": "reverted",
        "fw2": "failed",
        "gw3": "reverted",
        "gw4": "reverted",
    }
    assert mixed.holding == set()
    assert mixed.apply()["summary"]["applied"] == 4
    assert mixed.holding == {"fw1", "fw2", "gw3", "gw4"}


def test_a_gateway_that_cannot_be_confirmed_takes_the_wave_back(mixed: Cells) -> None:
    mixed.fleet.linux["gw3"].fail("exit", contains=" 'confirm' ", code=10, err="No space left")
    mixed.play("- {hosts: [fw1, gw3], on_failure: revert}")
    done = mixed.apply(code=1)
    assert statuses(done) == {"fw1": "reverted", "gw3": "failed"}
    assert "fw1" not in mixed.holding


def test_on_failure_continue_counts_against_max_fail_percentage(four: Cells) -> None:
    refuse(four, "fw1")
    refuse(four, "fw3")
    four.play("- {hosts: plant, serial: 2, on_failure: continue, max_fail_percentage: 50}")
    done = four.apply(code=1)
    assert statuses(done) == {"fw1": "failed", "fw2": "applied", "fw3": "failed", "fw4": "applied"}
    assert (done["status"], done["error"]["code"]) == ("incomplete", "apply_failed")
    assert four.holding == {"fw2", "fw4"}
    resumed = four.apply("--resume", str(four.states[0].name))
    assert statuses(resumed) == {
        "fw1": "applied",
        "fw2": "done_before",
        "fw3": "applied",
        "fw4": "done_before",
    }


@pytest.mark.parametrize("words", ["max_fail_percentage: 49", "any_errors_fatal: true"])
def test_more_than_is_tolerated_stops(four: Cells, words: str) -> None:
    refuse(four, "fw1")
    four.play(f"- {{hosts: plant, serial: 2, on_failure: continue, {words}}}")
    done = four.apply(code=1)
    assert statuses(done)["fw3"] == "not_begun"
    assert four.holding == {"fw2"}


def test_what_is_tolerated_does_not_take_the_wave_back(four: Cells) -> None:
    refuse(four, "fw1")
    four.play("- {hosts: plant, on_failure: revert, max_fail_percentage: 25}")
    done = four.apply(code=1)
    assert statuses(done)["fw1"] == "failed"
    assert four.holding == {"fw2", "fw3", "fw4"}


# --- verify --------------------------------------------------------------------------------------


def probes(plant: Cells) -> str:
    """Probes of every kind that find what they should, once all is applied."""
    port = plant.fleet["fw1"].port
    return f"""\
        - hosts: plant
          verify:
            - tcp: 127.0.0.1:{port}
            - {{tcp: "127.0.0.1:{free_port()}", expect: closed, retries: 0}}
            - {{tls: "127.0.0.1:{port}", ca_file: {plant.fleet.ca_file}}}
            - check: {{from: scada1, to: cell-1/plc1, application: modbus.read}}
            - check: {{from: scada1, to: plc2, application: modbus.write, expect: deny}}
            - check: {{from: cell-1, to: supervisory}}
              expect: deny
            - check: {{from: 10.1.0.6, to: plc3, port: 502, expect: deny}}
            - check: {{from: scada1, to: 10.2.4.10, port: 502}}
            - {{command: <show><system><info/></system></show>, expect: 11.1.6, platform: panos}}
            - {{command: nft list table inet segctl, expect: "~poll-[34]", platform: nftables}}
        """


@pytest.mark.parametrize("content", [None, "no certificate"])
@pytest.mark.parametrize("words", [("--auto-approve",), ("--check",)])
def test_a_probe_whose_ca_file_cannot_be_used_is_told_before_anything_is_asked(
    four: Cells, content: str | None, words: tuple[str, ...]
) -> None:
    if content is not None:
        (four.folder / "ca.pem").write_text(content, encoding="utf-8")
    four.play("""\
        - hosts: plant
          verify:
            - {tls: "127.0.0.1:443", ca_file: ca.pem}
        """)
    with four.untouched():
        done = four("apply", "-p", "play.yml", "--json", *words)
    assert done.code == 1
    assert done.json["error"]["code"] == "playbook"
    assert "play.yml:3:7: verify: cannot use ca_file ca.pem: " in done.json["error"]["message"]
    assert four("plan", "-p", "play.yml").code == 0  # another machine may apply it


def test_probes_that_fit(mixed: Cells) -> None:
    mixed.play(probes(mixed))
    assert mixed.apply()["summary"]["applied"] == 4


WRONG = {
    "{tcp: '127.0.0.1:CLOSED', retries: 0}": "tcp 127.0.0.1:",
    "{tcp: '127.0.0.1:OPEN', expect: closed, retries: 0}": "answers, but it should be closed",
    "{tls: '127.0.0.1:OPEN', retries: 0}": "its certificate does not verify",
    "{tcp: 'no.such.host.invalid:1', expect: closed, retries: 0}": "does not resolve",
    "check: {from: scada1, to: plc1, application: modbus.write}": "is denied by interzone-default",
    "check: {from: scada1, to: plc1, port: 502, expect: deny}": "is allowed by plant.poll-1.modbus",
    "check: {from: supervisory, to: plc1, application: modbus.read}": "10.1.0.0 → 10.2.1.10",
    "{command: <show><system><info/></system></show>, expect: '~^9', retries: 0}": "not contain",
}


@pytest.mark.parametrize("probe", WRONG)
def test_a_probe_that_does_not_fit_takes_the_change_back(four: Cells, probe: str) -> None:
    text = probe.replace("OPEN", str(four.fleet["fw1"].port)).replace("CLOSED", str(free_port()))
    entry = text if text.startswith("{") else f"{{{text}}}"
    four.play(f"- {{hosts: plant, serial: 1, verify: [{entry}]}}")
    with four.unchanged():
        done = four.apply(code=1)
    assert statuses(done)["fw1"] == "failed"
    assert statuses(done)["fw2"] == "not_begun"
    (first, *_) = done["plays"][0]["waves"][0]["devices"]
    assert WRONG[probe] in first["message"]


def test_a_probe_of_which_it_cannot_be_told_whether_it_fits_takes_the_change_back(
    four: Cells,
) -> None:
    fw1 = four.fleet["fw1"]
    host = '<entry name="host"><fqdn>plc.example.com</fqdn></entry>'
    fw1.edit("set", f"{VSYS}/address", host)
    lists = {"from": "any", "to": "any", "source": "host", "destination": "any"}
    lists |= {"application": "any", "service": "any"}
    text = "".join(f"<{tag}><member>{word}</member></{tag}>" for tag, word in lists.items())
    theirs = f'<entry name="theirs">{text}<action>allow</action></entry>'
    fw1.edit("set", RULES, theirs, commit=True)
    probe = "{check: {from: scada1, to: plc1, port: 22, expect: deny}}"
    four.play(f"- {{hosts: plant, serial: 1, verify: [{probe}]}}")
    with four.unchanged():
        done = four.apply(code=1)
    (first, *_) = done["plays"][0]["waves"][0]["devices"]
    assert "cannot tell, theirs: host is a name that the device looks up" in first["message"]
    assert statuses(done)["fw2"] == "not_begun"


NOT_RUN = {
    "command: <request><restart><system/></restart></request>": (
        "panos: <request> is not permitted: a probe may run only <show> commands"
    ),
    "command: nft list ruleset": "panos: 'nft list ruleset' is not XML: write <show>…</show>",
    "{command: <show><system>, platform: panos}": "panos: '<show><system>' is not XML",
    "{command: '<!DOCTYPE show [<!ENTITY a \"b\">]><show>&a;</show>', platform: panos}": (
        "panos: '<!DOCTYPE show [<!ENTITY a \"b\">]><show>&a;</show>' has a document type"
    ),
    "{command: <show/>, platform: nftables}": "nftables: '<show/>' is not permitted: ",
    "{command: <show/>, platform: toyos}": "no provider for platform 'toyos'",
}


def refused(cells: Cells) -> Any:
    """Apply the playbook, which is refused before any device is asked; return the one problem."""
    done = cells("apply", "-p", "play.yml", "--auto-approve", "--json")
    assert (done.code, done.json["error"]["code"]) == (1, "playbook")
    (problem,) = done.json["error"]["problems"]
    return problem


@pytest.mark.parametrize("probe", NOT_RUN)
def test_a_command_that_no_device_would_run_is_found_in_the_playbook(
    four: Cells, probe: str
) -> None:
    entry = probe if probe.startswith("{") else f"{{{probe}}}"
    with four.untouched():
        four.play(f"- {{hosts: plant, serial: 1, verify: [{entry}]}}")
        problem = refused(four)
    assert NOT_RUN[probe] in problem["message"]
    assert (problem["file"], problem["line"]) == ("play.yml", 1)
    assert problem["column"] > 1


def test_a_command_is_one_for_every_platform_that_is_asked(mixed: Cells) -> None:
    command = "command: nft list table inet segctl"
    mixed.play(f"- {{hosts: gw3, verify: [{{{command}}}]}}")
    mixed.apply()
    mixed.play(f"- {{hosts: plant, verify: [{{{command}}}]}}")
    problem = refused(mixed)
    assert "panos: 'nft list table inet segctl' is not XML" in problem["message"]
    assert problem["hint"] == "name the platform that runs it: platform: …"
    mixed.play("- {hosts: gw3, verify: [{command: nft flush ruleset}]}")
    assert "a probe may run only nft list …" in refused(mixed)["message"]


def test_only_the_device_that_fails_its_own_probe_goes_back(four: Cells) -> None:
    probe = "{check: {from: scada1, to: plc2, application: modbus.write}}"
    four.play(f"- {{hosts: plant, on_failure: continue, verify: [{probe}]}}")
    done = four.apply(code=1)
    assert statuses(done) == {"fw1": "applied", "fw2": "failed", "fw3": "applied", "fw4": "applied"}
    assert four.holding == {"fw1", "fw3", "fw4"}
    assert four.locks == 0


def test_probes_that_mean_nothing_are_refused_before_anything_is_done(four: Cells) -> None:
    four.play("""\
        - hosts: plant
          verify:
            - check: {from: scada9, to: plc1}
            - check: {from: scada1, to: 192.0.2.1}
            - check: {from: cell-1, to: "fd00::1"}
        - hosts: "fw1[9]"
        """)
    with four.untouched():
        done = four("apply", "-p", "play.yml", "--auto-approve", "--json")
    assert done.code == 1
    assert done.json["error"]["code"] == "playbook"
    assert [
        (one["line"], one["message"].rpartition(": ")[2]) for one in done.json["error"]["problems"]
    ] == [
        (3, "'scada9' is not a zone, asset or address"),
        (4, "192.0.2.1 is in no zone"),
        (5, "fd00::1 is in no zone"),
        (6, "fw1[9] (the index matches no host)"),
    ]


# --- stopping and going on -----------------------------------------------------------------------


def test_a_rollout_is_resumed_where_it_stopped(four: Cells) -> None:
    refuse(four, "fw3")
    four.play('- {hosts: plant, serial: [1, "100%"], on_failure: revert}')
    done = four.apply(code=1)
    (state,) = four.states
    assert done["state"] == str(state.name)
    assert f"apply -p play.yml --resume {state.name} --auto-approve" in done["resume"]
    assert state.stat().st_mode & 0o077 == 0
    writes = four.fleet["fw1"].writes
    words = done["resume"].split()
    assert words[0] == "segctl"
    again = four.process(*words[1 + len(four.where) :], "--json")
    assert again.code == 0, again.err
    assert statuses(again.json)["fw1"] == "done_before"
    assert again.json["rollout_id"] == done["rollout_id"]
    assert four.fleet["fw1"].writes == writes
    assert four.holding == set(FLEET)
    assert not four.states


def test_what_cannot_be_resumed(four: Cells) -> None:
    refuse(four, "fw1")
    four.play("- {hosts: plant, serial: 1, tags: [a, b]}")
    four.apply("--tags", "a", code=1)
    (state,) = four.states
    (four.folder / "damaged.json").write_text('{"kind": "segctl rollout"}')
    four.play("- {hosts: plant, serial: 2, tags: [a, b]}")
    with four.untouched():
        for words, said in {
            (state.name, "--tags", "a"): "has changed since",
            ("nothing.json",): "No such file",
            ("damaged.json",): "is not the state file of a rollout",
            ("hosts.yml",): "is not the state file of a rollout",
        }.items():
            done = four("apply", "-p", "play.yml", "--auto-approve", "--resume", *words)
            assert (done.code, said in done.err) == (1, True)
        four.play("- {hosts: plant, serial: 1, tags: [a, b]}")
        done = four("apply", "-p", "play.yml", "--auto-approve", "--resume", state.name)
        assert "begun with other tags (--tags a)" in done.err
    assert four.apply("--resume", state.name, "--tags", "a")["status"] == "done"


def test_a_state_file_of_ones_own_stays(four: Cells) -> None:
    four.play("- hosts: plant")
    assert four.apply("--state", "mine.json")["state"] == "mine.json"
    assert statuses(four.apply("--resume", "mine.json"))["fw4"] == "done_before"
    assert not four.states
    done = four("apply", "-p", "play.yml", "--auto-approve", "--state", "no/such/folder/x.json")
    assert (done.code, "cannot write" in done.err) == (1, True)


def test_outside_its_window_nothing_is_begun(four: Cells) -> None:
    today = datetime.now(UTC)
    other = DAYS[(today.weekday() + 3) % 7]
    window = f"{{days: [{other}], from: '10:00', to: '11:00', timezone: UTC}}"
    four.play(f"- {{hosts: plant, window: {window}, name: Night}}")
    with four.untouched():
        done = four.apply(code=1)
    opening = (today + timedelta(days=3)).strftime("%A %Y-%m-%d 10:00 UTC")
    assert done["error"] == {
        "code": "window_closed",
        "message": f"play 'Night' is outside its change window: it opens {opening}",
    }
    assert set(statuses(done).values()) == {"not_begun"}
    assert four("plan", "-p", "play.yml").code == 0


def test_without_approval_nothing_is_done(four: Cells) -> None:
    four.play("- hosts: plant")
    with four.untouched():
        assert four.process("apply", "-p", "play.yml").code == 1
        assert four("apply", "-p", "play.yml", "plan.json", "--auto-approve").code == 1
        assert four("apply", "--tags", "x", "--auto-approve").code == 1


# --- events --------------------------------------------------------------------------------------


def test_events_are_lines_and_the_last_is_the_document(four: Cells) -> None:
    four.play("- {hosts: plant, serial: 2, soak: 1}")
    done = four("apply", "-p", "play.yml", "--auto-approve", "--json-lines")
    *events, document = map(json.loads, done.out.splitlines())
    assert done.code == 0
    jsonschema.validate(document, schema("rollout"))
    for event in events:
        jsonschema.validate(event, schema("events"))
    assert [event["event"] for event in events if event["event"] not in ("step", "device_end")] == [
        "play",
        "wave",
        "wave_end",
        "soak",
        "soak_end",
        "wave",
        "wave_end",
    ]
    steps = {event["step"] for event in events if event["event"] == "step"}
    assert {"reading", "locking", "committing"} <= steps
    *_, last = (event for event in events if event["event"] == "device_end")
    assert (last["done"], last["total"]) == (2, 2)


@pytest.mark.parametrize("command", ["plan", "drift", "validate", "fmt"])
def test_every_command_ends_with_its_document(four: Cells, command: str) -> None:
    done = four(command, "--json-lines")
    *events, document = map(json.loads, done.out.splitlines())
    assert "event" not in document
    assert bool(events) is (command in {"plan", "drift"})
    wrong = four(command, "--json-lines", "--nonsense")
    assert json.loads(wrong.out)["error"]["code"] == "usage"


# --- what playbooks/ has -------------------------------------------------------------------------


def free_port() -> int:
    with closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def test_only_what_was_approved_is_applied(four: Cells) -> None:
    four.play("- {hosts: [fw1, fw2], name: Cells}")
    options = RolloutOptions(file=four.folder / "play.yml")
    settings = Settings(inventory=(four.folder / "hosts.yml", four.folder / "mocks.yml"))
    assert apply_playbook(settings, options, Shown(), lambda: False) == 1
    assert four.holding == set()

    def meanwhile() -> bool:
        tag = "<entry name='segctl'><comments>mine</comments></entry>"
        four.fleet["fw1"].edit("set", f"{VSYS}/tag", tag, commit=True)
        return True

    four.capsys.readouterr()
    assert apply_playbook(settings, options, Shown(), meanwhile) == 1
    said = four.capsys.readouterr().out
    assert "fw1  stale: its plan is not the one that was approved" in said
    assert four.holding == {"fw2"}


#: How each may end, but for well, at some time of the day.
CODES = {"canary.yml": "", "waterworks.yml": "", "rollout.yml": "", "at-night.yml": "window_closed"}
#: But for that of the tank farm, which has a test of its own.
PLAYBOOKS = sorted({*(ROOT / "playbooks").glob("*.yml")} - {ROOT / "playbooks" / "panorama.yml"})


def test_the_examples_run_on_the_water_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = ROOT / "inventory" / "01-waterworks.yml"
    today = datetime.now(UTC).astimezone().date()
    monkeypatch.chdir(tmp_path)
    with fleet(load([source], today=today), today, overlay=tmp_path / "mocks.yml"):
        where = ["-i", str(source), "-i", "mocks.yml"]
        for path in PLAYBOOKS:
            copy = str(shutil.copy(path, tmp_path))
            assert run([*where, "plan", "-p", copy, "--json"]) == 0
            found = json.loads(capsys.readouterr().out)
            assert found["summary"]["planned"] == 3
        for name, code in {
            "rollout.yml": "",
            "canary.yml": "",
            "at-night.yml": "window_closed",
        }.items():
            run([*where, "apply", "-p", name, "--auto-approve", "--json"])
            found = json.loads(capsys.readouterr().out)
            if name == "rollout.yml":
                assert found["summary"]["applied"] == 3
            assert found["status"] == "done" or found["error"]["code"] == code
    assert {path.name for path in PLAYBOOKS} == set(CODES)


def test_a_wave_stands_in_the_state_file_before_it_begins(four: Cells) -> None:
    refuse(four, "fw3")
    four.play("- {hosts: plant, serial: 1, on_failure: revert}")
    four.apply("--state", "mine.json", code=1)
    state = json.loads((four.folder / "mine.json").read_text(encoding="utf-8"))
    assert set(state["begun"]["1"]) - set(state["done"]["1"]) == {"fw3"}
