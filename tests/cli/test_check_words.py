"""Rules of others in words that only their device understands: the answer is right, or open."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from cli_support import RULES, VSYS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cli_support import Plant

SSH = ("--port", "22")
WRITE = ("--application", "modbus.write")
POLL = ("--application", "modbus.read")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A rule of others from SUPV to CTRL, and what is to be answered about a flow there."""

    asked: Sequence[str]
    answer: str
    rule: Mapping[str, str] = field(default_factory=dict[str, str])
    more: str = ""
    #: containers of the virtual system with what is put there
    objects: Mapping[str, str] = field(default_factory=dict[str, str])
    why: str = ""


def entry(name: str, inside: str) -> str:
    return f'<entry name="{name}">{inside}</entry>'


def listed(tag: str, *members: str) -> str:
    return f"<{tag}>{''.join(f'<member>{one}</member>' for one in members)}</{tag}>"


def service(name: str, port: str, more: str = "") -> str:
    return entry(name, f"<protocol><tcp><port>{port}</port>{more}</tcp></protocol>")


def service_group(name: str, *members: str) -> str:
    return entry(name, listed("members", *members))


def selecting(name: str, more: str = "") -> str:
    return entry(name, "<category><member>networking</member></category>" + more)


def industrial(name: str, more: str = "") -> str:
    return entry(name, listed("subcategory", "ics-protocols", "routing") + more)


def address(name: str, kind: str, value: str) -> dict[str, str]:
    return {"address": entry(name, f"<{kind}>{value}</{kind}>")}


