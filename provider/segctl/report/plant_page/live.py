"""The page of a plant as it is served: how firewalls stand now, and questions to them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from html import unescape
from typing import TYPE_CHECKING, Any, Final

from segctl.model.durations import format_duration
from segctl.report.check import check_text
from segctl.report.escape import html_text
from segctl.report.html import framed
from segctl.report.labels import counted
from segctl.report.plant_page.now import turn_lines
from segctl.report.plant_page.page import ASKING, plant_page
from segctl.report.plant_page.parts import Part, parts_of
from segctl.report.plant_page.tables import plain_table
from segctl.report.query import UNKNOWN, WORDS, cut_off

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from segctl.model.site import Site
    from segctl.report.plant_page.now import Turn
    from segctl.report.plant_page.parts import Plant

#: Where the page says how firewalls stand now; no text of others has a comment of HTML.
_NOW = "<!-- now -->"
_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')
_HEADS = ("Firewall", "State", "From", "To", "What", "User", "When", "Rule", "Besides")
_FIELDS: Final = (
    ("from", "From", "scada1, a zone or an address"),
    ("to", "To", "plc1, a zone or an address"),
    ("application", "Application", "any, or modbus.read"),
    ("protocol", "Protocol", "tcp, udp, icmp"),
    ("port", "Port", "any"),
    ("user", "User", "unknown"),
)
#: Asks while one types, and looks every 15 seconds how firewalls stand. What comes is HTML of ours:
#: names in it are escaped, and the policy of the page heeds no script in it.
_SCRIPT = """
(() => {
  const form = document.getElementById("asking"), told = document.getElementById("told");
  const shown = document.getElementById("answer"), now = document.getElementById("now-state");
  let turn = 0, timer, before;
  const ask = () => {
    clearTimeout(timer);
    before?.abort();
    const mine = ++turn, data = new URLSearchParams(new FormData(form));
    if (!data.get("from").trim() || !data.get("to").trim()) {
      told.textContent = "";
      shown.replaceChildren();
      return;
    }
    timer = setTimeout(async () => {
      before = new AbortController();
      shown.setAttribute("aria-busy", "true");
      let text = "The server does not answer: what may pass cannot be told.", rest = "";
      try {
        const got = await fetch(`answer?${data}`, { signal: before.signal });
        const page = new DOMParser().parseFromString(await got.text(), "text/html");
        text = page.querySelector(".told")?.textContent ?? text;
        rest = page.querySelector(".answer") ?? "";
      } catch { }
      if (mine !== turn) return;
      told.textContent = text;
      shown.replaceChildren(rest);
      shown.removeAttribute("aria-busy");
    }, 300);
  };
  form.addEventListener("input", ask);
  form.addEventListener("submit", event => { event.preventDefault(); ask(); });
  const look = async () => {
    const news = document.getElementById("news");
    try {
      const got = await fetch("now"), number = got.headers.get("Segctl-Look");
      if (!got.ok) throw new Error(got.status);
      const page = new DOMParser().parseFromString(await got.text(), "text/html");
      now.replaceChildren(...page.body.childNodes);
      const text = number === now.dataset.look ? ""
        : "The firewalls were read again: load the page again to see all of it.";
      if (news.textContent !== text) news.textContent = text;
    } catch {
      news.textContent = "The server does not answer: how firewalls stand now cannot be told.";
    }
  };
  setInterval(look, 15000);
})();
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePage:
    """A page in two halves, between which stands how firewalls stand now; and its policy.

    `ends` are the names that one may ask about.
    """

    before: bytes
    after: bytes
    policy: str
    ends: tuple[str, ...]


def ends_of(site: Site) -> tuple[str, ...]:
    """Return the zones and assets that one may ask about, by their names."""
    zones = [zone.key for zone in site.zones]
    assets = [asset.name for zone in site.zones for asset in zone.assets]
    return tuple(dict.fromkeys((*zones, *assets)))


def live_page(
    plant: Plant, ends: tuple[str, ...], turns: Sequence[Turn], since: datetime, number: int
) -> LivePage:
    """Return the page of a plant as it is served.

    Args:
        plant: what it shows.
        ends: zones and assets that one may ask about.
        turns: what has changed since `since`, the newest last.
        since: when the first look was.
        number: which look it is of.
    """
    own = (
        Part(name="now", title="Now", lines=tuple(_now(number))),
        Part(name="ask", title="Ask", lines=(*_form(ends, {}), *_ANSWER)),
        Part(name="timeline", title="Timeline", lines=tuple(turn_lines(turns, since))),
    )
    text = plant_page(plant, (*own, *parts_of(plant)), served=_SCRIPT)
    before, _, after = text.partition(_NOW)
    return LivePage(before=before.encode(), after=after.encode(), policy=policy_of(text), ends=ends)


def policy_of(page: str) -> str:
    """Return the content security policy of a page, which is the first thing in it."""
    found = _POLICY.search(page)
    return unescape(found[1]) if found else "default-src 'none'"


def _now(number: int) -> Iterator[str]:
    yield '<p id="news" role="status" class="bad"></p>'
    yield f'<div id="now-state" data-look="{number}">{_NOW}</div>'


_ANSWER = (
    '<p id="told" role="status" aria-live="polite" class="headline"></p>',
    '<div id="answer"></div>',
)


