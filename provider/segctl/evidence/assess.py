"""The state of every requirement in every zone, from what firewalls show."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from segctl.evidence import boundary_checks as boundary
from segctl.evidence import island_checks as islands
from segctl.evidence import settings_checks as settings
from segctl.evidence.scene import Scene, Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from segctl.evidence.decisions import Decision
    from segctl.evidence.requirements import Requirement
    from segctl.evidence.scene import Verdict, Witness
    from segctl.model.site import Site, Zone

#: What there is to say of a requirement in a zone.
State: TypeAlias = Literal[
    "satisfied",
    "not_satisfied",
    "not_evidenced",
    "not_applicable",
    "compensated",
    "excepted",
]
STATES: Final[tuple[State, ...]] = (
    "satisfied",
    "not_satisfied",
    "not_evidenced",
    "compensated",
    "excepted",
    "not_applicable",
)
#: What judges each requirement that names a check; others are not judged.
CHECKS: Final[Mapping[str, Callable[[Scene], Seen]]] = {
    "iac.human-users": boundary.human_users,
    "iac.untrusted-access": boundary.untrusted_access,
    "uc.authorise-human": boundary.authorise_human,
    "uc.authorise-all": boundary.authorise_all,
    "uc.audit-events": settings.audit_events,
    "uc.audit-central": settings.audit_central,
    "uc.time": settings.time_stamps,
    "uc.ntp": settings.synchronised,
    "uc.ntp-auth": settings.authenticated_time,
    "si.comm-integrity": settings.communication_integrity,
    "si.malware": settings.malware,
    "si.malware-boundary": settings.malware_boundary,
    "si.malware-central": settings.content_age,
    "si.drift": boundary.drift,
    "si.protocol-valid": boundary.protocol_valid,
    "si.session": settings.session_integrity,
    "dc.cleartext": boundary.clear_text,
    "rdf.segmentation": boundary.segmentation,
    "rdf.physical": boundary.physical,
    "rdf.independence": boundary.independence,
    "rdf.boundary": boundary.boundary,
    "rdf.deny-default": boundary.deny_default,
    "rdf.island": islands.island,
    "rdf.fail-close": settings.fail_close,
    "rdf.p2p-in": boundary.messages_in,
    "rdf.p2p-both": boundary.messages_both,
    "tre.monitoring": settings.monitoring,
    "ra.dos": settings.denial_of_service,
    "ra.dos-egress": settings.spreading,
    "ra.least-functionality": boundary.least_functionality,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one firewall showed of a requirement in a zone."""

    device: str
    verdict: Verdict
    observed: str
    expected: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The state of a requirement in a zone, and why.

    `asked` is the zone's SL-T for it, None where it declares none.
    """

    zone: str
    requirement: Requirement
    state: State
    why: str
    asked: int | None
    observations: tuple[Observation, ...] = ()
    decision: Decision | None = None


def assess(
    site: Site,
    wanted: Sequence[Requirement],
    witnesses: Sequence[Witness],
    *,
    decisions: Sequence[Decision],
    today: date,
    zones: Iterable[Zone],
) -> tuple[Finding, ...]:
    """Return the state of each requirement in each zone.

    Nothing is satisfied because something is absent: of every firewall that has the zone, live
    state must show it.
    """
    found: list[Finding] = []
    for zone in zones:
        near = [one for one in witnesses if zone.key in one.names]
        scenes = [
            Scene(
                site=site,
                zone=zone,
                witness=one,
                live=one.live,
                today=today,
                witnesses=near,
                every=witnesses,
            )
            for one in near
            if one.live is not None
        ]
        unread = [one for one in near if one.live is None]
        for requirement in wanted:
            finding = _judged(zone, requirement, scenes, unread)
            found.append(_decided(finding, decisions, today))
    return tuple(found)


def _judged(
    zone: Zone, requirement: Requirement, scenes: Sequence[Scene], unread: Sequence[Witness]
) -> Finding:
    level = zone.security_level
    asked = None if level is None else int(getattr(level, requirement.level))

    def finding(state: State, why: str, seen: Iterable[Observation] = ()) -> Finding:
        return Finding(
            zone=zone.key,
            requirement=requirement,
            state=state,
            why=why,
            asked=asked,
            observations=tuple(seen),
        )

    if asked is not None and asked < requirement.sl:
        why = f"asked for from SL {requirement.sl} on; SL-T of the zone is {asked}"
        return finding("not_applicable", why)
    if requirement.firewall == "none":
        why = "firewalls cannot show it"
        return finding("not_evidenced", f"{why}: {requirement.gap}" if requirement.gap else why)
    check = CHECKS.get(requirement.check)
    if check is None:
        return finding("not_evidenced", "this release of segctl does not judge it")
    seen = [*_observed(check, scenes), *map(_unread, unread)]
    state, why = _state(seen)
    if asked is None and state == "satisfied":
        why = f"the zone declares no SL-T, so that nobody asks for it; seen was: {why}"
        return finding("not_evidenced", why, seen)
    return finding(state, why, seen)


def _observed(check: Callable[[Scene], Seen], scenes: Iterable[Scene]) -> Iterator[Observation]:
    for scene in scenes:
        seen = check(scene)
        yield Observation(
            device=scene.witness.device.name,
            verdict=seen.verdict,
            observed=seen.observed,
            expected=seen.expected,
        )


def _unread(witness: Witness) -> Observation:
    return Observation(
        device=witness.device.name,
        verdict="unknown",
        observed=f"it was not read: {witness.failed}",
    )


def _state(seen: Sequence[Observation]) -> tuple[State, str]:
    """Return what observations of all firewalls of a zone come to."""
    if not seen:
        return "not_evidenced", "no firewall that was read has the zone"
    order: tuple[tuple[Verdict, State], ...] = (
        ("bad", "not_satisfied"),
        ("unknown", "not_evidenced"),
        ("ok", "satisfied"),
        ("none", "not_applicable"),
    )
    for verdict, state in order:
        said = [f"{one.device}: {one.observed}" for one in seen if one.verdict == verdict]
        if said:
            return state, "; ".join(said)
    message = "every observation has a verdict"
    raise AssertionError(message)


def _decided(finding: Finding, decisions: Sequence[Decision], today: date) -> Finding:
    """Return a finding as a person decided it, where one did and the decision still holds."""
    if finding.state not in ("not_satisfied", "not_evidenced"):
        return finding
    for one in decisions:
        same = (one.zone, one.requirement) == (finding.zone, finding.requirement.id)
        if same and today <= one.expires:
            until = f"until {one.expires.isoformat()}, {one.owner}"
            why = f"{one.reason} ({until}); without that: {finding.why}"
            return replace(finding, state=one.state, why=why, decision=one)
    return finding
