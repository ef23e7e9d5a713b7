"""What settings of a firewall show how it protects: profiles, log forwarding, zone protection.

Sources: configuration schema of PAN-OS 10.0 (``profile-group``, ``profiles``, ``log-settings``,
``zone-protection-profile``, ``deviceconfig``); templates of iron-skillet for 10.1 (the settings
under ``deviceconfig/setting``); notes measured on PAN-OS 11.1 (a group may be empty; a decoder of
an antivirus profile without an action lets pass; its ``default`` resets ftp, http, http2 and smb);
vendor's administrator's guide (``strict`` blocks what is critical, high or medium, ``default`` does
what each signature says).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from segctl.model.errors import ParseError
from segctl.providers.panos import references
from segctl.providers.panos.pushed import TEMPLATE
from segctl.providers.panos.small import small
from segctl.providers.settings import EFFECTS, OWN, Effect, Protection, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from segctl.providers.panos.elements import Element
    from segctl.providers.panos.snapshot import Snapshot

#: Kinds of profiles that a group has, and of which the effect is read.
_KINDS: Final = (
    "virus",
    "spyware",
    "vulnerability",
    "url-filtering",
    "file-blocking",
    "wildfire-analysis",
)
_SIGNATURES: Final = ("spyware", "vulnerability")
#: Profiles that every device has; a device's own of that name comes first.
_PREDEFINED: Final[Mapping[tuple[str, str], Effect]] = {
    ("virus", "default"): "blocks",
    ("spyware", "strict"): "blocks",
    ("spyware", "default"): "default",
    ("vulnerability", "strict"): "blocks",
    ("vulnerability", "default"): "default",
}
_BLOCKING: Final = frozenset(
    {"drop", "reset-client", "reset-server", "reset-both", "block-ip", "block"}
)
#: The ways in which files come, and of which an antivirus profile may block every one.
_DECODERS: Final = ("ftp", "http", "http2", "smb")
_SEVERITIES: Final = ("critical", "high", "medium")
_ANY: Final = "any"
#: Lists of a rule of signatures that narrow it.
_NARROWING: Final = ("cve/member", "vendor-id/member")
#: Single settings: their names here, and where under ``deviceconfig`` they stand.
_VALUES: Final[Mapping[str, str]] = {
    "timezone": "system/timezone",
    "telnet disabled": "system/service/disable-telnet",
    "http disabled": "system/service/disable-http",
    "tcp bypass of a full queue": "setting/ctd/tcp-bypass-exceed-queue",
    "udp bypass of a full queue": "setting/ctd/udp-bypass-exceed-queue",
    "application bypass of a full queue": "setting/application/bypass-exceed-queue",
    "tcp bypass of a full out-of-order queue": "setting/tcp/bypass-exceed-oo-queue",
    "packet buffer protection": "setting/session/packet-buffer-protection-enable",
}
_NTP: Final = ("primary-ntp-server", "secondary-ntp-server")
#: Settings of a zone protection profile that are on with ``yes``.
_SWITCHES: Final = (
    "discard-ip-spoof",
    "discard-malformed-option",
    "discard-overlapping-tcp-segment-mismatch",
    "discard-strict-source-routing",
    "discard-loose-source-routing",
    "discard-tcp-split-handshake",
    "tcp-reject-non-syn",
)
#: Types of logs, scans, and what a setting may say: nothing else is kept of them.
_LOGS: Final = frozenset(
    {"traffic", "threat", "wildfire", "url", "data", "tunnel", "auth", "decryption"}
)
_SCANS: Final = frozenset({"8001", "8002", "8003", "8006"})
_SWITCH: Final = re.compile("yes|no")
_TIMEZONE: Final = re.compile(r"UTC|GMT|[A-Z][A-Za-z]{2,}(/[A-Z][A-Za-z_+0-9-]{1,30}){1,2}")
_DAY: Final = re.compile(r"[0-9]{4}/[0-9]{2}/[0-9]{2}")
_FLOODS: Final = ("tcp-syn", "udp", "icmp", "icmpv6", "other-ip")
_SENDERS: Final = ("send-syslog", "send-email", "send-snmptrap", "send-http")


def settings(snapshot: Snapshot, system: Element, scopes: Iterable[Element | None]) -> Settings:
    """Return the settings that evidence is taken from.

    Args:
        snapshot: the document.
        system: the answer to `show system info`.
        scopes: what is left of the virtual system and of shared; the first of a name counts.
    """
    held = [scope for scope in scopes if scope is not None]
    unread: list[str] = []
    devices = list(_roots(snapshot, (references.SETTINGS, TEMPLATE), unread))
    networks = list(_roots(snapshot, ("network", TEMPLATE), unread))
    return Settings(
        groups={
            name: dict(_group(entry, held))
            for name, entry in _first(held, "profile-group/entry").items()
        },
        forwarding={
            name: tuple(sorted(_forwarded(entry)))
            for name, entry in _first(held, "log-settings/profiles/entry").items()
        },
        zones=dict(_zones(held, networks)),
        values=dict(_values(devices, held, system)),
        unread=tuple(dict.fromkeys(unread)),
    )


def _roots(snapshot: Snapshot, parts: Iterable[str], unread: list[str]) -> Iterator[Element]:
    for part in parts:
        if part in snapshot.parts:
            try:
                yield small(snapshot.host, part, snapshot.parts[part])
            except ParseError as error:
                if "No such node" not in error.message:
                    unread.append(error.message)


def _first(scopes: Iterable[Element], path: str) -> dict[str, Element]:
    """Return entries by name; what a nearer scope defines counts."""
    found: dict[str, Element] = {}
    for scope in scopes:
        for entry in scope.iterfind(path):
            found.setdefault(entry.get("name", ""), entry)
    return found


def _text(element: Element | None, path: str) -> str:
    return "" if element is None else (element.findtext(path) or "").strip()


def _members(element: Element, path: str) -> list[str]:
    return [(member.text or "").strip() for member in element.iterfind(path)]


# --- threat profiles -----------------------------------------------------------------------------


def _group(group: Element, scopes: list[Element]) -> Iterator[tuple[str, Protection]]:
    """Yield what a group does, by kind of profile; kinds that it lacks are not there."""
    for kind in _KINDS:
        for name in _members(group, f"{kind}/member"):
            defined = _first(scopes, f"profiles/{kind}/entry").get(name)
            if defined is not None:
                effect, why = _effect(kind, defined)
            elif (kind, name) in _PREDEFINED:
                effect, why = _PREDEFINED[kind, name], ""
            else:
                effect, why = "unknown", "what it does is not among the device's own profiles"
            # snapshots keep no name that administrators chose (ADR 23)
            shown = name if (kind, name) in _PREDEFINED and defined is None else OWN
            yield kind, Protection(profile=shown, effect=effect, why=why)


def _effect(kind: str, profile: Element) -> tuple[Effect, str]:
    if kind == "virus":
        return _weakest(
            (f"{decoder} {_decoder(profile, decoder)[1]}", _decoder(profile, decoder)[0])
            for decoder in _DECODERS
        )
    if kind in _SIGNATURES:
        found, why = _weakest(
            (f"{severity} {_severity(profile, severity)}", _severity(profile, severity))
            for severity in _SEVERITIES
        )
        excepted = len(profile.findall("threat-exception/entry"))
        if excepted and found != "allows":
            return "unknown", f"{excepted} signatures are excepted"
        return found, why
    if kind == "file-blocking":
        actions = {_text(rule, "action") for rule in profile.iterfind("rules/entry")}
        return ("blocks", "") if "block" in actions else ("alerts", "blocks no type of file")
    if kind == "url-filtering":
        blocked = profile.find("block/member") is not None
        return ("blocks", "") if blocked else ("alerts", "blocks no category")
    analysed = profile.find("rules/entry") is not None
    return ("alerts", "") if analysed else ("allows", "sends nothing to be analysed")


def _decoder(profile: Element, name: str) -> tuple[Effect, str]:
    for entry in profile.iterfind("decoder/entry"):
        if entry.get("name") == name:
            action = _text(entry, "action") or "allow"
            effect = "blocks" if action == "default" else _of_action(action)
            return effect, "unknown" if effect == "unknown" else action
    return "allows", "allow"


def _of_action(action: str) -> Effect:
    if action in _BLOCKING:
        return "blocks"
    known: dict[str, Effect] = {"default": "default", "alert": "alerts", "allow": "allows"}
    return known.get(action, "unknown")


def _severity(profile: Element, severity: str) -> Effect:
    """Return what a profile does with threats of a severity: the weakest that some may meet."""
    found: list[Effect] = []
    for rule in profile.iterfind("rules/entry"):
        severities = _members(rule, "severity/member")
        if not {severity, _ANY} & {*severities}:
            continue
        action = rule.find("action")
        named = _text(rule, "action") if action is None or not len(action) else str(action[0].tag)
        found.append(_of_action(named or "default"))
        if _covers(rule):
            return _least(found)
    return _least([*found, "allows"])


def _covers(rule: Element) -> bool:
    """Whether a rule is for every signature of its severities."""
    words = (_text(rule, "threat-name"), _text(rule, "category"), _text(rule, "host"))
    lists = [member for path in _NARROWING for member in _members(rule, path)]
    return {*words, *lists} <= {_ANY, ""}


def _least(effects: Iterable[Effect]) -> Effect:
    every = set(effects)
    if "unknown" in every:
        return "unknown"
    return next(effect for effect in EFFECTS if effect in every)


def _weakest(effects: Iterable[tuple[str, Effect]]) -> tuple[Effect, str]:
    every = list(effects)
    least = _least(effect for _, effect in every)
    weak = [what for what, effect in every if effect == least]
    return least, "" if least == "blocks" else f"weakest: {', '.join(weak)}"


# --- logs, zones, single settings ----------------------------------------------------------------


def _forwarded(profile: Element) -> Iterator[str]:
    """Yield the types of logs that a profile sends somewhere, all of each."""
    for entry in profile.iterfind("match-list/entry"):
        sent = _text(entry, "send-to-panorama") == "yes" or any(
            entry.find(f"{sender}/member") is not None for sender in _SENDERS
        )
        kind = _text(entry, "log-type")
        if sent and kind in _LOGS and _text(entry, "filter") in ("", "All Logs"):
            yield kind


def _zones(scopes: list[Element], networks: list[Element]) -> Iterator[tuple[str, tuple[str, ...]]]:
    profiles: dict[str, Element] = {}
    for root in networks:
        for entry in root.iterfind(".//zone-protection-profile/entry"):
            profiles.setdefault(entry.get("name", ""), entry)
    for name, zone in _first(scopes, "zone/entry").items():
        profile = profiles.get(_text(zone, "network/zone-protection-profile"))
        if profile is not None:
            found = tuple(sorted(_protections(profile)))
            without_buffers = _text(zone, "network/enable-packet-buffer-protection") == "no"
            yield name, (*found, *(("no packet buffer protection",) if without_buffers else ()))


def _protections(profile: Element) -> Iterator[str]:
    for name in _SWITCHES:
        if _text(profile, name) == "yes":
            yield name
    for name in _FLOODS:
        if _text(profile, f"flood/{name}/enable") == "yes":
            yield f"flood {name}"
    for entry in profile.iterfind("scan/entry"):
        action, name = entry.find("action"), entry.get("name", "")
        blocks = action is not None and len(action) and action[0].tag in ("block", "block-ip")
        if blocks and name in _SCANS:
            yield f"scan {name}"


def _values(
    devices: list[Element], scopes: list[Element], system: Element
) -> Iterator[tuple[str, str]]:
    config = [found for root in devices for found in root.iterfind(".//deviceconfig")]
    for name, path in _VALUES.items():
        text = next((text for one in config if (text := _text(one, path))), "")
        if (_TIMEZONE if name == "timezone" else _SWITCH).fullmatch(text):
            yield name, text
    asked = [
        server
        for one in config
        for name in _NTP
        for server in one.iterfind(f"system/ntp-servers/{name}")
        if _text(server, "ntp-server-address")
    ]
    yield "ntp servers", str(len(asked))
    sure = [one for one in asked if one.find("authentication-type/symmetric-key") is not None]
    yield "authenticated ntp servers", str(len(sure))
    overrides = sum(
        1
        for scope in scopes
        for rule in scope.iterfind("rulebase/application-override/rules/entry")
        if _text(rule, "disabled") != "yes"
    )
    yield "application override rules", str(overrides)
    if released := _DAY.match(_text(system, "result/system/app-release-date")):
        yield "content released", released[0]