CASES = {
    "service group": Case(
        objects={"service": service("s22", "22"), "service-group": service_group("admin", "s22")},
        rule={"service": "admin"},
        asked=SSH,
        answer="allow",
    ),
    "service group that does not hold the port": Case(
        objects={"service": service("s23", "23"), "service-group": service_group("admin", "s23")},
        rule={"service": "admin"},
        asked=SSH,
        answer="deny",
    ),
    "service group within a group": Case(
        objects={
            "service": service("s22", "22"),
            "service-group": service_group("inner", "s22")
            + service_group("outer", "inner", "service-http"),
        },
        rule={"service": "outer"},
        asked=SSH,
        answer="allow",
    ),
    "predefined service": Case(
        rule={"service": "service-http"}, asked=("--port", "8080"), answer="allow"
    ),
    "predefined service, another port": Case(
        rule={"service": "service-https"}, asked=("--port", "8080"), answer="deny"
    ),
    "source port": Case(
        objects={"service": service("s22", "22", "<source-port>1023</source-port>")},
        rule={"service": "s22"},
        asked=SSH,
        answer="cannot_tell",
        why="s22 also asks for source-port=1023",
    ),
    "container": Case(rule={"application": "modbus"}, asked=WRITE, answer="allow"),
    "container that is asked about": Case(
        rule={"application": "modbus"}, asked=("--application", "modbus"), answer="allow"
    ),
    "another container": Case(rule={"application": "dnp3"}, asked=WRITE, answer="deny"),
    "container, on another port than its own": Case(
        rule={"application": "modbus", "service": "application-default"},
        asked=(*WRITE, "--port", "22"),
        answer="deny",
    ),
    "application group within a group": Case(
        objects={
            "application-group": entry("inner", listed("members", "modbus"))
            + entry("outer", listed("members", "inner", "ssl"))
        },
        rule={"application": "outer"},
        asked=WRITE,
        answer="allow",
    ),
    "application filter that takes it in": Case(
        objects={"application-filter": industrial("some")},
        rule={"application": "some"},
        asked=WRITE,
        answer="allow",
    ),
    "application filter that does not": Case(
        objects={"application-filter": selecting("some")},
        rule={"application": "some"},
        asked=WRITE,
        answer="deny",
    ),
    "application filter that excludes it": Case(
        objects={
            "application-filter": industrial("some", listed("exclude", "modbus-write-single-coil"))
        },
        rule={"application": "some"},
        asked=("--application", "modbus-write-single-coil"),
        answer="deny",
    ),
    "application filter by risk": Case(
        objects={"application-filter": industrial("some", listed("risk", "5", "4"))},
        rule={"application": "some"},
        asked=WRITE,
        answer="deny",
    ),
    "application filter, application on another port than its own": Case(
        objects={"application-filter": industrial("some")},
        rule={"application": "some", "service": "application-default"},
        asked=(*WRITE, "--port", "22"),
        answer="deny",
    ),
    "application filter, application on its port": Case(
        objects={"application-filter": industrial("some")},
        rule={"application": "some", "service": "application-default"},
        asked=(*WRITE, "--port", "502"),
        answer="allow",
    ),
    "default port that the device has and the catalogue has not": Case(
        rule={"application": "dnp3-read", "service": "application-default"},
        asked=("--application", "dnp3-read", "--port", "19999"),
        answer="allow",
    ),
    "default port that the catalogue has and the device has not": Case(
        rule={"application": "kerberos", "service": "application-default"},
        asked=("--application", "kerberos", "--port", "749"),
        answer="deny",
    ),
    "application filter by a flag that an own application has": Case(
        objects={
            "application": entry(
                "ours",
                "<category>networking</category><subcategory>routing</subcategory>"
                "<technology>client-server</technology><risk>1</risk>"
                "<evasive-behavior>yes</evasive-behavior>",
            ),
            "application-filter": entry("some", "<evasive>yes</evasive>"),
        },
        rule={"application": "some"},
        asked=("--application", "ours"),
        answer="allow",
    ),
    "application filter by a flag that it has not": Case(
        objects={"application-filter": entry("some", "<evasive>yes</evasive>")},
        rule={"application": "some"},
        asked=WRITE,
        answer="deny",
    ),
    "application filter by tags": Case(
        objects={
            "application-filter": industrial("some", f"<tagging>{listed('tag', 'Web')}</tagging>")
        },
        rule={"application": "some"},
        asked=WRITE,
        answer="cannot_tell",
        why="people may give an application other tags",
    ),
    "application filter by what is not known": Case(
        objects={"application-filter": industrial("some", "<new-appid>yes</new-appid>")},
        rule={"application": "some"},
        asked=WRITE,
        answer="cannot_tell",
        why="it asks for new-appid, which segctl does not know",
    ),
    "filter within a group": Case(
        objects={
            "application-filter": selecting("some"),
            "application-group": entry("outer", listed("members", "some", "ssl")),
        },
        rule={"application": "outer"},
        asked=SSH,
        answer="allow",  # ssl does
    ),
    "wildcard that holds it": Case(
        objects=address("w", "ip-wildcard", "10.20.0.11/0.0.255.0"),
        rule={"destination": "w"},
        asked=SSH,
        answer="allow",
    ),
    "wildcard that does not": Case(
        objects=address("w", "ip-wildcard", "10.20.0.12/0.0.255.0"),
        rule={"destination": "w"},
        asked=SSH,
        answer="deny",
    ),
    "predefined region": Case(
        rule={"destination": "CN"}, asked=SSH, answer="cannot_tell", why="CN is known to the device"
    ),
    "region": Case(
        objects={"region": entry("yard", listed("address", "10.20.1.0/24"))},
        rule={"destination": "yard"},
        asked=SSH,
        answer="allow",
    ),
    "region of other addresses": Case(
        objects={"region": entry("yard", listed("address", "10.20.99.0/24"))},
        rule={"destination": "yard"},
        asked=SSH,
        answer="deny",
    ),
    "name to look up": Case(
        objects=address("host", "fqdn", "plc.example.com"),
        rule={"destination": "host"},
        asked=SSH,
        answer="cannot_tell",
        why="host is a name that the device looks up",
    ),
    "list that the device fetches": Case(
        objects={
            "external-list": entry(
                "feed",
                "<type><ip><recurring><hourly/></recurring>"
                "<url>https://lists.example.com/a</url></ip></type>",
            )
        },
        rule={"source": "feed"},
        asked=SSH,
        answer="cannot_tell",
        why="feed is a list that the device fetches",
    ),
    "dynamic address group": Case(
        objects={"address-group": entry("dag", "<dynamic><filter>'a'</filter></dynamic>")},
        rule={"destination": "dag"},
        asked=SSH,
        answer="cannot_tell",
        why="dag is a group whose members the device fills in",
    ),
    "everything but": Case(
        rule={"source": "10.20.2.5"},
        more="<negate-source>yes</negate-source>",
        asked=SSH,
        answer="deny",
    ),
    "everything but another": Case(
        rule={"source": "10.20.2.6"},
        more="<negate-source>yes</negate-source>",
        asked=SSH,
        answer="allow",
    ),
    "everything but a region": Case(
        rule={"source": "CN"},
        more="<negate-source>yes</negate-source>",
        asked=SSH,
        answer="cannot_tell",
        why="CN is known to the device",
    ),
    "url category": Case(
        more=listed("category", "news"),
        asked=SSH,
        answer="cannot_tell",
        why="it also asks for category{member=news}",
    ),
    "host profile": Case(
        more=listed("source-hip", "no-hip"),
        asked=SSH,
        answer="cannot_tell",
        why="it also asks for source-hip{member=no-hip}",
    ),
    "what asks for nothing": Case(
        more=listed("category", "any") + listed("source-hip", "any"), asked=SSH, answer="allow"
    ),
    "a rule that refuses what only the device knows": Case(
        rule={"destination": "CN", "action": "deny"},
        asked=(*POLL, "--expect", "allow"),
        answer="cannot_tell",
        why="CN is known to the device",
    ),
}


