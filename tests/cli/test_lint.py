"""What lint finds on live firewalls, in snapshots and in the inventory; the exit status."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from cli_support import POLL, RULES, VSYS, Plant
from support.cells import serve_cells, write_cells

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@pytest.fixture
def gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Generator[Plant]:
    """A cell behind a Linux gateway that holds what is declared."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    write_cells(tmp_path, ["gw1"])
    with serve_cells(tmp_path, ["gw1"]) as fleet:
        plant = Plant(tmp_path, fleet, capsys)
        assert plant("apply", "--auto-approve").code == 0
        yield plant


def linted(plant: Plant, *words: str, code: int = 0) -> Any:
    """The document of lint, which reads devices and leaves them alone."""
    with plant.untouched():
        done = plant("lint", *words, "--json")
    assert done.code == code, done.out
    jsonschema.validate(done.json, plant("schema", "lint").json)
    return done.json


def theirs(
    plant: Plant,
    name: str,
    action: str = "allow",
    *,
    where: str = "top",
    more: str = "",
    **said: str,
) -> None:
    """Have another administrator write a rule on fw1, from SUPV to CTRL unless it says more."""
    fields = {
        "from": "SUPV",
        "to": "CTRL",
        "source": "any",
        "destination": "any",
        "application": "any",
        "service": "any",
    }
    fields |= {key.rstrip("_"): value for key, value in said.items()}
    lists = "".join(f"<{tag}><member>{value}</member></{tag}>" for tag, value in fields.items())
    rule = f'<entry name="{name}">{lists}<action>{action}</action>{more}</entry>'
    plant.fleet["fw1"].edit("set", RULES, rule, commit=where == "bottom")
    if where != "bottom":
        path = f"{RULES}/entry[@name='{name}']"
        plant.fleet["fw1"].edit("move", path, where=where, commit=True)


def of(document: Any, device: str) -> dict[tuple[str, str], Any]:
    (found,) = [one for one in document["devices"] if one["name"] == device]
    return {(row["kind"], row["subject"]): row for row in found["findings"]}


def test_what_segctl_provisions_has_nothing_worth_a_warning(applied: Plant) -> None:
    for mock in applied.fleet.mocks.values():
        mock.reject_writes = True
    document = linted(applied)
    assert (document["format_version"], document["source"]) == ("1.1", "live")
    assert [device["name"] for device in document["devices"]] == ["fw1", "fw2"]
    assert all(device["rules"] for device in document["devices"])
    assert document["summary"]["error"] == document["summary"]["warning"] == 0
    assert linted(applied, "--declared")["source"] == "declared"


def test_a_rule_of_ours_below_one_of_others_is_shadowed(applied: Plant) -> None:
    theirs(applied, "stop", "deny", destination="10.20.1.0/24")
    document = linted(applied, "-l", "fw1", code=1)
    assert document["error"] == {"code": "lint_found", "message": "lint found 1 thing"}
    found = of(document, "fw1")["shadowed", POLL]
    assert (found["others"], found["conduit"]) == (["stop"], "plant.polling")
    assert found["example"]["source"] == "10.20.2.5"
    assert found["example"]["service"] == "tcp/502"
    assert (found["from_zone"], found["to_zone"]) == ("SUPV", "CTRL")
    out = applied("lint", "fw1").out
    assert f"  warning: {POLL}: shadowed: never applies: stop before it matches all" in out
    assert "    example  10.20.2.5 → 10.20.1.11 tcp/502 modbus-" in out
    assert out.endswith("cannot tell\n")


def test_a_rule_that_permits_everything_is_an_error(applied: Plant) -> None:
    theirs(applied, "all", from_="any", to="any", where="bottom")
    found = of(linted(applied, code=1), "fw1")
    assert found["permits_everything", "all"]["severity"] == "error"


def test_an_interzone_default_that_allows_is_an_error(applied: Plant) -> None:
    applied.fleet["fw1"].edit(
        "set",
        f"{VSYS}/rulebase/default-security-rules/rules/entry[@name='interzone-default']",
        "<action>allow</action>",
        commit=True,
    )
    found = of(linted(applied, code=1), "fw1")
    assert found["permits_everything", "interzone-default"]["severity"] == "error"


def test_never_matching_on_a_device_that_tells_its_zones(applied: Plant) -> None:
    bare = '<entry name="BARE"><network><layer3/></network></entry>'
    applied.fleet["fw1"].edit("set", f"{VSYS}/zone", bare)
    theirs(applied, "nowhere", to="BARE", where="bottom")
    theirs(applied, "group", destination="239.1.1.1", where="bottom")
    found = of(linted(applied, code=1), "fw1")
    assert (
        "no interface is in the zone it is to: BARE" in found["never_matches", "nowhere"]["message"]
    )
    assert "leaves by the zone multicast" in found["never_matches", "group"]["message"]


