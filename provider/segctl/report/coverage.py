"""What records of traffic can show, as part of a document and as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segctl.model.durations import format_duration
from segctl.observe.times import when_text
from segctl.report.labels import counted
from segctl.report.lines import Line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from segctl.observe.coverage import (
        AskedCoverage,
        Coverage,
        FileCoverage,
        WitnessCoverage,
    )

#: Why the exit status is 1: a device did not tell all that it was asked.
UNREAD = "unread"
#: Where nothing at all is worth a word.
_LOGS = frozenset({"traffic log", "traffic report", "kernel log"})
#: So many files are shown in full in text; a document has all.
_FILES = 20
#: So many witnesses are.
_WITNESSES = 200


def coverage_json(coverage: Coverage) -> dict[str, Any]:
    """Return what records can show as part of a document."""
    return {
        "records": coverage.records,
        "refused": coverage.refused,
        "timezone": coverage.timezone,
        "duplicates_forgotten": coverage.forgot,
        "on_disk": coverage.spilled,
        "files": [_file(one) for one in coverage.files],
        "witnesses": [_witness(one) for one in coverage.witnesses],
        "asked": [_asked(one) for one in coverage.asked],
        "failed": [
            {"device": one.device, "code": one.code, "why": one.why} for one in coverage.failed
        ],
        "rule_counters": [
            {
                "device": one.device,
                "rule": one.rule,
                "conduit": one.conduit,
                "packets": one.packets,
                "since": None,
            }
            for one in coverage.counters
        ],
    }


def unheard(coverage: Coverage) -> dict[str, Any]:
    """Return the error of a device that told nothing, or not all that it was asked, if one is."""
    for one in coverage.failed:
        return {"error": {"code": one.code, "message": f"{one.device}: {one.why}"}}
    for answer in coverage.asked:
        if answer.unread:
            message = f"{answer.member}: its {answer.way} could not be read: {answer.unread}"
            return {"error": {"code": UNREAD, "message": message}}
    return {}


def _asked(one: AskedCoverage) -> dict[str, Any]:
    return {
        "device": one.device,
        "member": one.member,
        "serial": one.serial,
        "way": one.way,
        "first": when_text(one.first),
        "last": when_text(one.last),
        "requests": one.requests,
        "records": one.records,
        "left_out": [{"why": why, "count": count} for why, count in one.left_out],
        "cut": one.cut,
        "not_read": one.unread,
        "clock_is_ahead_by": round(one.ahead),
    }


def _file(one: FileCoverage) -> dict[str, Any]:
    return {
        "name": one.name,
        "format": one.format,
        "lines": one.lines,
        "records": one.records,
        "function_messages": one.evidence,
        "duplicates": one.duplicates,
        "from_the_future": one.future,
        "before_since": one.early,
        "without_time": one.undated,
        "refusals": [
            {"why": two.why, "count": two.count, "line": two.line, "example": two.example}
            for two in one.refusals
        ],
        "other_records": dict(one.others),
        "cut": one.cut,
        "problem": one.problem,
    }


def _witness(one: WitnessCoverage) -> dict[str, Any]:
    return {
        "name": one.name,
        "hosts": list(one.hosts),
        "formats": list(one.formats),
        "releases": list(one.versions),
        "records": one.records,
        "first": when_text(one.first),
        "last": when_text(one.last),
        "gaps": [{"from": when_text(a), "to": when_text(b)} for a, b in one.gaps],
        "gap_count": one.gap_count,
        "gap_seconds": one.gap_seconds,
        "duplicates": one.duplicates,
        "ahead_of_now": one.ahead,
        "clock_differs_by": one.skew,
        "timezone_assumed": one.assumed_zone,
        "sampled": one.sampled,
        "limited": one.limited,
        "denials": one.denials,
        "default_denials": one.default_denials,
    }


def coverage_text(coverage: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the lines that every report of traffic begins with."""
    yield Line(text="What the records can show", style="bold")
    if not coverage["witnesses"]:
        yield Line(lead="  ", text="nothing: no record could be used", style="bold red")
    for one in coverage["failed"]:
        yield Line(lead=f"  ! {one['device']}: ", text=one["why"], style="bold red")
    for witness in coverage["witnesses"][:_WITNESSES]:
        yield from _witness_text(witness, coverage["timezone"])
    if len(coverage["witnesses"]) > _WITNESSES:
        number = counted(len(coverage["witnesses"]) - _WITNESSES, "more witness")
        yield Line(lead="  ! ", text=f"{number}: --json has all", style="yellow")
    yield from _asked_text(coverage["asked"])
    yield from _counters_text(coverage["rule_counters"])
    yield from _files_text(coverage["files"])
    if coverage["duplicates_forgotten"]:
        text = "there were too many records to find every duplicate: sessions may count twice"
        yield Line(lead="  ! ", text=text, style="yellow")
    if coverage["on_disk"]:
        text = "there were more different flows than fit in memory: they were kept on disk"
        yield Line(lead="  ", text=text, style="dim")