def add(plant: Plant, case: Case) -> None:
    for kind, entries in case.objects.items():
        plant.fleet["fw1"].edit("set", f"{VSYS}/{kind}", entries)
    said = {"source": "any", "destination": "any", "application": "any", "service": "any"}
    said |= case.rule
    action = said.pop("action", "allow")
    lists = "".join(listed(tag, name) for tag, name in said.items())
    zones = listed("from", "SUPV") + listed("to", "CTRL")
    rule = entry("theirs", f"{zones}{lists}<action>{action}</action>{case.more}")
    plant.fleet["fw1"].edit("set", RULES, rule)
    plant.fleet["fw1"].edit("move", f"{RULES}/entry[@name='theirs']", where="top", commit=True)


def asked(plant: Plant, *words: str) -> Any:
    done = plant("check", "--from", "scada1", "--to", "plc1", *words, "--json")
    jsonschema.validate(done.json, plant("schema", "check").json)
    return done.json | {"code": done.code}


@pytest.mark.parametrize("name", CASES)
def test_a_rule_of_others(applied: Plant, name: str) -> None:
    case = CASES[name]
    add(applied, case)
    document = asked(applied, *case.asked)
    (fw1,) = document["checks"][0]["devices"]
    assert (fw1["answer"], document["code"]) == (case.answer, int(case.answer == "cannot_tell"))
    if case.answer == "cannot_tell":
        assert case.why in "\n".join(fw1["why"])
        assert fw1["cannot_tell"]["rule"] == "theirs"
        assert document["error"]["code"] == "cannot_tell"
    elif case.answer == "allow":
        assert (fw1["allowed"]["rule"], fw1["why"]) == ("theirs", [])
    for expected in ("allow", "deny"):
        words = [word for word in case.asked if word not in {"--expect", "allow"}]
        judged = asked(applied, *words, "--expect", expected)
        assert judged["code"] == int(case.answer != expected)


def test_a_default_rule_that_allows_is_the_answer(applied: Plant) -> None:
    add(applied, Case(rule={"application": "ssl"}, asked=(), answer=""))
    assert asked(applied, *SSH, *WRITE, "--expect", "deny")["code"] == 0
    applied.fleet["fw1"].edit(
        "set",
        f"{VSYS}/rulebase/default-security-rules/rules/entry[@name='interzone-default']",
        "<action>allow</action>",
        commit=True,
    )
    (fw1,) = asked(applied, *SSH, *WRITE, "--expect", "deny")["checks"][0]["devices"]
    assert (fw1["answer"], fw1["allowed"]["rule"]) == ("allow", "interzone-default")


def test_what_cannot_be_told_is_said_with_its_reason(applied: Plant) -> None:
    add(applied, CASES["name to look up"])
    done = applied("check", "--from", "scada1", "--to", "plc1", *SSH, "--expect", "deny")
    assert done.code == 1
    assert "  fw1  cannot tell, expected denied\n" in done.out
    assert "    unknown  10.20.2.5 → 10.20.1.11 tcp/22 perhaps by theirs\n" in done.out
    assert "    because  theirs: host is a name that the device looks up\n" in done.out
    assert done.out.endswith("1 cannot tell\n")