def test_what_only_the_device_knows_is_listed_and_not_claimed(applied: Plant) -> None:
    theirs(applied, "country", "deny", destination="CN")
    document = linted(applied, "-l", "fw1")
    assert document["summary"]["cannot_tell"] == 2
    (device,) = document["devices"]
    rows = {(row["kind"], row["subject"]): row["why"] for row in device["cannot_tell"]}
    assert rows.keys() == {("unknown_words", "country"), ("shadowed", POLL)}
    assert "country: CN is known to the device only" in rows["shadowed", POLL]
    assert "of 2 rules not everything can be told: -v shows why" in applied("lint", "fw1").out
    assert "cannot tell: country: words that only the device" in applied("lint", "fw1", "-v").out


#: Where other things than security rules refer to objects: what is set at which place.
USES = {
    "source NAT": (
        f"{VSYS}/rulebase/nat/rules",
        (
            '<entry name="n"><to><member>CTRL</member></to><from><member>SUPV</member></from>'
            "<source><member>any</member></source><destination><member>any</member></destination>"
            "<service>any</service><source-translation><dynamic-ip-and-port><translated-address>"
            "<member>USED</member></translated-address></dynamic-ip-and-port></source-translation>"
            "</entry>"
        ),
    ),
    "forwarding": (
        f"{VSYS}/rulebase/pbf/rules",
        (
            '<entry name="p"><from><zone><member>SUPV</member></zone></from>'
            "<source><member>USED</member></source><destination><member>any</member></destination>"
            "<service><member>any</member></service><application><member>any</member></application>"
            "<source-user><member>any</member></source-user><action><no-pbf/></action></entry>"
        ),
    ),
    "decryption": (
        f"{VSYS}/rulebase/decryption/rules",
        (
            '<entry name="d"><from><member>SUPV</member></from><to><member>CTRL</member></to>'
            "<source><member>any</member></source><destination><member>GROUP</member></destination>"
            "<source-user><member>any</member></source-user><category><member>any</member></category>"
            "<service><member>any</member></service><action>no-decrypt</action></entry>"
        ),
    ),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("offline", [False, True])
def test_an_object_that_something_besides_rules_uses_is_not_unused(
    applied: Plant, use: str, *, offline: bool
) -> None:
    mock = applied.fleet["fw1"]
    for name in ("USED", "INSIDE", "IDLE"):
        entry = f'<entry name="{name}"><ip-netmask>10.20.1.7</ip-netmask></entry>'
        mock.edit("set", f"{VSYS}/address", entry)
    for name, member in (("GROUP", "INSIDE"), ("NOBODY", "IDLE")):
        entry = f'<entry name="{name}"><static><member>{member}</member></static></entry>'
        mock.edit("set", f"{VSYS}/address-group", entry)
    where, what = USES[use]
    mock.edit("set", where, what, commit=True)
    if offline:
        assert applied("snapshot", "fw1", "-o", "fw1.json").code == 0
    more = ("--offline", "fw1.json") if offline else ()
    kinds = of(linted(applied, "-l", "fw1", *more), "fw1")
    unused = {subject for kind, subject in kinds if kind == "unused_object"}
    used = {"GROUP", "INSIDE"} if use == "decryption" else {"USED"}
    assert unused == {"USED", "GROUP", "INSIDE", "NOBODY", "IDLE"} - used


def test_a_snapshot_is_linted_without_its_device(applied: Plant) -> None:
    theirs(applied, "stop", "deny", destination="10.20.1.0/24")
    assert applied("snapshot", "fw1", "-o", "fw1.json").code == 0
    for mock in applied.fleet.mocks.values():
        mock.stop()
    document = linted_offline(applied, "--offline", "fw1.json")
    assert document["source"] == "snapshot"
    assert [device["name"] for device in document["devices"]] == ["fw1"]
    assert ("shadowed", POLL) in of(document, "fw1")


def linted_offline(plant: Plant, *words: str) -> Any:
    done = plant("lint", *words, "--json")
    assert done.code == 1, done.out
    jsonschema.validate(done.json, plant("schema", "lint").json)
    return done.json


def test_a_rule_of_ours_in_a_snapshot_is_certain(applied: Plant) -> None:
    """Rules of ours hold nothing besides their fields, so that two of them can be compared."""
    applied.edit(
        "group_vars/plant.yml",
        "  replication:\n",
        "  again:\n    from: supervisory\n    to: control\n    reason: Twice\n    owner: me\n"
        "    flows:\n      modbus:\n        source: [scada1]\n        destination: [plc1]\n"
        "        protocols: {modbus: [read]}\n  replication:\n",
    )
    assert applied("apply", "--auto-approve").code == 0
    assert applied("snapshot", "-o", "kept").code == 0
    for words in ((), ("--declared",), ("--offline", "kept")):
        document = linted(applied, *words, code=1)
        kinds = {kind for kind, subject in of(document, "fw1") if "again" in subject}
        assert kinds == {"redundant"}


def test_sarif_tells_rules_of_ours_at_their_conduit(applied: Plant) -> None:
    theirs(applied, "stop", "deny", destination="10.20.1.0/24")
    assert applied("lint", "--sarif", "lint.sarif", "--markdown", "lint.md").code == 1
    found = json.loads((applied.folder / "lint.sarif").read_text(encoding="utf-8"))
    (run,) = found["runs"]
    (result,) = [one for one in run["results"] if one["ruleId"] == "shadowed"]
    (place,) = result["locations"]
    where = place["physicalLocation"]
    assert where["artifactLocation"]["uri"].endswith("group_vars/plant.yml")
    line: int = where["region"]["startLine"]
    lines = (applied.folder / "group_vars/plant.yml").read_text(encoding="utf-8").splitlines()
    assert lines[line - 1].strip().startswith("polling:")
    assert result["level"] == "warning"
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} >= {"shadowed"}
    assert "never applies" in (applied.folder / "lint.md").read_text(encoding="utf-8")


