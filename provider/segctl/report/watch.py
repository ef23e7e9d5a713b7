"""Who was judged by records, and what became of it, as a document and as lines of text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from segctl.observe.times import when_text
from segctl.report.coverage import UNREAD, coverage_json, coverage_text, unheard
from segctl.report.labels import counted
from segctl.report.lines import Line
from segctl.report.traffic import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segctl.observe.coverage import Coverage
    from segctl.observe.suspects import Suspect
    from segctl.planning.containing import Contained

#: So many of those that nothing is done about are shown in text.
_SHOWN: Final = 12
#: So many of them are in a document; the others are counted.
MOST: Final = 1000
_STATES: Final = {
    "contained": "contained",
    "not_contained": "not contained",
    "proposed": "to be contained, if you agree",
    "contained_already": "contained already",
    "seen": "judged before",
    "refused": "not to be contained",
}
_QUIET: Final = frozenset({"refused", "seen", "contained_already"})
_STYLES: Final = {"contained": "green", "not_contained": "red", "proposed": "yellow"}


#: Refused: not to be contained for these records. Seen: judged already, or contained already.
State = Literal["refused", "seen", "contained_already", "proposed", "contained", "not_contained"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A suspect, what became of it and why; `command` does it by hand, `done` is what was done."""

    suspect: Suspect
    state: State
    why: str = ""
    command: str = ""
    done: tuple[Contained, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchResult:
    """What records can show, who was judged, and why nothing more is done (`stopped`), if so.

    `blind` says that there was no record at all to judge. `future` and `undated` are records that
    did not count.
    """

    coverage: Coverage
    judged: tuple[Judged, ...]
    stopped: str = ""
    blind: bool = False
    future: int = 0
    undated: int = 0


def watch_json(result: WatchResult, *, act: bool) -> dict[str, Any]:
    """Return the document of one look; with an error where it is not as it should be."""
    loud = [one for one in result.judged if one.state not in _QUIET]
    quiet = [one for one in result.judged if one.state in _QUIET]
    states: list[str] = [one.state for one in result.judged]
    document: dict[str, Any] = {
        "format_version": "1.0",
        "act": act,
        "coverage": coverage_json(result.coverage),
        "items": [_item(one) for one in (*loud, *quiet[:MOST])],
        "more": max(0, len(quiet) - MOST),
        "stopped": result.stopped,
        "left_out": {"future": result.future, "undated": result.undated},
        "summary": {state: states.count(state) for state in _STATES},
    }
    return document | _error(result, act=act)


def _error(result: WatchResult, *, act: bool) -> dict[str, Any]:
    """Return why the exit status is 1, if it is."""
    failed = [one for one in result.judged if one.state == "not_contained"]
    if failed:
        one = failed[0]
        message = f"{one.suspect.address} is not contained: {one.why}"
        return {"error": {"code": "containment", "message": message}}
    if found := unheard(result.coverage):
        return found
    unread = next((one for one in result.coverage.files if one.problem), None)
    if unread is not None:
        message = f"{unread.name}: {unread.problem}"
        return {"error": {"code": UNREAD, "message": message}}
    if act and result.blind:
        message = "there is no record of this time at all: nobody is watched"
        return {"error": {"code": NOTHING, "message": message}}
    return {}


def _item(one: Judged) -> dict[str, Any]:
    suspect = one.suspect
    return {
        "sign": suspect.sign,
        "address": suspect.address,
        "zone": suspect.zone,
        "asset": suspect.asset,
        "what": suspect.what,
        "severity": suspect.severity,
        "witnesses": list(suspect.witnesses),
        "records": suspect.records,
        "first": when_text(suspect.first),
        "last": when_text(suspect.last),
        "state": one.state,
        "why": one.why,
        "command": one.command,
        "devices": [
            {"device": each.device, "contained": not each.open, "open": list(each.open)}
            for each in one.done
        ],
    }


# --- text ----------------------------------------------------------------------------------------


def watch_text(document: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the lines of a document; what the records can show comes first."""
    yield from coverage_text(document["coverage"])
    yield Line()
    loud = [one for one in document["items"] if one["state"] not in _QUIET]
    quiet = [one for one in document["items"] if one["state"] in _QUIET]
    for one in (*loud, *quiet[:_SHOWN]):
        yield from _row(one)
    left = len(quiet) - len(quiet[:_SHOWN]) + document["more"]
    if left:
        yield Line(text=f"{left} more that nothing is done about: --json has them", style="dim")
    for name, words in (("future", "from the future"), ("undated", "without a time")):
        if number := document["left_out"][name]:
            yield Line(text=f"{counted(number, 'record')} {words}: not counted", style="yellow")
    if document["stopped"]:
        yield Line(
            text=f"It has stopped acting: {document['stopped']}. Look at what it did, then: "
            "segctl watch --acknowledge --reason TEXT",
            style="red",
        )
    yield Line(text=headline(document), style="red" if "error" in document else "")


def _row(one: Mapping[str, Any]) -> Iterator[Line]:
    name = f" [{one['asset']}]" if one["asset"] else ""
    style = _STYLES.get(one["state"], "dim")
    yield Line(lead=f"{one['address']}{name}  ", text=_STATES[one["state"]], style=style)
    zone = one["zone"] or "no zone"
    times = f"{counted(one['records'], 'record')}, last {one['last']}"
    yield Line(lead="    ", text=f"{one['sign']} in {zone}: {one['what']} ({times})")
    if one["why"]:
        yield Line(lead="    ", text=one["why"], style=style)
    if one["state"] in {"proposed", "not_contained"}:
        yield Line(lead="    ", text=one["command"])


def headline(document: Mapping[str, Any]) -> str:
    """Return one line about all of it."""
    summary = document["summary"]
    if "error" in document:
        return f"Watch: {document['error']['message']}"
    parts = [
        f"{summary[state]} {words}"
        for state, words in (
            ("contained", "contained"),
            ("proposed", "proposed"),
            ("contained_already", "contained already"),
            ("seen", "judged before"),
            ("refused", "not to be contained"),
        )
        if summary[state]
    ]
    return f"Watch: {', '.join(parts) or 'nobody to contain'}"


def notice_lines(document: Mapping[str, Any]) -> list[str]:
    """Return a line for each address that a person should know of."""
    return [
        f"{one['address']} {_STATES[one['state']]}: {one['sign']}: {one['what']}; "
        f"{one['why'] or one['command']}"
        for one in document["items"]
        if one["state"] not in _QUIET
    ]
