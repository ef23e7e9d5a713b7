"""Pushing a device group's policy to its firewalls, each with its own result.

Sources: vendor's API guide (``commit-all``); a ``CommitAll`` job recorded on 10.0, in which success
too is told under ``errors``; notes measured on 11.x (a job that is over while a firewall is still
``PEND``: what becomes of it is unknown).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from lxml import etree

from segctl.model.durations import format_duration
from segctl.model.errors import ApplyError, BusyError, ConnectError, DeviceError, ParseError
from segctl.providers.panos.jobs import POLL_FIRST, POLL_MOST
from segctl.providers.panos.writing import text_of
from segctl.providers.state import Delivery, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from segctl.providers.panos.client import Client
    from segctl.providers.panos.elements import Element
    from segctl.providers.panos.jobs import Jobs
    from segctl.providers.panos.location import Location
    from segctl.providers.panos.panorama.members import Firewall
    from segctl.transports.target import Target

#: Since when a push can be limited to administrators (pan-os-python, ``PanoramaCommitAll``).
SELECTIVE_SINCE: Final = (10, 2)


def order(
    location: Location,
    firewalls: Iterable[Firewall],
    *,
    description: str,
    admin: str = "",
    validate_only: bool = False,
) -> str:
    """Return the command that pushes a group's policy to these firewalls and to no others.

    Neither template values go with it, nor what an administrator of a firewall has not committed
    there. With `admin`, only what that account changed on Panorama does.
    """
    root = etree.Element("commit-all")
    body = etree.SubElement(root, "shared-policy")
    entry = etree.SubElement(etree.SubElement(body, "device-group"), "entry", name=location.name)
    devices = etree.SubElement(entry, "devices")
    made: dict[str, Element] = {}
    for one in firewalls:
        device = made.get(one.serial)
        if device is None:
            device = made[one.serial] = etree.SubElement(devices, "entry", name=one.serial)
        if one.part:
            systems = device.find("vsys")
            systems = etree.SubElement(device, "vsys") if systems is None else systems
            etree.SubElement(systems, "member").text = one.part
    if admin:
        etree.SubElement(etree.SubElement(body, "admin"), "member").text = admin
    etree.SubElement(body, "include-template").text = "no"
    etree.SubElement(body, "merge-with-candidate-cfg").text = "no"
    if validate_only:
        etree.SubElement(body, "validate-only")
    else:
        etree.SubElement(body, "description").text = description[:512]
    return text_of(root)


@dataclass(slots=True, kw_only=True)
class Pusher:
    """Pushes one group's policy; `deliveries` has what became of it, by inventory host."""

    client: Client
    target: Target
    jobs: Jobs
    location: Location
    progress: Callable[[str], None]
    deliveries: dict[str, Delivery] = field(default_factory=dict[str, Delivery])

    def push(
        self,
        firewalls: Mapping[str, Firewall],
        description: str,
        *,
        selective: bool,
        synced: Collection[str] = (),
    ) -> None:
        """Push to these firewalls; a failure is recorded and raises nothing.

        What goes to them is what this account changed. One that never got anything gets everything
        that is committed: Panorama asks for that. Where Panorama is not `selective`, everything
        goes to those that were `synced` before the change, and nothing to the others.
        """
        self.deliveries = {}
        ready: dict[str, Firewall] = {}
        for name, one in firewalls.items():
            if one.connected:
                ready[name] = one
            else:
                self.failed([name], "it is not connected to Panorama")
        whole = {
            name: one
            for name, one in ready.items()
            if one.never or (not selective and name in synced)
        }
        rest = {name: one for name, one in ready.items() if name not in whole}
        self._both(whole, description, "")
        if rest and not selective:
            self.failed(
                rest,
                "it may lack changes that others have committed and not pushed, and this release "
                "of Panorama cannot leave them out: push the device group to it from Panorama",
            )
        elif rest:
            self._both(rest, description, self.target.user)

    def _both(self, firewalls: Mapping[str, Firewall], description: str, admin: str) -> None:
        """Have the firewalls check what they would get, then push to those that accept it."""
        if not firewalls:
            return
        checked = self._run(firewalls, description, admin, validate_only=True)
        good = {name: one for name, one in firewalls.items() if checked[name].result == "pushed"}
        self.deliveries |= {name: one for name, one in checked.items() if name not in good}
        for some in _in_order(good):
            self.deliveries |= self._run(some, description, admin, validate_only=False)

    def failed(self, names: Iterable[str], why: str) -> None:
        """Record that firewalls got nothing."""
        for name in names:
            self.deliveries[name] = Delivery(name=name, result="failed", why=why)

    def _run(
        self,
        firewalls: Mapping[str, Firewall],
        description: str,
        admin: str,
        *,
        validate_only: bool,
    ) -> dict[str, Delivery]:
        """Run one push, or its validation; return what became of it on each firewall."""
        command = order(
            self.location,
            firewalls.values(),
            description=description,
            admin=admin,
            validate_only=validate_only,
        )
        what = "validation on the firewalls" if validate_only else "push"
        self.progress(f"{what}: {', '.join(firewalls)}")
        deadline = self.jobs.deadline()
        sent = False
        try:
            answer = self.jobs.patiently(lambda: self.client.commit_all(command), deadline)
            sent = True
            job = self._wait(answer.findtext("result/job") or "", what, deadline)
        except DeviceError as error:
            doubt = sent or isinstance(error, ConnectError | ParseError)
            kind: Result = "unknown" if doubt and not validate_only else "failed"
            return {name: Delivery(name=name, result=kind, why=error.message) for name in firewalls}
        return _results(firewalls, job, validate_only=validate_only)

    def _wait(self, number: str, what: str, deadline: float) -> Element:
        """Return the job once it and all its firewalls are done, or as it is at the deadline.

        Raises:
            ApplyError: Panorama starts no job, or has forgotten it.
        """
        if not number:
            raise ApplyError(self.target.name, f"started no job for the {what}")
        pause, last, interrupted = POLL_FIRST, None, False
        while True:
            try:
                job = self._job(number)
                last = last if job is None else job
                if job is not None and _is_over(job):
                    break
                if time.monotonic() > deadline:
                    limit = format_duration(self.target.commit_timeout)
                    if last is not None:
                        break
                    raise ApplyError(
                        self.target.name,
                        f"{what} job {number} was not seen to end within {limit} "
                        "(segctl_commit_timeout)",
                    )
                time.sleep(pause)
            except KeyboardInterrupt:
                if interrupted:
                    raise
                interrupted = True
                self.progress(f"interrupted: waiting for the {what} to end")
            pause = min(pause * 2, POLL_MOST)
        if interrupted:
            raise KeyboardInterrupt
        if last is None:
            raise ApplyError(self.target.name, f"{what} job {number} is gone")
        return last

    def _job(self, number: str) -> Element | None:
        try:
            answer = self.client.op(f"<show><jobs><id>{number}</id></jobs></show>")
        except (ConnectError, ParseError, BusyError):
            return None
        return answer.find("result/job")


