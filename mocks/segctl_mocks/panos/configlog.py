"""Logs, asked for as a job: who changed what, and the traffic of a traffic file.

Shape of an answer: one recorded on 10.1 and the vendor's API guide 9.1 (a job without ``log`` until
it has finished, gone once fetched); commands, clients and results: the vendor's "Config Log
Fields"; a commit is logged as ``Submitted`` when it is queued (a forwarded log of 10.2).
"""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

from segctl_mocks.panos.answers import Answer, ApiError, result
from segctl_mocks.panos.references import DEVICE
from segctl_mocks.panos.traffic.entries import to_xml
from segctl_mocks.panos.traffic.query import compile_query
from segctl_mocks.panos.tree import xpath_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from segctl_mocks.panos.settings import Settings
    from segctl_mocks.panos.traffic.store import Traffic
    from segctl_mocks.panos.tree import Path
    from segctl_mocks.panos.units import Touch

#: So many lines are kept, the oldest go first.
KEPT = 20_000
MOST, USUAL = 5000, 20
LOG_TYPES = "traffic, threat, config, system, hipmatch, wildfire, url, data, userid, auth"


@dataclass(frozen=True, slots=True)
class Line:
    """One command of an administrator; a commit has no path."""

    number: int
    time: str
    command: str
    admin: str
    client: str
    host: str
    outcome: str
    path: Path | str = ()

    def to_xml(self, serial: str, hostname: str) -> str:
        """Write the line as a query answers it."""
        full = self.path if isinstance(self.path, str) else xpath_of(self.path)
        full = full if self.path else ""
        return (
            f'<entry logid="{7044309865149235200 + self.number}"><domain>1</domain>'
            f"<receive_time>{self.time}</receive_time><serial>{escape(serial)}</serial>"
            f"<seqno>{self.number}</seqno><actionflags>0x0</actionflags>"
            "<is-logging-service>no</is-logging-service><type>CONFIG</type><subtype>0</subtype>"
            f"<config_ver>0</config_ver><time_generated>{self.time}</time_generated>"
            "<dg_hier_level_1>0</dg_hier_level_1><dg_hier_level_2>0</dg_hier_level_2>"
            "<dg_hier_level_3>0</dg_hier_level_3><dg_hier_level_4>0</dg_hier_level_4>"
            f"<device_name>{escape(hostname)}</device_name><vsys_id>0</vsys_id>"
            f"<host>{escape(self.host)}</host><cmd>{self.command}</cmd>"
            f"<admin>{escape(self.admin)}</admin><client>{self.client}</client>"
            f"<result>{self.outcome}</result><path>{escape(_words(self.path))}</path>"
            f"<dg_id>0</dg_id><full-path>{escape(full)}</full-path></entry>"
        )


def _words(path: Path | str) -> str:
    """Write a path as the log shows it: a blank before each word, two before a name."""
    if isinstance(path, str):
        return ""
    below = path[len(DEVICE) :] if path[: len(DEVICE)] == DEVICE else path
    return "".join(f"  {name}" if tag == "entry" else f" {tag}" for tag, name in below)


