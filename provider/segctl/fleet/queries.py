"""Check flows on many devices at once, or against the policies declared for them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from segctl.analysis.answer import OTHERS, Answer, judged, with_others
from segctl.analysis.present import Present, as_listed, objects_of_flow
from segctl.analysis.query import answers_by_user, flow_of, stands_for, vendor_applications
from segctl.fleet.failures import Failure, failure_of
from segctl.fleet.inquiries import Inquiry, attempt, inquire, of_snapshot, warned
from segctl.fleet.legs import declared_of, list_legs
from segctl.fleet.onward import judged_onward, leading_on
from segctl.fleet.readings import as_read
from segctl.fleet.tasks import digest_of_read
from segctl.model.errors import InventoryError, Problem, SegctlError, UnsupportedError
from segctl.planning import findings
from segctl.providers.base import application_names, provider, reading

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from concurrent.futures import Executor

    from segctl.analysis.answer import Flow, Passage
    from segctl.analysis.by_rule import Row
    from segctl.analysis.effective import Reading
    from segctl.analysis.query import Question
    from segctl.compiler.build import Desired
    from segctl.compiler.topology import Hop
    from segctl.fleet.legs import Leg
    from segctl.fleet.readings import Readings
    from segctl.fleet.workers import Workers
    from segctl.model.site import Device
    from segctl.planning.snapshot import Snapshot
    from segctl.providers.base import Live


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One device's answer to a question; `users` are users to whom the device allows more.

    `passages` are what it lets through, by the way through it, `other_passages` the same of the
    protocols that the question left open. Where it cannot be told for what
    objects hold that the device fills, `present` is what they held when it was read, and
    `present_passages` what it lets through by that.
    """

    answer: Answer
    users: Mapping[str, Answer] = field(default_factory=dict[str, Answer])
    passages: Mapping[Hop, Passage] = field(default_factory=dict["Hop", "Passage"])
    other_passages: Mapping[Hop, Passage] = field(default_factory=dict["Hop", "Passage"])
    present: Present | None = None
    present_passages: Mapping[Hop, Passage] = field(default_factory=dict["Hop", "Passage"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A device's answers, in the order of the questions, and findings about the device.

    `legs` are the rows of its legs, in their order.
    `digest` is of what was read of it, empty where nothing was; `answered` is the host
    that was read of a pair.
    """

    device: str
    answers: tuple[Answered | Failure, ...]
    legs: tuple[tuple[Row, ...] | Failure, ...] = ()
    findings: tuple[Problem, ...] = ()
    digest: str = ""
    answered: str = ""


def check_devices(
    desired: Sequence[Desired],
    questions: Sequence[Question],
    connections: Mapping[str, Mapping[str, object]],
    *,
    forks: int,
    report: Callable[[str, str], None],
    executor: Workers | Executor | None = None,
    legs: Mapping[str, tuple[Leg, ...]] = MappingProxyType({}),
    readings: Readings | None = None,
) -> tuple[Checked | Failure, ...]:
    """Read every device, write to none, and return answers or a failure for each, in order.

    Each device answers the questions that it can, and lists the rows of its `legs`. With
    `readings`, what was read of the devices before, none is read.
    """
    found = inquire(
        (
            _inquiry(item, asked_of(item.device, questions), legs.get(item.device.name, ()))
            for item in desired
        ),
        connections,
        forks=forks,
        report=report,
        executor=executor,
        readings=readings,
    )
    return as_read(warned(found, connections), readings)


def _inquiry(
    desired: Desired, questions: Sequence[Question], legs: Sequence[Leg]
) -> Inquiry[Checked]:
    answer = partial(check_document, desired, questions, legs)
    return Inquiry(device=desired.device, answer=answer)


def asked_of(device: Device, questions: Iterable[Question]) -> tuple[Question, ...]:
    """Return the questions that a device can answer."""
    return tuple(one for one in questions if device.name in one.devices)


def check_document(
    desired: Desired, questions: Sequence[Question], legs: Sequence[Leg], document: bytes
) -> Checked:
    """Return a device's answers according to its document; pure.

    Raises:
        ParseError: the document cannot be parsed.
        InventoryError: our zones do not match the device's, so that its rules are about others.
    """
    device = desired.device
    speaks = provider(device.platform)
    live = speaks.parse(document)
    zones = _zones(desired, questions)
    zones |= {zone for leg in legs for zone in (leg.hop.enter, leg.hop.leave)}
    doubts = doubts_about(desired, zones, live)
    refuse_errors(doubts)
    known = live.known.get("application")
    held = reading(speaks, live, contained=True, translated=True, gated=True)
    return Checked(
        device=device.name,
        answers=_answers(device, questions, held, known, leading_on(live)),
        legs=list_legs(desired, legs, (held,), declared_of(desired, live), leading_on(live))
        if legs
        else (),
        findings=tuple(one for one in doubts if one.severity != "note"),
        digest=digest_of_read(speaks, document),
        answered=live.identity.answered,
    )


def refuse_errors(doubts: Iterable[Problem]) -> None:
    """Refuse to answer where a device's zones are not those of the inventory.

    Raises:
        InventoryError: they are not.
    """
    if wrong := tuple(one for one in doubts if one.severity == "error"):
        message = "; ".join(one.message for one in wrong)
        hint = "what the device does with them is unknown: see segctl plan"
        raise InventoryError((Problem(message=message, hint=hint),))


def check_snapshot(
    desired: Desired,
    questions: Sequence[Question],
    legs: Sequence[Leg],
    snapshots: Mapping[str, Snapshot],
) -> Checked | Failure:
    """Return a device's answers according to its snapshot."""
    return of_snapshot(_inquiry(desired, questions, legs), snapshots)


def check_declared(
    desired: Desired, questions: Sequence[Question], legs: Sequence[Leg]
) -> Checked | Failure:
    """Return a device's answers according to the policy that the inventory declares for it."""
    return attempt(desired.device.name, partial(_of_declared, desired, questions, legs))


def _of_declared(desired: Desired, questions: Sequence[Question], legs: Sequence[Leg]) -> Checked:
    device = desired.device
    held = declared_of(desired, None)
    return Checked(
        device=device.name,
        answers=_answers(device, questions, held, None, {}),
        legs=list_legs(desired, legs, (held,), held),
    )


def _zones(desired: Desired, questions: Iterable[Question]) -> set[str]:
    """Return the zones that questions are about, by key."""
    hops = (hop for question in questions for hop in question.on(desired.device))
    return {zone for hop in hops for zone in (hop.enter, hop.leave)}


def doubts_about(desired: Desired, asked: Collection[str], live: Live) -> tuple[Problem, ...]:
    """Return reasons why what a device answers about zones (keys) may be incomplete."""
    used = {one.name for one in desired.device.zones if one.zone in asked}
    zones = [zone for zone in desired.bindings if zone.name in used]
    return (
        # a zone that segctl would create counts as missing: nothing is enforced for it until then
        *findings.bindings(zones, live, managed=False),
        *findings.interfaces(zones, live),
        *live.findings,
        *findings.pending(live),
        *findings.state(live.state),
    )


def _answers(
    device: Device,
    questions: Iterable[Question],
    held: Reading,
    known: frozenset[str] | None,
    leading: Mapping[str, str],
) -> tuple[Answered | Failure, ...]:
    """Return answers; `leading` has the virtual systems that zones of the device lead to."""
    found: list[Answered | Failure] = []
    for question in questions:
        ends = (question.source.zone, question.destination.zone)
        onward = judged_onward(held, device, question.on(device), ends, leading)
        found.append(_answer(device, question, onward, known))
    return tuple(found)


def _answer(
    device: Device, question: Question, held: Reading, known: frozenset[str] | None
) -> Answered | Failure:
    platform = provider(device.platform)
    words = application_names(platform)
    try:
        if platform.capabilities.applications and known is not None:
            named = vendor_applications(question.check, words)
            _refuse_unknown((each for one in named for each in stands_for(one, held)), known)
        flow = flow_of(question, device, held, applications=words)
        found, passages = judged(flow, held)
        others: tuple[Passage, ...] = ()
        if question.check.open_protocol:
            rest, others = judged(replace(flow, protocol=OTHERS), held)
            if found.verdict == "deny" and (rest.allowed or rest.unknown):
                found, flow = with_others(found, rest), replace(flow, protocol=OTHERS)
        theirs = answers_by_user(question, device, held, applications=words)
    except SegctlError as error:
        return failure_of(device.name, error)
    hops = tuple(question.on(device))
    present, now = _present(flow, found, held)
    return Answered(
        answer=found,
        users=theirs,
        passages=dict(zip(hops, passages, strict=True)),
        other_passages=dict(zip(hops, others, strict=True)) if others else {},
        present=present,
        present_passages=dict(zip(hops, now, strict=True)) if now else {},
    )


def _present(
    flow: Flow, found: Answer, held: Reading
) -> tuple[Present | None, tuple[Passage, ...]]:
    """Return what becomes of a flow by what objects hold now, where it cannot be told otherwise."""
    objects = objects_of_flow(flow, held) if found.unknown else ()
    if not objects:
        return None, ()
    user = as_listed(flow.user, held)
    if held.now is None or user is None:
        return Present(objects=objects), ()
    try:
        answer, passages = judged(replace(flow, user=user), held.now)
    except SegctlError:  # too complex: then what they hold says no more
        return Present(objects=objects), ()
    return Present(objects=objects, answer=answer), passages


def _refuse_unknown(named: Iterable[str], known: frozenset[str]) -> None:
    missing = sorted(set(named) - known)
    if missing:
        raise UnsupportedError(
            f"the device has no application {', '.join(missing)}: correct the name, or update "
            "its content"
        )