def test_a_zone_reached_by_way_of_a_third_one(applied: Plant) -> None:
    """Each firewall alone lets nothing pass that the other would not: together they do."""
    edge = "<from><member>DMZ</member></from><to><member>SUPV</member></to>"
    rest = "".join(
        f"<{tag}><member>any</member></{tag}>"
        for tag in ("source", "destination", "application", "service")
    )
    rule = f'<entry name="back">{edge}{rest}<action>allow</action></entry>'
    applied.fleet["fw2"].edit("set", RULES, rule)
    path = f"{RULES}/entry[@name='back']"
    applied.fleet["fw2"].edit("move", path, where="top", commit=True)
    rows = {row["subject"]: row for row in linted(applied, code=1)["between_zones"]}
    found = rows["plant/dmz → plant/control"]
    assert (found["severity"], found["others"]) == ("warning", ["fw2: back", f"fw1: {POLL}"])


def test_a_gateway(gateway: Plant) -> None:
    document = linted(gateway)
    (device,) = document["devices"]
    assert device["rules"]
    assert document["summary"]["error"] == document["summary"]["warning"] == 0
    assert linted(gateway, "--declared")["devices"][0]["findings"] == device["findings"]
    assert gateway("snapshot", "-o", "kept").code == 0
    assert linted(gateway, "--offline", "kept")["devices"][0]["findings"] == device["findings"]


def test_a_gateway_whose_inventory_says_the_same_twice(gateway: Plant) -> None:
    gateway.edit(
        "hosts.yml",
        "          poll-1:\n",
        "          again: {from: supervisory, to: cell-1, reason: twice, owner: me, "
        "threat_prevention: none, flows: {modbus: {source: scada1, destination: plc1, "
        "protocols: {modbus: read}}}}\n          poll-1:\n",
    )
    assert gateway("apply", "--auto-approve").code == 0
    (device,) = linted(gateway, code=1)["devices"]
    assert {row["kind"] for row in device["findings"] if row["severity"] == "warning"} == {
        "redundant"
    }


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_where_devices_are_worked_on_makes_no_difference(applied: Plant, executor: str) -> None:
    theirs(applied, "all", from_="any", to="any", where="bottom")
    document = linted(applied, "--executor", executor, code=1)
    assert ("permits_everything", "all") in of(document, "fw1")


def test_a_device_that_cannot_be_read_is_told_beside_the_others(applied: Plant) -> None:
    applied.fleet["fw2"].stop()
    done = applied("lint", "--json")
    assert done.code == 1
    jsonschema.validate(done.json, applied("schema", "lint").json)
    assert done.json["error"]["code"] == "unreachable"
    assert "error" not in done.json["devices"][0]
    assert "  ! unreachable:" in applied("lint").out.replace("fw2", "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--declared", "--offline", "x"), "give either --declared or --offline"),
        (("nobody",), "nobody"),
        (("--offline", "absent.json"), "absent.json"),
    ],
)
def test_bad_input(plant: Plant, words: tuple[str, ...], message: str) -> None:
    done = plant("lint", *words, "--json")
    assert done.code == 1
    jsonschema.validate(done.json, plant("schema", "error").json)
    assert message in done.json["error"]["message"]


def test_a_snapshot_of_a_device_that_is_not_selected(applied: Plant) -> None:
    assert applied("snapshot", "fw1", "-o", "fw1.json").code == 0
    done = applied("lint", "fw2", "--offline", "fw1.json", "--json")
    assert done.json["error"]["message"] == "fw1.json is of fw1, which is not selected"


# --- in plans and imports ------------------------------------------------------------------------

