"""Flows asked of a policy: names resolved, whole zones without a hole, functions of protocols."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segctl.analysis.decide import Packet, decider
from segctl.analysis.effective import Reading
from segctl.analysis.query import (
    Check,
    Question,
    answer,
    answers_by_user,
    questions,
    unanswerable,
    wrong,
)
from segctl.analysis.words import Beyond, Literally
from segctl.model.errors import UnsupportedError
from segctl.model.filled import Filled
from segctl.model.policy import Address, Policy, Rule, Service
from segctl.model.site import ACCESS_CLASSES, Asset, Device, Site, Zone, ZoneBinding
from segctl.protocols import by_function, catalogue
from segctl.providers.panos.app_id import applications as panos_applications
from segctl.providers.panos.words import PanosWords

if TYPE_CHECKING:
    from segctl.analysis.answer import Answer
    from segctl.analysis.words import Platform
    from segctl.protocols import Naming

#: A machine under load is slow at everything.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def zone(name: str, network: str, site: str = "plant", **assets: str) -> Zone:
    return Zone(
        site=site,
        id=name,
        networks=(ip_network(network),),
        assets=tuple(
            Asset(name=key, addresses=(ip_network(value),)) for key, value in assets.items()
        ),
    )


def firewall(name: str, **zones: str) -> Device:
    bindings = tuple(ZoneBinding(zone=f"plant/{key}", name=value) for key, value in zones.items())
    return Device(name=name, platform="panos", zones=bindings)


FW1 = firewall("fw1", control="CTRL", supervisory="SUPV")
FW2 = firewall("fw2", supervisory="S2", dmz="DMZ")
SITE = Site(
    zones=(
        zone("control", "10.1.0.0/28", plc1="10.1.0.5", plc2="10.1.0.6"),
        zone("supervisory", "10.2.0.0/28", scada1="10.2.0.5", plc1="10.2.0.9"),
        zone("dmz", "10.3.0.0/28"),
        zone("control", "10.9.0.0/28", site="other", plc9="10.9.0.5"),
        zone("lone", "10.4.0.0/28"),
    ),
    devices=(FW1, FW2),
)


def question(source: str, destination: str, **more: object) -> Question:
    check = Check(source=source, destination=destination, **more)  # type: ignore[arg-type] # fields by name
    found, problems = questions([check], SITE, {"plant"})
    assert problems == ()
    (one,) = found
    return one


def refusal(source: str, destination: str) -> str:
    found, problems = questions([Check(source=source, destination=destination)], SITE, {"plant"})
    assert found == ()
    (one,) = problems
    return f"{one.message.rpartition(': ')[2]} ({one.hint})"


def test_a_name_is_a_zone_an_asset_or_an_address() -> None:
    asked = question("scada1", "control")
    assert (asked.source.zone, asked.destination.zone) == ("plant/supervisory", "plant/control")
    assert asked.devices == {"fw1"}
    assert asked.destination.addresses == ((4, 0x0A010000, 0x0A01000F),)
    assert question("10.2.0.3", "control/plc2").source.zone == "plant/supervisory"
    assert question("plant/control", "plant/dmz").devices == {"fw1", "fw2"}
    assert question("control", "control").devices == {"fw1"}


def test_names_that_mean_nothing_or_too_much() -> None:
    assert refusal("scada2", "control") == (
        "'scada2' is not a zone, asset or address (did you mean scada1?)"
    )
    assert refusal("plc1", "dmz") == (
        "'plc1' is ambiguous, it may be in plant/control, plant/supervisory "
        "(write zone/asset or site/zone)"
    )
    assert refusal("scada1", "lone") == (
        "no firewall stands between its ends (no firewall is attached to zone plant/lone)"
    )
    assert refusal("8.8.8.8", "dmz") == "8.8.8.8 is in no zone (add it to a zone of the inventory)"


def policy(*rules: Rule) -> Policy:
    return Policy(
        addresses=(Address(name="half", value="10.2.0.0/29"),),
        services=(Service(name="modbus", protocol="tcp", ports="502"),),
        rules=rules,
    )


def rule(name: str = "r", **more: object) -> Rule:
    values = {"from_zones": ("SUPV",), "to_zones": ("CTRL",), "action": "allow"} | more
    return Rule(name=name, **values)  # type: ignore[arg-type] # fields by name


def read(held: Policy, *, platform: Platform | None = None) -> Reading:
    return Reading(policy=held, platform=platform or PanosWords())


def ask(asked: Question, held: Policy, *, applications: Naming = panos_applications) -> str:
    platform = Literally() if applications is by_function else None
    return wrong(asked, FW1, read(held, platform=platform), applications=applications)


def tell(asked: Question, held: Policy) -> Answer:
    return answer(asked, FW1, read(held), applications=panos_applications)


def by_user(asked: Question, held: Policy) -> dict[str, Answer]:
    return answers_by_user(asked, FW1, read(held), applications=panos_applications)


def test_an_answer_has_an_example_of_what_is_allowed_and_of_what_is_denied() -> None:
    half = policy(rule(sources=("half",), services=("modbus",)))
    found = tell(question("supervisory", "plc2", port=502), half)
    assert found.verdict == "partly"
    assert found.allowed is not None
    assert found.denied is not None
    assert (str(found.allowed), found.allowed.rule) == ("10.2.0.0 → 10.1.0.6", "r")
    assert (str(found.denied), found.denied.rule) == ("10.2.0.8 → 10.1.0.6", "interzone-default")
    whole = tell(question("10.2.0.7", "plc2", port=502), half)
    assert (whole.verdict, whole.denied) == ("allow", None)
    none = tell(question("10.2.0.8", "plc2", port=502), half)
    assert (none.verdict, none.allowed) == ("deny", None)


def test_an_access_class_is_partly_allowed_where_a_function_that_it_needs_is_not() -> None:
    coils = policy(rule(applications=("modbus-base", "modbus-read-coils")))
    found = tell(question("scada1", "plc2", application="modbus.read"), coils)
    assert found.verdict == "partly"
    assert found.allowed is not None
    assert found.denied is not None
    assert found.allowed.application == "modbus-read-coils"
    assert found.denied.application.startswith("modbus-read-")
    # what every function needs is not yet a use of one
    base = policy(rule(applications=("modbus-base",)))
    assert tell(question("scada1", "plc2", application="modbus.read"), base).verdict == "deny"


def test_what_an_access_class_consists_of_is_among_what_it_needs() -> None:
    for protocol in catalogue().protocols.values():
        for word in ACCESS_CLASSES:
            own = {one.name for one in protocol.usable if one.access_class == word}
            try:
                needed = panos_applications(protocol, (word,)).names
            except UnsupportedError:
                assert own - set(protocol.base) == set(), (protocol.id, word)
            else:
                assert own - set(protocol.base) <= set(needed), (protocol.id, word)


def test_an_access_class_that_is_none_is_refused() -> None:
    check = Check(source="scada1", destination="plc2", application="modbus.reed")
    found, problems = questions([check], SITE, {"plant"})
    assert found == ()
    assert "modbus has no access class 'reed'" in str(problems[0])


def test_users_that_rules_name_are_told_where_nobody_was_asked_about() -> None:
    held = policy(rule("vendor", users=("vendor",)), rule("all", users=("operator",)))
    nobody = question("scada1", "plc2")
    assert tell(nobody, held).verdict == "deny"
    found = by_user(nobody, held)
    assert [(user, one.verdict) for user, one in found.items()] == [
        ("operator", "allow"),
        ("vendor", "allow"),
    ]
    assert found["vendor"].allowed is not None
    assert found["vendor"].allowed.rule == "vendor"
    somebody = question("scada1", "plc2", user="vendor")
    assert tell(somebody, held).verdict == "allow"
    assert by_user(somebody, held) == {}
    # more than is allowed to nobody, else there is nothing to tell
    open_to_all = policy(*held.rules, rule("r"))
    assert by_user(nobody, open_to_all) == {}
    elsewhere = policy(rule(users=("vendor",), from_zones=("CTRL",), to_zones=("SUPV",)))
    assert by_user(nobody, elsewhere) == {}
    # who is in a group only the device knows
    stranger = question("scada1", "plc2", user="stranger", allow=False)
    assert tell(stranger, held).verdict == "cannot tell"
    assert ask(stranger, held).endswith(
        "cannot tell, vendor: who is in vendor only the device knows; "
        "all: who is in operator only the device knows"
    )


def test_every_port_that_rules_tell_apart_is_asked_about() -> None:
    held = Policy(
        services=(
            Service(name="first", protocol="tcp", ports="502"),
            Service(name="more", protocol="tcp", ports="502-510"),
        ),
        rules=(
            rule("none", services=("first",), action="deny"),
            rule("some", services=("more",)),
        ),
    )
    found = tell(question("scada1", "plc2"), held)
    assert found.allowed is not None
    assert (found.allowed.rule, found.allowed.port) == ("some", 503)


def test_a_question_that_no_selected_firewall_can_answer_is_a_problem() -> None:
    asked = question("scada1", "plc2")
    assert unanswerable([asked], [FW1]) == ()
    (problem,) = unanswerable([asked], [FW2])
    assert str(problem) == (
        "check scada1 → plc2 tcp: no selected firewall stands between its ends (include fw1 in -l)"
    )


def test_a_zone_is_allowed_only_where_all_of_it_is() -> None:
    half = policy(rule(sources=("half",), services=("modbus",)))
    said = ask(question("supervisory", "plc2", port=502), half)
    assert said == "10.2.0.8 → 10.1.0.6 is denied by interzone-default"
    assert ask(question("10.2.0.7", "plc2", port=502), half) == ""
    assert ask(question("supervisory", "plc2", port=502, allow=False), half) == (
        "10.2.0.0 → 10.1.0.6 is allowed by r"
    )
    assert ask(question("supervisory", "plc2", port=503, allow=False), half) == ""
    assert ask(question("supervisory", "plc2", port=502), policy(rule())) == ""


@PATIENT
@given(
    st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15), st.booleans()), max_size=4),
    st.booleans(),
)
def test_a_zone_is_answered_as_all_of_its_addresses_are(
    parts: list[tuple[int, int, bool]],
    allow: bool,  # noqa: FBT001 - hypothesis gives it by position
) -> None:
    addresses = tuple(
        Address(name=f"a{number}", value=f"10.2.0.{min(a, b)}-10.2.0.{max(a, b)}", type="range")
        for number, (a, b, _) in enumerate(parts)
    )
    rules = tuple(
        rule(f"r{number}", sources=(f"a{number}",), action="allow" if yes else "deny")
        for number, (_, _, yes) in enumerate(parts)
    )
    held = Policy(addresses=addresses, rules=rules)
    decide = decider(held)
    answers = {
        decide(
            Packet(
                from_zone="SUPV",
                to_zone="CTRL",
                source=host,
                destination=ip_network("10.1.0.6").network_address,
            )
        ).action
        for host in ip_network("10.2.0.0/28")
    }
    right = answers == {"allow" if allow else "deny"}
    asked = question("supervisory", "plc2", allow=allow)
    assert (ask(asked, held) == "") is right
    found = tell(asked, held)
    assert found.verdict == (answers.pop() if len(answers) == 1 else "partly")
    for example, action in ((found.allowed, "allow"), (found.denied, "deny")):
        if example is not None:
            decision = decide(
                Packet(
                    from_zone="SUPV",
                    to_zone="CTRL",
                    source=example.source,
                    destination=example.destination,
                )
            )
            assert (decision.action, decision.rule) == (action, example.rule)


def test_functions_of_a_protocol() -> None:
    reads = policy(
        rule(applications=("modbus-base", "modbus-read-coils", "modbus-read-holding-registers"))
    )
    allowed = question("scada1", "plc2", application="modbus-read-coils")
    assert ask(allowed, reads) == ""
    denied = question("scada1", "plc2", application="modbus.write", allow=False)
    assert ask(denied, reads) == ""
    written = policy(rule(applications=("modbus-base", "modbus-write-single-coil")))
    assert "modbus-write-single-coil is allowed by r" in ask(denied, written)
    # a platform that names functions itself is asked for them by name
    gateway = policy(rule(applications=("modbus.read",)))
    asked = question("scada1", "plc2", application="modbus.read")
    assert ask(asked, gateway, applications=by_function) == ""
    assert "cannot tell, r: whether modbus.read stands for" in ask(asked, gateway)


def test_without_an_application_any_that_a_rule_knows_will_do() -> None:
    held = policy(rule(applications=("ssl",)))
    assert ask(question("scada1", "plc2"), held) == ""
    assert ask(question("scada1", "plc2", allow=False), held) == (
        "10.2.0.5 → 10.1.0.6 ssl is allowed by r"
    )


def test_an_application_is_held_to_its_own_port() -> None:
    held = policy(rule(applications=("modbus-base",), services=("application-default",)))
    ends = ("scada1", "plc2")
    assert ask(question(*ends, application="modbus-base", port=502), held) == ""
    assert "is denied" in ask(question(*ends, application="modbus-base", port=5020), held)


def test_without_a_port_any_that_a_rule_names_will_do() -> None:
    held = policy(rule(applications=("modbus.read",), services=("modbus",)))
    ends = ("scada1", "plc2")
    for port, allowed in ((0, True), (502, True), (503, False)):
        asked = question(*ends, application="modbus.read", port=port, allow=allowed)
        assert ask(asked, held, applications=by_function) == ""


@pytest.mark.parametrize("zones", [("CTRL", "SUPV"), ("SUPV", "S2")])
def test_rules_between_other_zones_do_not_count(zones: tuple[str, str]) -> None:
    other = rule(from_zones=(zones[0],), to_zones=(zones[1],))
    assert ask(question("scada1", "plc2", allow=False), policy(other)) == ""


def test_who_is_known_passes_a_rule_that_denies_unknown_users() -> None:
    deny = rule("deny", users=("unknown",), action="deny")
    found = by_user(question("supervisory", "plc2", port=502), policy(deny, rule()))
    assert {user: one.verdict for user, one in found.items()} == {"known-user": "allow"}


@pytest.mark.parametrize(("inside", "now"), [("10.2.0.0/16", "allow"), ("192.0.2.1", "deny")])
def test_what_is_held_now_is_said_beside_what_cannot_be_told(inside: str, now: str) -> None:
    held = policy(rule(sources=("feed",)))
    feed = Filled(what="a list", addresses=(inside,))
    asked = question("scada1", "plant/control/plc1", port=22, allow=now == "allow")
    beyond = Beyond(implied={"feed": "a list"}, filled={"feed": feed})
    reading = Reading(policy=held, platform=PanosWords(), beyond=beyond)
    told = wrong(asked, FW1, reading, applications=panos_applications)
    assert "cannot tell, r: feed is a list" in told
    assert told.endswith(f"; by what is held now: {now}")
    unread = replace(feed, unread="refused")
    beyond = Beyond(implied={"feed": "a list"}, filled={"feed": unread})
    reading = Reading(policy=held, platform=PanosWords(), beyond=beyond)
    told = wrong(asked, FW1, reading, applications=panos_applications)
    assert told.endswith("r: feed is a list")
