"""Requests of type=report: a dynamic report is a job, whose rows are fetched when it is done.

Source: pan-os-php ``SecurityRule.php`` (a job with ``percent``, then ``result/report/entry``). The
rows are those of the time of the request; a job is gone once its rows were fetched.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from segctl_mocks.panos.answers import Answer, ApiError, result
from segctl_mocks.panos.jobs import stamp
from segctl_mocks.panos.traffic import aggregate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl_mocks.panos.jobs import Clock
    from segctl_mocks.panos.traffic.store import Traffic

_NAME = "custom-dynamic-report"


class Reporter:
    """The reports of one device that wait to be fetched."""

    def __init__(self, release: tuple[int, ...], clock: Clock, tables: str = "") -> None:
        self._release = release
        self._clock = clock
        self._tables = tables
        self._last = 0
        self._jobs: dict[str, tuple[bool, str]] = {}

    def handle(self, params: Mapping[str, str], traffic: Traffic | None) -> Answer:
        """Answer a request.

        Raises:
            ApiError: it asks for another kind of report, or for a job that is not there.
        """
        if params.get("action") == "get":
            return self._fetch(params.get("job-id", ""))
        if params.get("reporttype") != "dynamic" or params.get("reportname") != _NAME:
            raise ApiError("17", f"this mock knows dynamic reports only, of name {_NAME}")
        if traffic is None:
            raise ApiError("13", "this mock has no traffic to report on")
        now = datetime.fromtimestamp(self._clock()).astimezone()
        order = aggregate.read(params.get("cmd", ""), self._release, now, self._tables)
        log = aggregate.TABLES[order.table][0]
        rows = aggregate.rows(traffic, order)
        report = f'<report reportname="{_NAME}" logtype="{log}">{rows}</report>'
        if params.get("async") != "yes":
            return result(report)
        self._last += 1
        self._jobs[str(self._last)] = (False, report)
        line = f"Report job enqueued with jobid {self._last}"
        return result(f"<msg><line>{line}</line></msg><job>{self._last}</job>")

    def _fetch(self, number: str) -> Answer:
        """Answer a job: at work when first asked, then done with its rows, then gone."""
        if number not in self._jobs:
            raise ApiError("7", f"job {number} not found")
        asked, report = self._jobs.pop(number)
        if not asked:
            self._jobs[number] = (True, report)
        clock = stamp(self._clock())[11:]
        percent, status = ("100", "FIN") if asked else ("0", "ACT")
        job = (
            f"<job><tenq>{clock}</tenq><tdeq>{clock}</tdeq><tlast>{clock}</tlast>"
            f"<status>{status}</status><id>{number}</id><percent>{percent}</percent></job>"
        )
        return result(job + (report if asked else ""))
