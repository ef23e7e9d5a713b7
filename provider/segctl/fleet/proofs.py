"""Proofs of many devices at once, or of the policies that the inventory declares for them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from segctl.analysis.confirm import Judge
from segctl.analysis.path_proofs import Proved
from segctl.analysis.proof import Counterexample, Speech, prove
from segctl.analysis.space import PROTOCOLS
from segctl.fleet.connections import target
from segctl.fleet.inquiries import Inquiry, attempt, inquire, warned
from segctl.fleet.onward import beyond, leading_on, zone_names
from segctl.fleet.snapshots import OFFLINE, fitting
from segctl.model.errors import DeviceError, InventoryError, Problem
from segctl.planning import findings
from segctl.providers.base import (
    Deciding,
    application_names,
    declared_reading,
    provider,
    reading,
)
from segctl.providers.pushed import name_on_device
from segctl.providers.state import GATED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor

    from segctl.analysis.effective import Reading
    from segctl.analysis.intended import Wanted
    from segctl.analysis.proof import Proof
    from segctl.analysis.space import Point
    from segctl.compiler.build import Desired
    from segctl.fleet.failures import Failure
    from segctl.fleet.workers import Workers
    from segctl.model.site import Device
    from segctl.planning.snapshot import Snapshot
    from segctl.providers.base import Live, Provider
    from segctl.transports.target import Target

#: Kinds of what a device says of itself that have no part in what passes now, or count as it is.
_JUDGED = frozenset({"boot", GATED})
#: So many packets a device is asked about.
_SAMPLE = 5
_NONE = (
    "about none of these packets: it can be asked about named applications, and neither about "
    "users nor about times"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A firewall of which a proof is wanted.

    `pairs` are the pairs of zones (keys) that are needed afterwards, for paths through several
    firewalls or to compare two.
    """

    desired: Desired
    wanted: Wanted
    pairs: frozenset[tuple[str, str]] = frozenset()

    @property
    def name(self) -> str:
        """The firewall's name."""
        return self.desired.device.name


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceProof:
    """What was found on a firewall, and what to know besides of it.

    `asked` says what the device itself answers about a sample, None where it was not asked.
    """

    device: str
    proved: Proved
    findings: tuple[Problem, ...] = ()
    asked: str | None = None

    @property
    def proof(self) -> Proof:
        """What was found."""
        return self.proved.proof


def prove_devices(
    asked: Sequence[Asked],
    connections: Mapping[str, Mapping[str, object]],
    *,
    forks: int,
    report: Callable[[str, str], None],
    executor: Workers | Executor | None = None,
) -> tuple[DeviceProof | Failure, ...]:
    """Read every device, write to none, and return a proof or a failure for each, in order."""
    found = inquire(
        (
            Inquiry(
                device=one.desired.device,
                answer=partial(prove_document, one),
                doing="comparing",
                further=partial(_with_sample, one.desired.device),
            )
            for one in asked
        ),
        connections,
        forks=forks,
        report=report,
        executor=executor,
    )
    return warned(found, connections)


def _with_sample(
    device: Device,
    found: DeviceProof,
    connection: Mapping[str, object],
    told: Callable[[str], None],
) -> DeviceProof:
    """Ask the device itself about some of the packets that show a difference, if it can be asked.

    Only packets of a named application, of nobody known, at the beginning of the week: of others it
    depends on more than the question holds.
    """
    shown = [one for one in found.proof.examples if one.direction != "unknown"]
    asked = [one for one in shown if one.packet and _askable(one.packet)]
    if not shown:
        return found
    if not asked:
        return replace(found, asked=_NONE)
    try:
        where = target(device.name, connection, device.scope)
        heard = _heard(found, where, asked[:_SAMPLE], told)
    except DeviceError as error:
        return replace(found, asked=f"no: {error.message}")
    if heard is None:
        return replace(found, asked="no: the platform has no question for it")
    wrong = {one: rule for one, rule in heard.items() if rule != name_on_device(one.rule)}
    examples = tuple(_contradicted(one, wrong.get(one)) for one in found.proof.examples)
    proof = replace(found.proof, examples=examples)
    text = f"about {len(heard)} of these packets; of {len(wrong)} it names another rule"
    return replace(found, proved=replace(found.proved, proof=proof), asked=text)


def _heard(
    found: DeviceProof,
    where: Target,
    asked: Sequence[Counterexample],
    told: Callable[[str], None],
) -> dict[Counterexample, str] | None:
    """Return the rule that the device names for each packet, None where it cannot be asked."""
    judge = Judge(found.proved.policy, found.proved.words)
    heard: dict[Counterexample, str] = {}
    with provider(found.proved.platform).connect(where, read_only=True, progress=told) as session:
        if not isinstance(session, Deciding):
            return None
        for one in asked:
            if one.packet is not None:
                packet = judge.packet(one.packet, one.enter, one.leave)
                heard[one] = session.decided_by(packet) or _default(one)
    return heard


def _askable(packet: Point) -> bool:
    known = packet.service >> 16 in PROTOCOLS.values() and packet.service & 0xFFFF
    return bool(known and packet.application and not packet.user and not packet.time)


def _default(one: Counterexample) -> str:
    return "intrazone-default" if one.enter == one.leave else "interzone-default"


