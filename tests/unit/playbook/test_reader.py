"""A playbook file: what is accepted, what is refused and where; the schema says the same."""

from __future__ import annotations

from datetime import time
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from segctl.analysis.query import Check
from segctl.model.errors import ChecksError, PlaybookError
from segctl.playbook import (
    Ask,
    Playbook,
    Reach,
    Task,
    Window,
    json_schema,
    read_checks,
    read_playbook,
)

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA: Any = jsonschema.Draft202012Validator(json_schema())

WHOLE = """\
- name: Canary
  hosts: [waterworks, "!edge-fw"]
  serial: [1, "30%"]
  max_fail_percentage: 12.5%
  any_errors_fatal: no
  strategy: host_pinned
  gather_facts: false
  connection: local
  tags: net, canary
  vars:
    segctl_unmanaged: report
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  window:
    - {days: [mon, tue], from: "22:00", to: "04:00", timezone: Europe/Berlin}
    - {days: sun, from: "00:00", to: "24:00", timezone: UTC}
  soak: 10m
  revert_in: 2h
  on_failure: revert
  verify:
    - {tcp: "10.20.1.11:502", expect: closed, timeout: 2, retries: 0}
    - {tls: "[fd00::1]:443", server_name: hmi.plant, ca_file: ca.pem}
    - icmp: plc1
    - check: {from: scada1, to: control/plc1, port: 502, application: modbus.read, user: a}
    - {check: {from: a, to: b, protocol: udp}, expect: deny}
    - {command: <show><x/></show>, expect: "~a+", platform: panos}
  tasks:
    - name: Look
      segctl.segctl.segctl_plan: {}
      tags: [look]
    - segctl_apply: {allow_purge: true, executable: /usr/bin/segctl}
    - segctl.segctl.segctl_drift: {baseline: accepted.yml, fail_on_drift: yes}
- hosts: all
"""


def read(tmp_path: Path, text: str) -> Playbook:
    path = tmp_path / "play.yml"
    path.write_text(dedent(text), encoding="utf-8")
    return read_playbook(path)


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(PlaybookError) as caught:
        read(tmp_path, text)
    return [str(one).removeprefix(f"{tmp_path}/play.yml:") for one in caught.value.problems]


def test_every_word_is_read(tmp_path: Path) -> None:
    play, bare = read(tmp_path, WHOLE).plays
    assert (play.name, play.hosts) == ("Canary", ("waterworks", "!edge-fw"))
    assert (play.serial, play.max_fail_percentage) == ((1, "30%"), 12.5)
    assert (play.strategy, play.any_errors_fatal, play.tags) == (
        "host_pinned",
        False,
        ("net", "canary"),
    )
    assert play.windows == (
        Window(days=("mon", "tue"), start=time(22), end=time(4), timezone="Europe/Berlin"),
        Window(days=("sun",), start=time(0), end=None, timezone="UTC"),
    )
    assert (play.soak, play.revert_in, play.on_failure) == (600, 7200, "revert")
    assert play.verify == (
        Reach(kind="tcp", host="10.20.1.11", port=502, open=False, timeout=2, retries=0),
        Reach(kind="tls", host="fd00::1", port=443, server_name="hmi.plant", ca_file="ca.pem"),
        Reach(kind="icmp", host="plc1"),
        Check(
            source="scada1",
            destination="control/plc1",
            port=502,
            application="modbus.read",
            user="a",
        ),
        Check(source="a", destination="b", protocol="udp", allow=False),
        Ask(command="<show><x/></show>", expect="~a+", platform="panos"),
    )
    assert play.tasks == (
        Task(action="plan", name="Look", tags=("look",)),
        Task(action="apply", name="apply", allow_purge=True),
        Task(action="drift", name="drift", baseline="accepted.yml", fail_on_drift=True),
    )
    assert play.variables is not None
    assert set(play.variables.variables) == {"segctl_unmanaged", "ansible_python_interpreter"}
    assert (bare.tasks, bare.on_failure, bare.name) == ((Task(action="apply"),), "stop", "all")
    assert [one.declared.line for one in play.verify] == [20, 21, 22, 23, 24, 25]


def test_words_of_segctl_may_stand_in_vars_for_ansible(tmp_path: Path) -> None:
    own = read(tmp_path, WHOLE).plays[0]
    words = ("window", "soak", "revert_in", "on_failure", "verify")
    document = yaml.safe_load(WHOLE)
    first = document[0]
    first["vars"] |= {f"segctl_{word}": first.pop(word) for word in words}
    moved = read(tmp_path, yaml.safe_dump(document, sort_keys=False)).plays[0]
    assert (moved.windows, moved.soak, moved.revert_in) == (own.windows, own.soak, own.revert_in)
    assert (moved.on_failure, moved.verify) == (own.on_failure, own.verify)
    assert moved.variables is not None
    assert own.variables is not None
    assert moved.variables.variables == own.variables.variables
    SCHEMA.validate(document)