def _in_order(firewalls: Mapping[str, Firewall]) -> Iterator[dict[str, Firewall]]:
    """Yield the firewalls in the order of pushing: of a pair, the one that carries traffic last.

    Then what takes over in the middle of it has the policy already.
    """
    for follows in (True, False):
        if some := {name: one for name, one in firewalls.items() if one.follows is follows}:
            yield some


def _is_over(job: Element) -> bool:
    """Whether a job and all its firewalls are done; a firewall may be done later than the job."""
    if job.findtext("status") != "FIN":
        return False
    return all(one.findtext("result") != "PEND" for one in job.iterfind("devices/entry"))


def _results(
    firewalls: Mapping[str, Firewall], job: Element, *, validate_only: bool
) -> dict[str, Delivery]:
    """Return each firewall's own result in a job; one of which it tells nothing is unknown."""
    found = [(_place(entry), entry) for entry in job.iterfind("devices/entry")]
    results: dict[str, Delivery] = {}
    for name, one in firewalls.items():
        entry = next((entry for place, entry in found if place in (one.place, one.serial)), None)
        state = "" if entry is None else entry.findtext("result") or ""
        status = "" if entry is None else entry.findtext("status") or ""
        if state == "OK":
            results[name] = Delivery(name=name, result="pushed")
        elif state == "FAIL":
            told = () if entry is None else _lines(entry)
            why = "; ".join(told) or status or "it gives no reason"
            results[name] = Delivery(name=name, result="failed", why=why)
        else:
            why = f"the push did not end there ({status})" if status else "the job does not name it"
            kind: Result = "failed" if validate_only else "unknown"
            results[name] = Delivery(name=name, result=kind, why=why)
    return results


def _place(entry: Element) -> str:
    serial = entry.findtext("serial-no") or entry.get("name") or ""
    part = entry.findtext("vsys") or ""
    return f"{serial}/{part}" if part and entry.findtext("multi-vsys") == "yes" else serial


def _lines(entry: Element) -> Sequence[str]:
    lines = entry.iterfind("details/msg/errors/line")
    return [
        text for line in lines if (text := " ".join("".join(map(str, line.itertext())).split()))
    ]
