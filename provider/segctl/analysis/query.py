"""The ``check`` probes: what a device's policy does with a flow.

A zone stands for all of its addresses.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from segctl.analysis.answer import OTHERS, Flow, Spoken, with_others
from segctl.analysis.answer import answer as answer_flow
from segctl.analysis.effective import joins
from segctl.analysis.ends import end_of, hops_between
from segctl.analysis.present import as_listed, objects_of_flow
from segctl.analysis.space import icmp, service, without
from segctl.analysis.words import spoken_as
from segctl.compiler.topology import topology
from segctl.model.errors import Problem
from segctl.model.icmp import TYPES, numbered
from segctl.model.policy import ANY
from segctl.model.site import ACCESS_CLASSES, Source
from segctl.protocols import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from segctl.analysis.answer import Answer
    from segctl.analysis.effective import Reading
    from segctl.analysis.ends import End
    from segctl.analysis.space import Names, Numbers
    from segctl.analysis.words import Meaning, Vocabulary
    from segctl.compiler.topology import Hop
    from segctl.model.site import Device, Site
    from segctl.protocols import Naming


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A question about a flow, to the policy that a device holds.

    With `open_protocol`, it is denied only if nothing passes of any other protocol either.
    `icmp_type` is a type by name or number; empty for any. ``icmp`` is that of either version of
    IP, but for a type by its number, which is one of IPv4.
    """

    source: str
    destination: str
    protocol: str = "tcp"
    open_protocol: bool = False
    port: int = 0
    icmp_type: str = ""
    application: str = ""
    user: str = ""
    allow: bool = True
    timeout: int = 0
    retries: int = 0
    declared: Source = field(default=Source(), compare=False)

    @property
    def narrowed(self) -> bool:
        """Whether it names a port or a type of ICMP."""
        return bool(self.port or self.icmp_type)

    def __str__(self) -> str:
        """``check scada1 → plc1 tcp/502``."""
        what = self.protocol + (f"/{self.icmp_type or self.port}" if self.narrowed else "")
        what += f" {self.application}" if self.application else ""
        return f"check {self.source} → {self.destination} {what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A check with its names resolved, and the firewalls that can answer it."""

    check: Check
    source: End
    destination: End
    hops: tuple[Hop, ...] = ()

    @property
    def devices(self) -> frozenset[str]:
        """The firewalls that can answer."""
        return frozenset(hop.device for hop in self.hops)

    def on(self, device: Device) -> Iterator[Hop]:
        """Yield the ways through one of them."""
        return (hop for hop in self.hops if hop.device == device.name)


def questions(
    checks: Iterable[Check], site: Site, sites: Iterable[str]
) -> tuple[tuple[Question, ...], tuple[Problem, ...]]:
    """Resolve checks against a site; return the questions, and problems for the others.

    A name without a site refers to a zone of one of `sites`.
    """
    found: list[Question] = []
    problems: list[Problem] = []
    near = frozenset(sites)
    for check in checks:
        try:
            found.append(_question(check, site, near))
        except LookupError as error:
            problems.append(_problem(check, *error.args))
    return tuple(found), tuple(problems)


def unanswerable(asked: Iterable[Question], devices: Iterable[Device]) -> tuple[Problem, ...]:
    """Return a problem for each question that none of the firewalls can answer."""
    names = {device.name for device in devices}
    return tuple(
        _problem(
            question.check,
            "no selected firewall stands between its ends",
            f"include {', '.join(sorted(question.devices))} in -l",
        )
        for question in asked
        if not question.devices & names
    )


def _problem(check: Check, message: str, hint: str) -> Problem:
    where = check.declared
    return Problem(
        message=f"{check}: {message}",
        hint=hint,
        file=where.file,
        line=where.line,
        column=where.column,
    )


def _question(check: Check, site: Site, near: frozenset[str]) -> Question:
    protocol, word = _function(check.application)
    if protocol and word not in ACCESS_CLASSES:
        known = ", ".join(ACCESS_CLASSES)
        raise LookupError(f"{protocol} has no access class {word!r}", f"use one of {known}")
    source, destination = end_of(check.source, site, near), end_of(check.destination, site, near)
    versions = {part[0] for part in source.addresses} & {part[0] for part in destination.addresses}
    if not versions:
        raise LookupError("its ends have no IP version in common", "use addresses of one version")
    if check.protocol in TYPES and not versions & _versions(check):
        of = " of that type" if check.icmp_type else ""
        other = "icmpv6" if check.protocol == "icmp" else "icmp"
        raise LookupError(
            f"its ends do not speak {check.protocol}{of}",
            f"each version of IP has an ICMP of its own: ask about {other}",
        )
    hops = hops_between(site.devices, source.zone, destination.zone)
    if not hops:
        gap = topology(site.devices).gap(source.zone, destination.zone)
        raise LookupError("no firewall stands between its ends", gap)
    return Question(check=check, source=source, destination=destination, hops=hops)


def _versions(check: Check) -> frozenset[int]:
    """Return the versions of IP whose ICMP a check is about."""
    versions = {"icmp": 4, "icmpv6": 6}
    if check.icmp_type:
        return frozenset(versions[one] for one in numbered(check.protocol, check.icmp_type))
    return frozenset(versions.values() if check.protocol == "icmp" else (6,))


# --- answers -------------------------------------------------------------------------------------