def test_all_problems_at_once_with_their_places(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        """\
        - name: Canary
          host: waterworks
          serial: [1, 10x]
          soak: 10 m
          vars:
            segctl_unmangd: report
            segctl_soak: 10m
            segctl_unmanaged: destroy
          verify:
            - tcp: 10.20.1.11
            - tpc: a:1
            - {tcp: "a:1", icmp: b}
            - {command: x, expect: "~("}
          window: {days: [mon, tuesday], from: 22:00, to: "04:00", timezone: Europe/Berln}
          tasks:
            - ansible.builtin.copy: {}
            - segctl_apply: {purge: true}
        """,
    )
    assert found == [
        "1:3: [0]: hosts is missing (hosts: Host pattern, or a list of patterns.)",
        "2:3: [0].host: unknown key 'host' (did you mean hosts?)",
        "3:15: [0].serial[1]: '10x' is not a number of hosts or a percentage (write 5 or \"30%\")",
        "4:9: [0].soak: '10 m' is not a duration (write seconds, or 30s, 10m, 2h)",
        (
            "6:5: [0].vars.segctl_unmangd: unknown variable segctl_unmangd "
            "(did you mean segctl_unmanaged?)"
        ),
        (
            "7:5: [0].vars.segctl_soak: is also set by the play's own soak (keep the play's "
            "key for segctl only, or the variable for Ansible too)"
        ),
        "8:23: [0].vars.segctl_unmanaged: 'destroy' is not one of report, purge",
        (
            "10:12: [0].verify[0].tcp: '10.20.1.11' is not host:port "
            '(write "10.20.1.11:502", an IPv6 address as "[fd00::1]:502")'
        ),
        "11:7: [0].verify[1]: has none of tcp, tls, icmp, check, command (did you mean tcp?)",
        (
            "12:7: [0].verify[2]: has tcp and icmp (only one of tcp, tls, icmp, check, command in "
            "one entry)"
        ),
        (
            "13:28: [0].verify[3].expect: is not a regular expression: missing ), unterminated "
            "subpattern at position 0"
        ),
        (
            "14:24: [0].window.days[1]: 'tuesday' is not one of mon, tue, wed, thu, fri, sat, sun "
            "(did you mean tue?)"
        ),
        (
            "14:40: [0].window.from: YAML 1.1, and so Ansible, reads 22:00 as a number: 1320 "
            '(quote it: "22:00")'
        ),
        (
            "14:70: [0].window.timezone: 'Europe/Berln' is not a time zone "
            "(did you mean Europe/Berlin?)"
        ),
        (
            "16:7: [0].tasks[0]: has none of segctl.segctl.segctl_plan, segctl_plan, "
            "segctl.segctl.segctl_apply, segctl_apply, segctl.segctl.segctl_drift, segctl_drift "
            "(use ansible-playbook to run a playbook with other modules)"
        ),
        "17:22: [0].tasks[1].segctl_apply.purge: unknown key 'purge' (did you mean allow_purge?)",
    ]


def test_a_device_does_not_go_back_while_it_is_probed(tmp_path: Path) -> None:
    probes = "verify: [{icmp: a, timeout: 10, retries: 1}, {tcp: 'a:1', timeout: 2, retries: 0}]"
    (found,) = problems(tmp_path, f"- {{hosts: all, revert_in: 23, {probes}}}")
    assert found == (
        "1:27: [0].revert_in: is not longer than verify can take (23s) "
        "(give more time, or the probes fewer retries and a shorter timeout)"
    )
    assert read(tmp_path, f"- {{hosts: all, revert_in: 24, {probes}}}").plays[0].revert_in == 24


