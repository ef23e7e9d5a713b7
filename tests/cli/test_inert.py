"""Nothing that a device or a file says steers who reads it: every command, every form it writes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from lxml import etree

from cli_support import PASSWORD, POLL, USER, Plant
from segctl.cli import run
from segctl.cli.commands import OVERVIEW, tree
from segctl.cli.reports import FORMS
from segctl.notify.templates import FORMS as NOTICES
from segctl.report.register import KINDS
from segctl.system.inert import yaml_text
from segctl_mocks.panos.device import PanosDevice
from support.hostile import COMMANDS, MARKS, commanding, steering
from support.receiver import receiver
from support.records import hostile_records
from support.witnessed import HOUR, entry, give, session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HELD = "".join(one for one in MARKS if ord(one) > 0x7E and not 0xD800 <= ord(one) < 0xE000)
#: As much of it as an inventory takes.
WORD = _HELD.translate(dict.fromkeys(map(ord, "\x7f\x85\x9b\u2028\u2029")))
#: What XML, and a YAML text of one line, can hold, with commands to runners.
TEXT = _HELD + "".join(COMMANDS[::4])
FORM = [f"--{name}={name}.out" for name in FORMS]
FOLDERS = "snapshots"

#: Every command with the words it is tried with, or why it is not. A new one is red until it is.
TRIED: dict[str, list[list[str]] | str] = {
    "validate": [["validate", *FORM]],
    "inventory": [
        ["inventory", "--list"],
        ["inventory", "--host", "fw1"],
        ["inventory", "--graph", "--vars"],
    ],
    "fmt": [["fmt", "group_vars", "--diff", "--check"], ["fmt", "group_vars", "-v"]],
    "plan": [
        ["plan", *FORM, "-o", "plan.json"],
        ["plan", "--diff", "-v"],
        ["plan", "-p", "play.yml", "--brief"],
    ],
    "show": [
        ["show", "plan.json", *FORM],
        ["show", "plan.json", "--diff"],
        ["show", "plan.json", "--same-as", "before.json", *FORM],
    ],
    "apply": [
        ["apply", "before.json"],
        ["apply", "plan.json"],
        ["apply", "-p", "play.yml", "-v", "--auto-approve"],
        ["apply", "--auto-approve", "-v"],
    ],
    "drift": [
        *(
            ["drift", *FORM, f"--webhook-template={form}", "--notify=always", "--metrics=m.prom"]
            for form in NOTICES
        ),
        ["drift", "--write-baseline=base.yml", f"--owner=o{TEXT}", "--expires=2999-01-01", "-v"],
        ["drift", "--baseline=base.yml"],
        ["drift", "--baseline=odd.yml"],
    ],
    "drift history": [["drift", "history", "--all"]],
    "contain": "its commands are those below",
    **{
        f"contain {kind}": [
            ["contain", kind, f"n{TEXT}", "--for=1h", f"--reason=r{TEXT}", "--auto-approve"]
        ]
        for kind in ("host", "asset", "zone")
    },
    "contain list": [["contain", "list"]],
    "contain status": [["contain", "status", "--heal"]],
    "contain watch": "it prints what contain status prints",
    "contain release": [["contain", "release", f"n{TEXT}", f"--reason=r{TEXT}"]],
    "island": "its commands are those below",
    "island begin": [
        ["island", "begin", f"n{TEXT}", "--for=1h", f"--reason=r{TEXT}", "--auto-approve"]
    ],
    "island end": [["island", "end", f"n{TEXT}", f"--reason=r{TEXT}"]],
    "island list": [["island", "list"]],
    "island status": [["island", "status", "--heal"]],
    "history": [
        ["history"],
        ["history", "fw1"],
        ["history", "fw1", "--csv"],
        ["history", "verify"],
    ],
    "check": [
        ["check", "--from", "supervisory", "--to", "control", *FORM],
        ["check", "checks.yml", *FORM],
    ],
    "query": [
        ["query", "--from", "supervisory", "--to", "control", "--both"],
        ["query", "--from", "supervisory", "--to", "control", "--pivot=1", "--csv"],
        ["query", "live", "implies", "declared"],
    ],
    "matrix": [
        ["matrix"],
        ["matrix", "--live", "--csv"],
        ["matrix", "-o", "table.svg"],
        ["matrix", "-o", "table.html"],
    ],
    "graph": [
        ["graph", "--live", "-o", f"drawn{ending}", "--positions", "positions.yml"]
        for ending in (".svg", ".html", ".drawio", ".mmd", ".dot")
    ],
    "site": [
        ["site", "--live", "--checks", "checks.yml", "-o", "site.html"],
        ["site", "--offline", FOLDERS, "-o", "site.html"],
    ],
    "list": [["list", kind, *form] for kind in KINDS for form in ([], ["--csv"])],
    "review": [
        ["review", "--within=3650d", "--usage"],
        ["review", "polling", "--keep-until=2999-01-01", f"--by=b{TEXT}", f"--reason=r{TEXT}"],
        ["review", "polling", "--keep-until=2999-01-01", "--by=b", "--reason=r"],
        ["review", f"n{TEXT}"],
    ],
    "usage": [["usage"], ["usage", "records"], ["usage", "--narrow", "records"]],
    "lint": [["lint", *FORM], ["lint", "-v"], ["lint", "--offline", FOLDERS]],
    "prove": [["prove"], ["prove", "--declared"], ["prove", "--same", "fw1,fw2"]],
    "evidence": [["evidence", "--html", "--csv", "--oscal"]],
    "evidence verify": [["evidence", "verify", "evidence0"]],
    "evidence diff": [["evidence", "diff", "evidence0", "evidence1--json"]],
    "discover": [
        ["discover", "records", "--markdown=markdown.out", "--html=html.out"],
        ["discover", "records", "--grade=zone", f"--leases=10.20.2.{TEXT}"],
        ["discover", "--from-devices", "--since=2h"],
    ],
    "threats": [["threats", "records", "--markdown=markdown.out", "--html=html.out"]],
    "watch": [
        [
            *("watch", "records", "--since=3000d", "-e"),
            '{"segctl_containment": {"zones": ["supervisory"], "on": ["critical-threat", "scan"]}}',
        ],
        ["watch", "records", "--act"],
    ],
    "traffic": [
        *(
            ["traffic", "records", f"--by={what}", "--markdown=markdown.out", "--html=html.out"]
            for what in ("conduit", "zone", "asset", "user", "application")
        ),
        ["traffic", "--from-devices", "--since=2h", "--html=html.out"],
    ],
    "replay": [
        ["replay", "--declared", "records", "--markdown=markdown.out", "--html=html.out"],
        ["replay", "--declared", "records", "--offline", FOLDERS],
        ["replay", "--declared", "--from-devices", "--since=2h"],
    ],
    "snapshot": [["snapshot", "-o", FOLDERS]],
    "verify": [["verify", "plan.json", "--keys", f"absent{TEXT}"]],
    "import": [["import", "fw1", "-o", "imported"]],
    "explain": "our own rules, of which a word that is not known is an error like others",
    "protocols": "our own catalogue, of which a word that is not known is an error like others",
    "schema": "our own documents",
    "mock": "its commands are those below",
    "serve": "serves until it is stopped: tests/cli/test_serve.py holds what it serves to the same",
    "mock serve": "serves until it is stopped; prints by `say` as others do",
    "mock traffic": "what it made itself, of a plant that the user wrote",
    "version": "nothing of others",
    "demo": "our own example",
}


def commands() -> set[str]:
    program: Any = tree()
    inner = {
        f"{name} {below}"
        for name, command in program.commands.items()
        for below in getattr(command, "commands", {})
    }
    return {*program.commands, *inner}


def test_every_command_is_tried() -> None:
    assert commands() | OVERVIEW.keys() == TRIED.keys()


#: What another administrator writes, by its place in the virtual system; `~` stands for all marks.
THEIRS = {
    "rulebase/security/rules": """
        <entry name="theirs~"><from><member>SUPV</member></from><to><member>CTRL</member></to>
        <source><member>theirs~</member><member>el~</member></source>
        <destination><member>any</member></destination><schedule>s~</schedule>
        <service><member>theirs~</member></service><application><member>a~</member></application>
        <source-user><member>u~</member></source-user><category><member>c~</member></category>
        <tag><member>t~</member></tag><log-setting>l~</log-setting><group-tag>g~</group-tag>
        <description>d~</description><action>allow</action></entry>""",
    "address": """
        <entry name="theirs~"><ip-netmask>10.20.2.77</ip-netmask><description>d~</description>
        <tag><member>t~</member></tag></entry>""",
    "service": """
        <entry name="theirs~"><protocol><tcp><port>77</port></tcp></protocol>
        <description>d~</description></entry>""",
    "rulebase/application-override/rules": """
        <entry name="short~"><from><member>SUPV</member></from><to><member>CTRL</member></to>
        <source><member>theirs~</member></source><destination><member>any</member></destination>
        <protocol>tcp</protocol><port>502</port><application>a~</application>
        <description>d~</description></entry>""",
    "rulebase/nat/rules": """
        <entry name="nat~"><from><member>SUPV</member></from><to><member>SUPV</member></to>
        <source><member>any</member></source><destination><member>theirs~</member></destination>
        <service>any</service><description>d~</description><destination-translation>
        <translated-address>10.20.1.11</translated-address></destination-translation></entry>""",
    "address-group": """
        <entry name="g~"><static><member>theirs~</member><member>lost~</member></static>
        <description>d~</description></entry>""",
    "service-group": """<entry name="sg~"><members><member>theirs~</member></members></entry>""",
    "application-group": """<entry name="ag~"><members><member>a~</member></members></entry>""",
    "external-list": """
        <entry name="el~"><type><ip><url>https://x.invalid/~</url></ip></type></entry>""",
    "schedule": """
        <entry name="s~"><schedule-type><recurring><daily><member>08:00-16:00</member></daily>
        </recurring></schedule-type></entry>""",
    "profile-group": """<entry name="p~"/>""",
    "zone": """<entry name="Z~"><network><layer3/></network></entry>""",
}


