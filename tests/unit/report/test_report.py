"""What people read: plans, drift and outcomes as lines of text."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from segctl.drift.acceptance import Accepted
from segctl.drift.report import drift_of
from segctl.fleet import Failure
from segctl.model.errors import Problem
from segctl.planning.make import make_plan
from segctl.planning.outcome import Outcome
from segctl.planning.plan import DevicePlan, Intent, Unmanaged
from segctl.protocols import catalogue
from segctl.providers.base import application_names, provider
from segctl.report import (
    Line,
    drift_json,
    drift_text,
    laid_out,
    list_changes,
    markdown,
    outcomes_json,
    outcomes_text,
    plan_report,
    plan_text,
    printable,
    validation_text,
    webpage,
)
from segctl.report.script_text import script_lines
from support import changes

if TYPE_CHECKING:
    from segctl.model.diff import Change

INTENT = Intent(digest="sha256:0")


def change(
    op: str, kind: str = "rule", name: str = "a.poll", *, conduit: str = "a", **sides: Any
) -> Change:
    return changes.change(op, kind, name, conduit=conduit if kind == "rule" else "", **sides)


def device(*made: Change, **values: Any) -> DevicePlan:
    return DevicePlan(name="fw1", platform="panos", os_version="11.1.6", changes=made, **values)


def text(*devices: DevicePlan, width: int = 80, **values: Any) -> str:
    plan = make_plan(devices, INTENT)
    return "\n".join(line.plain for line in laid_out(plan_text(plan, **values), width))


RULE = {
    "from_zones": ["SUPV"],
    "to_zones": ["CTRL"],
    "action": "allow",
    "sources": ["scada1"],
    "destinations": ["plc1", "plc2"],
    "applications": ["modbus-base", "modbus-read-holding-registers", "modbus-read-coils"],
    "services": ["application-default"],
    "profile_group": "ot-alert",
    "log_setting": "to-siem",
    "log": True,
    "description": "[segctl conduit=a flow=poll essential=1f2e3d4c] SCADA polls; owner ops",
}


def test_a_plan_reads_like_this() -> None:
    created = change("create", after=RULE, anchor={"where": "after", "rule": "allow-mgmt"})
    found = text(
        device(
            change("create", "address", "plc1", after={"value": "10.20.1.11"}),
            created,
            rule_count=7,
            findings=(Problem(message="zone CTRL is missing", hint="make it", severity="error"),),
        )
    )
    assert (
        found
        == """\
fw1  (PAN-OS 11.1.6, 7 rules)
  ! error: zone CTRL is missing — make it
  conduit a
    + rule a.poll
        allow        SUPV → CTRL
        source       scada1
        destination  plc1, plc2
        user         any
        application  modbus-base, modbus-read-holding-registers,
                     modbus-read-coils
        service      application-default
        with         threat profile ot-alert, log to to-siem
        reason       SCADA polls; owner ops (essential: no change may cut it)
        place        after allow-mgmt
  zones, objects and default rules
    + address  plc1  10.20.1.11
  an older segctl made this plan and did not compute what it permits: plan again