#: One word each; the schema refuses them, too.
REFUSED = {
    "no list": "hosts: all",
    "no play": "[]",
    "no hosts": "- name: x",
    "empty hosts": "- hosts: []",
    "unknown word": "- {hosts: all, sreial: 1}",
    "batch": "- {hosts: all, serial: many}",
    "percentage": "- {hosts: all, max_fail_percentage: 101}",
    "percentage text": "- {hosts: all, max_fail_percentage: a}",
    "boolean": "- {hosts: all, any_errors_fatal: 'x'}",
    "strategy": "- {hosts: all, strategy: debug}",
    "vars": "- {hosts: all, vars: [a]}",
    "variable": "- {hosts: all, vars: {segctl_nonsense: 1}}",
    "duration": "- {hosts: all, soak: 1w}",
    "negative": "- {hosts: all, soak: -1}",
    "failure": "- {hosts: all, on_failure: ignore}",
    "window lacks a zone": "- {hosts: all, window: {from: '22:00', to: '23:00'}}",
    "clock": "- {hosts: all, window: {from: '25:00', to: '23:00', timezone: UTC}}",
    "empty windows": "- {hosts: all, window: []}",
    "day": "- {hosts: all, window: {days: [monday], from: '1:00', to: '23:00', timezone: UTC}}",
    "both spellings": "- {hosts: all, soak: 1, vars: {segctl_soak: 1}}",
    "probe": "- {hosts: all, verify: [{udp: 'a:1'}]}",
    "two probes": "- {hosts: all, verify: [{tcp: 'a:1', icmp: a}]}",
    "endpoint": "- {hosts: all, verify: [{tcp: a}]}",
    "expect of a probe": "- {hosts: all, verify: [{tcp: 'a:1', expect: allow}]}",
    "retries": "- {hosts: all, verify: [{icmp: a, retries: -1}]}",
    "flow": "- {hosts: all, verify: [{check: {from: a}}]}",
    "flow port": "- {hosts: all, verify: [{check: {from: a, to: b, port: 0}}]}",
    "module": "- {hosts: all, tasks: [{debug: {}}]}",
    "two modules": "- {hosts: all, tasks: [{segctl_plan: {}, segctl_apply: {}}]}",
    "argument": "- {hosts: all, tasks: [{segctl_plan: {allow_purge: true}}]}",
    "task keyword": "- {hosts: all, tasks: [{segctl_plan: {}, when: x}]}",
    "host with an option": "- {hosts: all, verify: [{icmp: '-f'}]}",
}
#: What a schema cannot know.
ONLY_READ = {
    "zone": "- {hosts: all, window: {from: '22:00', to: '23:00', timezone: Mars/Base}}",
    "no length": "- {hosts: all, window: {from: '22:00', to: '22:00', timezone: UTC}}",
    "from the end": "- {hosts: all, window: {from: '24:00', to: '22:00', timezone: UTC}}",
    "port": "- {hosts: all, verify: [{tcp: 'a:65536'}]}",
    "too long": "- {hosts: all, soak: 169h}",
    "pattern": "- {hosts: all, verify: [{command: x, expect: '~['}]}",
    "revert in no time": "- {hosts: all, revert_in: 0}",
    "icmp port": "- {hosts: all, verify: [{check: {from: a, to: b, protocol: icmp, port: 1}}]}",
    "expects twice": "- {hosts: all, verify: [{check: {from: a, to: b, expect: deny}, "
    "expect: allow}]}",
    "template": "- {hosts: all, on_failure: stop, name: '{{ x }}'}",
    "duplicate": "- {hosts: all, hosts: all}",
    "syntax": "- {hosts: all",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_reader_and_schema_refuse_alike(text: str, tmp_path: Path) -> None:
    assert problems(tmp_path, text)
    assert not SCHEMA.is_valid(yaml.safe_load(text))


@pytest.mark.parametrize("text", ONLY_READ.values(), ids=ONLY_READ)
def test_the_reader_refuses_more(text: str, tmp_path: Path) -> None:
    (found, *_) = problems(tmp_path, text)
    assert found[0].isdigit()


ACCEPTED = {
    "whole": WHOLE,
    "least": "- hosts: all",
    "one wave": "- {hosts: all, serial: 5}",
    "seconds": "- {hosts: all, soak: 90, revert_in: 120s}",
    "one window": "- {hosts: all, window: {from: '22:00', to: '23:00', timezone: UTC}}",
    "variables": "- {hosts: all, vars: {segctl_conduits_more: {}, anything: [1, {}]}}",
    "percent": "- {hosts: all, max_fail_percentage: '30%'}",
    "tags": "- {hosts: all, tags: [a, 1]}",
    "nothing to do": "- {hosts: all, tasks: [], verify: []}",
}


@pytest.mark.parametrize("text", ACCEPTED.values(), ids=ACCEPTED)
def test_reader_and_schema_accept_alike(text: str, tmp_path: Path) -> None:
    assert read(tmp_path, text).plays
    SCHEMA.validate(yaml.safe_load(text))


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


def test_a_file_of_checks_is_read_as_a_play_s_verify_is(tmp_path: Path) -> None:
    text = """\
        - check: {from: scada1, to: control/plc1, port: 502, application: modbus.read, user: a}
        - {check: {from: a, to: b, protocol: udp}, expect: deny}
        """
    path = tmp_path / "checks.yml"
    path.write_text(dedent(text), encoding="utf-8")
    first, second = read_checks(path)
    (play, _) = read(tmp_path, WHOLE).plays
    assert (first, second) == tuple(one for one in play.verify if isinstance(one, Check))
    assert (first.declared.line, second.declared.line) == (1, 2)
    wrong = "- {check: {from: a, to: b, protocol: icmp, port: 1}}\n- icmp: a\n- {expect: deny}\n"
    path.write_text(wrong, encoding="utf-8")
    with pytest.raises(ChecksError) as caught:
        read_checks(path)
    assert [(one.line, one.message) for one in caught.value.problems] == [
        (1, "icmp has no port"),
        (2, "unknown key 'icmp'"),
        (2, "check is missing"),
        (3, "check is missing"),
    ]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PlaybookError, match=r"play.yml"):
        read_playbook(tmp_path / "play.yml")


def test_the_digest_is_of_the_file(tmp_path: Path) -> None:
    first = read(tmp_path, "- hosts: all\n").digest
    assert read(tmp_path, "- hosts: all\n").digest == first
    assert read(tmp_path, "- hosts: all # the same\n").digest != first
