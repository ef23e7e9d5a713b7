r"""The command lines of appliances: prompts, paging, errors, and what is sent at login.

What netmiko sends at login was recorded on the wire (4.8.0). `prepare` holds the part of it that
affects only this session. Left out, since it changes the device or asks for more rights:

- Cisco ASA: ``terminal width 511``, a line of the running configuration, within ``configure
  terminal``; ``enable`` and ``login``, which `CliSession.elevate` sends;
- FortiOS: ``config system console`` / ``set output standard``, a global setting that netmiko sets
  back when it logs out; here the pager is answered instead;
- Junos: ``cli`` from a root shell; such a login is refused instead.

Sources: Cisco ASA Series CLI Configuration Guide (prompts, pager), FortiOS 7.4 CLI Reference and
Administration Guide (prompts, errors, post-login banner), Junos OS CLI User Guide (prompts,
``---(more)---``, the banner of a configuration mode), recorded sessions in ntc-templates and
Oxidized.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOTHING: Final = re.compile(r"(?!)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One platform's command line; its patterns are regular expressions.

    `device_type` is netmiko's word for the platform. A prompt consists of `lead`, `name` and the
    mode's pattern in `modes`, and is the last line of the output. `pager` is the line at which the
    device waits for the next page. `errors` and `denied` match complete lines of an answer,
    `question` the request for a second password, `banner` a text that is accepted by pressing
    `accept`. A line that begins with `comment` does nothing; empty if the platform has no comments.
    `prepare` maps a mode to commands that affect only this session, sent on first reaching it.
    """

    device_type: str
    name: str
    modes: Mapping[str, str]
    pager: str
    errors: re.Pattern[str]
    denied: re.Pattern[str] = _NOTHING
    lead: str = ""
    question: str = r"[Pp]assword: ?"
    banner: str = ""
    accept: str = ""
    comment: str = ""
    prepare: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: MappingProxyType(dict[str, tuple[str, ...]]())
    )


CISCO_ASA: Final = Dialect(
    device_type="cisco_asa",
    name=r"[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9._-]+)*",
    modes={"user": r"> ?", "enable": r"# ?", "config": r"\(config[^()\r\n]*\)# ?"},
    pager=r"<--- More --->",
    errors=re.compile(
        r"(?:ERROR:|% ?[A-Z]|WARNING: Adding obj|Removing .*(?:failed|not allowed)).*"
        r"|(?:(?!not allowed).)*+not allowed.*being used.*|.*would become empty.*"
    ),
    denied=re.compile(r"(?:Command|% ?)\s?[Aa]uthorization failed.*"),
    comment="!",
    prepare={"enable": ("terminal pager 0",)},
)

FORTINET: Final = Dialect(
    device_type="fortinet",
    name=r"[A-Za-z0-9][A-Za-z0-9._-]*(?:\((?:Primary|Secondary)\))?",
    modes={"exec": r" [#$] ?", "config": r" \([^()\r\n]{1,79}\) [#$] ?"},
    pager=r"--More-- ?",
    errors=re.compile(
        r"(?:.*(?:command parse error|value parse error|entry not found|node_check_object fail|"
        r"object (?:check|set) operator error|discard the setting)|Command fail|Unknown action|"
        r"Attribute .* must be set|incomplete command|ambiguous command|"
        r"invalid (?:netmask|value|input)).*",
        re.IGNORECASE,
    ),
    denied=re.compile(r".*no permission.*|.*[Pp]ermission denied.*"),
    banner=r".*\(Press 'a' to accept\): ?",
    accept="a",
    comment="#",
)

JUNIPER_JUNOS: Final = Dialect(
    device_type="juniper_junos",
    name=r"[A-Za-z0-9._-]+@[A-Za-z0-9._-]+",
    lead=r"(?:\{[a-z]+:[a-z0-9]+\}\s*[\r\n])?(?:\[edit[^\]\r\n]*\]\s*[\r\n])?",
    modes={"operational": r"> ?", "config": r"# ?"},
    pager=r"---\(more(?: \d+%)?\)---",
    errors=re.compile(
        r"\s*\^\s*|(?:terminal:\d+:\(\d+\) )?(?:syntax error|error:|unknown command|"
        r"missing argument|invalid value|could not resolve).*"
    ),
    denied=re.compile(r"error: permission denied.*|permission denied.*"),
    prepare={
        "operational": (
            "set cli screen-width 511",
            "set cli complete-on-space off",
            "set cli screen-length 0",
        )
    },
)