class ConfigLog:
    """The lines of one device and the queries that wait to be fetched."""

    def __init__(self) -> None:
        self.lines: deque[Line] = deque(maxlen=KEPT)
        self.last_number = 0
        self.last_job = 0
        self._jobs: dict[str, tuple[bool, str]] = {}

    def add(
        self,
        command: str,
        admin: str,
        time: str,
        paths: Iterable[Path | str],
        *,
        outcome: str = "Succeeded",
        host: str = "127.0.0.1",
        client: str = "Web",
    ) -> None:
        """Note what one request did, a line a place."""
        for path in paths:
            self.last_number += 1
            number = self.last_number
            self.lines.append(Line(number, time, command, admin, client, host, outcome, path))

    def handle(
        self, params: Mapping[str, str], settings: Settings, clock: str, traffic: Traffic | None
    ) -> Answer:
        """Answer a request of type=log; without traffic there is the config log only."""
        match params.get("action", ""):
            case "":
                return self._query(params, settings, traffic)
            case "get":
                return self._fetch(params.get("job-id", ""), clock)
            case "finish":
                self._jobs.pop(params.get("job-id", ""), None)
                text = f"<msg>Job  {escape(params.get('job-id', ''))}  removed.</msg>"
                return Answer(f'<response status="success">{text}</response>'.encode())
            case _:
                raise ApiError("17", "Illegal value for parameter action. Permitted: get, finish")

    def _query(
        self, params: Mapping[str, str], settings: Settings, traffic: Traffic | None
    ) -> Answer:
        kind = params.get("log-type", "")
        if kind not in LOG_TYPES.split(", "):
            raise ApiError("17", f"Illegal value for parameter log-type. Permitted: {LOG_TYPES}")
        count, skip = _number(params, "nlogs", USUAL), _number(params, "skip", 0)
        if count > MOST:
            raise ApiError("17", f"nlogs is at most {MOST}")
        backward = params.get("dir", "backward") == "backward"
        page = slice(skip, skip + count)
        if kind != "config" and traffic is not None:
            query = compile_query(params.get("query", ""), settings.release)
            found = traffic.entries(kind, query, newest_first=backward)
            entries = islice(found, page.start, page.stop)
            rows = [to_xml(entry, skip + at) for at, entry in enumerate(entries)]
            return self._enqueue(rows, settings.hostname)
        if kind != "config" or params.get("query"):
            raise ApiError("13", "this mock keeps only the config log, and filters nothing")
        lines = list(self.lines)[:: -1 if backward else 1][page]
        rows = [line.to_xml(settings.serial, settings.hostname) for line in lines]
        return self._enqueue(rows, settings.hostname)

    def _enqueue(self, rows: Sequence[str], hostname: str) -> Answer:
        """Keep what a query found until its job is fetched."""
        self.last_job += 1
        shown = "".join(rows)
        logs = f'<log><logs count="{len(rows)}" progress="100">{shown}</logs></log>'
        name = escape(hostname)
        meta = (
            f"<meta><devices><entry name={quoteattr(hostname)}><hostname>{name}</hostname>"
            '<vsys><entry name="vsys1"><display-name>vsys1</display-name></entry></vsys>'
            "</entry></devices></meta>"
        )
        self._jobs[str(self.last_job)] = (False, logs + meta)
        return result(
            f"<msg><line>query job enqueued with jobid {self.last_job}</line></msg>"
            f"<job>{self.last_job}</job>",
            code="19",
        )

    def _fetch(self, number: str, clock: str) -> Answer:
        """Answer a job: at work when first asked, then finished with what it found, then gone."""
        if number not in self._jobs:
            raise ApiError("7", f"job {number} not found")
        asked, found = self._jobs.pop(number)
        if not asked:
            self._jobs[number] = (True, found)
        job = (
            f"<job><tenq>{clock}</tenq><tdeq>{clock}</tdeq><tlast>{clock}</tlast>"
            f"<status>{'FIN' if asked else 'ACT'}</status><id>{number}</id></job>"
        )
        return result(job + (found if asked else ""))

    # -- keeping it ---------------------------------------------------------------

    def to_json(self) -> list[dict[str, Any]]:
        """Return the lines as values for a file."""
        return [asdict(line) for line in self.lines]

    def load(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Bring the lines back."""
        for row in rows:
            line = Line(**row)
            if not isinstance(line.path, str):  # JSON knows only lists
                line = replace(line, path=tuple((tag, name) for tag, name in line.path))
            self.lines.append(line)
            self.last_number = row["number"]


def places(action: str, args: Mapping[str, str], touched: Sequence[Touch]) -> list[Path | str]:
    """Return the places of one request: what a set touched, else the node that was named."""
    if action == "set":
        return list(dict.fromkeys(touch.path for touch in touched))
    if touched and len({touch.path for touch in touched}) == 1 and action != "rename":
        return [touched[0].path]
    return [args.get("xpath", "")]


def _number(params: Mapping[str, str], name: str, default: int) -> int:
    text = params.get(name, str(default))
    if not text.isdecimal():
        raise ApiError("17", f"Illegal value for parameter {name}")
    return int(text)
