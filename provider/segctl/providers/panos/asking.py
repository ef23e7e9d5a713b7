"""Jobs that read a firewall's logs: one at a time, each with an end, none left behind.

Sources: the vendor's API guide 9.1 for log jobs (``finish`` removes one), pan-os-php
``SecurityRule.php`` for jobs of dynamic reports; nobody describes how to remove one of those.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from segctl.model.durations import format_duration
from segctl.model.errors import ConnectError, DeviceError, ParseError
from segctl.providers.panos.elements import reason
from segctl.providers.panos.wire import xml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from segctl.providers.panos.elements import Element
    from segctl.transports.target import Target

#: How long to wait before a job is asked for again: at first, and at most.
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 2.0
#: Everything that one firewall is asked about its traffic takes no longer, in seconds.
PATIENCE: Final = 900.0
#: How logs and queries write a moment: by the device's own clock, without a zone.
FORM: Final = "%Y/%m/%d %H:%M:%S"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A firewall whose logs are read, and how far its clock shows another time than UTC.

    `until` is when asking ends, by the monotonic clock. `collected` says that a Panorama answers,
    with the logs of all its firewalls.
    """

    target: Target
    send: Callable[[Mapping[str, str]], bytes]
    serial: str
    vsys: str
    clock: timedelta
    until: float
    collected: bool = False

    def stamp(self, seconds: int) -> str:
        """Write a moment, in seconds since 1970, as the device's clock shows it."""
        return (datetime.fromtimestamp(seconds, UTC) + self.clock).strftime(FORM)

    def terms(self) -> list[str]:
        """Return what every query asks for: this virtual system, and of a collector this device."""
        found = [f"(vsys eq {self.vsys})"]
        return [*found, f"(serial eq {self.serial})"] if self.collected else found

    def log(self, params: Mapping[str, str]) -> Element:
        """Return the answer of a query of logs; a job that does not end is removed.

        Raises:
            DeviceError: the device refuses it, or its job does not end in time.
        """
        answer = self._answer({"type": "log", **params})
        number = answer.findtext("result/job") or ""
        try:
            return self._finished({"type": "log", "action": "get", "job-id": number}, number)
        except BaseException:
            with suppress(DeviceError):
                self.send({"type": "log", "action": "finish", "job-id": number})
            raise

    def report(self, command: str) -> Element:
        """Return the answer of a dynamic report.

        Raises:
            DeviceError: the device refuses it, or its job does not end in time.
        """
        asked = {
            "type": "report",
            "reporttype": "dynamic",
            "reportname": "custom-dynamic-report",
            "async": "yes",
            "cmd": command,
        }
        answer = self._answer(asked)
        number = answer.findtext("result/job") or ""
        if not number and answer.find("result/report") is not None:
            return answer  # some answer at once
        return self._finished({"type": "report", "action": "get", "job-id": number}, number)

    def _finished(self, get: Mapping[str, str], number: str) -> Element:
        """Ask for a job until it has finished."""
        name = self.target.name
        if not (number.isascii() and number.isdigit()):
            raise ParseError(name, f"answers a query with {number[:40]!r} as the number of its job")
        deadline = min(time.monotonic() + self.target.timeout, self.until)
        wait = _FIRST_WAIT
        while True:
            answer = self._answer(get)
            job = answer.find("result/job")
            if job is not None and (
                job.findtext("status") == "FIN" or job.findtext("percent") == "100"
            ):
                return answer
            if time.monotonic() + wait > deadline:
                took = format_duration(self.target.timeout)
                raise ConnectError(name, f"a query was not answered within {took}")
            time.sleep(wait)
            wait = min(_LONGEST_WAIT, 1.5 * wait)

    def _answer(self, params: Mapping[str, str]) -> Element:
        root = xml(self.target, self.send(params))
        if root.get("status") != "success":
            raise ParseError(self.target.name, f"refuses a query: {reason(root)}")
        return root