Plan: 2 to create on 1 device.
It cannot be applied before the errors of fw1 are resolved."""
    )


@pytest.mark.parametrize(
    ("fields", "before", "after", "shown"),
    [
        (["action"], {"action": "deny"}, {"action": "allow"}, "action       deny → allow"),
        (["log"], {"log": False}, {"log": True}, "log          no → yes"),
        (["disabled"], {"disabled": True}, {}, "disabled     yes → no"),
        (["schedule"], {}, {"schedule": "day"}, "schedule     nothing → day"),
        (["users"], {"users": ["any"]}, {"users": ["x"]}, "user         any → x"),
        (
            ["applications"],
            {"applications": ["a", "b", "c", "d"]},
            {"applications": ["b", "c", "d", "e", "f"]},
            "application  - a\n                     + e, f",
        ),
        (["applications"], {"applications": list("abcd")}, {"applications": list("bcd")}, "- a"),
        (
            ["description"],
            {"description": "[segctl conduit=a flow=x] same"},
            {"description": "[segctl conduit=a flow=y] same"},
            "reason       [segctl conduit=a flow=x] same → [segctl conduit=a flow=y]\n",
        ),
    ],
)
def test_an_update_shows_old_and_new(
    fields: list[str], before: dict[str, Any], after: dict[str, Any], shown: str
) -> None:
    made = change("update", before=before, after=after)
    found = text(device(made))
    assert list(made.fields) == fields
    assert "    ~ rule a.poll\n" in found
    assert shown in found


def test_a_move_a_rename_and_a_deletion() -> None:
    found = text(
        device(
            change("move", after=RULE, before=RULE, anchor={"where": "top", "rule": ""}),
            change("rename", name="a.new", before=RULE | {"name": "a.old"}, after=RULE),
            change("delete", name="a.gone", before=RULE),
        )
    )
    assert "    > rule a.poll\n        place        moves to the top\n" in found
    assert "    = rule a.old → a.new\n" in found
    assert "    - rule a.gone\n                     allow SUPV → CTRL\n" in found
    assert "Plan: 1 to move, 1 to delete, 1 to rename on 1 device." in found


@pytest.mark.parametrize("given", [("any",), ()])
def test_the_widest_rule_says_any_field_by_field(given: tuple[str, ...]) -> None:
    fields = ("sources", "destinations", "users", "applications", "services")
    wide = RULE | {field: list(given) for field in fields}
    made = device(change("create", after=wide))
    labels = ("source", "destination", "user", "application", "service")
    rows = "".join(f"        {label:<13}any\n" for label in labels)
    assert f"        allow        SUPV → CTRL\n{rows}" in text(made)
    report = plan_report(make_plan([made], INTENT), environment="x")
    lines = "\n".join(f"+   {label:<13}any" for label in labels)
    assert lines in markdown(report)
    assert lines.replace("\n", '</span><span class="add">') in webpage(report)


def test_counts_say_what_they_count() -> None:
    changed = device(change("delete", "tag", "t"))
    still = [replace(device(), name=f"fw{number}") for number in range(2, 22)]
    assert text(changed, *still).endswith("\nPlan: 1 to delete on 1 of 21 devices.")
    plan = make_plan([changed, *still], INTENT)
    assert plan_report(plan, environment="x").headline.endswith("(1 of 21 devices)")
    assert text(changed).endswith("\nPlan: 1 to delete on 1 device.")
    lines = validation_text([], [], {"zones": 2, "conduits": 1, "firewalls": 1, "rules": 0})
    assert [line.plain for line in laid_out(lines, 80)] == [
        "2 zones, 1 conduit, 1 firewall, 0 rules"
    ]


@pytest.mark.parametrize(
    ("kind", "after", "shown"),
    [
        ("service", {"protocol": "tcp", "ports": "8443"}, "tcp/8443"),
        ("default-rule", {"action": "deny", "log": True}, "deny, logged"),
        ("default-rule", {"action": "deny", "log": False}, "deny, not logged"),
        ("tag", {"comments": "ours"}, "ours"),
        ("zone", {"interfaces": ["ethernet1/1"]}, "ethernet1/1"),
        ("address-group", {"members": ["a", "b"]}, "a, b"),
        (
            "schedule",
            {"windows": [["friday", ["07:00-15:00"]], ["monday", ["07:00-17:00"]]]},
            "monday 07:00-17:00; friday 07:00-15:00",
        ),
        (
            "schedule",
            {"windows": [["tuesday", ["07:00-17:00"]], ["monday", ["07:00-17:00"]]]},
            "monday, tuesday 07:00-17:00",
        ),
    ],
)
def test_an_object_is_one_line(kind: str, after: dict[str, Any], shown: str) -> None:
    name = "interzone-default" if kind == "default-rule" else "x"
    found = text(device(change("create", kind, name, after=after)))
    assert f"    + {kind}  {name}  {shown}\n" in found


def test_an_object_that_changes_shows_both_values() -> None:
    changed = change("update", "address", "plc1", before={"value": "1"}, after={"value": "2"})
    assert "    ~ address  plc1\n        value        1 → 2\n" in text(device(changed))


def test_in_brief_rules_are_lines_and_objects_are_counted() -> None:
    addresses = [change("create", "address", f"a{n}", after={"value": "1"}) for n in range(3)]
    found = text(
        device(change("create", after=RULE), *addresses, change("delete", "tag", "t")), brief=True
    )
    assert "  + rule a.poll  allow SUPV → CTRL\n  + 3 addresses\n  - 1 tag\n" in found


def test_in_brief_rules_of_a_conduit_between_the_same_zones_are_one_line() -> None:
    found = text(
        device(
            change("create", name="a.poll", after=RULE),
            change("create", name="a.read", after=RULE),
            change("create", name="a.back", after=RULE | {"to_zones": ["DMZ"]}),
            change("create", name="theirs", after=RULE),
            change("delete", name="a.old", before=RULE),
        ),
        brief=True,
    )
    assert (
        "  + rules a: poll, read  allow SUPV → CTRL\n  + rule a.back  allow SUPV → DMZ\n"
        "  + rule theirs  allow SUPV → CTRL\n  - rule a.old  allow SUPV → CTRL\n"
    ) in found


def test_devices_in_sync_stand_below_each_other_and_changes_apart() -> None:
    quiet, busy = device(), device(change("create", "address", "x", after={"value": "1"}))
    found = text(quiet, replace(quiet, name="fw2"), replace(busy, name="fw3"))
    assert "0 rules)\nfw2  in sync" in found
    assert "0 rules)\n\nfw3  (" in found
    assert "\n\nPlan: 1 to create" in found
    assert "\n\nfw3" not in text(quiet, replace(busy, name="fw3"), brief=True)


def test_a_purge_is_said_first() -> None:
    found = text(device(change("delete", name="theirs", conduit="", before=RULE), purge=2))
    assert found.index("deletes 2 rules of others") < found.index("theirs")


def test_a_script_of_xml_is_indented() -> None:
    members = "".join(f"<member>plc{number}</member>" for number in range(9))
    script = (
        f"<push><set xpath=\"/a/entry[@name='x > y']\"><entry name='r'><to><member>OT</member></to>"
        f"<source>{members}</source><description>a &lt; b</description></entry></set></push>"
    )
    found = text(device(change("create", after=RULE), script=script), diff=True)
    shown = found.partition("  script\n")[2].partition("\n\n")[0]
    rows = "\n".join(f"            <member>plc{number}</member>" for number in range(9))
    assert shown == (
        "    <push>\n"
        "      <set xpath=\"/a/entry[@name='x &gt; y']\">\n"
        '        <entry name="r">\n'
        "          <to><member>OT</member></to>\n"
        f"          <source>\n{rows}\n          </source>\n"
        "          <description>a &lt; b</description>\n"
        "        </entry>\n"
        "      </set>\n"
        "    </push>"
    )


def test_a_long_set_of_nftables_is_broken_between_its_elements() -> None:
    elements = [f"{number} . {number} . 7" for number in range(40)]
    script = (
        f"add element inet segctl x4 {{ {', '.join(elements)} }}\n"
        "add rule inet segctl may ct state new accept"
    )
    lines = list(script_lines(script))
    assert lines[0] == "add element inet segctl x4 {"
    assert lines[-2:] == ["}", "add rule inet segctl may ct state new accept"]
    assert all(len(line) <= 96 for line in lines)
    assert len(lines) > 4
    assert ", ".join(line.strip().rstrip(",") for line in lines[1:-2]).split(", ") == elements


@pytest.mark.parametrize(
    "script", ["<a><b></a>", "add set x\n  spaced  \n", "<a>mixed <b/> text</a>"]
)
def test_what_cannot_be_laid_out_is_shown_as_it_is(script: str) -> None:
    assert list(script_lines(script)) == script.splitlines()


def test_a_long_group_of_applications_is_told_by_what_it_stands_for() -> None:
    protocol = catalogue().get("iec-60870-5-104")
    names = application_names(provider("panos"))(protocol, ("read", "control")).names
    made = device(change("create", "application-group", "g", after={"members": list(names)}))
    told = f"application-group  g  iec-60870-5-104: read, control, {len(names)} applications"
    assert f"    + {told}\n" in text(made, width=200)
    report = plan_report(make_plan([made], INTENT), environment="x")
    folded = f"+ {told.replace('group  g', 'group g')}"
    assert folded in markdown(report)
    assert folded in webpage(report)
    one_less = change("create", "application-group", "g", after={"members": list(names[:-1])})
    assert f"and {len(names) - 4} more: {len(names) - 1} applications" in text(
        device(one_less), width=200
    )


def test_the_same_note_is_told_once_with_its_devices() -> None:
    note = Problem(message="weak cipher", severity="note")
    error = Problem(message="no zone", severity="error")
    first = device(findings=(note, error))
    second, third = replace(first, name="fw2"), replace(first, name="fw3", findings=(error,))
    shown = text(first, second, third)
    assert shown.count("weak cipher") == 1
    assert "  ! note: weak cipher (2 devices: fw1, fw2)\n" in shown
    assert shown.count("no zone") == 3
    assert "  ! note: weak cipher\n" in text(first)
    for form in (markdown, webpage):
        page = form(plan_report(make_plan([first, second, third], INTENT), environment="x"))
        assert page.count("weak cipher") == 1
        assert "fw1, fw2" in page


def test_a_device_in_sync_and_one_that_failed() -> None:
    found = text(device(), failures=[Failure(device="fw2", code="locked", message="by jane")])
    assert found.startswith("fw1  in sync  (PAN-OS 11.1.6, 0 rules)\n")
    assert "fw2\n  ! locked: by jane\n" in found
    assert found.endswith("No changes. 2 devices; 1 could not be planned.")
    only = text(failures=[Failure(device="fw2", code="locked", message="by jane")])
    assert only.endswith("No plan: 1 device could not be planned.")


def test_how_far_functions_are_enforced_is_told_where_something_changes() -> None:
    note = Problem(message="packet by packet", severity="note", kind="functions")
    settled = device(findings=(note,))
    assert "packet by packet" in text(device(change("delete"), findings=(note,)))
    assert "packet by packet" not in text(settled)
    assert "packet by packet" not in drifted(settled)
    assert "packet by packet" in str(drift_json(drift_of([settled])))
    not_at_all = replace(note, severity="warning")
    assert "packet by packet" in text(device(findings=(not_at_all,)))
    assert "packet by packet" in drifted(device(findings=(not_at_all,)))


def test_doubts_about_the_catalogue_are_left_to_validate() -> None:
    doubt = Problem(message="not sure", severity="warning", kind="doubt")
    assert "not sure" not in text(device(findings=(doubt,)))
    lines = validation_text(
        [doubt, replace(doubt, severity="note", message="hm")], [], {"zones": 2}
    )
    shown = "\n".join(line.plain for line in laid_out(lines, 80))
    assert shown == (
        "warning: not sure\n1 note on how protocols are recognised: -v shows them\n2 zones"
    )


def test_validation_shows_refusals_first_and_notes_when_asked() -> None:
    note = Problem(message="hm", severity="note")
    lines = validation_text(
        [note], [Problem(message="fw1: no", kind="unsupported")], {"zones": 2}, notes=True
    )
    shown = [line.plain for line in laid_out(lines, 80)]
    assert shown == ["error: fw1: no", "note: hm", "2 zones"]


# --- lines ---------------------------------------------------------------------------------------


def test_long_text_goes_on_where_it_began() -> None:
    shown = list(laid_out([Line(lead="  key  ", text="word " * 12)], 40))
    assert len(shown) > 1
    assert all(len(line.plain) <= 40 for line in shown)
    assert all(line.plain.startswith("       word") for line in shown[1:])


def test_long_words_stay_whole() -> None:
    word = "x" * 60
    assert [line.plain for line in laid_out([Line(lead="  ", text=f"a {word}")], 30)] == [
        "  a",
        f"  {word}",
    ]


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain → text", "plain → text"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\u202eabc\x9b", "\\u202eabc\\x9b"),
        ("two\nlines", "two\\nlines"),
    ],
)
def test_nothing_steers_the_terminal(raw: str, shown: str) -> None:
    assert printable(raw) == shown
    assert [line.plain for line in laid_out([Line(text=raw)], 80)] == [shown]


def test_list_changes_ignores_order() -> None:
    assert list_changes(["a", "b"], ["b", "a"]) == ([], [])
    assert list_changes(["a", "b"], ["b", "c", "d"]) == (["a"], ["c", "d"])
    assert list_changes([], ["a"]) == ([], ["a"])


# --- drift and outcomes --------------------------------------------------------------------------


def drifted(*plans: DevicePlan | Failure) -> str:
    return "\n".join(line.plain for line in laid_out(drift_text(drift_of(plans)), 80))


def test_drift_says_what_stands_where() -> None:
    found = drifted(
        device(
            change(
                "update",
                before={"applications": ["any"], "action": "deny", "schedule": "x"},
                after={"applications": ["ssl"], "action": "allow"},
            ),
            change("create", name="a.missing", after=RULE),
            change("delete", name="a.more", before=RULE),
            change("rename", name="a.new", before={"name": "a.old"}),
            change("move", name="a.moved", anchor={"where": "after", "rule": "x"}),
        )
    )
    assert (
        found
        == """\