def _contradicted(one: Counterexample, rule: str | None) -> Counterexample:
    if rule is None:
        return one
    said = f"the device decides about it by {rule}"
    return replace(one, disagreement="; ".join(filter(None, (one.disagreement, said))))


def prove_snapshot(asked: Asked, snapshots: Mapping[str, Snapshot]) -> DeviceProof | Failure:
    """Return what is found on a device by what its snapshot says that it held."""
    return attempt(asked.name, partial(_of_snapshot, asked, snapshots))


def _of_snapshot(asked: Asked, snapshots: Mapping[str, Snapshot]) -> DeviceProof:
    snapshot = fitting(asked.desired.device, snapshots)
    found = prove_document(asked, snapshot.document.encode())
    note = Problem(
        message=f"proved from a snapshot taken {snapshot.taken}, not from the device",
        severity="warning",
        kind=OFFLINE,
    )
    return replace(found, findings=(note, *found.findings))


def prove_declared(asked: Asked) -> DeviceProof | Failure:
    """Return what is found on the policy that the inventory's conduits were made into."""
    return attempt(asked.name, partial(_of_declared, asked))


def _of_declared(asked: Asked) -> DeviceProof:
    device = asked.desired.device
    speaks = provider(device.platform)
    policy, told = speaks.fit(asked.desired.policy, device)
    return _proved(asked, declared_reading(speaks, policy), told)


def prove_document(asked: Asked, document: bytes) -> DeviceProof:
    """Return what is found on a device by what a document says that it holds; pure.

    Args:
        asked: what is wanted.
        document: from a session, or from a snapshot.

    Raises:
        ParseError: the document is not understood.
        InventoryError: our zones are not those of the device, so that its rules are about others.
        UnsupportedError: its platform cannot express what is declared.
    """
    desired = asked.desired
    speaks = provider(desired.device.platform)
    live = speaks.parse(document)
    said = tuple(_said(desired, live))
    if wrong := tuple(one for one in said if one.severity == "error"):
        message = "; ".join(one.message for one in wrong)
        hint = "what it does with them is not known: see segctl plan"
        raise InventoryError((Problem(message=message, hint=hint),))
    _, told = speaks.fit(desired.policy, desired.device)
    found = _proved(asked, reading(speaks, live, gated=True), told)
    doubts = (*_doubts(desired, live), *_judged_beyond(asked, live))
    proof = replace(found.proof, examples=(*doubts, *found.proof.examples))
    return replace(
        found,
        proved=replace(found.proved, proof=proof),
        findings=tuple(one for one in said if one.severity != "note"),
    )


def _said(desired: Desired, live: Live) -> Iterator[Problem]:
    # a zone that only segctl makes is missing, too: until then nothing is enforced for it
    yield from findings.bindings(desired.bindings, live, managed=False)
    yield from findings.interfaces(desired.bindings, live)
    yield from live.findings
    yield from findings.pending(live)
    yield from findings.state(live.state)


def _doubts(desired: Desired, live: Live) -> Iterator[Counterexample]:
    """Yield what the device holds beside its policy that may change what passes."""
    for one in (*findings.interfaces(desired.bindings, live), *live.findings):
        if one.severity == "warning" and one.kind not in _JUDGED:
            yield Counterexample(direction="unknown", enter="", leave="", why=(one.message,))


def _judged_beyond(asked: Asked, live: Live) -> Iterator[Counterexample]:
    """Yield of zones that conduits end in who else judges there, and is not asked."""
    names, leading = zone_names(asked.desired.device), leading_on(live)
    ends = {
        zone
        for need in asked.wanted.needs
        for zone in {need.source, need.destination} & {need.enter, need.leave}
    }
    for zone in sorted(ends):
        if system := leading.get(names.get(zone, "")):
            yield Counterexample(
                direction="unknown", enter="", leave="", why=(beyond(system, names[zone]),)
            )


def _proved(asked: Asked, held: Reading, told: Iterable[Problem]) -> DeviceProof:
    device = asked.desired.device
    speaks = provider(device.platform)
    names = zone_names(device)
    keep = frozenset(
        (names[enter], names[leave])
        for enter, leave in asked.pairs
        if enter in names and leave in names
    )
    found = prove(asked.wanted, names, held, speech_of(speaks), keep=keep)
    proof = replace(found, examples=(*found.examples, *unreported(found, told)))
    return DeviceProof(
        device=device.name,
        proved=Proved(
            platform=device.platform,
            names=names,
            proof=proof,
            policy=held.policy,
            words=held.platform,
            gates=held.beyond.gates,
        ),
    )


def speech_of(speaks: Provider) -> Speech:
    """Return how a platform's rules name applications."""
    can = speaks.capabilities
    return Speech(
        title=can.title or speaks.name,
        applications=can.applications,
        naming=application_names(speaks),
    )


def unreported(found: Proof, told: Iterable[Problem]) -> Iterator[Counterexample]:
    """Yield what the platform cannot tell apart although a plan would not say so."""
    texts = [one.message for one in told]
    for one in found.widenings:
        word = re.compile(rf"(?<![\w-]){re.escape(one.protocol)}(?![\w-])")
        if not any(word.search(text) for text in texts):
            yield Counterexample(
                direction="unknown",
                enter="",
                leave="",
                conduit=one.conduit,
                flow=one.flow,
                why=(f"{one.text}; the plan does not report it",),
            )
