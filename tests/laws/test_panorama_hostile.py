"""Answers of a Panorama that are no answers, at every request of a change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from segctl.analysis.decide import Packet
from segctl.compiler.naming import ContainedNote
from segctl.model.errors import ApplyError, ParseError, SegctlError, UnsupportedError
from segctl.model.scope import Scope
from segctl.planning.apply import Order, apply_device
from segctl.providers.base import provider
from segctl.providers.panos.panorama.managed_cell import ManagedCell
from segctl.providers.panos.panorama.proxied import ProxiedSession
from segctl.providers.panos.panorama.session import PanoramaSession
from segctl.testing import plan, reach
from segctl.transports.credentials import Secret
from support.lengths import firsts
from support.panorama_bench import PASSWORD, SERIALS, GroupBench, plant_of
from support.plants import flow
from support.runs import look, silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl.transports.target import Target
    from support.panorama_bench import GroupHarness

WEB = flow("web", ports=(443,))
CLEAR = "<clear><session><all><filter>{}</filter></all></session></clear>"
REST = (
    "<destination>10.0.0.2</destination><protocol>6</protocol><source-port>1</source-port>"
    "<destination-port>2</destination-port>"
)
SSH = flow("ssh", ports=(22,))
OLD, NEW = plant_of(WEB), plant_of(WEB, SSH)
HERE = ip_address("10.0.0.1")

#: It repeats the key that it was asked with.
_REPEATS = b"<response status='error'><msg><line>what is KEY?</line></msg></response>"
ANSWERS: tuple[dict[str, Any], ...] = (
    {"kind": "html"},
    {"kind": "bomb"},
    {"kind": "truncate"},
    {"kind": "body", "body": b'<response status="success"><result/></response>'},
    {"kind": "body", "body": b'<response status="success"/>'},
    {"kind": "body", "body": b"\xff\xfe\x00 no text"},
    {"kind": "body", "body": b""},
    {
        "kind": "body",
        "body": b'<response status="success"><result><job>../1</job></result></response>',
    },
    {"kind": "body", "body": _REPEATS},
    {"kind": "body", "body": b"<response status='success'>" + b"<a>" * 3000 + b"</response>"},
)


@pytest.fixture
def bench(panorama: GroupHarness) -> Iterator[GroupBench]:
    with panorama.workbench() as made:
        made.patience = 2
        reach(panorama, made, OLD)
        yield made


@pytest.mark.parametrize("first", firsts(3))
def test_an_answer_that_is_none_leaves_old_or_new_and_is_one_clear_error(
    first: int, panorama: GroupHarness, bench: GroupBench
) -> None:
    """Each request of a run gets one of them, each of them at many requests."""
    number, late = first, False
    while not late:
        panorama.boot()
        reach(panorama, bench, OLD)
        made = plan(panorama, bench, NEW)
        old = {name: bench.pushed(name) for name in SERIALS}
        asked = len(bench.mock.requests)
        answer = dict(ANSWERS[number % len(ANSWERS)])
        key = bench.mock.key("segctl")
        if answer.get("body"):
            answer["body"] = answer["body"].replace(b"KEY", key.encode())
        bench.mock.fail(answer.pop("kind"), skip=number, **answer)
        said: list[str] = []
        try:
            order = Order(allow_mass_delete=True, plan_id="hostile")
            outcome = apply_device(
                made, panorama.provider, bench.target, order=order, progress=said.append
            )
            said.append(str(outcome))
        except SegctlError as error:
            said.append(str(error))
        late = number >= len(bench.mock.requests) - asked
        assert PASSWORD not in "\n".join(said)
        assert key not in "\n".join(said)
        bench.mend()
        for name in SERIALS:
            assert bench.pushed(name) in (old[name], *bench.dues(name)), (number, name)
        settle(panorama, bench)
        for name in SERIALS:
            assert bench.pushed(name) == bench.due(name), (number, name)
            assert "c1.ssh" in bench.pushed(name)
        assert bench.locks == 0
        number += 3
    assert number > 30


def settle(panorama: GroupHarness, bench: GroupBench) -> None:
    """Do what one more `segctl apply` does."""
    for settle_only in (True, False):
        made = plan(panorama, bench, NEW)
        order = Order(settle_only=settle_only, plan_id="next", allow_mass_delete=True)
        apply_device(made, panorama.provider, bench.target, order=order, progress=silent)


# --- bad input -----------------------------------------------------------------------------------


def read(panorama: GroupHarness, bench: GroupBench, **values: Any) -> None:
    """Read as `plan` does."""
    target = replace(bench.target, **values)
    with panorama.provider.connect(target, read_only=True, progress=silent) as session:
        panorama.provider.parse(session.read())


def test_an_unknown_device_group(panorama: GroupHarness, bench: GroupBench) -> None:
    scope = replace(bench.target.scope, name="NOPE")
    with pytest.raises(
        ParseError, match="does not list device group NOPE; it has OT: correct segc"
    ):
        read(panorama, bench, scope=scope)


def test_a_firewall_that_is_not_in_its_group(panorama: GroupHarness, bench: GroupBench) -> None:
    first, second = bench.target.managed
    away = replace(second, serial="009999999999")
    with pytest.raises(ParseError, match="fw2 is not in device group OT, which has fw1"):
        read(panorama, bench, managed=(first, away))


def test_two_hosts_that_are_one_firewall(panorama: GroupHarness, bench: GroupBench) -> None:
    first, second = bench.target.managed
    with pytest.raises(ParseError, match="fw1 and fw2 are the same firewall, 007000000001"):
        read(panorama, bench, managed=(first, replace(second, serial=first.serial)))


def test_a_firewall_at_the_address_of_a_panorama(panorama: GroupHarness, bench: GroupBench) -> None:
    with bench.firewalls["fw1"] as firewall, pytest.raises(ParseError, match="not a Panorama"):
        read(panorama, bench, port=firewall.port, ca_file=firewall.ca_file)


def test_a_panorama_that_is_older_than_a_firewall(
    panorama: GroupHarness, bench: GroupBench
) -> None:
    firewall = bench.firewalls["fw2"]
    kept = firewall.settings
    firewall.settings = replace(kept, sw_version="11.2.3")
    try:
        made = plan(panorama, bench, NEW)
    finally:
        firewall.settings = kept
    (told,) = made.barring()
    assert "older than that of fw2 (11.2.3)" in told.message
    assert "update Panorama first" in told.hint


def test_a_panorama_that_answers_for_another_device(bench: GroupBench) -> None:
    """It passes over whom a request was for: what it then shows is not the firewall's."""
    firewall, speaks = managed(bench), provider("panos")
    with speaks.connect(firewall, read_only=True, progress=silent) as session:
        assert speaks.parse(session.read()).identity.serial == SERIALS["fw1"]
    for serial in ("000710000001", SERIALS["fw2"], ""):
        system = f"<system><serial>{serial}</serial><sw-version>11.1.6</sw-version></system>"
        body = f"<response status='success'><result>{system}</result></response>"
        bench.mock.fail("body", contains="<system><info>", body=body.encode(), times=9)
        with (
            speaks.connect(firewall, read_only=True, progress=silent) as session,
            pytest.raises(ParseError, match="asked for by way of Panorama") as told,
        ):
            session.read()
        assert f"({SERIALS['fw1']}), and {serial or 'another'} answered" in str(told.value)
        bench.mend()


