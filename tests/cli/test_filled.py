"""What a firewall fills by itself, read: beside what cannot be told, never in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from cli_support import RULES, Plant

if TYPE_CHECKING:
    from segctl_mocks import PanosMock

VSYS = RULES.partition("/rulebase")[0]
FEED = (
    "<external-list><entry name='feed'><type><ip><url>https://feeds.example/</url></ip></type>"
    "</entry></external-list>"
)
TAGGED = (
    "<tag><entry name='hot'/><entry name='plant'/></tag>"
    "<address-group><entry name='tagged'><dynamic><filter>'hot' and 'plant'</filter></dynamic>"
    "</entry></address-group>"
    "<address><entry name='labelled'><ip-netmask>10.20.2.7</ip-netmask>"
    "<tag><member>hot</member><member>plant</member></tag></entry></address>"
)
HOST = "<address><entry name='updates'><fqdn>Updates.example</fqdn></entry></address>"
SSH = ("--from", "scada1", "--to", "plc1", "--port", "22")
FETCHED, TAGS, LOOKED_UP = (
    "a list that the device fetches",
    "a group whose members the device fills in",
    "a name that the device looks up",
)


def add(plant: Plant, source: str, objects: str = "", action: str = "allow") -> PanosMock:
    """Another administrator adds objects and a rule with one of them, above everything of ours."""
    firewall = plant.fleet["fw1"]
    if objects:
        firewall.edit("set", VSYS, objects)
    said = {"from": "SUPV", "to": "CTRL", "source": source, "destination": "any"}
    said |= {"application": "any", "service": "any"}
    text = "".join(f"<{tag}><member>{one}</member></{tag}>" for tag, one in said.items())
    firewall.edit("set", RULES, f"<entry name='theirs'>{text}<action>{action}</action></entry>")
    firewall.edit("move", f"{RULES}/entry[@name='theirs']", where="top", commit=True)
    return firewall


def asked(plant: Plant, command: str, *words: str, code: int = 1) -> Any:
    with plant.untouched():
        done = plant(command, *words, "--json")
    assert done.code == code, (done.err, done.out[-2000:])
    jsonschema.validate(done.json, plant("schema", command).json)
    return done.json


def fill(firewall: PanosMock, *addresses: str) -> None:
    """Let each object of ours hold these: by what is fetched, registered and looked up."""
    firewall.fetch("feed", *addresses)
    firewall.resolve("Updates.example", *addresses)
    for address in addresses:
        firewall.register(address, "hot", "plant")


@pytest.mark.parametrize(
    ("name", "objects", "what"),
    [("feed", FEED, FETCHED), ("tagged", TAGGED, TAGS), ("updates", HOST, LOOKED_UP)],
)
@pytest.mark.parametrize(
    ("inside", "action", "now"),
    [
        ("10.20.2.5", "allow", "allow"),
        ("192.0.2.1", "allow", "deny"),
        ("10.20.2.5", "deny", "deny"),
        ("192.0.2.1", "deny", "deny"),
    ],
)
def test_an_answer_is_uncertain_and_what_holds_now_stands_beside_it(
    name: str, objects: str, what: str, inside: str, action: str, now: str, applied: Plant
) -> None:
    firewall = add(applied, name, objects, action)
    fill(firewall, inside)
    certain = action == "deny"  # what is not in it is denied as well, by the rules after it
    document = asked(applied, "check", *SSH, code=0 if certain else 1)
    (check,) = document["checks"]
    (row,) = check["devices"]
    if certain:
        assert (row["answer"], row["present"]) == ("deny", None)
        return
    assert row["answer"] == check["status"] == "cannot_tell"
    assert (row["present"]["answer"], check["end_to_end"]["present"]["answer"]) == (now, now)
    (held,) = row["present"]["objects"]
    assert (held["name"], held["what"], held["not_read"]) == (name, what, "")
    assert held["asked_about"] == ([inside] if now == "allow" else [])
    assert held["count"] == (2 if name == "tagged" else 1)
    assert held["read_at"]
    text = applied("check", *SSH).out
    said = {"allow": "allowed", "deny": "denied"}[now]
    assert f"{said} by what is held now, which may change without a commit\n" in text
    assert f"    holds    {name}, {what}: {held['count']} member" in text


def test_an_expectation_never_holds_by_what_is_held_now(applied: Plant) -> None:
    firewall = add(applied, "feed", FEED)
    for held, now in (("10.20.2.5", "allow"), ("192.0.2.1", "deny")):
        firewall.fetch("feed", held)
        for expected in ("allow", "deny"):
            document = asked(applied, "check", *SSH, "--expect", expected)
            assert document["checks"][0]["status"] == "cannot_tell"
            assert document["checks"][0]["devices"][0]["present"]["answer"] == now


def test_an_object_with_a_tag_in_the_configuration_is_a_member(applied: Plant) -> None:
    add(applied, "tagged", TAGGED)
    (check,) = asked(applied, "check", "--from", "10.20.2.7", "--to", "plc1", "--port", "22")[
        "checks"
    ]
    present = check["devices"][0]["present"]
    assert present["answer"] == "allow"
    assert present["objects"][0]["asked_about"] == ["labelled"]


def test_rows_say_what_holds_now(applied: Plant) -> None:
    add(applied, "feed", FEED).fetch("feed", "10.20.2.5", "192.0.2.0/24")
    between = ("--from", "supervisory", "--to", "control")
    rows = [row for row in asked(applied, "query", *between)["rows"] if row["rule"] == "theirs"]
    assert {row["state"] for row in rows} == {"cannot_tell"}
    outcomes = {
        (
            row["source_text"],
            row["present"]["outcome"],
            *row["present"]["objects"][0]["asked_about"],
        )
        for row in rows
    }
    assert outcomes == {
        ("10.20.2.5", "permitted", "10.20.2.5"),
        ("any but 10.20.2.5", "partly", "192.0.2.0/24"),
    }
    out = applied("query", *between).out
    assert "permitted by what is held now, which may change without a commit\n" in out
    lines = applied("query", *between, "--csv").out.splitlines()
    assert lines[0].endswith(",why,present")
    assert any(line.endswith(",partly") for line in lines)


def test_drift_says_what_holds_now_and_accepts_it_whatever_it_holds(applied: Plant) -> None:
    firewall = add(applied, "feed", FEED)
    for held, does in (("10.20.2.5", "permits more than is declared"), ("192.0.2.1", "permits")):
        firewall.fetch("feed", held)
        document = asked(applied, "drift", "-l", "fw1")
        (found,) = [one for one in document["devices"][0]["findings"] if one["subject"] == "theirs"]
        assert found["kind"] == "cannot_tell"
        assert f"by what is held now it {does}" in found["hint"]
        assert "(feed: 1 member, read at " in found["hint"]
    firewall.fetch("feed")
    (found,) = [
        one
        for one in asked(applied, "drift", "-l", "fw1")["devices"][0]["findings"]
        if one["subject"] == "theirs"
    ]
    assert "by what is held now it does as is declared (feed: 0 members" in found["hint"]


def test_what_the_device_refuses_to_show_is_told_with_the_reason(applied: Plant) -> None:
    firewall = add(applied, "feed", FEED)
    firewall.fetch("feed", "10.20.2.5")
    firewall.fail("unauthorized", contains="external-list", times=99)
    (check,) = asked(applied, "check", *SSH)["checks"]
    present = check["devices"][0]["present"]
    assert present["answer"] == "cannot_tell"
    assert "does not let 'plant-automation' do this" in present["objects"][0]["not_read"]
    assert "not read: does not let 'plant-automation' do this" in applied("check", *SSH).out
    document = asked(applied, "drift", "-l", "fw1")
    hints = [one["hint"] for one in document["devices"][0]["findings"]]
    assert any("feed was not read: does not let" in hint for hint in hints)


def test_a_snapshot_says_the_same(applied: Plant) -> None:
    firewall = add(applied, "feed", FEED + TAGGED)
    fill(firewall, "10.20.2.5")
    online = asked(applied, "check", *SSH)["checks"]
    assert applied("snapshot", "-o", "kept").code == 0
    firewall.fetch("feed")
    offline = asked(applied, "check", *SSH, "--offline", "kept")["checks"]
    for checks in (online, offline):
        for held in checks[0]["devices"][0]["present"]["objects"]:
            assert held.pop("read_at")
    assert offline == online


def users(plant: Plant, named: str) -> PanosMock:
    """Another administrator adds a rule for certain users, above everything of ours."""
    firewall = add(plant, "any")
    rule = f"{RULES}/entry[@name='theirs']"
    body = f"<source-user><member>{named}</member></source-user>"
    firewall.edit("set", rule, body, commit=True)
    return firewall


@pytest.mark.parametrize(
    ("user", "now"),
    [
        ("acme\\bob", "allow"),
        ("ACME\\Bob", "allow"),
        ("acme\\eve", "deny"),
        ("bob@acme", "cannot_tell"),
    ],
)
def test_who_is_in_a_group_of_users_now(user: str, now: str, applied: Plant) -> None:
    group = "cn=operators,ou=groups,dc=acme"
    firewall = users(applied, group)
    firewall.group(group, "acme\\bob", "acme\\carol")
    (check,) = asked(applied, "check", *SSH, "--user", user)["checks"]
    present = check["devices"][0]["present"]
    assert (check["status"], present["answer"]) == ("cannot_tell", now)
    (held,) = present["objects"]
    assert (held["name"], held["what"], held["count"]) == (group, "a group of users", 2)
    sent = [one.cmd for one in firewall.requests if "<user>" in one.cmd]
    assert len(sent) == 2


def test_a_group_that_the_device_does_not_list_is_not_asked_for(applied: Plant) -> None:
    firewall = users(applied, "acme\\bob")
    firewall.group("operators", "acme\\bob")
    (check,) = asked(applied, "check", *SSH, "--user", "acme\\carol")["checks"]
    assert check["devices"][0]["present"] is None
    assert sum("<user>" in one.cmd for one in firewall.requests) == 1


DYNAMIC = (
    "<tag><entry name='onsite'/></tag>"
    "<dynamic-user-group><entry name='crew'><filter>'onsite'</filter></entry></dynamic-user-group>"
)


def registered(firewall: PanosMock, user: str, *tags: str) -> None:
    """Give a user tags, as a program does by the User-ID API of the firewall."""
    inside = "".join(f"<member>{tag}</member>" for tag in tags)
    payload = f"<register-user><entry user='{user}'><tag>{inside}</tag></entry></register-user>"
    message = f"<uid-message><type>update</type><payload>{payload}</payload></uid-message>"
    key = firewall.key("admin")
    answer = firewall.handle({"type": "user-id", "cmd": message, "key": key}).content()
    assert b'status="success"' in answer


@pytest.mark.parametrize(("user", "now"), [("acme\\bob", "allow"), ("acme\\eve", "deny")])
def test_who_is_now_in_a_group_that_the_device_fills_by_tags(
    user: str, now: str, applied: Plant
) -> None:
    applied.fleet["fw1"].edit("set", VSYS, DYNAMIC)
    firewall = users(applied, "crew")
    registered(firewall, "acme\\bob", "onsite")
    registered(firewall, "acme\\eve", "away")
    (check,) = asked(applied, "check", *SSH, "--user", user)["checks"]
    present = check["devices"][0]["present"]
    assert (check["status"], present["answer"]) == ("cannot_tell", now)
    (held,) = present["objects"]
    assert (held["name"], held["count"]) == ("crew", 1)
    assert held["what"] == "a group of users that the device fills in"


def test_a_group_by_tags_that_holds_nobody_is_not_read(applied: Plant) -> None:
    applied.fleet["fw1"].edit("set", VSYS, DYNAMIC)
    users(applied, "crew")
    (check,) = asked(applied, "check", *SSH, "--user", "acme\\bob")["checks"]
    present = check["devices"][0]["present"]
    assert (check["status"], present["answer"]) == ("cannot_tell", "cannot_tell")
    assert present["objects"][0]["not_read"] == "the device lists nobody in it"


@pytest.mark.parametrize(
    ("held", "outcome", "said"),
    [("0.0.0.0/0", "permitted", "permitted"), ("192.0.2.1", "denied", "not permitted")],
)
def test_a_proof_says_what_holds_now(held: str, outcome: str, said: str, applied: Plant) -> None:
    add(applied, "feed", FEED).fetch("feed", held)
    (row,) = asked(applied, "prove", "-l", "fw1")["devices"]
    assert row["status"] == "cannot_tell"  # whatever it holds
    present = [one["present"] for one in row["examples"] if one["rule"] == "theirs"]
    assert [one["outcome"] for one in present] == [outcome]
    (one,) = present[0]["objects"]
    assert (one["name"], one["count"], one["not_read"]) == ("feed", 1, "")
    out = applied("prove", "-l", "fw1").out
    assert f" {said} by what is held now, which may change without a commit\n" in out
    assert "feed, a list that the device fetches: 1 member, read at " in out


def test_lint_says_what_holds_now(applied: Plant) -> None:
    add(applied, "feed", FEED + TAGGED)
    firewall = applied.fleet["fw1"]
    said = {"from": "SUPV", "to": "CTRL", "source": "feed", "destination": "any"}
    said |= {"application": "any", "service": "any"}
    text = "".join(f"<{tag}><member>{one}</member></{tag}>" for tag, one in said.items())
    body = f"{text.replace('feed', 'tagged')}<action>allow</action>"
    firewall.edit("set", RULES, f"<entry name='later'>{body}</entry>")
    place = f"{RULES}/entry[@name='later']"
    firewall.edit("move", place, where="after", dst="theirs", commit=True)
    firewall.register("10.20.2.5", "hot", "plant")
    for fetched, covered in (("10.20.2.0/24", True), ("192.0.2.1", False)):
        firewall.fetch("feed", fetched)
        document = asked(applied, "lint", "fw1", code=0)
        doubts = document["devices"][0]["cannot_tell"]
        (doubt,) = [
            one for one in doubts if one["subject"] == "later" and one["kind"] == "unknown_words"
        ]
        assert {one["name"] for one in doubt["present"]["objects"]} >= {"tagged"}
        found = doubt["present"]["findings"]
        kinds = {one["kind"] for one in found if "theirs" in one["others"]}
        assert bool(kinds & {"shadowed", "redundant"}) is covered, found
        assert not [
            one
            for one in document["devices"][0]["findings"]
            if one["subject"] == "later" and one["kind"] in {"shadowed", "redundant"}
        ]
    out = applied("lint", "fw1", "-v").out
    assert "tagged, a group whose members the device fills in: 2 members, read at " in out
    assert "by what is held now, which may change without a commit" in out


def test_nobody_known_does_not_hang_on_groups_of_users(applied: Plant) -> None:
    users(applied, "operators").group("operators", "acme\\bob")
    (check,) = asked(applied, "check", *SSH, code=0)["checks"]
    assert check["devices"][0]["answer"] == "deny"
