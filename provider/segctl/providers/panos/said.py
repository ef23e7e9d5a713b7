"""How a firewall's transcript names requests and answers, using only words of this module.

An xpath or an operational command is shown as its tags, without names and values; a tag not
listed here becomes an asterisk.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import LiteralString

    from segctl.transports.transcript import Words

_TYPES: Final[tuple[LiteralString, ...]] = (
    *("keygen", "config", "op", "commit", "log", "report", "user-id", "version"),
)
_ACTIONS: Final[tuple[LiteralString, ...]] = (
    *("get", "show", "complete", "set", "edit", "delete", "move", "rename", "multi-config"),
    *("partial", "all", "finish", "config"),
)
#: Tags of the places and commands that segctl requests.
_TAGS: Final[tuple[LiteralString, ...]] = (
    *("config", "devices", "entry", "@name", "vsys", "shared", "network", "deviceconfig"),
    *(
        "predefined",
        "application-container",
        "rulebase",
        "security",
        "default-security-rules",
        "rules",
        "address",
    ),
    *("address-group", "application", "application-group", "service", "service-group", "tag"),
    *("zone", "schedule", "schedule-type", "comments", "description", "source", "destination"),
    *("from", "to", "source-user", "action", "log-setting", "log-start", "log-end", "static"),
    *("profile-setting", "protocol", "members", "disabled", "ip-netmask", "ip-range", "fqdn"),
    *("show", "system", "info", "list", "changes", "saved", "jobs", "all", "id", "member"),
    *("high-availability", "state", "config-locks", "commit-locks", "request", "config-lock"),
    *("commit-lock", "add", "remove", "comment", "revert", "validate", "partial", "admin", "save"),
    *("panorama-status", "pushed-shared-policy", "pushed-template"),
    *("load", "commit", "session", "interface", "counter", "global", "clock"),
    *("rule-hit-count", "vsys-name", "rule-base", "filter", "rule"),
    *("object", "dynamic-address-group", "dns-proxy", "user", "group", "name", "external-list"),
    *("type", "ip", "domain", "url", "predefined-ip", "user-group"),
    *("devicegroups", "dg-hierarchy", "audit", "version", "setting", "management"),
    "ancestor-objects-take-precedence",
    *("registered-ip", "limit", "start-point", "clear", "source-port", "destination-port"),
    *("uid-message", "payload", "register", "unregister", "update"),
    *("min-age", "count", "test", "security-policy-match"),
)
_STATUSES: Final[tuple[LiteralString, ...]] = (*("success", "error", "unauth", "unauthenticated"),)
_UNKNOWN: Final = "*"
_PREDICATE: Final = re.compile(r"""\[[^\[\]'"]*+(?:'[^']*+'|"[^"]*+")?+[^\[\]'"]*+\]""")
_OPENED: Final = re.compile(r"<([A-Za-z][\w.-]*)")
_HEAD: Final = 4096
_RESPONSE: Final = re.compile(rb"\s*(?:<\?xml[^>]*\?>\s*)?<response\b([^>]*)>")
_ATTRIBUTE: Final = re.compile(rb"""\b(status|code)\s*=\s*["']([a-z]+|[0-9]{1,3})["']""")
#: Most places shown of one request; no segctl request has more.
_DEEPEST: Final = 16

WORDS: Final[Words] = {
    # steps of ours in one request
    "set": "<set ",
    "edit": "<edit ",
    "delete": "<delete ",
    "move": "<move ",
    "rename": "<rename ",
    # parts of answers
    "entries": "<entry",
    "members": "<member",
    "jobs": "<job>",
    "active": "<status>ACT</status>",
    "pending": "<status>PEND</status>",
    "finished": "<status>FIN</status>",
    "OK": "<result>OK</result>",
    "FAIL": "<result>FAIL</result>",
    # sentences of PAN-OS
    "Invalid credentials": "Invalid credentials",
    "Unauthorized request": "Unauthorized request",
    "Configuration is locked": "Configuration is locked",
    "currently locked": "is currently locked by",
    "lock is already held": "lock is already held by",
    "Another commit": "Another commit",
    "A commit is in progress": "A commit is in progress",
    "Commit job was not queued": "Commit job was not queued",
    "No such node": "No such node",
    "Object not present": "Object not present",
    "is already in use": "is already in use",
    "is invalid": "is invalid",
}


def request(params: Mapping[str, str]) -> str:
    """Return the name of the request that these API fields make."""
    words = [_listed(params.get("type", ""), _TYPES)]
    if action := params.get("action", ""):
        words.append(_listed(action, _ACTIONS))
    if xpath := params.get("xpath", ""):
        words.append(_place(_PREDICATE.sub("", xpath).strip("/").split("/")))
    if (command := params.get("cmd", "")) and words[0] != "report":  # those have one form
        words.append(_place(_OPENED.findall(command)))
    return " ".join(words)


def answer(status: int, body: bytes) -> str:
    """Return the outcome that an answer with this HTTP status reports."""
    told = [f"HTTP {status}"]
    if head := _RESPONSE.match(body[:_HEAD]):
        attributes = {name: value.decode() for name, value in _ATTRIBUTE.findall(head[1])}
        if said := attributes.get(b"status"):
            told.append(_listed(said, _STATUSES))
        if (code := attributes.get(b"code", "")).isdigit():
            told.append(f"code {code}")
    return " ".join([*told, f"{len(body)} bytes"])


def _place(tags: list[str]) -> str:
    shown = [_listed(tag, _TAGS) for tag in tags[:_DEEPEST]]
    return "/".join([*shown, *([_UNKNOWN] if len(tags) > _DEEPEST else [])])


def _listed(word: str, known: tuple[LiteralString, ...]) -> LiteralString:
    for one in known:
        if one == word:
            return one
    return _UNKNOWN