def managed(bench: GroupBench) -> Target:
    """Return how the first firewall is reached by way of its Panorama."""
    return replace(
        bench.target,
        name="fw1",
        scope=Scope(),
        via=bench.target.scope,
        managed=bench.target.managed[:1],
    )


def test_a_session_with_a_managed_firewall_can_contain_and_change_nothing_else(
    bench: GroupBench,
) -> None:
    with provider("panos").connect(managed(bench), read_only=False, progress=silent) as session:
        assert isinstance(session, ProxiedSession)
        (cell,) = session.cells()
        assert isinstance(cell, ManagedCell)
        asked = len(bench.mock.requests)
        with pytest.raises(UnsupportedError, match="changed in its device group"):
            session.push("<steps/>")
        with pytest.raises(UnsupportedError, match="changed in its device group"), session.lock():
            pass
        for params in (
            {"type": "config", "action": "set", "xpath": "/config/shared", "element": "<tag/>"},
            {"type": "commit", "cmd": "<commit/>"},
            {"type": "op", "cmd": "<clear><session><all/></session></clear>"},
            {"type": "op", "cmd": CLEAR.format("<source>10.0.0.1</source>")},
            {"type": "op", "cmd": CLEAR.format("<source>10.0.0.0/8</source>" + REST)},
            {"type": "op", "cmd": "<request><restart><system/></restart></request>"},
        ):
            with pytest.raises(ApplyError, match="changes no configuration"):
                cell.member.ask(params)
        cell.member.client.passed_on = ""
        with pytest.raises(ApplyError, match="changes no configuration"):
            cell.member.ask({"type": "user-id", "action": "set", "cmd": "<uid-message/>"})
        cell.member.client.passed_on = SERIALS["fw1"]
        assert [one for one in bench.mock.requests[asked:] if one.type != "keygen"] == []
        note = ContainedNote(until=datetime.now(UTC), id="1", by="test", why="test")
        cell.hold(["10.0.0.1"], note, 60, persistent=True)
        held = bench.firewalls["fw1"].device.userid.held()
        assert "segctl-contained" in held["10.0.0.1"]
        assert not bench.mock.device.userid.held()


