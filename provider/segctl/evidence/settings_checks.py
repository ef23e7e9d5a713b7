"""Checks of logs, threat profiles and settings of a firewall, for the rules of a zone."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from segctl.evidence.scene import Scene, Seen, Verdict, listed
from segctl.evidence.unknown_checks import recognised
from segctl.providers.settings import EFFECTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from segctl.model.policy import Rule
    from segctl.providers.settings import Effect, Settings

#: Profiles that every group must have, and types of logs that must go somewhere.
PROFILES: Final = ("virus", "spyware", "vulnerability")
LOGS: Final = ("traffic", "threat")
#: So old may the firewall's content be, in days.
CONTENT_DAYS: Final = 45
_BYPASSES: Final = (
    "tcp bypass of a full queue",
    "udp bypass of a full queue",
    "application bypass of a full queue",
    "tcp bypass of a full out-of-order queue",
)
_PACKETS: Final = (
    "discard-ip-spoof",
    "discard-malformed-option",
    "discard-overlapping-tcp-segment-mismatch",
    "discard-strict-source-routing",
)
_FLOODS: Final = ("flood tcp-syn", "flood udp", "flood icmp", "flood other-ip")
_UNKNOWN_SETTINGS: Final = "the settings of the firewall are not known"


def _settings(scene: Scene, expected: str) -> tuple[Settings | None, Seen]:
    """Return the settings, and what to say where they are not known."""
    held = scene.live.settings
    text = _UNKNOWN_SETTINGS if held is None else "; ".join(held.unread)
    lacking = Seen(verdict="unknown", observed=text, expected=expected)
    return (None if held is None or held.unread else held), lacking


# --- logs ----------------------------------------------------------------------------------------


def audit_events(scene: Scene) -> Seen:
    """Every decision at the boundary is logged, and its logs go somewhere."""
    expected = "every rule and the default log, and forward logs of traffic and threats"
    seen = _logged(scene, scene.rules, expected)
    if seen.verdict in ("bad", "unknown"):
        return seen
    rule = scene.default
    if rule is None:
        text = "the firewall shows no default rule between zones of its own"
        return Seen(verdict="unknown", observed=text, expected=expected)
    if not rule.log:
        return Seen(verdict="bad", observed=f"{rule.name} does not log", expected=expected)
    return seen


def _logged(scene: Scene, rules: Sequence[Rule], expected: str) -> Seen:
    silent = [rule.name for rule in rules if not rule.log]
    if silent:
        text = f"rules that do not log: {listed(silent)}"
        return Seen(verdict="bad", observed=text, expected=expected)
    held, lacking = _settings(scene, expected)
    if held is None:
        return lacking
    nowhere = [rule.name for rule in rules if not rule.log_setting]
    if nowhere:
        text = f"rules whose logs are not forwarded: {listed(nowhere)}"
        return Seen(verdict="bad", observed=text, expected=expected)
    for name in dict.fromkeys(rule.log_setting for rule in rules):
        found = held.forwarding.get(name)
        if found is None:
            text = f"what the log forwarding profile {name} does is not shown"
            return Seen(verdict="unknown", observed=text, expected=expected)
        if missing := [kind for kind in LOGS if kind not in found]:
            text = f"log forwarding profile {name} does not forward all of {listed(missing)}"
            return Seen(verdict="bad", observed=text, expected=expected)
    if not rules:
        text = "no rule permits anything across the boundary"
        return Seen(verdict="none", observed=text, expected=expected)
    text = f"{len(rules)} rules at the boundary log and forward"
    return Seen(verdict="ok", observed=text, expected=expected)


def audit_central(scene: Scene) -> Seen:
    """Logs go to a declared place, and clocks agree."""
    expected = "logs of every rule forwarded to servers in zones of the inventory, and two clocks"
    seen = _logged(scene, scene.rules, expected)
    if seen.verdict != "ok":
        return seen
    known = scene.live.management
    if known is None or known.unread:
        text = "to which servers logs go is not known"
        return Seen(verdict="unknown", observed=text, expected=expected)
    hosts = [host for need in known.needs if need.name == "syslog" for host in need.hosts]
    stray = [host for host in hosts if not _declared(scene, host)]
    if stray or not hosts:
        text = f"log servers in no zone of the inventory: {listed(stray)}" if stray else "no syslog"
        return Seen(verdict="bad" if stray else "unknown", observed=text, expected=expected)
    clocks = synchronised(scene)
    return (
        clocks
        if clocks.verdict != "ok"
        else Seen(verdict="ok", observed=f"logs go to {listed(hosts)}", expected=expected)
    )


def _declared(scene: Scene, host: str) -> bool:
    from ipaddress import ip_address

    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(address in network for zone in scene.site.zones for network in zone.networks)


# --- clocks --------------------------------------------------------------------------------------


def time_stamps(scene: Scene) -> Seen:
    """All firewalls of the zone keep the same time zone."""
    expected = "one time zone at all firewalls of the zone"
    found: dict[str, str] = {}
    for one in scene.witnesses:
        held = one.live.settings if one.live is not None else None
        zone = held.values.get("timezone", "") if held is not None else ""
        if not zone:
            text = f"the time zone of {one.device.name} is not shown"
            return Seen(verdict="unknown", observed=text, expected=expected)
        found[one.device.name] = zone
    if len({*found.values()}) > 1:
        text = ", ".join(f"{name} {zone}" for name, zone in found.items())
        return Seen(verdict="bad", observed=text, expected=expected)
    return Seen(verdict="ok", observed=f"{next(iter(found.values()))}", expected=expected)


def synchronised(scene: Scene) -> Seen:
    """The firewall has two sources of time, both in zones of the inventory."""
    expected = "two sources of time, both in zones of the inventory"
    held, lacking = _settings(scene, expected)
    known = scene.live.management
    if held is None or known is None or known.unread:
        return (
            lacking
            if held is None
            else Seen(
                verdict="unknown", observed="the servers of time are not known", expected=expected
            )
        )
    servers = [host for need in known.needs if need.name == "ntp" for host in need.hosts]
    if len(servers) < 2:
        text = f"{len(servers)} sources of time"
        return Seen(verdict="bad", observed=text, expected=expected)
    stray = [host for host in servers if not _declared(scene, host)]
    if stray:
        text = f"sources of time in no zone of the inventory: {listed(stray)}"
        return Seen(verdict="bad", observed=text, expected=expected)
    return Seen(verdict="ok", observed=f"{listed(servers)}", expected=expected)


def authenticated_time(scene: Scene) -> Seen:
    """Every source of time proves who it is."""
    expected = "every source of time is authenticated"
    held, lacking = _settings(scene, expected)
    if held is None:
        return lacking
    servers, sure = (
        held.values.get(name, "0") for name in ("ntp servers", "authenticated ntp servers")
    )
    if servers == "0":
        return Seen(verdict="bad", observed="no source of time", expected=expected)
    text = f"{sure} of {servers} sources of time are authenticated"
    return Seen(verdict="ok" if servers == sure else "bad", observed=text, expected=expected)


# --- zone protection -----------------------------------------------------------------------------


def _zone(scene: Scene, wanted: Iterable[str], expected: str) -> Seen:
    held, lacking = _settings(scene, expected)
    if held is None:
        return lacking
    found = held.zones.get(scene.name)
    if found is None:
        text = f"zone {scene.name} has no zone protection that the firewall shows"
        return Seen(verdict="bad", observed=text, expected=expected)
    if missing := [name for name in wanted if name not in found]:
        text = f"zone protection of {scene.name} lacks {listed(missing)}"
        return Seen(verdict="bad", observed=text, expected=expected)
    return Seen(verdict="ok", observed=f"zone protection of {scene.name}", expected=expected)


def communication_integrity(scene: Scene) -> Seen:
    """Packets that are forged or malformed are discarded."""
    return _zone(scene, _PACKETS, "the zone discards forged and malformed packets")


def session_integrity(scene: Scene) -> Seen:
    """Sessions begin at their beginning."""
    return _zone(scene, ("tcp-reject-non-syn",), "the zone rejects sessions without a beginning")


def denial_of_service(scene: Scene) -> Seen:
    """Floods are held back."""
    expected = "flood protection of the zone, and packet buffer protection"
    seen = _zone(scene, _FLOODS, expected)
    held = scene.live.settings
    if seen.verdict != "ok" or held is None:
        return seen
    off = held.values.get("packet buffer protection") == "no"
    if off or "no packet buffer protection" in held.zones.get(scene.name, ()):
        text = "packet buffer protection is off"
        return Seen(verdict="bad", observed=text, expected=expected)
    return seen


def spreading(scene: Scene) -> Seen:
    """An infected zone cannot search others."""
    held, lacking = _settings(scene, "the zone's scans are blocked")
    if held is None:
        return lacking
    scans = ("scan 8001", "scan 8002", "scan 8003")
    return _zone(scene, scans, "scans of ports and hosts from the zone are blocked")


def fail_close(scene: Scene) -> Seen:
    """What cannot be inspected does not pass."""
    expected = "nothing bypasses inspection when a queue is full"
    held, lacking = _settings(scene, expected)
    if held is None:
        return lacking
    for name in _BYPASSES:
        value = held.values.get(name)
        if value != "no":
            verdict: Verdict = "unknown" if value is None else "bad"
            text = f"{name} is {'not shown to be off' if value is None else 'on'}"
            return Seen(verdict=verdict, observed=text, expected=expected)
    return Seen(verdict="ok", observed="no queue is bypassed", expected=expected)


# --- threat profiles -----------------------------------------------------------------------------


def malware(scene: Scene) -> Seen:
    """Every rule at the boundary looks for malicious code."""
    expected = "every rule has antivirus, anti-spyware and vulnerability protection"
    return profiled(scene, scene.rules, expected, blocking=False)


def malware_boundary(scene: Scene) -> Seen:
    """What enters or leaves the industrial system is inspected, and threats are blocked."""
    expected = "every rule with zones outside blocks critical, high and medium threats"
    own = scene.side(scene.name)
    crossing = [(rule, {scene.side(name) for name in scene.peers(rule)}) for rule in scene.rules]
    if own == "unknown" or any("unknown" in sides for _, sides in crossing):
        text = "a zone declares no kind, so that inside and outside cannot be told apart"
        return Seen(verdict="unknown", observed=text, expected=expected)
    rules = [rule for rule, sides in crossing if sides - {own}]
    seen = profiled(scene, rules, expected, blocking=True)
    return seen if seen.verdict != "ok" else recognised(scene, seen, outside=True)


def monitoring(scene: Scene) -> Seen:
    """Threats are told of at every rule, and what is denied is logged."""
    expected = "every rule at least tells of threats, logs are forwarded, denials are logged"
    seen = audit_events(scene)
    if seen.verdict != "ok":
        return seen
    seen = profiled(scene, scene.rules, expected, blocking=False, logged=True)
    return seen if seen.verdict != "ok" else recognised(scene, seen, outside=False)


def content_age(scene: Scene) -> Seen:
    """Signatures are not old, and the same on all firewalls of the zone."""
    expected = f"content not older than {CONTENT_DAYS} days, of one version on all firewalls"
    held, lacking = _settings(scene, expected)
    if held is None:
        return lacking
    versions = {
        one.live.identity.content_version if one.live is not None else "" for one in scene.witnesses
    }
    if "" in versions:
        text = "the content of a firewall is not known"
        return Seen(verdict="unknown", observed=text, expected=expected)
    if len(versions) > 1:
        text = f"contents differ: {listed(sorted(versions))}"
        return Seen(verdict="bad", observed=text, expected=expected)
    day = released(held.values.get("content released", ""))
    if day is None:
        text = "when the content was released is not shown"
        return Seen(verdict="unknown", observed=text, expected=expected)
    age = (scene.today - day).days
    text = f"content {', '.join(versions)} of {day.isoformat()}, {age} days old"
    seen = profiled(scene, scene.rules, expected, blocking=False)
    if age > CONTENT_DAYS:
        return Seen(verdict="bad", observed=text, expected=expected)
    return seen if seen.verdict != "ok" else Seen(verdict="ok", observed=text, expected=expected)


def released(text: str) -> date | None:
    """Return the day of a release as a firewall writes it: ``2026/11/01 08:00:00 PST``."""
    try:
        return datetime.strptime(text[:10], "%Y/%m/%d").date()  # noqa: DTZ007 - a day, no moment
    except ValueError:
        return None


def profiled(
    scene: Scene, rules: Sequence[Rule], expected: str, *, blocking: bool, logged: bool = False
) -> Seen:
    """Return whether rules have groups of threat profiles that do what is asked.

    With `blocking` threats must be blocked; otherwise it is enough to be told of them. With
    `logged` the rules must log and forward, too.
    """
    if not rules:
        text = "no rule permits anything of the kind"
        return Seen(verdict="none", observed=text, expected=expected)
    held, lacking = _settings(scene, expected)
    if held is None:
        return lacking
    found: list[Seen] = []
    for rule in rules:
        if reason := _uninspected(rule):
            found.append(Seen(verdict="bad", observed=f"{rule.name}: {reason}", expected=expected))
        elif rule.profile_group not in held.groups:
            text = f"{rule.name}: what group {rule.profile_group} does is not shown"
            found.append(Seen(verdict="unknown", observed=text, expected=expected))
        else:
            said = [
                _protects(held, rule.profile_group, kind, blocking=blocking) for kind in PROFILES
            ]
            found += [
                Seen(verdict=verdict, observed=f"{rule.name}: {text}", expected=expected)
                for verdict, text in said
                if verdict != "ok"
            ]
    for verdict in ("bad", "unknown"):
        for one in found:
            if one.verdict == verdict:
                return one
    if logged and (seen := _logged(scene, rules, expected)).verdict != "ok":
        return seen
    text = f"{len(rules)} rules with {listed(rule.profile_group for rule in rules)}"
    return Seen(verdict="ok", observed=text, expected=expected)


def _uninspected(rule: Rule) -> str:
    if any("disable-server-response-inspection=yes" in one for one in rule.extras):
        return "answers of servers are not inspected"
    return "" if rule.profile_group else "no group of threat profiles"


def _protects(held: Settings, group: str, kind: str, *, blocking: bool) -> tuple[Verdict, str]:
    protection = held.groups[group].get(kind)
    if protection is None:
        return "bad", f"group {group} has no {kind} profile"
    text = f"group {group}, {kind} profile {protection.profile} {protection.effect}"
    text += f" ({protection.why})" if protection.why else ""
    if protection.effect == "unknown":
        return "unknown", text
    least: Effect = "blocks" if blocking else "alerts"
    if blocking and protection.effect == "default":
        return "unknown", f"{text}: what each signature says"
    enough = EFFECTS.index(protection.effect) >= EFFECTS.index(least)
    return ("ok" if enough else "bad"), text