def _asked_text(asked: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    """Yield what devices were asked: the window, and what is missing in it."""
    for one in asked:
        text = (
            f"{counted(one['records'], 'record')}, {one['first']} to {one['last']}, in "
            f"{counted(one['requests'], 'request')}"
        )
        yield Line(lead=f"  {one['member']}, {one['way']}  ", text=text, style="dim")
        for said in _missing(one):
            yield Line(lead="    ! ", text=said, style="yellow")


def _missing(one: Mapping[str, Any]) -> Iterator[str]:
    if one["not_read"]:
        yield f"could not be read: {one['not_read']}"
    elif not one["records"] and one["way"] in _LOGS:
        yield "nothing at all is in it: that is no evidence that there was no traffic"
    if one["cut"]:
        yield one["cut"]
    for two in one["left_out"]:
        yield f"{counted(two['count'], 'record')} left out: {two['why']}"
    if one["way"] == "traffic report" and one["records"]:
        yield "it adds up whole days: when on a day something was is not known"


def _counters_text(counters: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    """Yield what rules counted; that is no record of traffic, since it has no addresses."""
    for one in counters[:_FILES]:
        packets = "not told" if one["packets"] is None else f"{one['packets']:,} packets"
        text = f"{packets} since nobody knows when"
        yield Line(lead=f"  {one['device']}, rule {one['rule']}: ", text=text, style="dim")
    if len(counters) > _FILES:
        text = f"{len(counters) - _FILES} more rules with counters: --json has all"
        yield Line(lead="  ", text=text, style="dim")


def _witness_text(witness: Mapping[str, Any], timezone: str) -> Iterator[Line]:
    span = f", {witness['first']} to {witness['last']}" if witness["first"] else ", without times"
    text = f"{counted(witness['records'], 'record')} ({', '.join(witness['formats'])}){span}"
    yield Line(lead=f"  {witness['name']}  ", text=text)
    for said in _doubts(witness, timezone):
        yield Line(lead="    ! ", text=said, style="yellow")


def _doubts(witness: Mapping[str, Any], timezone: str) -> Iterator[str]:
    """Yield what may mislead about what a witness saw."""
    if witness["gap_count"]:
        longest = ", ".join(f"{gap['from']} to {gap['to']}" for gap in witness["gaps"][:3])
        lost = format_duration(witness["gap_seconds"])
        more = ", …" if witness["gap_count"] > 3 else ""
        yield f"silent {counted(witness['gap_count'], 'time')}, {lost} in all: {longest}{more}"
    if witness["clock_differs_by"] is not None:
        yield (
            f"its clock differs from the receiver's by "
            f"{format_duration(abs(witness['clock_differs_by']))}"
        )
    if witness["ahead_of_now"]:
        number = counted(witness["ahead_of_now"], "record")
        yield f"{number} from the next 24 hours: is its time zone another than {timezone}?"
    if witness["timezone_assumed"]:
        yield f"its times name no zone and were taken as {timezone}: --timezone changes that"
    if witness["duplicates"]:
        yield f"{counted(witness['duplicates'], 'duplicate')} left out"
    if witness["sampled"]:
        yield "it looked at a sample of the packets: what is rare may be missing"
    if witness["limited"]:
        yield "its rules log a limited number a second: its counters are complete, its log is not"
    yield from _denials(witness)


def _denials(witness: Mapping[str, Any]) -> Iterator[str]:
    firewall = any("PAN-OS" in name for name in witness["formats"])
    if firewall and not witness["default_denials"]:
        yield (
            "no record of a default rule: where these do not log, what they deny is not known"
            if witness["denials"]
            else "no record of anything denied: rules that deny may not log"
        )


def _files_text(files: list[Mapping[str, Any]]) -> Iterator[Line]:
    troubled = [one for one in files if _trouble(one)]
    for one in troubled[:_FILES]:
        for said in _trouble(one):
            yield Line(lead=f"  ! {one['name']}: ", text=said, style="yellow")
    if len(troubled) > _FILES:
        number = counted(len(troubled) - _FILES, "more file")
        yield Line(lead="  ! ", text=f"{number} with problems: --json has all", style="yellow")


def _trouble(one: Mapping[str, Any]) -> list[str]:
    """Return what was not used of a file, and why."""
    found = [one["problem"]] if one["problem"] else []
    found += [one["cut"]] if one["cut"] else []
    found += [
        f"{counted(two['count'], 'line')} refused: {two['why']}; "
        f"the first is line {two['line']}: {two['example']}"
        for two in one["refusals"]
    ]
    if one["without_time"]:
        found.append(f"{counted(one['without_time'], 'record')} without a time")
    if one["from_the_future"]:
        found.append(f"{counted(one['from_the_future'], 'record')} from the future left out")
    return found