fw1  drift
  missing: rule a.missing
  changed: rule a.poll
        application  only on the device: any
                     only in the inventory: ssl
        action       on the device: deny
                     in the inventory: allow
        schedule     on the device: x
                     in the inventory: nothing
  changed: rule a.new
        name         on the device: a.old
  moved: rule a.moved
        place        belongs after x
  unexpected: rule a.more
                     allow SUPV → CTRL

0 in sync, 1 drifted, 0 could not be checked"""
    )


def test_a_hole_is_drift() -> None:
    hole = Problem(
        message="opens all", kind="hole", subject="r", severity="warning", hint="close it"
    )
    assert drift_of([device(findings=(hole,))]).in_sync is False
    assert "  ! open: opens all — close it" in drifted(device(findings=(hole,)))
    day = date(2026, 11, 22)
    known = Accepted(device="fw1", kind="rule", name="r", owner="ops", expires=day)
    plans = [device(findings=(hole,))]
    assert drift_of(plans, [known], today=day).in_sync is True
    assert drift_of(plans, [known]).in_sync is False  # without a day all have expired


def test_a_device_that_cannot_be_read_is_never_in_sync() -> None:
    document = drift_json(drift_of([device(), Failure(device="fw2", code="auth", message="no")]))
    assert document["in_sync"] is False
    assert document["error"] == {"code": "auth", "message": "no"}
    assert document["summary"] == {"in_sync": 1, "drift": 0, "error": 1}


def test_many_rules_of_others_are_counted() -> None:
    others = tuple(Unmanaged(name=f"r{n}", action="allow", above=False) for n in range(14))
    assert "rules of others: r0, r1" in (found := drifted(device(unmanaged=others)))
    assert "r9 and 4 more" in found


def test_outcomes() -> None:
    outcomes = [
        Outcome(device="fw1", status="applied", changes=1),
        Outcome(device="fw2", status="unchanged"),
        Outcome(device="fw3", status="failed", code="locked", message="held by jane"),
    ]
    shown = [line.plain for line in laid_out(outcomes_text(outcomes), 80)]
    assert shown == [
        "fw1  applied 1 change, read back, as planned",
        "fw2  nothing to do: it holds what was planned",
        "fw3  locked: held by jane",
        "",
        "1 of 3 devices failed: fw3.",
    ]
    document = outcomes_json(outcomes, "id")
    assert document["summary"] == {"applied": 1, "unchanged": 1, "failed": 1}
    assert document["error"] == {"code": "locked", "message": "held by jane"}
    assert "error" not in outcomes_json(outcomes[:2], "id")
