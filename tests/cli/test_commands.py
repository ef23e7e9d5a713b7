"""What each command promises: exit status, one JSON document, and what it leaves alone."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from cli_support import POLL, RULES, Plant
from segctl.cli import run

if TYPE_CHECKING:
    from pathlib import Path

OTHERS = (
    '<entry name="allow-mgmt"><from><member>any</member></from><to><member>any</member></to>'
    "<source><member>any</member></source><destination><member>any</member></destination>"
    "<source-user><member>any</member></source-user><application><member>any</member>"
    "</application><service><member>any</member></service><action>allow</action></entry>"
)


def valid(plant: Plant, kind: str, document: object) -> None:
    jsonschema.validate(document, plant("schema", kind).json)


def test_plan_changes_nothing(plant: Plant) -> None:
    for mock in plant.fleet.mocks.values():
        mock.reject_writes = True
    with plant.untouched():
        assert plant("plan").code == 0
        assert plant("apply", "--check").code == 0
        assert plant("drift").code == 2


def test_plan_tells_changes_by_its_exit_status_when_asked(plant: Plant) -> None:
    assert plant("plan", "--detailed-exitcode").code == 2
    assert plant("apply", "--auto-approve").code == 0
    assert plant("plan", "--detailed-exitcode").code == 0


def test_plan_json_is_one_valid_document(plant: Plant) -> None:
    done = plant("plan", "--json")
    assert done.code == 0
    valid(plant, "plan", done.json)
    assert done.json["applyable"] is True
    assert [device["name"] for device in done.json["devices"]] == ["fw1", "fw2"]
    assert done.json["summary"]["create"] == sum(
        len(device["changes"]) for device in done.json["devices"]
    )


def test_plan_text_names_devices_conduits_and_values(plant: Plant) -> None:
    out = plant("plan").out
    assert re.search(
        r"^fw1  \(PAN-OS 11.1.6, content \S+, serial 007000000001, vsys1, 0 rules\)$",
        out,
        re.MULTILINE,
    )
    assert "  conduit plant.polling\n    + rule plant.polling.modbus\n" in out
    assert re.search(r"^        allow +SUPV → CTRL$", out, re.MULTILINE)
    assert re.search(r"^        reason +Copy of the historian; .*essential", out, re.MULTILINE)
    assert re.search(r"^    \+ service +segctl-tcp-8443 +tcp/8443$", out, re.MULTILINE)
    assert out.endswith(" on 2 devices.\n")


def test_plan_brief_counts_objects(plant: Plant) -> None:
    out = plant("plan", "--brief").out
    assert "  + rule plant.polling.modbus  allow SUPV → CTRL\n" in out
    assert re.search(r"^  \+ .*\d address", out, re.MULTILINE)
    assert "reason" not in out


def test_diff_shows_what_is_sent(plant: Plant) -> None:
    document = plant("plan", "--json").json
    out = plant("plan", "--diff").out
    first = document["devices"][0]["script"].splitlines()[1]
    parts = re.findall(r"<[^/>]+>", first)  # each element begins a line of its own
    assert len(parts) >= 2
    for shown in (out, plant("apply", "--auto-approve", "--diff").out):
        assert all(re.search(rf"^ *{re.escape(part)}", shown, re.MULTILINE) for part in parts)


def test_apply_converges_and_then_has_nothing_to_do(plant: Plant) -> None:
    done = plant("apply", "--auto-approve", "--json")
    assert done.code == 0
    assert done.json["summary"] == {"applied": 2, "unchanged": 0, "failed": 0}
    assert "error" not in done.json
    with plant.untouched():
        again = plant("apply", "--auto-approve", "--json")
    assert again.code == 0
    assert again.json["summary"] == {"applied": 0, "unchanged": 2, "failed": 0}
    assert "No changes." in plant("plan").out


def test_apply_without_a_terminal_refuses(plant: Plant) -> None:
    with plant.untouched():
        done = plant("apply")
        assert done.code == 1
        assert "--auto-approve" in done.err
        assert plant("apply", "--json").json["error"]["code"] == "usage"


def test_a_saved_plan_is_applied_once(plant: Plant) -> None:
    saved = plant("plan", "-o", "plan.json")
    assert saved.code == 0
    assert "this: segctl apply plan.json -i hosts.yml -i mocks.yml\n" in saved.err
    assert (plant.folder / "plan.json").stat().st_mode & 0o777 == 0o600
    plant.assert_no_secret((plant.folder / "plan.json").read_text(encoding="utf-8"))
    valid(plant, "plan", json.loads((plant.folder / "plan.json").read_text(encoding="utf-8")))
    assert plant("apply", "plan.json").code == 0
    with plant.untouched():
        again = plant("apply", "plan.json")
    assert again.code == 1
    assert "applied already" in again.err
    assert "run segctl plan again" in again.err


def test_the_command_that_applies_is_quoted_and_repeats_no_secret(plant: Plant) -> None:
    saved = plant("plan", "-o", "my plan.json", "-l", "fw1", "-e", "segctl_timeout=317", "-f", "3")
    command = "segctl apply 'my plan.json' -i hosts.yml -i mocks.yml -l fw1 -e … -f 3"
    assert f"To apply exactly this: {command}\n" in saved.err.replace("'…'", "…")
    assert "317" not in saved.err


def test_show_shows_fresh_stale_and_applied_plans(plant: Plant) -> None:
    plant("plan", "-o", "plan.json")
    planned = plant("plan").out.rsplit("\n\n", 1)[0]
    fresh = plant("show", "plan.json")
    assert fresh.code == 0
    assert planned in fresh.out
    assert "applied already" not in fresh.out
    assert plant("show", "plan.json", "--json").json == json.loads(
        (plant.folder / "plan.json").read_text(encoding="utf-8")
    )
    plant("apply", "plan.json")
    plant.by_hand()
    after = plant("show", "plan.json")
    assert after.code == 0
    assert planned in after.out
    assert "It has already been applied" in after.out


def test_show_says_that_a_plan_has_expired(plant: Plant) -> None:
    document = plant("plan", "--json").json
    from segctl.planning.documents import digest_of

    document["expires"] = "2020-01-01T00:00:00+00:00"
    document["digest"] = digest_of(document)
    (plant.folder / "old.json").write_text(json.dumps(document), encoding="utf-8")
    assert "has expired" in plant("show", "old.json").out
    with plant.untouched():
        done = plant("apply", "old.json", "--json")
    assert done.code == 1
    assert done.json["error"]["code"] == "stale"


def test_apply_check_of_a_file_changes_nothing(plant: Plant) -> None:
    plant("plan", "-o", "plan.json")
    with plant.untouched():
        done = plant("apply", "--check", "plan.json")
    assert done.code == 0
    assert "+ rule plant.polling.modbus" in done.out
    assert plant("apply", "plan.json").code == 0


def test_drift_tells_in_sync_from_drift(applied: Plant) -> None:
    done = applied("drift", "--json")
    assert done.code == 0
    assert done.json["in_sync"] is True
    valid(applied, "drift", done.json)
    applied.by_hand()
    with applied.untouched():
        found = applied("drift", "--json")
    assert found.code == 2
    valid(applied, "drift", found.json)
    fw1, fw2 = found.json["devices"]
    assert [change["name"] for change in fw1["changed"]] == [POLL]
    assert (fw1["status"], fw2["status"]) == ("drift", "in_sync")
    text = applied("drift")
    assert text.code == 2
    assert f"  changed: rule {POLL}\n        application  only on the device: any\n" in text.out
    assert "only in the inventory: modbus-base" in text.out
    assert "1 in sync, 1 drifted, 0 could not be checked" in text.out


def test_drift_names_what_is_missing_moved_unexpected_and_unmanaged(applied: Plant) -> None:
    fw1, fw2 = applied.fleet["fw1"], applied.fleet["fw2"]
    fw1.edit("delete", f"{RULES}/entry[@name='{POLL}']", commit=True)
    fw2.edit("set", RULES, OTHERS, commit=True)
    fw2.edit("move", f"{RULES}/entry[@name='allow-mgmt']", where="top", commit=True)
    done = applied("drift", "--json")
    assert done.code == 2
    one, two = done.json["devices"]
    assert [change["name"] for change in one["missing"]] == [POLL]
    assert [item["name"] for item in two["unmanaged"]] == ["allow-mgmt"]
    assert [hole["subject"] for hole in two["holes"]] == ["allow-mgmt"]
    assert "rules of others: allow-mgmt" in applied("drift").out


def test_drift_known_to_somebody_does_not_count_until_its_day(applied: Plant) -> None:
    applied.by_hand()
    baseline = applied.folder / "known.yml"
    entry = f"- {{device: fw1, kind: rule, name: {POLL}, owner: ops, expires: %s}}\n"
    baseline.write_text(entry % "2999-01-01", encoding="utf-8")
    done = applied("drift", "--baseline", "known.yml", "--json")
    assert done.code == 0
    valid(applied, "drift", done.json)
    (accepted,) = done.json["devices"][0]["accepted"]
    assert (accepted["kind"], accepted["name"], accepted["state"]) == ("rule", POLL, "changed")
    assert (accepted["owner"], accepted["expires"]) == ("ops", "2999-01-01")
    text = applied("drift", "--baseline", "known.yml").out
    assert f"accepted: changed rule {POLL}, by ops until 2999-01-01" in text
    baseline.write_text(entry % "2020-01-01", encoding="utf-8")
    late = applied("drift", "--baseline", "known.yml", "--json")
    assert late.code == 2
    (finding,) = [f for f in late.json["devices"][0]["findings"] if f["kind"] == "baseline"]
    assert finding["message"] == f"rule {POLL}: ops accepted it until 2020-01-01"
    assert (finding["file"], finding["line"], finding["column"]) == ("known.yml", 1, 3)
    assert "ops accepted it until 2020-01-01" in applied("drift", "--baseline", "known.yml").out


def test_an_entry_that_no_drift_meets_is_noted(applied: Plant) -> None:
    (applied.folder / "known.yml").write_text(
        f"- {{device: fw1, kind: rule, name: {POLL}, owner: ops, expires: 2999-01-01}}\n"
        "- {device: fw9, kind: rule, name: x, owner: ops, expires: 2999-01-01}\n",
        encoding="utf-8",
    )
    done = applied("drift", "--baseline", "known.yml", "--json")
    assert done.code == 0
    (finding,) = [f for f in done.json["devices"][0]["findings"] if f["kind"] == "baseline"]
    assert "accepted by ops, but it has not drifted" in finding["message"]
    assert "known.yml:2:3" in done.err
    assert "no firewall fw9" in done.err


def test_todays_drift_is_written_as_a_baseline(applied: Plant) -> None:
    applied.by_hand()
    applied.fleet["fw2"].edit("set", RULES, OTHERS, commit=True)
    applied.fleet["fw2"].edit(
        "move", f"{RULES}/entry[@name='allow-mgmt']", where="top", commit=True
    )
    words = ("--write-baseline", "known.yml", "--owner", "it-ops", "--expires", "2999-01-31")
    done = applied("drift", *words)
    assert done.code == 2
    assert "segctl drift --baseline known.yml" in done.err
    again = applied("drift", "--baseline", "known.yml", "--json")
    assert again.code == 0
    names = [item["name"] for device in again.json["devices"] for item in device["accepted"]]
    assert names == [POLL, "allow-mgmt"]
    # it accepts what was seen, not whatever comes
    applied.fleet["fw1"].edit(
        "edit",
        f"{RULES}/entry[@name='{POLL}']/source",
        "<source><member>any</member></source>",
        commit=True,
    )
    more = applied("drift", "--baseline", "known.yml", "--json")
    assert more.code == 2
    (finding,) = [f for f in more.json["devices"][0]["findings"] if f["kind"] == "baseline"]
    assert "differs from what it-ops accepted" in finding["message"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--write-baseline", "b.yml"), "needs --owner and --expires"),
        (("--owner", "x"), "go with --write-baseline"),
        (
            ("--write-baseline", "b.yml", "--owner", "x", "--expires", "soon"),
            "--expires must be a date like 2027-01-31",
        ),
        (("--write-baseline", "b.yml", "--owner", "x", "--expires", "2020-01-01"), "in the past"),
        (("--notify", "never"), "choose on-change, on-drift, always"),
        (("--history", "h.db", "--no-history"), "exclude each other"),
        (("--metrics", "absent/m.prom"), "no folder absent"),
        (("--plan", "plan.json"), "goes with --metrics or --pushgateway"),
        (("--webhook", "https://x/y", "--no-history"), "compares with the history"),
        (("--webhook", "https://x/y", "--webhook-template", "absent.json"), "slack, teams"),
        (("--metrics", "m.prom", "history"), "segctl drift history does not take --metrics"),
        (("history", "--since", "soon"), "--since must be a date like 2026-11-01"),
        (("history", "--open", "--all"), "give --open or --all, not both"),
    ],
)
def test_what_a_drift_check_cannot_do_is_said_before_any_device_is_asked(
    plant: Plant, words: tuple[str, ...], message: str
) -> None:
    done = plant("drift", *words)
    assert done.code == 1
    assert message in done.err
    assert not any(mock.requests for mock in plant.fleet.mocks.values())


def test_a_device_that_does_not_answer_hides_no_other(applied: Plant) -> None:
    applied.by_hand("fw2", "plant.replication.tls")
    applied.fleet["fw1"].stop()
    done = applied("drift", "--json")
    assert done.code == 1
    fw1, fw2 = done.json["devices"]
    assert fw1["status"] == "error"
    assert fw1["error"]["code"] == done.json["error"]["code"] == "unreachable"
    assert [change["name"] for change in fw2["changed"]] == ["plant.replication.tls"]
    valid(applied, "drift", done.json)
    text = applied("drift")
    assert text.code == 1
    assert re.search(
        r"^fw1  could not be checked\n  ! unreachable: .*refuses connections",
        text.out,
        re.MULTILINE,
    )
    assert "fw2  drift" in text.out


def test_a_plan_with_a_device_missing_is_neither_saved_nor_applied(plant: Plant) -> None:
    plant.fleet["fw1"].stop()
    done = plant("plan", "-o", "plan.json", "--json")
    assert done.code == 1
    valid(plant, "plan", done.json)
    assert done.json["error"]["code"] == "unreachable"
    assert [failure["device"] for failure in done.json["errors"]] == ["fw1"]
    assert [device["name"] for device in done.json["devices"]] == ["fw2"]
    assert not (plant.folder / "plan.json").exists()
    with plant.untouched():
        refused = plant("apply", "--auto-approve", "--json")
        assert refused.code == 1
        assert refused.json["error"]["code"] == "unreachable"
        text = plant("apply", "--auto-approve")
    assert "nothing was applied: fw1 could not be planned" in text.err
    assert plant("apply", "--auto-approve", "-l", "fw2").code == 0


def test_the_limit_leaves_devices_out(plant: Plant) -> None:
    with_limit = plant("plan", "-l", "fw2", "--json")
    assert [device["name"] for device in with_limit.json["devices"]] == ["fw2"]
    assert plant("apply", "--auto-approve", "-l", "all:!fw1").code == 0
    assert plant.fleet["fw1"].writes == 0
    assert plant("drift", "-l", "fw2").code == 0
    assert plant("drift").code == 2
    none = plant("plan", "-l", "fw9")
    assert none.code == 1


def test_a_saved_plan_is_not_cut_by_a_limit(plant: Plant) -> None:
    plant("plan", "-o", "plan.json")
    with plant.untouched():
        done = plant("apply", "plan.json", "-l", "fw1")
    assert done.code == 1
    assert "fw2" in done.err
    plant("plan", "-o", "one.json", "-l", "fw1")
    assert plant("apply", "one.json", "-l", "fw1").code == 0


def test_validate_needs_no_device(plant: Plant) -> None:
    for mock in plant.fleet.mocks.values():
        mock.stop()
    done = plant("validate")
    assert done.code == 0
    assert done.out.endswith("3 zones, 2 conduits, 2 firewalls, 2 rules\n")
    found = plant("validate", "--json").json
    assert found["ok"] is True
    assert (found["zones"], found["firewalls"]) == (3, 2)


def test_validate_refuses_what_the_platform_cannot_express(plant: Plant) -> None:
    plant.edit(
        "group_vars/plant.yml",
        "from: supervisory\n    to: dmz",
        "from: supervisory\n    to: nowhere",
    )
    done = plant("validate", "--json")
    assert done.code == 1
    assert done.json["error"]["code"] == "inventory"


@pytest.mark.parametrize("kind", ["inventory", "plan", "drift", "history"])
def test_schemas_are_schemas(plant: Plant, kind: str) -> None:
    done = plant("schema", kind)
    assert done.code == 0
    jsonschema.Draft202012Validator.check_schema(done.json)


def test_the_inventory_schema_takes_the_plant(plant: Plant) -> None:
    import yaml

    document: Any = yaml.safe_load((plant.folder / "group_vars/plant.yml").read_text("utf-8"))
    schema = plant("schema", "inventory").json
    jsonschema.validate(document, schema)
    document["segctl_zones"]["control"]["kind"] = "nonsense"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema)


def test_the_catalogue_is_shown_whole_or_by_protocol(plant: Plant) -> None:
    whole = plant("protocols")
    assert whole.code == 0
    assert "modbus" in whole.out
    one = plant("protocols", "modbus")
    assert one.code == 0
    assert re.search(r"^modbus-read-holding-registers +read ", one.out, re.MULTILINE)
    rows = plant("protocols", "modbus", "--json").json["protocols"]
    assert {"application": "modbus-write-single-coil", "class": "write"}.items() <= next(
        row for row in rows if row["application"] == "modbus-write-single-coil"
    ).items()
    typo = plant("protocols", "modbsu")
    assert typo.code == 1
    assert "did you mean modbus?" in typo.err


def test_purge_needs_to_be_allowed(applied: Plant) -> None:
    applied.fleet["fw1"].edit("set", RULES, OTHERS, commit=True)
    applied.edit("host_vars/fw1.yml", "segctl_zone_map", "segctl_unmanaged: purge\nsegctl_zone_map")
    shown = applied("plan")
    assert "deletes 1 rule of others" in shown.out
    with applied.untouched():
        refused = applied("apply", "--auto-approve", "--json")
    assert refused.code == 1
    assert "--allow-purge" in refused.json["outcomes"][0]["message"]
    assert applied("apply", "--auto-approve", "--allow-purge").code == 0
    assert b"allow-mgmt" not in applied.fleet["fw1"].running()


def test_a_rule_moved_by_hand_is_moved_back_as_a_move(applied: Plant) -> None:
    applied.edit(
        "group_vars/plant.yml",
        "        protocols: {modbus: [read]}\n",
        "        protocols: {modbus: [read]}\n      time: {source: [scada1], destination: [plc1], "
        "applications: [ntp-base]}\n",
    )
    assert applied("apply", "--auto-approve").code == 0
    applied.fleet["fw1"].edit("move", f"{RULES}/entry[@name='{POLL}']", where="bottom", commit=True)
    document = applied("plan", "--json").json
    assert document["summary"] == {"create": 0, "update": 0, "move": 1, "delete": 0, "rename": 0}
    assert re.search(
        r"^    > rule plant\.polling\.\w+\n        place +moves ", applied("plan").out, re.MULTILINE
    )
    assert re.search(
        r"^  moved: rule .*\n        place +belongs ", applied("drift").out, re.MULTILINE
    )


def test_a_rule_of_others_below_our_block_is_told_once(applied: Plant) -> None:
    applied.edit(
        "group_vars/plant.yml",
        "        protocols: {modbus: [read]}\n",
        "        protocols: {modbus: [read]}\n      time: {source: [scada1], destination: [plc1], "
        "applications: [ntp-base]}\n",
    )
    assert applied("apply", "--auto-approve").code == 0
    fw1 = applied.fleet["fw1"]
    fw1.edit("set", RULES, OTHERS, admin="jane", commit=True)
    assert applied("plan", "--json").json["summary"]["move"] == 2
    done = applied("drift", "--json")
    assert done.code == 2
    valid(applied, "drift", done.json)
    (item,) = [one for one in done.json["devices"][0]["items"] if one["state"] == "moved"]
    assert (item["kind"], item["name"]) == ("block", "allow-mgmt")
    assert item["changed_by"]["admin"] == "jane"
    text = applied("drift").out
    told = "rule allow-mgmt of others stands below our block, which belongs last"
    assert text.count(told) == 1
    assert "moved: rule plant" not in text
    # what stands in another place within the block is told beside it
    fw1.edit("move", f"{RULES}/entry[@name='{POLL}']", where="bottom", commit=True)
    fw1.edit("move", f"{RULES}/entry[@name='allow-mgmt']", where="bottom", commit=True)
    found = applied("drift", "--json").json["devices"][0]
    assert {one["name"] for one in found["items"]} > {"allow-mgmt"}
    assert len(found["moved"]) == 1
    assert applied("apply", "--auto-approve").code == 0
    assert "belongs last" not in applied("drift").out


def test_verbose_tells_every_step(plant: Plant) -> None:
    done = plant("plan", "-v")
    assert "fw1: reading" in done.err
    assert "fw2: comparing" in done.err
    quiet = plant("plan")
    assert not quiet.err


def test_plan_goes_through_a_pipe_as_a_file(plant: Plant) -> None:
    done = plant.process("plan", "-o", "/dev/stderr", "--brief")
    assert done.code == 0
    assert json.loads(done.err)["format_version"] == "1.0"


def test_demo_ends_well(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo"]) == 0
    out = capsys.readouterr().out
    assert out.endswith("# Done.\n")
    assert len(out.splitlines()) < 130
    assert folder.exists()
