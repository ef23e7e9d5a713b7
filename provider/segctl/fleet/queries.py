"""Check flows on many devices at once, or against the policies declared for them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import segctl
from segctl.analysis.answer import Answer, judged
from segctl.analysis.query import answers_by_user, flow_of, stands_for, vendor_applications
from segctl.fleet.cancel import Brake
from segctl.fleet.connections import unverified
from segctl.fleet.failures import Failure, failure_of
from segctl.fleet.legs import declared_of, list_legs
from segctl.fleet.pool import IN_TURN, Compute
from segctl.fleet.run import connection_for, run_all
from segctl.fleet.snapshots import fitting
from segctl.fleet.tasks import document_of, may_begin, same_version, steps_of
from segctl.fleet.workers import Workers, as_workers
from segctl.model.errors import InventoryError, Problem, SegctlError, UnsupportedError
from segctl.planning import findings
from segctl.providers.base import application_names, provider, reading

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from concurrent.futures import Executor

    from segctl.analysis.answer import Passage
    from segctl.analysis.by_rule import Row
    from segctl.analysis.effective import Reading
    from segctl.analysis.query import Question
    from segctl.compiler.build import Desired
    from segctl.compiler.topology import Hop
    from segctl.fleet.legs import Leg
    from segctl.fleet.tasks import Link
    from segctl.model.site import Device
    from segctl.planning.snapshot import Snapshot
    from segctl.providers.base import Live


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One device's answer to a question; `users` are users to whom the device allows more.

    `passages` are what it lets through, by the way through it.
    """

    answer: Answer
    users: Mapping[str, Answer] = field(default_factory=dict[str, Answer])
    passages: Mapping[Hop, Passage] = field(default_factory=dict["Hop", "Passage"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A device's answers, in the order of the questions, and findings about the device.

    `legs` are the rows of its legs, in their order.
    `digest` is the SHA-256 of what was read of it, empty where nothing was; `answered` is the host
    that was read of a pair.
    """

    device: str
    answers: tuple[Answered | Failure, ...]
    legs: tuple[tuple[Row, ...] | Failure, ...] = ()
    findings: tuple[Problem, ...] = ()
    digest: str = ""
    answered: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checking:
    """Work: read a device, answer questions from what it holds, list what legs ask for."""

    desired: Desired
    questions: tuple[Question, ...]
    legs: tuple[Leg, ...]
    connection: Mapping[str, object] = field(repr=False)
    version: str = segctl.__version__


def check_devices(
    desired: Sequence[Desired],
    questions: Sequence[Question],
    connections: Mapping[str, Mapping[str, object]],
    *,
    forks: int,
    report: Callable[[str, str], None],
    executor: Workers | Executor | None = None,
    legs: Mapping[str, tuple[Leg, ...]] = MappingProxyType({}),
) -> tuple[Checked | Failure, ...]:
    """Read every device, write to none, and return answers or a failure for each, in order.

    Each device answers the questions that it can, and lists the rows of its `legs`.
    """
    with as_workers(executor, forks) as workers:
        items = [
            Checking(
                desired=item,
                questions=asked_of(item.device, questions),
                legs=legs.get(item.device.name, ()),
                connection=connection_for(workers, connections, item.device.name),
            )
            for item in desired
        ]
        results = run_all(check_one, items, workers, Brake(), report)
    return tuple(
        _warned(result, connections)
        if isinstance(result, Checked | Failure)
        else failure_of(item.desired.device.name, result)
        for item, result in zip(items, results, strict=True)
    )


def asked_of(device: Device, questions: Iterable[Question]) -> tuple[Question, ...]:
    """Return the questions that a device can answer."""
    return tuple(one for one in questions if device.name in one.devices)


def _warned(
    result: Checked | Failure, connections: Mapping[str, Mapping[str, object]]
) -> Checked | Failure:
    if isinstance(result, Failure):
        return result
    doubts = (*unverified(result.device, connections), *result.findings)
    return replace(result, findings=doubts)


def check_one(item: Checking, link: Link, compute: Compute = IN_TURN) -> Checked | Failure:
    """Return the answers of one device, or why it has none."""
    device = item.desired.device
    try:
        same_version(item.version)
        may_begin(link)
        told = steps_of(device.name, link)
        document = document_of(device, item.connection, told)
        told("answering")
        return compute(check_document, item.desired, item.questions, document, item.legs)
    except BaseException as error:  # noqa: BLE001 - it is this device's result
        return failure_of(device.name, error)
    finally:
        link.tell(device.name, "")


def check_document(
    desired: Desired, questions: Sequence[Question], document: bytes, legs: Sequence[Leg] = ()
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
    held = reading(speaks, live)
    return Checked(
        device=device.name,
        answers=_answers(device, questions, held, known),
        legs=list_legs(desired, legs, (held,), declared_of(desired, live)) if legs else (),
        findings=tuple(one for one in doubts if one.severity != "note"),
        digest=f"sha256:{hashlib.sha256(document).hexdigest()}",
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
    try:
        kept = fitting(desired.device, snapshots)
        return check_document(desired, questions, kept.document.encode(), legs)
    except SegctlError as error:
        return failure_of(desired.device.name, error)


def check_declared(
    desired: Desired, questions: Sequence[Question], legs: Sequence[Leg]
) -> Checked | Failure:
    """Return a device's answers according to the policy that the inventory declares for it."""
    device = desired.device
    try:
        held = declared_of(desired, None)
    except SegctlError as error:
        return failure_of(device.name, error)
    return Checked(
        device=device.name,
        answers=_answers(device, questions, held, None),
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
) -> tuple[Answered | Failure, ...]:
    return tuple(_answer(device, question, held, known) for question in questions)


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
        theirs = answers_by_user(question, device, held, applications=words)
    except SegctlError as error:
        return failure_of(device.name, error)
    ways = dict(zip(question.on(device), passages, strict=True))
    return Answered(answer=found, users=theirs, passages=ways)


def _refuse_unknown(named: Iterable[str], known: frozenset[str]) -> None:
    missing = sorted(set(named) - known)
    if missing:
        raise UnsupportedError(
            f"the device has no application {', '.join(missing)}: correct the name, or update "
            "its content"
        )