def answer(question: Question, device: Device, reading: Reading, *, applications: Naming) -> Answer:
    """Return what a device's policy does with a flow.

    Args:
        question: one that the device can answer.
        device: with the names of its zones.
        reading: everything it enforces, in the words of its platform.
        applications: how its rules name what may be done of a protocol (`providers.naming`).

    Raises:
        UnsupportedError: the vendor's applications cannot tell the access class apart.
        TooComplexError: the answer falls into too many pieces.
    """
    flow = flow_of(question, device, reading, applications=applications)
    found = answer_flow(flow, reading)
    if not question.check.open_protocol:
        return found
    return with_others(found, answer_flow(replace(flow, protocol=OTHERS), reading))


def flow_of(question: Question, device: Device, reading: Reading, *, applications: Naming) -> Flow:
    """Return a question as a flow through one device, in the device's words.

    Raises:
        UnsupportedError: the vendor's applications cannot tell the access class apart.
    """
    names = {binding.zone: binding.name for binding in device.zones}
    check = question.check
    spoken = Spoken()
    if check.application:
        spoken = _spoken(check, reading, applications=applications)
    return Flow(
        zones=tuple((names[hop.enter], names[hop.leave]) for hop in question.on(device)),
        sources=question.source.addresses,
        destinations=question.destination.addresses,
        protocol=check.protocol,
        port=check.port,
        user=check.user,
        spoken=spoken,
        types=types_of(check, reading.platform),
    )


def types_of(check: Check, words: Vocabulary) -> tuple[tuple[Numbers, Meaning[Names]], ...]:
    """Return the types of ICMP that a check is about, each with what it counts as in some words.

    A check about something else has none.
    """
    if check.protocol not in TYPES:
        return ()
    if check.icmp_type:
        numbers = numbered(check.protocol, check.icmp_type)
        return tuple(
            (icmp(protocol, number), spoken_as(words, protocol, number))
            for protocol, number in numbers.items()
        )
    asked = tuple(TYPES) if check.protocol == "icmp" else (check.protocol,)
    echoes = {one: TYPES[one]["echo-request"] for one in asked}
    return tuple(
        part
        for one, echo in echoes.items()
        for part in (
            (icmp(one, echo), spoken_as(words, one, echo)),
            (without(service(one), icmp(one, echo)), spoken_as(words, one, None)),
        )
    )


def wrong(question: Question, device: Device, reading: Reading, *, applications: Naming) -> str:
    """Say what a device's policy does otherwise than the check expects; nothing if it fits.

    What cannot be told does not fit.
    """
    found = answer(question, device, reading, applications=applications)
    if question.check.allow:
        other, verb = found.denied, "is denied"
    else:
        other, verb = found.allowed, "is allowed"
    if other:
        return f"{other} {verb} by {other.rule}"
    if found.unknown:
        now = _by_now(question, device, reading, applications)
        return f"{found.unknown}: cannot tell, {'; '.join(found.why)}{now}"
    return ""


def _by_now(question: Question, device: Device, reading: Reading, applications: Naming) -> str:
    """Say what becomes of a flow by what objects hold now, where that is known."""
    now = reading.now
    if now is None or as_listed(question.check.user, reading) != question.check.user:
        return ""
    if not objects_of_flow(flow_of(question, device, reading, applications=applications), reading):
        return ""
    verdict = answer(question, device, now, applications=applications).verdict
    return "" if verdict == "cannot tell" else f"; by what is held now: {verdict}"


def answers_by_user(
    question: Question, device: Device, reading: Reading, *, applications: Naming
) -> dict[str, Answer]:
    """Return what rules for certain users allow in addition, if the check names no user."""
    if question.check.user:
        return {}
    names = {binding.zone: binding.name for binding in device.zones}
    zones = [(names[hop.enter], names[hop.leave]) for hop in question.on(device)]
    met = [rule for rule in reading.policy.rules if any(joins(rule, *pair) for pair in zones)]
    named = {
        user for rule in met if rule.action == "allow" for user in rule.users if user not in _NOBODY
    }
    if any("unknown" in rule.users for rule in met):
        named.add("known-user")  # who is not unknown passes by a rule that denies unknown users
    if not named:
        return {}
    nobody = answer(question, device, reading, applications=applications)
    found: dict[str, Answer] = {}
    for user in sorted(named):
        asked = replace(question, check=replace(question.check, user=user))
        theirs = answer(asked, device, reading, applications=applications)
        if theirs.verdict not in {nobody.verdict, "deny"}:
            found[user] = theirs
    return found


#: What a rule has in the place of users that names none.
_NOBODY = frozenset({ANY, "unknown"})


def _spoken(check: Check, reading: Reading, *, applications: Naming) -> Spoken:
    """Return the applications that the named one stands for, those of a container or group too."""
    protocol, word = _function(check.application)
    if protocol:
        used = applications(catalogue().get(protocol), (word,))
        return Spoken(needed=used.names, own=used.own)
    names = stands_for(check.application, reading)
    return Spoken(needed=names, own=names)


def stands_for(application: str, reading: Reading) -> tuple[str, ...]:
    """Return the applications that are known to be in one, itself where it is not a set."""
    meant = reading.application(application).sure
    return (application,) if meant.but or not meant else tuple(sorted(meant.listed))


def vendor_applications(check: Check, applications: Naming) -> tuple[str, ...]:
    """Return the vendor's applications that a check names, directly or by an access class.

    Raises:
        UnsupportedError: they cannot distinguish the access class.
    """
    if not check.application:
        return ()
    protocol, word = _function(check.application)
    if not protocol:
        return (check.application,)
    return applications(catalogue().get(protocol), (word,)).names


def _function(application: str) -> tuple[str, str]:
    """Return protocol and access class, if the application is written as ``modbus.read``."""
    protocol, _, word = application.partition(".")
    return (protocol, word) if word and protocol in catalogue() else ("", "")