def planted(config: bytes) -> bytes:
    """Return a configuration in which another administrator writes all marks wherever he can."""
    root = etree.fromstring(config)
    system = root.find("devices/entry/vsys/entry")
    assert system is not None
    for path, text in THEIRS.items():
        place = system
        for tag in path.split("/"):
            found = place.find(tag)
            place = etree.SubElement(place, tag) if found is None else found
        place.insert(0, etree.fromstring(text.replace("~", TEXT)))
    ours = system.find(f"rulebase/security/rules/entry[@name='{POLL}']/application")
    assert ours is not None
    etree.SubElement(ours, "member").text = f"a{TEXT}"
    return etree.tostring(root)


PLAYBOOK = f"- {{hosts: all, name: {yaml_text('play' + WORD)}}}\n"
CHECKS = f"- check: {{from: supervisory, to: control, application: {yaml_text('check' + WORD)}}}\n"
BASELINE = (
    f"- {{device: fw1, kind: rule, name: {yaml_text('r' + WORD)}, owner: {yaml_text('o' + WORD)}, "
    f"reason: {yaml_text('why' + WORD)}, expires: 2999-01-01}}\n"
)


@pytest.fixture
def hostile(applied: Plant, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plant]:
    """The plant, provisioned and then in the hands of somebody who writes what steers."""
    monkeypatch.setenv("SEGCTL_HISTORY", str(applied.folder / "history.db"))
    monkeypatch.setenv("SEGCTL_ARTIFACTS", str(applied.folder / "runs"))
    for old, new in (
        ("reason: SCADA polls the controllers", f"reason: {yaml_text('why' + WORD)}"),
        ("owner: automation", f"owner: {yaml_text('who' + WORD)}\n    ticket: {yaml_text(WORD)}"),
        ("    level: 3.5", f"    level: 3.5\n    name: {yaml_text('zone' + WORD)}"),
        ("replica: 10.20.35.10", f"replica: {{addresses: 10.20.35.10, role: {yaml_text(WORD)}}}"),
    ):
        applied.edit("group_vars/plant.yml", old, new)
    write = {
        "play.yml": PLAYBOOK,
        "checks.yml": CHECKS,
        "odd.yml": BASELINE,
    }
    for name, text in write.items():
        (applied.folder / name).write_text(text, encoding="utf-8")
    (applied.folder / "records").mkdir()
    for name, text in hostile_records(f"seen{TEXT}").items():
        (applied.folder / "records" / name).write_text(text, encoding="utf-8")
    assert applied("plan", "-o", "before.json").code == 0
    mock = applied.fleet["fw1"]
    said = replace(
        mock.settings,
        hostname=f"host{TEXT}",
        model=f"model{TEXT}",
        content_version=f"content{TEXT}",
        serial=f"{mock.settings.serial}{TEXT}",
        sw_version=f"{mock.settings.sw_version}{TEXT}",
    )
    mock.device = PanosDevice(said, {USER: PASSWORD}, planted(mock.running()))
    mock.edit(
        "set",
        f"{_RULES}/entry[@name='{POLL}']",
        "<log-end>no</log-end>",
        admin=f"eve{TEXT}",
        commit=True,
    )
    mock.hold_lock("config", f"eve{TEXT}")
    names = {"rule": f"r{TEXT}", "app": f"a{TEXT}", "srcuser": f"u{TEXT}", "from_": f"z{TEXT}"}
    give(applied, entry(1, **names), session(2, HOUR, application=f"a{TEXT}"))
    with receiver() as room:
        monkeypatch.setenv("SEGCTL_WEBHOOK", room.url())
        yield applied
        for request in room.received:
            body = request.body.decode()
            assert not steering(body)
            assert not steering("".join(_strings(json.loads(body))))
        assert len(room.received) >= len(NOTICES)


