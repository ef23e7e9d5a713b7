"""What people and machines are told of a rollout: lines of text, and one JSON document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import segctl
from segctl.planning.documents import device_json, difference_json
from segctl.playbook.run.results import BAD
from segctl.report import Line, device_text, difference_text, done_text
from segctl.report.labels import counted
from segctl.report.outcomes import audit_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from segctl.planning.audit import Record
    from segctl.playbook.run.prepare import Prepared
    from segctl.playbook.run.results import DeviceResult, PlayResult, RolloutResult, WaveResult

_STYLES = {
    "applied": "green",
    "in_sync": "green",
    "drifted": "yellow",
    "failed": "bold red",
    "unknown": "bold red",
    "reverted": "yellow",
    "not_begun": "dim",
    "done_before": "dim",
}
_WORDS = {
    "applied": "applied",
    "unchanged": "unchanged",
    "in_sync": "in sync",
    "drifted": "drifted",
    "planned": "to be changed",
    "failed": "failed",
    "unknown": "not known",
    "reverted": "taken back",
    "not_begun": "not begun",
    "done_before": "done before",
}


def play_head(prepared: Prepared) -> Line:
    """Return a play's headline."""
    play = prepared.play
    sizes = [sum(len(one.hosts) for one in wave) for wave in prepared.waves]
    hosts = counted(sum(sizes), "firewall")
    waves = f" in {len(sizes)} waves ({', '.join(map(str, sizes[:12]))}{', …' * (len(sizes) > 12)})"
    actions = ", ".join(dict.fromkeys(task.action for task in prepared.tasks))
    text = f"{hosts}{waves if len(sizes) > 1 else ''}: {actions}"
    return Line(lead=f"Play {prepared.number}: {play.name}  ", text=text, lead_style="bold")


def plan_text(
    plays: Sequence[Prepared], result: RolloutResult, *, diff: bool = False, brief: bool = False
) -> Iterator[Line]:
    """Yield what each play and wave would change."""
    for prepared, play in zip(plays, result.plays, strict=True):
        yield play_head(prepared)
        for wave in play.waves:
            yield Line()
            yield _wave_head(wave)
            for one in wave.devices:
                if one.plan is None:
                    yield device_line(one)
                else:
                    yield from device_text(one.plan, diff=diff, brief=brief)
        yield Line()
    yield Line(text=_totals(result), style="bold")


def _wave_head(wave: WaveResult) -> Line:
    names = ", ".join(one.device for one in wave.devices[:12])
    more = f" and {len(wave.devices) - 12} more" if len(wave.devices) > 12 else ""
    return Line(lead=f"Wave {wave.number}: ", text=f"{names}{more}", lead_style="bold")


def device_line(result: DeviceResult) -> Line:
    """Return one device's line."""
    text = _WORDS[result.status]
    if result.status == "applied":
        text, _ = done_text(result.status, result.changes, result.message)
    elif result.message:
        text = f"{result.code}: {result.message}" if result.status in BAD else result.message
    style = _STYLES.get(result.status, "")
    return Line(lead=f"  {result.device}  ", text=text, lead_style="bold", style=style)


def wave_text(wave: WaveResult) -> Iterator[Line]:
    """Yield what became of one wave."""
    yield _wave_head(wave)
    for one in wave.devices:
        yield device_line(one)
        for note in one.notes:
            yield Line(lead="    ! ", text=note, style="yellow")
        for warning in one.warnings:
            yield Line(lead="    ! the device warns: ", text=warning, style="yellow")
        yield from difference_text(one.differences)


def refusal_text(result: RolloutResult) -> Iterator[Line]:
    """Yield why a rollout was not begun: in what it is not the reviewed one."""
    found = {one.device: one.differences for one in result.devices if one.differences}
    for differences in found.values():
        yield from difference_text(differences)
    yield from result_text(result)


def result_text(result: RolloutResult, *, resume: str = "") -> Iterator[Line]:
    """Yield the end of a rollout: why it stopped, what was done, and how to go on."""
    yield Line()
    if result.stop is not None:
        yield Line(lead="Stopped: ", text=result.stop.message, style="bold red")
    for status in ("failed", "unknown", "reverted", "not_begun"):
        names = list(dict.fromkeys(d.device for d in result.devices if d.status == status))
        if names:
            more = f" and {len(names) - 20} more" if len(names) > 20 else ""
            text = f"{', '.join(names[:20])}{more}"
            yield Line(lead=f"{_WORDS[status].capitalize()}: ", text=text, lead_style="bold")
    yield Line(text=_totals(result), style="bold")
    if resume:
        yield Line(lead="To go on: ", text=resume, lead_style="bold")


def _totals(result: RolloutResult) -> str:
    counts = result.summary
    listed = [f"{counts[status]} {word}" for status, word in _WORDS.items() if counts[status]]
    return f"{', '.join(listed) or 'no device'}."


# --- JSON ----------------------------------------------------------------------------------------


def rollout_json(
    result: RolloutResult,
    *,
    action: str,
    rollout_id: str,
    playbook: str,
    digest: str,
    reviewed: str = "",
    state: str = "",
    resume: str = "",
    audit: Record | None = None,
) -> dict[str, Any]:
    """Return the document of a rollout, or of its plan."""
    document: dict[str, Any] = {
        "format_version": "1.0",
        "segctl_version": segctl.__version__,
        "action": action,
        "rollout_id": rollout_id,
        "playbook": playbook,
        "digest": digest,
        "reviewed": reviewed,
        "status": _status(result, action),
        "plays": [_play_json(play) for play in result.plays],
        "summary": {
            status: result.summary[status]
            for status in _WORDS
            if status != "unknown" or result.summary[status]
        },
        "state": state,
        "resume": resume,
    }
    document |= audit_json(audit)
    bad = next((one for one in result.devices if one.status in BAD), None)
    if result.stop is not None:
        document["error"] = {"code": result.stop.code, "message": result.stop.message}
    elif bad is not None:
        document["error"] = {"code": bad.code, "message": f"{bad.device}: {bad.message}"}
    return document


def _status(result: RolloutResult, action: str) -> str:
    if result.stop is not None:
        return "stopped"
    if not result.well:
        return "incomplete"
    return "planned" if action == "plan" else "done"


def _play_json(play: PlayResult) -> dict[str, Any]:
    return {
        "number": play.number,
        "name": play.name,
        "waves": [
            {
                "number": wave.number,
                "status": wave.status,
                "message": wave.message,
                "devices": [_device_json(one) for one in wave.devices],
            }
            for wave in play.waves
        ],
    }


def _device_json(result: DeviceResult) -> dict[str, Any]:
    document: dict[str, Any] = {
        "device": result.device,
        "status": result.status,
        "code": result.code,
        "message": result.message,
        "changes": result.changes,
        "warnings": list(result.warnings),
        "notes": list(result.notes),
    }
    if result.plan is not None:
        document["plan"] = device_json(result.plan)
    if result.differences:
        document["differences"] = [difference_json(one) for one in result.differences]
    return document
