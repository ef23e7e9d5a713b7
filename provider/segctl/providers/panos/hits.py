"""Which rules of a firewall were hit: ``show rule-hit-count``, and the sessions that are open.

A count is of sessions at the lookup of the rule, so a session that is older than the window makes
its rule look unused: the session table is asked about such rules. Sources: recorded answers of
8.1 and 11.1.6 for the forms, the vendor's release notes for the faults by release.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape, quoteattr

from segctl.model.errors import DeviceError, ParseError, UnsupportedError
from segctl.providers.counting import Counts, Hits
from segctl.providers.panos.configlog import moment
from segctl.providers.panos.member import SYSTEM
from segctl.providers.panos.small import small

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.providers.panos.elements import Element
    from segctl.providers.panos.member import Member

#: Whether a firewall counts at all; it does where the setting is missing.
SETTING: Final = (
    "/config/devices/entry[@name='localhost.localdomain']/deviceconfig/setting/management/"
    "rule-hit-count"
)
#: So many rules without hits are looked for in the session table, one request each.
MOST_ASKED: Final = 200
#: A firewall tells its local time without its zone: it may be this far from UTC, and some minutes.
_ZONES: Final = timedelta(hours=15)
_VERSION: Final = re.compile(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})(?:-[hb](\d{1,4}))?")
#: PAN-236605: asking can hang the management plane. Fixed in these, in later ones of each release,
#: in all later releases, and beside them in one with its hotfixes.
_SAFE: Final = {(10, 1): (12, 0), (10, 2): (7, 0), (11, 1): (1, 0)}
_SAFE_BESIDE: Final = {(10, 1): (10, 5)}
#: PAN-221571, fixed here, and of 11.0 nobody says so: counts stay at nought despite traffic.
_COUNT_WELL: Final = [10, 2, 11]


def refuse_hanging(host: str, version: str) -> None:
    """Refuse a release on which asking for hit counts can hang the management plane.

    Raises:
        UnsupportedError: it is one, or nobody knows.
    """
    if hangs(version):
        message = (
            f"{host}: runs PAN-OS {version or 'of no known release'}, where asking for hit counts "
            "can hang the management plane (PAN-236605): nothing was asked. Upgrade it, or give "
            "--hit-counts to ask all the same"
        )
        raise UnsupportedError(message)


def hangs(version: str) -> bool:
    """Whether asking can hang a firewall of a release such as ``10.1.9-h3``."""
    found = _VERSION.match(version)
    if not found:
        return True
    release = int(found[1]), int(found[2])
    patch = int(found[3]), int(found[4] or 0)
    if release not in _SAFE:
        return release < max(_SAFE)
    beside = _SAFE_BESIDE.get(release)
    if beside is not None and patch[0] == beside[0]:
        return patch < beside
    return patch < _SAFE[release]


def _doubt(version: str) -> str:
    """Return why a count of nought says nothing on a release; empty if it does."""
    found = _VERSION.match(version)
    release = [int(part) for part in found.group(1, 2, 3)] if found else []
    if release < _COUNT_WELL or release[:2] == [11, 0]:
        return f"PAN-OS {version} may count nothing although there is traffic (PAN-221571)"
    return ""


def counts(
    member: Member, vsys: str, rules: Sequence[str], window: timedelta, *, risky: bool
) -> Counts:
    """Ask one firewall, or member of a pair; what it does not tell is `Counts.unknown`.

    Raises:
        UnsupportedError: asking can hang it, and `risky` is not given.
    """
    name = member.target.name
    try:
        system = member.client.op(SYSTEM)
        version = (system.findtext("result/system/sw-version") or "").strip()
        if not risky:
            refuse_hanging(name, version)
        now = datetime.now(UTC)
        told = moment(member.target, system.findtext("result/system/time") or "")
        if abs(told - now) > _ZONES:
            return Counts(member=name, unknown=f"its clock is wrong: it shows {told:%Y-%m-%d}")
        if _switched_off(member):
            return Counts(member=name, unknown="its counting is switched off (rule-hit-count: no)")
        hits = tuple(read(name, member.client.op(question(vsys)), _doubt(version)))
        idle = {*_idle(hits, now - window)}
        open_now = _sessions(member, [rule for rule in rules if rule in idle])
    except DeviceError as error:
        return Counts(member=name, unknown=error.message)
    return Counts(member=name, hits=hits, sessions=open_now)


def question(vsys: str) -> str:
    """Return the one request for all counts of a virtual system."""
    return (
        f"<show><rule-hit-count><vsys><vsys-name><entry name={quoteattr(vsys)}><rule-base>"
        "<entry name='security'><rules><all/></rules></entry></rule-base></entry></vsys-name>"
        "</vsys></rule-hit-count></show>"
    )


def read(host: str, answer: Element, doubt: str = "") -> Iterator[Hits]:
    """Read the answer, of the forms with and without times.

    Raises:
        ParseError: a number in it is none.
    """
    for entry in answer.iterfind(
        "result/rule-hit-count/vsys/entry/rule-base/entry[@name='security']/rules/entry"
    ):
        found = {str(child.tag): (child.text or "").strip() for child in entry}
        reset, created = (
            _time(host, found.get(f"{tag}-timestamp")) for tag in ("last-reset", "rule-creation")
        )
        known = [one for one in (reset, created) if one is not None]
        yield Hits(
            rule=entry.get("name") or "",
            count=_number(host, found.get("hit-count")) if found.get("latest") != "no" else None,
            first=_time(host, found.get("first-hit-timestamp")),
            last=_time(host, found.get("last-hit-timestamp")),
            counted_from=max(known) if created is not None else None,
            doubt=doubt,
        )


def _number(host: str, text: str | None) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"\d{1,20}", text, re.ASCII):
        raise ParseError(host, f"answers with a hit count of {text[:40]!r}")
    return int(text)


def _time(host: str, text: str | None) -> datetime | None:
    """Return the moment of seconds since 1970; None for 0, which stands for never."""
    number = _number(host, text)
    if not number:
        return None
    try:
        return datetime.fromtimestamp(number, UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise ParseError(host, f"answers with a time of {number}") from error


def _idle(hits: Iterable[Hits], since: datetime) -> Iterator[str]:
    """Yield the rules without a hit since a moment."""
    for one in hits:
        if not one.count or one.last is None or one.last < since:
            yield one.rule


def _sessions(member: Member, rules: Sequence[str]) -> Mapping[str, int]:
    """Count the open sessions of rules, at most `MOST_ASKED` of them."""
    found: dict[str, int] = {}
    for rule in rules[:MOST_ASKED]:
        command = (
            f"<show><session><all><filter><rule>{escape(rule)}</rule></filter></all></session>"
            "</show>"
        )
        found[rule] = len(member.client.op(command).findall("result/entry"))
    return found


def _switched_off(member: Member) -> bool:
    """Whether a firewall's own setting is off; where it has none it counts."""
    answer = member.ask({"type": "config", "action": "show", "xpath": SETTING})
    try:
        found = small(member.target.name, "rule-hit-count", answer)
    except ParseError as error:
        if "No such node" in error.message:
            return False
        raise
    return (found.findtext("result/rule-hit-count") or "").strip() == "no"