def test_nobody_is_contained_where_another_device_answers(bench: GroupBench) -> None:
    system = "<system><serial>000710000001</serial></system>"
    body = f"<response status='success'><result>{system}</result></response>"
    with provider("panos").connect(managed(bench), read_only=False, progress=silent) as session:
        assert isinstance(session, ProxiedSession)
        (cell,) = session.cells()
        bench.mock.fail("body", contains="<system><info>", body=body.encode())
        note = ContainedNote(until=datetime.now(UTC), id="1", by="test", why="test")
        with pytest.raises(ParseError, match="asked for by way of Panorama"):
            cell.hold(["10.0.0.1"], note, 60, persistent=True)
        assert not [one for one in bench.mock.requests if one.type == "user-id"]


def test_a_panorama_itself_contains_nobody(panorama: GroupHarness, bench: GroupBench) -> None:
    with panorama.provider.connect(bench.target, read_only=False, progress=silent) as session:
        assert isinstance(session, PanoramaSession)
        with pytest.raises(UnsupportedError, match="contains nobody itself"):
            session.cells()


@pytest.mark.parametrize(
    ("hierarchy", "words"),
    [
        ("", "does not list device group OT; it has none: correct segctl_device_group"),
        ("<dg name='A'/>", "does not list device group OT; it has A: correct"),
        ("<dg name='OT'><dg name='A'><dg name='OT'/></dg></dg>", "or is its own: OT"),
        ("<dg name='A'><dg name='OT'/></dg><dg name='B'><dg name='OT'/></dg>", "than one parent"),
        ("<dg name='A'><dg name='A'><dg name='OT'/></dg></dg>", "or is its own: OT < A < A"),
    ],
)
def test_a_hierarchy_that_does_not_say_what_a_group_inherits(
    hierarchy: str, words: str, panorama: GroupHarness, bench: GroupBench
) -> None:
    body = f"<result><dg-hierarchy>{hierarchy}</dg-hierarchy></result>"
    body = f"<response status='success'>{body}</response>"
    bench.mock.fail("body", contains="dg-hierarchy", body=body.encode())
    with pytest.raises(ParseError, match=words):
        read(panorama, bench)


def test_a_quota_of_rules_that_is_reached(panorama: GroupHarness, bench: GroupBench) -> None:
    made, before = plan(panorama, bench, NEW), bench.printed()
    lines = ("Number of security rules (2001) exceeds platform capacity (2000)",)
    bench.mock.fail("commit_invalid", lines=lines)
    with pytest.raises(SegctlError, match="exceeds platform capacity"):
        apply_device(
            made,
            panorama.provider,
            bench.target,
            order=Order(plan_id="x", allow_mass_delete=True),
            progress=silent,
        )
    assert bench.printed() == before
    assert bench.locks == 0
    assert not look(panorama, bench).pending


def test_a_wrong_password_is_told_and_not_shown(panorama: GroupHarness, bench: GroupBench) -> None:
    with pytest.raises(SegctlError, match="refuses the account 'segctl'") as told:
        read(panorama, bench, password=Secret("wrong-secret"))
    assert "wrong-secret" not in str(told.value)


def test_a_panorama_decides_about_no_packet(panorama: GroupHarness, bench: GroupBench) -> None:
    with panorama.provider.connect(bench.target, read_only=True, progress=silent) as session:
        assert isinstance(session, PanoramaSession)
        packet = Packet(from_zone="a", to_zone="b", source=HERE, destination=HERE)
        with pytest.raises(UnsupportedError):
            session.decided_by(packet)
