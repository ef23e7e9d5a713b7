"""Drift as a JSON document."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from segctl.drift.items import DRIFT_KINDS
from segctl.drift.report import Unchecked
from segctl.model.errors import problem_json
from segctl.planning.documents import change_json, pair_json, unmanaged_json
from segctl.planning.findings import (
    BLOCKED,
    CANNOT_TELL,
    ERROR,
    HOLE,
    NOT_ENFORCED,
    NOT_KEPT,
    PENDING,
)
from segctl.providers.state import UNREAD
from segctl.report.provenance import provenance_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from segctl.drift.acceptance import AcceptedItem
    from segctl.drift.items import DriftItem
    from segctl.drift.report import DeviceDrift, DriftReport
    from segctl.report.drawing.stamp import Standing
    from segctl.report.provenance import Provenance


def drift_json(
    report: DriftReport,
    provenance: Provenance | None = None,
    drawings: Mapping[Path, Standing] | None = None,
) -> dict[str, Any]:
    """Return the drift document: per device what is missing, changed, moved, unexpected, open.

    `drawings` says of stored drawings what has changed since they were made.
    """
    document: dict[str, Any] = {
        "format_version": "1.4",
        "in_sync": report.in_sync,
        "devices": [
            _unchecked_json(device) if isinstance(device, Unchecked) else _device_json(device)
            for device in report.devices
        ],
        "summary": asdict(report.counts),
    }
    if provenance is not None:
        document["provenance"] = provenance_json(provenance)
    if drawings:
        document["drawings"] = [
            {"file": str(path), "stale": found.stale, **found.gaps()}
            for path, found in drawings.items()
        ]
    failed = next(iter(report.unchecked), None)
    if failed:
        return document | {"error": _error_json(failed)}
    untold = next(iter(report.untold), None)
    return document | ({"error": _untold_json(*untold)} if untold else {})


def _unchecked_json(device: Unchecked) -> dict[str, Any]:
    return {"name": device.name, "status": device.status, "error": _error_json(device)}


def _error_json(device: Unchecked) -> dict[str, Any]:
    return {"code": device.code, "message": device.message}


def _untold_json(device: DeviceDrift, item: DriftItem) -> dict[str, Any]:
    message = item.finding.message if item.finding else f"{item.kind} {item.name}"
    return {"code": CANNOT_TELL, "message": f"{device.name}: {message}"}


def _device_json(device: DeviceDrift) -> dict[str, Any]:
    changes = {
        kind: [change_json(change) for change in device.changes(kind)]
        for kind in dict.fromkeys(DRIFT_KINDS.values())
    }
    told = {
        key: [problem_json(finding) for finding in device.told(state)]
        for key, state in (
            ("holes", HOLE),
            ("unread", UNREAD),
            ("errors", ERROR),
            ("pending", PENDING),
            ("not_kept", NOT_KEPT),
            ("not_enforced", NOT_ENFORCED),
            ("blocked", BLOCKED),
            ("cannot_tell", CANNOT_TELL),
        )
    }
    return {
        "name": device.name,
        "status": device.status,
        "platform": device.platform,
        "serial": device.serial,
        **pair_json(device),
        **changes,
        "unmanaged": [unmanaged_json(rule) for rule in device.unmanaged],
        **told,
        "state": device.state.as_json(),
        "items": [_item_json(item) for item in device.items],
        "accepted": [_accepted_json(known) for known in device.accepted],
        "findings": [problem_json(finding) for finding in device.findings],
    }


def _item_json(item: DriftItem) -> dict[str, Any]:
    return {
        "kind": item.kind,
        "name": item.name,
        "state": item.state,
        "states": list(item.states),
        "example": item.example,
        "conduit": item.conduit,
        "fingerprint": item.fingerprint,
        "key": item.key,
        "changed_by": asdict(item.changed_by) if item.changed_by else None,
    }


def _accepted_json(known: AcceptedItem) -> dict[str, Any]:
    by = known.by
    return _item_json(known.item) | {
        "owner": by.owner,
        "expires": by.expires.isoformat(),
        "reason": by.reason,
    }