_RULES = (
    "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"
    "/rulebase/security/rules"
)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        inside = cast("dict[str, Any] | list[Any]", value)
        for one in inside.values() if isinstance(inside, dict) else inside:
            yield from _strings(one)


def _fresh(words: list[str]) -> str:
    """What the folder is called that a command needs anew each time."""
    if "import" in words:
        return "imported"
    return "evidence" if words[0] == "evidence" and words[1].startswith("-") else ""


def test_no_form_of_any_command_steers_its_reader(hostile: Plant) -> None:
    ours = {path for path in hostile.folder.rglob("*") if path.is_file()}
    seen = ""
    for tried in TRIED.values():
        for words in tried if isinstance(tried, list) else ():
            for more in ([], ["--json"], ["--json-lines"]):
                if fresh := _fresh(words):
                    more = [*more, "-o", f"{fresh}{len(more)}{''.join(more)}"]  # noqa: PLW2901 - a new folder each
                assert run([*hostile.where, *words, *more]) in {0, 1, 2}
                out, err = hostile.capsys.readouterr()
                assert not steering(out), (words, more)
                assert not steering(err), (words, more)
                assert not commanding(out + err), (words, more)
                assert "internal" not in err, (words, err)
                if more:
                    assert [json.loads(out)] if more == ["--json"] else out, words
                seen += out + err
    written = [path for path in hostile.folder.rglob("*") if path.is_file() and path not in ours]
    names = {path.name for path in written}
    assert {f"{name}.out" for name in FORMS} <= names
    assert {"plan.json", "m.prom", "base.yml", "fw1.snapshot.json", "journal.jsonl"} <= names
    for path in written:
        if path.suffix != ".db":
            text = path.read_text(encoding="utf-8")
            assert not steering(text), path
            seen += text
    for kind in ("theirs", "why", "who", "play", "check", "eve", "seen"):
        first = "7f" if kind in {"theirs", "eve", "seen"} else "a0"
        assert f"{kind}\\u00{first}" in seen or f"{kind}\\x{first}" in seen, kind


