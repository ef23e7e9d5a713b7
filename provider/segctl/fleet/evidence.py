"""What many firewalls show: read once each, and all that evidence is taken from made of it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from segctl.drift.items import items_of
from segctl.evidence.scene import Witness
from segctl.fleet.failures import Failure
from segctl.fleet.inquiries import Inquiry, inquire
from segctl.fleet.proofs import prove_document
from segctl.fleet.snapshots import fitting
from segctl.fleet.tasks import judge_drift
from segctl.model.errors import SegctlError, UnsupportedError
from segctl.planning.snapshot import snapshot_of
from segctl.providers.base import Citing, provider

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor

    from segctl.fleet.proofs import Asked
    from segctl.fleet.workers import Workers
    from segctl.planning.snapshot import Snapshot


def witnesses_of_devices(
    asked: Sequence[Asked],
    connections: Mapping[str, Mapping[str, object]],
    *,
    forks: int,
    report: Callable[[str, str], None],
    executor: Workers | Executor | None = None,
) -> tuple[Witness, ...]:
    """Read every device, write to none, and return what each shows, or that it does not."""
    found = inquire(
        (
            Inquiry(
                device=one.desired.device,
                answer=partial(witness_of_document, one),
                doing="taking evidence",
            )
            for one in asked
        ),
        connections,
        forks=forks,
        report=report,
        executor=executor,
    )
    named = zip(asked, found, strict=True)
    return tuple(_seen(one, answer) for one, answer in named)


def witnesses_of_snapshots(
    asked: Sequence[Asked], snapshots: Mapping[str, Snapshot]
) -> tuple[Witness, ...]:
    """Return what the snapshot of each device shows, or that there is none."""
    return tuple(_of_snapshot(one, snapshots) for one in asked)


def _seen(asked: Asked, answer: Witness | Failure) -> Witness:
    if isinstance(answer, Failure):
        return Witness(device=asked.desired.device, failed=answer.message)
    return answer


def _of_snapshot(asked: Asked, snapshots: Mapping[str, Snapshot]) -> Witness:
    device = asked.desired.device
    try:
        snapshot = fitting(device, snapshots)
        found = witness_of_document(asked, snapshot.document.encode(), kept=snapshot.dumps())
    except SegctlError as error:
        return Witness(device=device, source="snapshot", failed=str(error))
    return replace(found, source="snapshot", taken=snapshot.taken, raw="", requests={})


def witness_of_document(asked: Asked, document: bytes, kept: str = "") -> Witness:
    """Return what a document shows of a device.

    Args:
        asked: what is wanted of it.
        document: from a session, or from a snapshot.
        kept: what is kept of it already.

    Raises:
        ParseError: the document is not understood.
    """
    device = asked.desired.device
    speaks = provider(device.platform)
    live = speaks.parse(document)
    now = datetime.now(UTC).replace(microsecond=0)
    found = Witness(
        device=device,
        live=live,
        taken=now.isoformat(),
        raw=hashlib.sha256(document).hexdigest(),
        findings=tuple(one.message for one in live.findings),
    )
    if not kept:
        try:
            kept = snapshot_of(device.name, str(device.scope), document, speaks, now=now).dumps()
        except UnsupportedError as error:
            found = replace(found, findings=(*found.findings, str(error)))
        if isinstance(speaks, Citing):
            found = replace(found, requests=speaks.cited(document))
    return _compared(asked, document, replace(found, kept=kept))


def _compared(asked: Asked, document: bytes, found: Witness) -> Witness:
    """Return what is shown with how it differs from what is declared, as far as that is known."""
    try:
        found = replace(found, proof=prove_document(asked, document).proof)
    except SegctlError as error:
        found = replace(found, unproved=str(error))
    try:
        plan = judge_drift(asked.desired, document)
    except SegctlError as error:
        return replace(found, findings=(*found.findings, str(error)))
    items = items_of(plan)
    return replace(
        found,
        drifted=tuple(f"{one.kind} {one.name} ({', '.join(one.states)})" for one in items),
    )