#: One more flow of the polling conduit, which has all that the first one has.
TWICE = "      writes: {source: [scada1], protocols: {modbus: [read, write]}}\n"


def last(plant: Plant) -> None:
    """Have our block belong below the rules of others on fw1."""
    file = plant.folder / "host_vars/fw1.yml"
    file.write_text(file.read_text(encoding="utf-8") + "segctl_position: last\n", encoding="utf-8")


def twice(plant: Plant) -> None:
    """Declare what fw1 is to permit once more."""
    file = plant.folder / "group_vars/plant.yml"
    text = file.read_text(encoding="utf-8")
    at = text.index("  replication:")
    file.write_text(text[:at] + TWICE + text[at:], encoding="utf-8")


def planned(plant: Plant, *words: str) -> dict[tuple[str, str], Any]:
    """What a plan finds on fw1; nothing of it keeps it from being applied."""
    with plant.untouched():
        done = plant("plan", "-l", "fw1", "--json", *words)
    assert done.code == 0, done.out
    jsonschema.validate(done.json, plant("schema", "plan").json)
    (device,) = done.json["devices"]
    return {(one["kind"], one["subject"]): one for one in device["findings"]}


def test_a_plan_tells_once_that_others_deny_what_is_ours(plant: Plant) -> None:
    last(plant)
    theirs(plant, "stop", "deny", destination="10.20.1.0/24", where="bottom")
    found = planned(plant)
    assert ("blocked", "stop") in found
    assert not [subject for kind, subject in found if kind == "shadowed"]


def test_a_plan_tells_that_a_rule_of_others_does_the_work_of_ours(plant: Plant) -> None:
    last(plant)
    theirs(plant, "theirs", destination="10.20.1.0/24", where="bottom")
    found = planned(plant)["redundant", POLL]
    assert found["severity"] in {"warning", "note"}
    assert found["message"].startswith(f"rule {POLL!r} never applies: theirs before it")
    assert found["hint"].startswith("for example 10.20.2.5 → 10.20.1.11 tcp/502 modbus-")
    assert "have the rule of others removed or moved below our block" in found["hint"]
    assert "never applies: theirs before it" in plant("plan", "-l", "fw1").out


def test_a_plan_tells_of_a_standing_rule_that_a_new_one_makes_redundant(applied: Plant) -> None:
    assert not [kind for kind, _ in planned(applied) if kind == "redundant"]
    twice(applied)
    files = {"sarif": "plan.sarif", "markdown": "plan.md", "html": "plan.html"}
    words = [f"--{name}={file}" for name, file in files.items()]
    found = planned(applied, *words)["redundant", POLL]
    assert found["severity"] == "warning"
    assert "without it plant.polling.writes decides the same" in found["message"]
    assert "remove what one of the conduits has twice" in found["hint"]
    for file in files.values():
        text = (applied.folder / file).read_text(encoding="utf-8")
        assert "without it plant.polling.writes decides the same" in text
    sarif = json.loads((applied.folder / "plan.sarif").read_text(encoding="utf-8"))
    assert "redundant" in {one["ruleId"] for one in sarif["runs"][0]["results"]}
    assert applied("apply", "--auto-approve").code == 0
    assert ("redundant", POLL) not in planned(applied)  # nothing changes between these zones


def test_an_import_tells_what_is_wrong_with_the_rules(applied: Plant) -> None:
    theirs(applied, "stop", "deny", destination="10.20.1.0/24")
    theirs(applied, "all", from_="any", to="any", where="bottom")
    theirs(applied, "web", service="service-https", where="bottom")
    done = applied("import", "fw1", "-o", "text")
    assert done.code == 0
    assert f"  warning: {POLL}: shadowed: never applies: stop before it matches all" in done.out
    assert "  error: all: permits everything from any zone to any zone" in done.out
    assert done.out.splitlines()[-1].startswith("2 zones, 1 conduits in force, 1 suggested; ")
    written = (applied.folder / "text/group_vars/plant/conduits.yml").read_text(encoding="utf-8")
    assert "# lint: never applies: all before it matches all that it matches" in written
    assert "# all: allow; " in written
    assert "; lint: permits everything from any zone to any zone" in written
    with applied.untouched():
        document = applied("import", "fw1", "-o", "json", "--json").json
    jsonschema.validate(document, applied("schema", "import").json)
    found = {(one["kind"], one["subject"]) for one in document["lint"]["findings"]}
    assert {("shadowed", POLL), ("permits_everything", "all"), ("redundant", "web")} <= found
    assert (
        document["lint"]["findings"]
        == linted(applied, "-l", "fw1", code=1)["devices"][0]["findings"]
    )


def test_an_import_without_anything_to_say_says_nothing_of_lint(applied: Plant) -> None:
    assert "linted" not in applied("import", "fw1").out