def test_a_host_with_such_a_name_that_nobody_answers_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEGCTL_HISTORY", str(tmp_path / "history.db"))
    host = yaml_text(f"fw{WORD}")
    binding = "segctl_zone_map: {control: {zone: C}}, ansible_network_os: panos"
    where = "ansible_host: 127.0.0.1, ansible_port: 1, ansible_user: u, ansible_password: p"
    text = f"""\
all:
  vars:
    segctl_zones: {{control: {{networks: [10.0.0.0/24]}}}}
  hosts: {{{host}: {{{binding}, {where}}}}}
"""
    (tmp_path / "hosts.yml").write_text(text, encoding="utf-8")
    for words in (["validate"], ["plan", "-v"], ["drift", *FORM, "--metrics=m.prom"], ["snapshot"]):
        for more in ([], ["--json"], ["--json-lines"]):
            assert run(["-i", "hosts.yml", *words, *more]) in {0, 1}
            out, err = capsys.readouterr()
            assert not steering(out + err)
            assert "internal" not in err
            assert words == ["validate"] or r"fw\xa0" in err + out or r"fw\u00a0" in err + out
    for form in (*(f"{name}.out" for name in FORMS), "m.prom"):
        assert not steering((tmp_path / form).read_text(encoding="utf-8"))