def _form(ends: Sequence[str], given: Mapping[str, str]) -> Iterator[str]:
    yield (
        "<p>What may pass, and by which rule? Give the two ends; with an application, a protocol, "
        "a port or a user it is about that flow.</p>"
    )
    yield '<form id="asking" class="asking" action="ask" method="get" autocomplete="off">'
    for name, label, hint in _FIELDS:
        listed = ' list="ends"' if name in {"from", "to"} else ""
        must = " required" if name in {"from", "to"} else ""
        value = html_text(given.get(name, ""))
        yield (
            f'<label>{label} <input name="{name}" value="{value}" maxlength="200" '
            f'placeholder="{hint}" spellcheck="false" autocapitalize="none"{listed}{must}></label>'
        )
    yield "<button>Ask</button></form>"
    yield '<datalist id="ends">'
    yield from (f'<option value="{html_text(end)}"></option>' for end in ends)
    yield "</datalist>"


# --- answers -------------------------------------------------------------------------------------


def answer_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield an answer as lines of HTML: in a sentence, then what it stands on."""
    found: Mapping[str, Any] = document["answer"]
    said = _flow_said(found) if document["command"] == "check" else _all_said(found)
    old = format_duration(round(document["age"]))
    if document["stale"]:
        said = f"Cannot tell, since the firewalls were last read {old} ago. Then: {said}"
    else:
        read = datetime.fromisoformat(document["read"])  # it may stay on the screen for long
        said = f"{said} (read at {read:%Y-%m-%d %H:%M:%S %Z}, {old} ago)"
    yield f'<p class="told">{html_text(said)}</p>'
    yield '<div class="answer">'
    for device in found["devices"]:
        for finding in device["findings"]:
            text = f"{device['name']}: {finding['message']}"
            yield f'<p class="bad">{html_text(text)}</p>'
    if document["command"] == "check":
        lines = [f"{line.lead}{line.text}" for line in check_text({**found, "devices": []})]
        yield f"<pre>{''.join(f'<span>{html_text(line)}</span>' for line in lines)}</pre>"
    elif rows := list(_rows(found)):
        yield from plain_table(_HEADS, rows)
    yield "</div>"


def _flow_said(found: Mapping[str, Any]) -> str:
    (check,) = found["checks"]
    whole = check["end_to_end"]["answer"]
    failed = [row for row in check["devices"] if row["answer"] == "error"]
    ends = f"{check['from']} → {check['to']}"
    if failed:
        why = "; ".join(f"{row['name']}: {row['error']['message']}" for row in failed)
        return f"{ends}: cannot tell: {why}"
    said = {"allow": "allowed", "deny": "denied", "partly": "partly allowed"}
    return f"{ends}: {said.get(whole, 'cannot tell')}"


def _all_said(found: Mapping[str, Any]) -> str:
    ends = f"{found['from']} → {found['to']}"
    if found["errors"]:
        why = "; ".join(f"{one['firewall']}: {one['message']}" for one in found["errors"])
        return f"{ends}: cannot tell: {why}"
    if found["not_asked"]:
        return f"{ends}: cannot tell: {', '.join(found['not_asked'])} not asked"
    if not found["rows"]:
        return f"{ends}: nothing is permitted"
    rows = counted(len(found["rows"]), "row")
    states: list[str] = found["states"]
    if not states:
        said = "nothing gets through all firewalls"
    elif len(states) > 1 and UNKNOWN in states:
        said = "something is permitted, and of more it cannot be told"
    else:
        said = " and ".join(WORDS[state] for state in states)
    if cut_off(found):
        said = f"while nobody is cut off, {said}"
    return f"{ends}: {said}, {rows}"


_BESIDES = {
    "no": "another firewall blocks it",
    "partly": "another firewall blocks some of it",
    UNKNOWN: "whether it passes the other firewalls cannot be told",
}


def _rows(found: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for row in found["rows"]:
        besides = [*row["why"]]
        if row["state"] != UNKNOWN and (text := _BESIDES.get(row["end_to_end"])):
            besides.append(text)
        if row["present"] is not None:
            besides.append(f"by what objects hold now: {row['present']['outcome']}")
        yield (
            row["firewall"],
            WORDS[row["state"]],
            row["source_text"],
            row["destination_text"],
            f"{row['application_text']} on {', '.join(row['services'])}",
            row["user_text"],
            ", ".join(row["times"]) or "always",
            f"{'perhaps ' if row['state'] == UNKNOWN else ''}{row['rule']}",
            "; ".join(besides),
        )
    for error in found["errors"]:
        yield (error["firewall"], WORDS[UNKNOWN], *[""] * 6, error["message"])
    for name in found["not_asked"]:
        yield (name, WORDS[UNKNOWN], *[""] * 6, "left out by -l")


def answer_page(ends: Sequence[str], given: Mapping[str, str], lines: Sequence[str]) -> str:
    """Return a page that answers a question where no script does: the form again, and the answer.

    Args:
        ends: zones and assets that one may ask about.
        given: what was asked, by the names of fields.
        lines: the answer, as lines of HTML.
    """
    body = [*_form(ends, given), *lines, '<p><a href="./">The plant</a></p>']
    framing = framed("segctl · Ask", "", body, (), style=ASKING, served=True)
    return "\n".join(framing) + "\n"


def told_page(title: str, text: str) -> str:
    """Return a page that says one sentence, such as why there is no other."""
    body = [f'<p class="told">{html_text(text)}</p>']
    return "\n".join(framed("segctl", title, body, (), served=True)) + "\n"


def told_lines(text: str) -> tuple[str, ...]:
    """Return one sentence as lines of HTML, in the place of an answer."""
    return (f'<p class="told">{html_text(text)}</p>', '<div class="answer"></div>')
