"""A push at work: each firewall gets its delivery, and has its own result in the job.

Sources: a ``CommitAll`` job recorded in 2022 (``push_type``, ``dgname``, an entry a device; the
text of success sits under ``errors``); notes measured on 11.x (a job that is over while a firewall
is still ``PEND`` at ``config sent to device``); vendor's guides (a push goes out from the running
configuration; one limited to administrators needs a full one before it). Unsure: the spelling of
``commit failed`` and of what is said of a firewall that is not connected or too new.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from segctl_mocks.panos.answers import ApiError
from segctl_mocks.panos.faults import PUSH_MEMBER, Fault
from segctl_mocks.panos.jobs import Outcome, lines_xml
from segctl_mocks.panos.journal import transplant
from segctl_mocks.panos.panorama import compose, templates
from segctl_mocks.panos.panorama.orders import POLICY
from segctl_mocks.panos.panorama.standing import TEMPLATE
from segctl_mocks.panos.receive import Delivery, receive
from segctl_mocks.panos.references import is_slot
from segctl_mocks.panos.tree import Tree

if TYPE_CHECKING:
    from segctl_mocks.panos.faults import Request
    from segctl_mocks.panos.jobs import Job
    from segctl_mocks.panos.journal import Change
    from segctl_mocks.panos.mock import PanosMock
    from segctl_mocks.panos.panorama.device import PanoramaDevice
    from segctl_mocks.panos.panorama.orders import Order, Recipient
    from segctl_mocks.panos.tree import Element

SENT = "config sent to device"
_PENDING, _OK, _FAIL = "PEND", "OK", "FAIL"
_FULL_FIRST = "a full push is required before one that is limited to administrators"


@dataclass(slots=True)
class Given:
    """What a delivery is made from: a configuration, and what is missing in it afterwards."""

    tree: Tree
    document: bytes
    missing: list[Change] = field(default_factory=list["Change"])

    @property
    def key(self) -> str:
        """A name for the configuration."""
        return hashlib.sha256(self.document).hexdigest()[:16]


@dataclass(slots=True)
class Progress:
    """One firewall of a push: how far it is."""

    recipient: Recipient
    status: str = ""
    result: str = _PENDING
    started: str = ""
    finished: str = ""
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    job: Job | None = None
    fault: Fault | None = None
    given: dict[str, Given] = field(default_factory=dict[str, Given])
    stamps: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def silent(self) -> bool:
        """Whether its result never comes, as a test asked."""
        return self.fault is not None and self.fault.kind in {"push_pending", "push_timeout"}


class Push:
    """One push; `begin`, `outcome` and `tail` are what its job asks."""

    def __init__(self, panorama: PanoramaDevice, order: Order, request: Request) -> None:
        self.panorama = panorama
        self.order = order
        self.request = request
        self.number = 0
        self.members = [Progress(recipient) for recipient in order.recipients]

    # -- sending ------------------------------------------------------------------

    def begin(self) -> None:
        """Send every firewall what it gets of the configuration that runs now."""
        for member in self.members:
            member.started = self.panorama.now()
            serial = member.recipient.serial
            member.fault = self.panorama.faults.take(PUSH_MEMBER, self.request, serial)
            try:
                self._send(member)
            except ApiError as error:
                self._fail(member, error.lines)
            except templates.UnfitError as error:
                lines = ("Validation Error:", f" {error.line}", "Commit failed")
                self._fail(member, lines)

    def _send(self, member: Progress) -> None:
        serial = member.recipient.serial
        firewall = self.panorama.connected(serial)
        if firewall is None:
            member.status = "device not connected"
            raise ApiError("", f"{serial} not connected")
        ours, theirs = self.panorama.settings.release[:2], firewall.settings.release[:2]
        if theirs > ours:
            version = firewall.settings.sw_version
            raise ApiError("", f"unsupported version {version}: Panorama is older")
        delivery = self._delivery(member, firewall)
        member.status = SENT
        fault = member.fault
        if fault is not None and member.silent and fault.options.get("applied") is False:
            return
        fails = None
        if fault is not None and fault.kind == "push_fails":
            fails = fault.lines(("client device phase 1 failure", "Commit failed"))
        with firewall.device.lock:
            member.job = receive(firewall.device, delivery, fails)

    def _delivery(self, member: Progress, firewall: PanosMock) -> Delivery:
        recipient, order = member.recipient, self.order
        systems = {
            vsys: self._policy(member, firewall, vsys, group) for vsys, group in recipient.systems
        }
        shared: tuple[Element, ...] | None = None
        if systems:
            several = firewall.settings.multi_vsys
            shared = _common(list(systems.values())) if several else ()
        warned = member.fault is not None and member.fault.kind == "push_warns"
        return Delivery(
            systems=systems or None,
            shared=shared,
            template=self._template(member, firewall) if order.with_templates else None,
            stamps=member.stamps,
            user=self.request.user,
            description=order.description,
            merge=order.merge,
            force=order.force,
            validate_only=order.validate_only,
            warnings=member.fault.lines(()) if member.fault is not None and warned else (),
        )

    def _policy(self, member: Progress, firewall: PanosMock, vsys: str, group: str) -> Element:
        given = self._given(member, vsys)
        target = compose.target_of(given.tree, firewall.settings.serial, vsys)
        member.stamps[vsys] = compose.checksum(given.tree, group)
        return compose.policy(given.tree, group, target)

    def _template(self, member: Progress, firewall: PanosMock) -> Element | None:
        serial = member.recipient.serial
        if templates.holder(self.panorama.running, serial) is None:
            return None
        given = self._given(member, TEMPLATE)
        found = templates.values(given.tree, serial, systems_of(firewall))
        if found is None:
            del member.given[TEMPLATE]
            return None
        member.stamps[TEMPLATE] = templates.checksum(given.tree, found.kind, found.name, serial)
        return found.config

    def _given(self, member: Progress, system: str) -> Given:
        """Return what goes out: all that runs, or what was given last with some changes more."""
        panorama = self.panorama
        standing = panorama.standings.of(member.recipient.serial, system)
        given = Given(panorama.running, panorama.versions[-1].xml)
        if self.order.admins is not None:
            if not standing.base:
                raise ApiError("", _FULL_FIRST)
            given = self._limited(panorama.standings.bases[standing.base], standing.missing)
        member.given[system] = given
        return given

    def _limited(self, base: bytes, missing: list[Change]) -> Given:
        admins = self.order.admins or ()
        mine = [change for change in missing if change.admin in admins]
        others = [change for change in missing if change.admin not in admins]
        target = Tree.from_bytes(base, is_slot)
        transplant(self.panorama.running, target, mine, others)
        return Given(target, target.to_bytes(), others)

    # -- results ------------------------------------------------------------------

    def outcome(self) -> Outcome | None:
        """Return how it ended; None while a result may still come."""
        waits = False
        for member in self.members:
            if member.result == _PENDING and not member.silent:
                waits |= not self._poll(member)
        if waits:
            return None
        for member in self.members:
            if member.fault is not None and member.fault.kind == "push_timeout":
                self._fail(member, member.fault.lines(("timed out while waiting for the result",)))
        return Outcome(ok=all(member.result == _OK for member in self.members), details=())

    def _poll(self, member: Progress) -> bool:
        """Ask a firewall for its result; say whether waiting is over, with or without one."""
        firewall = self.panorama.connected(member.recipient.serial)
        if firewall is None or member.job is None:
            return True
        with firewall.device.lock:
            firewall.device.jobs.settle()
            found = member.job.outcome
        if found is None:
            return member.job not in firewall.device.jobs.jobs  # it restarted, and forgot it
        if found.ok:
            self._succeed(member, found)
        else:
            self._fail(member, found.details, found.warnings)
        firewall.save()
        return True

    def _succeed(self, member: Progress, found: Outcome) -> None:
        word = "validation" if self.order.validate_only else "commit"
        more = " with warnings" if found.warnings else ""
        member.status, member.result = f"{word} succeeded{more}", _OK
        member.errors, member.warnings = found.details, found.warnings
        self._end(member)

    def _fail(
        self, member: Progress, lines: tuple[str, ...], warnings: tuple[str, ...] = ()
    ) -> None:
        word = "validation" if self.order.validate_only else "commit"
        fresh = member.status in {"", SENT}
        member.status = f"{word} failed" if fresh else member.status
        member.result = _FAIL
        member.errors, member.warnings = lines, warnings
        self._end(member)

    def _end(self, member: Progress) -> None:
        now = self.panorama.now()
        member.finished = now
        standings = self.panorama.standings
        keys = [vsys for vsys, _ in member.recipient.systems]
        keys += [TEMPLATE] if self.order.with_templates else []
        for system in keys:
            standing = standings.of(member.recipient.serial, system)
            if self.order.validate_only:
                standing.validated, standing.validated_at = member.status, now
                continue
            standing.state, standing.time = member.status, now
            given = member.given.get(system)
            if member.result == _OK and given is not None:
                standing.checksum = member.stamps[system]
                standing.version = str(self.panorama.versions[-1].number)
                standing.base, standing.missing = given.key, list(given.missing)
                standings.keep(given.key, given.document)

    # -- what the job shows -------------------------------------------------------

    def tail(self) -> str:
        """Write what a job of a push reports instead of details."""
        style = self.order.style
        tag = "dgname" if style == POLICY else "tplname"
        rows = "".join(row for member in self.members for row in self._rows(member))
        return (
            f"<push_type>{style}</push_type><{tag}>{escape(', '.join(self.order.names))}</{tag}>"
            f"<warnings></warnings><devices>{rows}</devices>"
        )

    def _rows(self, member: Progress) -> list[str]:
        firewall = self.panorama.firewalls.get(member.recipient.serial)
        several = firewall is not None and firewall.settings.multi_vsys
        systems = [vsys for vsys, _ in member.recipient.systems] if several else []
        return [self._row(member, firewall, vsys) for vsys in systems or [""]]

    def _row(self, member: Progress, firewall: PanosMock | None, vsys: str) -> str:
        serial = member.recipient.serial
        name = firewall.settings.hostname if firewall is not None else serial
        several = firewall is not None and firewall.settings.multi_vsys
        groups_of = dict(member.recipient.systems)
        group = groups_of.get(vsys) or next(iter(groups_of.values()), self.order.names[0])
        verdict = "success" if member.result == _OK else "failure"
        details = (
            f'<msg cmd="push-data" dname={quoteattr(serial)} dgname={quoteattr(group)} '
            f'jobid="{self.number}" result="{verdict}"><errors>{lines_xml(member.errors)}</errors>'
            f"<warnings>{lines_xml(member.warnings)}</warnings></msg>"
        )
        ended = member.finished[11:] or "Still Active"
        return (
            f"<entry><serial-no>{escape(serial)}</serial-no><devicename>{escape(name)}</devicename>"
            f"<multi-vsys>{'yes' if several else 'no'}</multi-vsys><vsys>{escape(vsys)}</vsys>"
            f"<status>{member.status}</status><result>{member.result}</result>"
            f"<tstart>{member.started[11:]}</tstart><tfin>{ended}</tfin>"
            f"<details>{details if member.result != _PENDING else ''}</details></entry>"
        )


def systems_of(firewall: PanosMock) -> dict[str, str]:
    """Return the virtual systems of a firewall by their names and their display names."""
    found = firewall.device.systems()
    return {**{shown: name for name, shown in found.items()}, **{name: name for name in found}}


def _common(systems: list[Element]) -> tuple[Element, ...]:
    """Take shared objects out of the policies of several systems: they come once, for all."""
    root = etree.Element("shared")
    for number, system in enumerate(systems):
        for child in system:
            if child.tag not in {"pre-rulebase", "post-rulebase"}:
                _part(child, root if number == 0 else etree.Element("shared"))
    return (root,)


def _part(container: Element, into: Element) -> None:
    place = etree.Element(str(container.tag))
    for child in list(container):
        if child.tag != "entry":
            _part(child, place)
        elif child.get("loc") == "shared":
            place.append(child)
    if len(place):
        into.append(place)
