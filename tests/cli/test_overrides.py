"""Application overrides: what App-ID would say counts for nothing there, so nothing is certain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cli_support import RULES, VSYS
from support.panorama import GROUP

if TYPE_CHECKING:
    from cli_support import Plant
    from support.panorama import Plant as Behind

OVERRIDES = f"{VSYS}/rulebase/application-override/rules"
NAME = "application override short cut"
WRITE = ("--application", "modbus.write", "--expect", "deny")
READ = ("--application", "modbus.read", "--expect", "allow")


def listed(tag: str, *members: str) -> str:
    return f"<{tag}>{''.join(f'<member>{one}</member>' for one in members)}</{tag}>"


def override(application: str = "modbus-read-coils", *, port: str = "502", more: str = "") -> str:
    zones = listed("from", "SUPV") + listed("to", "CTRL")
    ends = listed("source", "any") + listed("destination", "any")
    spoken = f"<protocol>tcp</protocol><port>{port}</port><application>{application}</application>"
    return f'<entry name="short cut">{zones}{ends}{spoken}{more}</entry>'


def put(plant: Plant, entry: str) -> None:
    plant.fleet["fw1"].edit("set", OVERRIDES, entry, commit=True)


def check(plant: Plant, *words: str) -> tuple[int, Any]:
    done = plant("check", "--from", "scada1", "--to", "plc1", *words, "--json")
    (row,) = done.json["checks"][0]["devices"]
    return done.code, row


def drift(plant: Plant, *words: str) -> tuple[int, list[Any]]:
    done = plant("drift", "--no-history", "--json", "-l", "fw1", *words)
    return done.code, done.json["devices"][0]["items"]


def prove(plant: Plant) -> str:
    done = plant("prove", "-l", "fw1", "--json")
    status: str = done.json["devices"][0]["status"]
    return status


def test_everything_on_its_ports_may_pass_as_its_application(applied: Plant) -> None:
    put(applied, override())
    code, row = check(applied, *WRITE)
    assert (code, row["answer"]) == (1, "cannot_tell")
    assert row["cannot_tell"]["rule"] == NAME
    assert row["why"] == [
        f"{NAME}: the device takes all tcp/502 there for modbus-read-coils, whatever it is"
    ]
    code, row = check(applied, *READ)  # whatever it is taken for, it passes
    assert (code, row["answer"], row["allowed"]["rule"]) == (0, "allow", "plant.polling.modbus")
    assert prove(applied) == "cannot_tell"
    code, (item,) = drift(applied)
    assert (code, item["state"], item["name"]) == (1, "cannot_tell", NAME)


def test_what_is_declared_may_be_denied_as_another_application(applied: Plant) -> None:
    put(applied, override("web-browsing"))
    assert check(applied, *WRITE)[1]["answer"] == "deny"
    code, row = check(applied, *READ)
    assert (code, row["answer"]) == (1, "cannot_tell")
    assert prove(applied) == "cannot_tell"
    assert drift(applied)[0] == 1


@pytest.mark.parametrize(
    "entry", [override(port="2222"), override(more="<disabled>yes</disabled>")]
)
def test_one_that_meets_nothing_is_nothing(applied: Plant, entry: str) -> None:
    put(applied, entry)
    assert check(applied, *WRITE)[0] == 0
    assert check(applied, *READ)[0] == 0
    assert prove(applied) == "proved"
    assert drift(applied) == (0, [])


def test_where_everything_passes_it_makes_no_difference(applied: Plant) -> None:
    put(applied, override())
    lists = "".join(listed(tag, "any") for tag in ("source", "destination", "application"))
    zones = listed("from", "SUPV") + listed("to", "CTRL") + listed("service", "any")
    rule = f'<entry name="all">{zones}{lists}<action>allow</action></entry>'
    applied.fleet["fw1"].edit("set", RULES, rule, commit=True)
    assert check(applied, *WRITE)[1]["answer"] == "allow"


def test_it_is_accepted_as_it_is(applied: Plant) -> None:
    put(applied, override())
    words = ("--owner", "automation", "--expires", "2099-01-31")
    drift(applied, "--write-baseline", "accepted.yml", *words)
    assert drift(applied, "--baseline", "accepted.yml")[0] == 0
    put(applied, override(port="1-65535"))
    assert drift(applied, "--baseline", "accepted.yml")[0] == 1


def test_a_snapshot_is_judged_as_the_firewall(applied: Plant) -> None:
    put(applied, override())
    assert applied("snapshot", "-o", "kept").code == 0
    code, row = check(applied, *WRITE, "--offline", "kept")
    assert (code, row["answer"]) == (1, "cannot_tell")
    assert row["cannot_tell"]["rule"] == "application override 1"  # names of others do not leave
    assert check(applied, *READ, "--offline", "kept")[0] == 0
    assert drift(applied, "--offline", "kept")[0] == 1


@pytest.mark.parametrize("base", ["pre", "post"])
def test_one_that_panorama_pushed_counts(applied: Plant, base: str) -> None:
    rules = f"<application-override><rules>{override()}</rules></application-override>"
    applied.fleet["fw1"].push(
        '<response status="success"><result><policy><panorama>'
        f"<{base}-rulebase>{rules}</{base}-rulebase>"
        "</panorama></policy></result></response>".encode()
    )
    code, row = check(applied, *WRITE)
    assert (code, row["answer"]) == (1, "cannot_tell")
    assert row["cannot_tell"]["rule"] == "Panorama application override short cut"


def test_one_of_a_device_group_counts(behind: Behind) -> None:
    behind("apply", "--auto-approve")
    entry = override().replace("CTRL", "CELL1")
    place = f"{GROUP}/pre-rulebase/application-override/rules"
    behind.mocks.panorama.edit("set", place, entry, admin="other", commit=True)
    (group, *_) = behind.json("drift", "--no-history", code=1)["devices"]
    told = [one["name"] for one in group["items"] if one["state"] == "cannot_tell"]
    assert (group["name"], told) == ("panorama1:OT", [NAME])


# --- lint ----------------------------------------------------------------------------------------


def rule(name: str, *, application: str, service: str, action: str = "allow") -> str:
    lists = "".join(listed(tag, "any") for tag in ("source", "destination"))
    lists += listed("from", "SUPV") + listed("to", "CTRL")
    lists += listed("application", application) + listed("service", service)
    return f'<entry name="{name}">{lists}<action>{action}</action></entry>'


def held_service(plant: Plant, name: str, protocol: str, port: int) -> None:
    entry = (
        f'<entry name="{name}"><protocol><{protocol}><port>{port}</port></{protocol}></protocol>'
    )
    plant.fleet["fw1"].edit("set", f"{VSYS}/service", f"{entry}</entry>", commit=True)


def lint(plant: Plant, subject: str) -> tuple[set[str], set[str]]:
    """Return the kinds of findings and of doubts about a rule."""
    (device,) = plant("lint", "-l", "fw1", "--json").json["devices"]
    return (
        {one["kind"] for one in device["findings"] if one["subject"] == subject},
        {one["kind"] for one in device["cannot_tell"] if one["subject"] == subject},
    )


def test_lint_claims_no_misfit_where_an_override_makes_it_fit(applied: Plant) -> None:
    held_service(applied, "odd", "udp", 6000)
    entry = rule("odd", application="modbus-read-coils", service="odd")
    applied.fleet["fw1"].edit("set", RULES, entry, commit=True)
    assert lint(applied, "odd") == ({"never_matches"}, set())
    put(applied, override(port="6000").replace("tcp", "udp"))
    assert lint(applied, "odd") == (set(), set())
    put(applied, override(port="6001").replace("tcp", "udp"))
    assert lint(applied, "odd") == ({"never_matches"}, set())


def test_lint_claims_no_conflict_about_packets_that_are_taken_for_others(applied: Plant) -> None:
    held_service(applied, "plc", "tcp", 502)
    held_service(applied, "plcs", "tcp", 503)
    firewall = applied.fleet["fw1"]
    firewall.edit("set", RULES, rule("one", application="ssh", service="plc"), commit=True)
    other = rule("other", application="any", service="any", action="deny")
    one = other.replace("<source><member>any", "<source><member>10.0.0.0/8")
    firewall.edit("set", RULES, one, commit=True)
    assert "correlated" in lint(applied, "other")[0]
    put(applied, override())
    _, doubts = lint(applied, "other")
    (device,) = applied("lint", "-l", "fw1", "--json").json["devices"]
    told = [one for one in device["findings"] if one["kind"] == "correlated"]
    assert all("one" not in each["others"] for each in told)
    assert "correlated" in doubts
