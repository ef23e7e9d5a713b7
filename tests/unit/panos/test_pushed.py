"""What Panorama pushed is read on a managed firewall, judged in its place, or said to be open."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from segctl.analysis.effective import permitted
from segctl.analysis.space import Box, Space, addresses, service
from segctl.drift.items import items_of
from segctl.model.addresses import interval
from segctl.model.errors import ConnectError
from segctl.model.policy import DefaultRule
from segctl.planning.findings import HOLE
from segctl.planning.make import plan_device
from segctl.providers.base import reading
from segctl.providers.panos import PanosProvider
from segctl.providers.panos.pushed import COMMON, POLICY, is_managed
from segctl.providers.panos.snapshot import load
from segctl.providers.pushed import UNREAD_RULES, UNREAD_ZONES
from segctl.providers.state import UNREAD
from segctl_mocks import Answer, PanosMock
from support.panos import DEVICE, RULES, VSYS, boot, other_rule, target_of
from support.plants import flow, plant
from support.pushed import Policy, address, entry, rule, template

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from segctl.planning.plan import DevicePlan
    from segctl.providers.base import Live

PANOS = PanosProvider()
CTRL, SUPV = "OT-CTRL", "OT-SUPV"
PRE, POST = "Panorama pre-rule ", "Panorama post-rule "
ALL, NONE = rule("all"), rule("none", action="deny")
SERVER = "<panorama-server>x</panorama-server>"


@contextmanager
def managed(
    *pushed: bytes, own: Sequence[str] = (), multi: bool = False, more: str = ""
) -> Generator[PanosMock]:
    """A firewall to which this was pushed, with local rules and objects of its virtual system."""
    with PanosMock("fw1", job_seconds=0.0, multi_vsys=multi) as mock:
        boot(mock, pushed=pushed)
        if more:
            mock.edit("set", VSYS, more, commit=True)
        for text in own:
            mock.edit("set", RULES, text, commit=True)
        yield mock


def document(mock: PanosMock) -> bytes:
    with PANOS.connect(target_of(mock), read_only=True) as session:
        return session.read()


def live(*pushed: bytes, own: Sequence[str] = (), multi: bool = False, more: str = "") -> Live:
    with managed(*pushed, own=own, multi=multi, more=more) as mock:
        return PANOS.parse(document(mock))


def flow_of(destination: str, port: int = 22) -> Space:
    return Space(
        (
            Box(
                source=addresses([interval("10.0.0.1")]),
                destination=addresses([interval(destination)]),
                service=service("tcp", port, port),
            ),
        )
    )


def judged(found: Live, destination: str = "10.2.0.9", port: int = 22) -> str:
    """Return what the device does with a flow from CTRL to SUPV, by which rules."""
    chain = reading(PANOS, found).between(CTRL, SUPV)
    region = flow_of(destination, port)
    answer = permitted(chain, region)
    verdict = "cannot tell" if answer.unknown else "allow" if answer.can else "deny"
    (first, *_) = [match.rule for match in chain if match.can & region]
    return f"{verdict} by {first}"


def planned(found: Live) -> DevicePlan:
    return plan_device(plant(flow("poll", ports=(502,))), found, PANOS)


# --- in its place --------------------------------------------------------------------------------


def test_rules_stand_around_those_of_the_device_in_the_order_of_evaluation() -> None:
    policy = Policy(
        pre=rule("a", loc="OT") + rule("b"),
        post=rule("a") + rule("z"),
        shared=f"<pre-rulebase><security><rules>{rule('s', loc='shared')}</rules></security>"
        f"</pre-rulebase><post-rulebase><security><rules>{rule('t', loc='shared')}</rules>"
        "</security></post-rulebase>",
    )
    found = live(policy.answer(), own=[other_rule("mine"), other_rule("a")])
    assert [one.name for one in found.effective().rules] == [
        f"{PRE}s",
        f"{PRE}a",
        f"{PRE}b",
        "mine",
        "a",
        f"{POST}a",
        f"{POST}z",
        f"{POST}t",
    ]
    assert found.order == ("mine", "a")
    assert [one.name for one in found.others.rules] == ["mine", "a"]


@pytest.mark.parametrize(
    ("policy", "own", "verdict"),
    [
        (Policy(pre=ALL), [other_rule("mine")], f"allow by {PRE}all"),
        (Policy(pre=NONE), [other_rule("mine", action="allow")], f"deny by {PRE}none"),
        (Policy(post=ALL), [other_rule("mine")], "deny by mine"),
        (Policy(post=ALL), [], f"allow by {POST}all"),
        (Policy(post=rule("x", enter=SUPV)), [], "deny by interzone-default"),
        (Policy(pre=rule("off", more="<disabled>yes</disabled>")), [], "deny by interzone-default"),
    ],
)  # fmt: skip
def test_the_first_rule_that_matches_decides_whoever_put_it_there(
    policy: Policy, own: Sequence[str], verdict: str
) -> None:
    assert judged(live(policy.answer(), own=own)) == verdict


def test_a_default_rule_is_the_devices_own_or_that_of_its_group_or_the_shared_one() -> None:
    def default(action: str, loc: str) -> str:
        return entry("interzone-default", f"<action>{action}</action>", loc)

    shared, group = default("allow", "shared"), default("drop", "OT")
    assert judged(live(Policy(defaults=shared).answer())) == "allow by interzone-default"
    for both in (shared + group, group + shared):
        assert judged(live(Policy(defaults=both).answer())) == "deny by interzone-default"
    own = (
        "<rulebase><default-security-rules><rules><entry name='interzone-default'><action>deny"
        "</action></entry></rules></default-security-rules></rulebase>"
    )
    found = live(Policy(defaults=shared).answer(), more=own)
    assert judged(found) == "deny by interzone-default"
    assert len(found.effective()[DefaultRule]) == 1


def test_a_name_means_what_the_virtual_system_has_before_what_is_shared() -> None:
    policy = Policy(pre=rule("r", destination="plc"))
    local = "<address><entry name='plc'><ip-netmask>10.2.0.9</ip-netmask></entry></address>"
    theirs = f"<address>{address('plc', '10.2.0.0/24', 'shared')}</address>"
    group = f"<address>{address('plc', '10.2.0.8')}</address>"

    def meant(objects: str = "", shared: str = "", more: str = "") -> list[str]:
        put = Policy(pre=policy.pre, objects=objects, shared=shared).answer()
        found = live(put, more=more)
        assert found.pushed.unread == ()
        return [
            host
            for host in ("10.2.0.7", "10.2.0.8", "10.2.0.9")
            if judged(found, host).startswith("allow")
        ]

    assert meant(shared=theirs) == ["10.2.0.7", "10.2.0.8", "10.2.0.9"]
    assert meant(objects=group, shared=theirs) == ["10.2.0.8"]
    assert meant(shared=theirs, more=local) == ["10.2.0.9"]


def test_what_is_pushed_beside_security_rules_uses_objects() -> None:
    """Only their names count: no text that is something else."""
    nat = entry(
        "out",
        "<from><member>any</member></from><to><member>any</member></to><source><member>any</member>"
        "</source><destination><member>any</member></destination><service>any</service>"
        "<source-translation><static-ip><translated-address>plc</translated-address></static-ip>"
        "</source-translation>",
    )
    objects = f"<address>{address('plc', '10.2.0.9')}{address('idle', '10.2.0.8')}</address>"
    found = live(Policy(objects=objects, more=f"<nat><rules>{nat}</rules></nat>").answer())
    assert found.used == frozenset({"plc"})
    secured = Policy(objects=objects, pre=rule("r", destination="plc")).answer()
    assert live(secured).used == frozenset()  # lint looks at security rules itself
    broken = Policy(objects=objects).answer().replace(b"<shared>", b"<odd/><shared>")
    assert live(broken).used is not None


def test_local_rules_may_use_what_was_pushed() -> None:
    objects = (
        f"<address>{address('plc', '10.2.0.9')}</address><address-group>"
        + entry("plcs", "<static><member>plc</member></static>")
        + "</address-group><service>"
        + entry("ssh", "<protocol><tcp><port>22</port></tcp></protocol>")
        + "</service>"
    )
    own = other_rule(
        "mine",
        "<destination><member>plcs</member></destination><service><member>ssh</member></service>",
        "allow",
    )
    found = live(Policy(objects=objects).answer(), own=[own])
    assert judged(found) == "allow by mine"
    assert judged(found, port=23) == "deny by interzone-default"
    assert judged(found, "10.2.0.8") == "deny by interzone-default"


def test_two_meanings_in_one_scope_are_not_chosen_between() -> None:
    local = "<address><entry name='plc'><ip-netmask>10.2.0.9</ip-netmask></entry></address>"
    same, other = (
        Policy(pre=ALL, objects=f"<address>{address('plc', value)}</address>").answer()
        for value in ("10.2.0.9", "10.2.0.8")
    )
    assert live(same, more=local).pushed.unread == ()
    found = live(other, more=local)
    assert found.pushed.unread == ("address plc is defined both on the device and by Panorama",)
    assert judged(found) == f"cannot tell by {UNREAD_RULES}"


def test_what_only_the_device_knows_is_open_in_pushed_rules_too() -> None:
    objects = "<external-list>" + entry("feed", "<type><ip/></type>") + "</external-list>"
    found = live(Policy(pre=rule("r", destination="feed"), objects=objects).answer())
    assert judged(found) == f"cannot tell by {PRE}r"
    assert found.implied["feed"] == "a list that the device fetches"


def test_a_rule_with_our_mark_is_panoramas_all_the_same() -> None:
    more = "<tag><member>segctl</member></tag><description>[segctl c.f] x</description>"
    found = live(Policy(pre=rule("c.f", more=more)).answer())
    (first,) = found.pushed.before
    assert (first.name, first.conduit, first.tags) == (f"{PRE}c.f", "", ())
    assert found.policy.rules == ()


# --- asking --------------------------------------------------------------------------------------


def test_a_device_that_is_not_managed_is_asked_nothing_more() -> None:
    def asked(*pushed: bytes, multi: bool = False) -> int:
        with managed(*pushed, multi=multi) as mock:
            before = len(mock.requests)
            document(mock)
            return len(mock.requests) - before

    alone = asked()
    many = Policy(pre="".join(rule(f"r{number}") for number in range(300)))
    assert asked(Policy().answer()) == asked(many.answer()) == alone + 1
    assert asked(many.answer(), multi=True) == asked(multi=True) + 2


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        (f"<panorama><local-panorama>{SERVER}</local-panorama></panorama>", True),
        (SERVER, True),
        ("<panorama-server-2>x</panorama-server-2>", True),
        ("<panorama><cloud-service/></panorama>", True),
        ("<hostname>panorama-server</hostname>", False),
        ("<panorama/>", False),
        ("", False),
    ],
)  # fmt: skip
def test_a_device_says_in_its_settings_that_it_is_managed(settings: str, found: bool) -> None:  # noqa: FBT001 - a row of a table
    text = f"<deviceconfig><system>{settings}</system></deviceconfig>".encode()
    assert is_managed(text) is found


STATUS = "panorama-status"
POLICY_OF = "pushed-shared-policy"
BY_TEMPLATE = template(("OT-REST", "ethernet1/9"), settings=SERVER)


def test_a_firewall_whose_panorama_comes_from_a_template_is_managed() -> None:
    for more in ([], [Policy(pre=ALL).answer()]):
        with managed(BY_TEMPLATE, *more) as mock:
            held = load(document(mock))
            assert b"panorama-server" not in mock.running()
            assert b"panorama-server" in bytes(held.parts["deviceconfig"])
            found = PANOS.parse(document(mock))
        assert found.pushed.zones == {"OT-REST"}
        assert not found.pushed.unread
        assert judged(found) == (f"allow by {PRE}all" if more else "deny by interzone-default")


def test_what_a_panorama_pushed_before_it_was_taken_out_is_still_in_force() -> None:
    with managed(Policy(pre=ALL).answer()) as mock:
        system = f"{DEVICE}/deviceconfig/system/panorama"
        mock.edit("delete", system, commit=True)
        found = PANOS.parse(document(mock))
    assert judged(found) == f"allow by {PRE}all"


REFUSAL = b'<response status="error" code="16"><msg><line>no right</line></msg></response>'
STRANGE = b'<response status="success"><result><servers/></result></response>'


@pytest.mark.parametrize(
    ("status", "policy", "unread"),
    [
        (None, None, ()),
        (REFUSAL, None, ()),
        (None, REFUSAL, ()),
        (None, STRANGE, ("the pushed policy has servers, which is not understood",)),
        (REFUSAL, REFUSAL, ("refuses to show the pushed policy: no right",)),
        (STRANGE, REFUSAL, ("refuses to show the pushed policy: no right",)),
        (b"<resp", REFUSAL, ("refuses to show the pushed policy: no right",)),
    ],
)
@pytest.mark.parametrize("multi", [False, True])
def test_a_firewall_that_names_no_panorama_has_none_only_if_it_says_so(
    status: bytes | None, policy: bytes | None, unread: tuple[str, ...], *, multi: bool
) -> None:
    with managed(multi=multi) as mock:
        for what, body in ((STATUS, status), (POLICY_OF, policy)):
            if body is not None:
                mock.fail("body", contains=what, times=100, body=body)
        found = PANOS.parse(document(mock))
    assert found.pushed.unread == unread
    assert bool(unread) == any(one.kind == UNREAD for one in found.findings)


def test_shared_objects_of_a_device_with_several_systems_are_asked_for_apart() -> None:
    theirs = f"<shared><address>{address('plc', '10.2.0.9', 'shared')}</address></shared>".encode()
    policy = Policy(pre=rule("r", destination="plc")).answer()
    found = live(policy, theirs, multi=True)
    assert judged(found) == f"allow by {PRE}r"
    assert judged(found, "10.2.0.8") == "deny by interzone-default"


def test_a_system_without_a_device_group_has_the_shared_objects_alone() -> None:
    theirs = f"<shared><address>{address('plc', '10.2.0.9', 'shared')}</address></shared>".encode()
    own = other_rule("mine", "<destination><member>plc</member></destination>", "allow")
    found = live(theirs, own=[own], multi=True)
    assert found.pushed.unread == ()
    assert judged(found) == "allow by mine"


def test_rules_for_all_systems_that_this_one_has_not_are_not_passed_over() -> None:
    both = Policy(pre=ALL).answer()
    theirs = (
        f"<shared><pre-rulebase><security><rules>{rule('other')}</rules></security></pre-rulebase>"
        "</shared>"
    )
    found = live(theirs.encode(), multi=True)
    assert found.pushed.unread == (
        "rules that are pushed to all virtual systems are not among vsys1's",
    )
    assert live(both, multi=True).pushed.unread == ()


# --- what cannot be read -------------------------------------------------------------------------


def answer(text: str) -> Answer:
    return Answer(text.encode())


UNREADABLE: Mapping[str, tuple[Answer, str]] = {
    "an error": (
        answer('<response status="error" code="17"><msg><line>no right</line></msg></response>'),
        "refuses to show the pushed policy: no right",
    ),
    "not allowed": (
        answer('<response status="unauth" code="16"><msg><line>no</line></msg></response>'),
        "does not let 'admin' do this",
    ),
    "cut off": (answer('<response status="success"><result><policy><pano'), "not complete XML"),
    "nothing": (answer('<response status="success"><result/></response>'), "holds nothing"),
    "another sentence": (
        answer('<response status="success"><result>disabled</result></response>'),
        "holds 'disabled'",
    ),
    "another root": (
        answer('<response status="success"><result><rules/></result></response>'),
        "has rules, which is not understood",
    ),
    "another rulebase": (
        answer(
            '<response status="success"><result><policy><panorama><mid-rulebase/></panorama>'
            "</policy></result></response>"
        ),
        "has mid-rulebase, which is not understood",
    ),
    "another list of rules": (
        answer(
            '<response status="success"><result><policy><panorama><pre-rulebase><security>'
            "<sections/></security></pre-rulebase></panorama></policy></result></response>"
        ),
        "has security of pre-rulebase, which is not understood",
    ),
    "something among rules": (
        answer(
            '<response status="success"><result><policy><panorama><pre-rulebase><security><rules>'
            "<section/></rules></security></pre-rulebase></panorama></policy></result></response>"
        ),
        "has section among rules, which is not understood",
    ),
    "something before a rule": (
        answer(
            '<response status="success"><result><policy><panorama><pre-rulebase><security><rules>'
            f"<section/>{NONE}{ALL}</rules></security></pre-rulebase></panorama></policy></result>"
            "</response>"
        ),
        "has section among rules, which is not understood",
    ),
    "two policies": (
        answer('<response status="success"><result><policy/><policy/></result></response>'),
        "has policy beside it",
    ),
}  # fmt: skip


def answering(mock: PanosMock, said: Answer, command: str = "<pushed-shared-policy>") -> None:
    handle: Callable[..., Answer] = mock.device.handle

    def instead(params: Mapping[str, str], size: int = 0, basic: str = "") -> Answer:
        return said if command in params.get("cmd", "") else handle(params, size, basic)

    mock.device.handle = instead  # type: ignore[method-assign] # this device answers otherwise


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_read_is_never_taken_for_nothing(case: str) -> None:
    said, reason = UNREADABLE[case]
    with managed(Policy(pre=ALL).answer(), own=[other_rule("mine")]) as mock:
        answering(mock, said)
        found = PANOS.parse(document(mock))
    (why,) = found.pushed.unread
    assert reason in why
    assert judged(found) == f"cannot tell by {UNREAD_RULES}"
    (told,) = (one for one in found.findings if one.kind == UNREAD)
    assert (told.severity, told.subject) == ("warning", UNREAD_RULES)
    assert reason in told.message
    made = planned(found)
    assert made.changes
    assert not [one for one in made.findings if one.severity == "error"]


def test_a_rule_of_its_own_does_not_hide_what_could_not_be_read() -> None:
    with managed(Policy().answer(), own=[other_rule("mine", action="allow")]) as mock:
        answering(mock, UNREADABLE["an error"][0])
        assert judged(PANOS.parse(document(mock))) == f"cannot tell by {UNREAD_RULES}"


def test_a_lost_connection_is_not_a_policy_that_could_not_be_read() -> None:
    with managed(Policy().answer()) as mock:
        mock.fail("drop_before", contains="pushed-shared-policy", times=5)
        with pytest.raises(ConnectError):
            document(mock)


def test_a_document_that_lacks_the_answers_of_a_managed_device_says_so() -> None:
    with managed(Policy().answer()) as mock:
        kept = load(document(mock))
    parts = {name: part for name, part in kept.parts.items() if name not in (POLICY, COMMON)}
    found = PANOS.parse(type(kept)(host="fw1", user="u", scope="vsys1", parts=parts).dump())
    assert found.pushed.unread == ("they were not asked for",)


def test_a_large_policy_is_read_one_entry_at_a_time() -> None:
    count = 15_000  # more parts than an answer may have that is read as one tree
    policy = Policy(pre="".join(rule(f"r{number}") for number in range(count)))
    found = live(policy.answer())
    assert len(found.pushed.before) == count
    assert found.pushed.unread == ()


# --- templates and names of the inventory --------------------------------------------------------


def test_zones_of_a_template_are_known_and_never_written() -> None:
    with managed(Policy().answer(), template((CTRL, "loopback.901"), ("T-NEW", "ae1"))) as mock:
        mock.edit("delete", f"{VSYS}/zone/entry[@name='{CTRL}']", commit=True)
        found = PANOS.parse(document(mock))
    assert {zone.name: zone.interfaces for zone in found.zones}["T-NEW"] == ("ae1",)
    assert found.known["zone"] >= {CTRL, "T-NEW"}
    assert found.pushed.zones == {CTRL, "T-NEW"}
    made = planned(found)
    assert not [one for one in made.findings if one.severity == "error"]


def test_a_template_that_cannot_be_read_is_told() -> None:
    with managed(Policy().answer()) as mock:
        answering(mock, UNREADABLE["an error"][0], "<pushed-template>")
        found = PANOS.parse(document(mock))
    (told,) = found.findings
    assert "cannot tell which zones Panorama's templates give" in told.message
    assert told.kind == UNREAD
    (item,) = items_of(replace(planned(found), changes=()))
    assert (item.kind, item.state) == ("pushed zones", "unread")
    assert item.name == UNREAD_ZONES
    assert found.pushed.unread == ()


@pytest.mark.parametrize("given", [True, False])
def test_profile_groups_that_are_pushed_may_be_used(given: bool) -> None:  # noqa: FBT001 - a row of a table
    objects = "<profile-group>" + entry("ot-strict", "<virus><member>default</member></virus>")
    objects += (
        "</profile-group><log-settings><profiles>" + entry("far", "") + "</profiles></log-settings>"
    )
    with managed(Policy(objects=objects if given else "").answer()) as mock:
        mock.edit("delete", f"{VSYS}/profile-group/entry[@name='ot-strict']", commit=True)
        found = PANOS.parse(document(mock))
    assert ("ot-strict" in found.known["profile-group"]) is given
    assert ("far" in found.known["log-setting"]) is given


# --- plans ---------------------------------------------------------------------------------------


def test_a_plan_judges_pushed_rules_as_those_of_others() -> None:
    found = live(Policy(pre=ALL + rule("no", action="deny"), post=rule("late")).answer())
    made = planned(found)
    holes = [one for one in made.findings if one.kind == HOLE]
    assert [one.subject for one in holes] == [f"{PRE}all"]
    assert "where it is managed" in holes[0].hint
    messages = " ".join(one.message for one in made.findings)
    assert f"will no longer match between our zones: {POST}late" in messages
    assert [(one.name, one.above) for one in made.unmanaged] == [
        (f"{PRE}all", True),
        (f"{PRE}no", True),
        (f"{POST}late", False),
    ]
    assert "segctl.deny" in made.script
    assert "Panorama" not in made.script
    denied = planned(live(Policy(pre=rule("no", action="deny")).answer()))
    (told,) = (one for one in denied.findings if one.subject == f"{PRE}no")
    assert f"rule '{PRE}no' of others stands above our block and denies" in told.message
    assert "where it is managed" in told.hint


def test_a_local_rule_that_is_called_like_a_pushed_one_is_judged_itself() -> None:
    pre = Policy(pre=rule("same", action="deny", service="service-https"))
    found = live(pre.answer(), own=[other_rule(f"{PRE}same", action="allow")])
    assert [one.subject for one in planned(found).findings if one.kind == HOLE] == [f"{PRE}same"]


def test_our_block_is_closed_only_where_something_may_follow_it() -> None:
    assert "segctl.deny" not in planned(live(Policy(pre=ALL).answer())).script
    assert "segctl.deny" in planned(live(Policy(post=ALL).answer())).script


def test_a_refusal_closes_a_new_block_and_changes_none_that_is_there() -> None:
    def script(*, closed: bool, ours: bool = True) -> str:
        with managed(Policy().answer()) as mock:
            if ours:
                answering(mock, answer(Policy(post=ALL if closed else "").answer().decode()))
                made = planned(PANOS.parse(document(mock)))
                with PANOS.connect(target_of(mock), read_only=False) as session:
                    session.read()
                    with session.lock():
                        session.read()
                        session.push(made.script)
                        session.confirm()
            answering(mock, UNREADABLE["an error"][0])
            return planned(PANOS.parse(document(mock))).script

    assert "segctl.deny" in script(closed=False, ours=False)
    for closed in (True, False):
        assert "segctl.deny" not in script(closed=closed)
