"""Reports as one HTML file: nothing to load, good to print, dark where the reader's screen is."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING

from segctl.report.escape import html_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segctl.report.document import Remark, Report, Section

_STYLE = """\
:root { color-scheme: light dark; --ink: #1b2328; --soft: #5b6870; --paper: #fff; --line: #d8dfe3;
  --box: #f5f7f8; --red: #b3261e; --green: #1a6b35; --amber: #8a5300; --blue: #0b5394;
  --redbg: #fdecea; --greenbg: #e8f5ec; --amberbg: #fff4e0 }
@media (prefers-color-scheme: dark) { :root { --ink: #dfe6ea; --soft: #98a5ad; --paper: #14191d;
  --line: #313b42; --box: #1c2328; --red: #ff8a80; --green: #7ddc9a; --amber: #ffc069;
  --blue: #8ab8ff; --redbg: #3a1c1a; --greenbg: #16301f; --amberbg: #352813 } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 2rem 1.5rem; max-width: 72rem; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere }
h1 { font-size: 1.1rem; color: var(--soft); font-weight: 600; margin: 0 }
.headline { font-size: 1.5rem; font-weight: 650; margin: .2rem 0 1.2rem }
h2 { font-size: 1rem; margin: 1.6rem 0 .5rem }
ul { margin: 0; padding: 0; list-style: none }
li { padding: .35rem .7rem; margin: .25rem 0; border-left: 3px solid var(--line);
  background: var(--box) }
li.error { border-color: var(--red); background: var(--redbg) }
li.warning { border-color: var(--amber); background: var(--amberbg) }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .35rem .7rem; border-bottom: 1px solid var(--line);
  vertical-align: top }
th { color: var(--soft); font-weight: 600 }
a { color: inherit }
.good { color: var(--green) }
.bad { color: var(--amber) }
details { border: 1px solid var(--line); border-radius: 6px; margin: .7rem 0 }
summary { padding: .55rem .8rem; cursor: pointer; background: var(--box); border-radius: 6px }
details > div { padding: .3rem .8rem .8rem }
.facts, footer { color: var(--soft) }
.drawing { overflow: auto; border: 1px solid var(--line) }
pre { margin: .6rem 0 0; padding: .6rem 0; overflow-x: auto; background: var(--box);
  font: 13px/1.45 ui-monospace, monospace; white-space: pre-wrap }
pre span { display: block; padding: 0 .8rem }
.add { color: var(--green); background: var(--greenbg) }
.del { color: var(--red); background: var(--redbg) }
.mod { color: var(--amber); background: var(--amberbg) }
.at { color: var(--blue); font-weight: 600 }
footer { margin-top: 2rem; padding-top: .8rem; border-top: 1px solid var(--line) }
code { font-family: ui-monospace, monospace }
@media print { body { max-width: none; padding: 0; font-size: 10.5pt }
  pre { font-size: 8.5pt } summary { list-style: none } li, tr, pre span { break-inside: avoid }
  summary, h2 { break-after: avoid }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact } }
"""
_TITLES = {
    "plan": "Plan",
    "drift": "Drift",
    "validate": "Validation",
    "review": "Review",
    "lint": "Lint",
    "traffic": "Traffic",
    "threats": "Threats",
    "replay": "Replay",
    "discover": "Discovered",
    "check": "Acceptance protocol",
}
#: What sections are of, where not of devices.
_OF = {
    "check": ("Questions", "Question"),
    "traffic": ("What was seen", "Of"),
    "threats": ("What was seen", "Of"),
    "replay": ("Traffic that was seen", "What becomes of it"),
    "discover": ("What was seen", "List"),
}
_CLASSES = {"+": "add", "-": "del", "!": "mod", "@": "at"}
#: Styles within the body: those of drawings. Names and texts of others are escaped.
_EMBEDDED = re.compile(r"<style>(.*?)</style>", re.DOTALL)


def webpage(report: Report) -> str:
    """Return a report as one HTML page."""
    return "\n".join(_page(report)) + "\n"


def _page(report: Report) -> Iterator[str]:
    title = f"segctl · {_TITLES[report.kind]} · {html_text(report.environment)}"
    yield from framed(title, report.headline, report_body(report), report.facts)


def framed(
    title: str,
    headline: str,
    body: Iterable[str],
    facts: Iterable[tuple[str, str]],
    *,
    above: Iterable[str] = (),
    style: str = "",
    script: str = "",
    served: bool = False,
) -> Iterator[str]:
    """Yield a page around lines of HTML; `title` is HTML already, `facts` stand at its end.

    `above` are lines of HTML between the headline and the body. `style` is CSS of the page's own,
    `script` what the page does. A browser loads nothing, and heeds no other styles and scripts than
    those that the page was made with. A page that is `served` may ask whoever served it, and nobody
    else.
    """
    lines = list(body)
    style = f"\n{_STYLE}{style}"
    styles = [style, *(found for line in lines for found in _EMBEDDED.findall(line))]
    allowed = f"style-src {' '.join(map(_hashed, dict.fromkeys(styles)))}"
    if script:
        allowed += f"; script-src {_hashed(script)}"
    sent = "'self'; connect-src 'self'; img-src data:" if served else "'none'"
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield (
        '<meta http-equiv="Content-Security-Policy" '
        f"content=\"default-src 'none'; base-uri 'none'; form-action {sent}; {allowed}\">"
    )
    if served:
        yield '<link rel="icon" href="data:,">'  # else a browser asks for one
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>"
    yield f'<header><h1>{title}</h1>\n<p class="headline">{html_text(headline)}</p></header>'
    yield from above
    yield "<main>"
    yield from lines
    yield "</main>"
    shown = [f"{label} <code>{html_text(text)}</code>" for label, text in facts]
    if shown:
        yield f"<footer>{' · '.join(shown)}</footer>"
    if script:
        yield f"<script>{script}</script>"
    yield "</body>\n</html>"


def _hashed(text: str) -> str:
    """Return a text as the source by which a content security policy allows it."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def report_body(report: Report, prefix: str = "d") -> Iterator[str]:
    """Yield a report as lines of HTML; the ids of its sections begin with `prefix`."""
    yield from _listed("Blocking", report.blocking)
    yield from _listed("Findings", report.remarks)
    yield from _listed("Newly permitted", report.opened)
    yield from _listed("No longer permitted", report.closed)
    yield from _listed("Cannot tell whether it stays permitted or denied", report.unclear)
    if report.drawing is not None:
        from segctl.report.drawing import svg  # its pages are made of these

        yield "<h2>What it touches</h2>"
        yield '<div class="drawing" tabindex="0" role="region" aria-label="What it touches">'
        yield f"{svg(report.drawing)}</div>"
    if report.sections:
        title, head = _OF.get(report.kind, ("Devices", "Device"))
        yield f"<h2>{title}</h2>"
        yield from _table(report.sections, head, prefix)
        for number, section in enumerate(report.sections, 1):
            yield from _section(f"{prefix}{number}", section)


def _listed(title: str, remarks: Sequence[Remark]) -> Iterator[str]:
    if remarks:
        yield f"<h2>{title}</h2>\n<ul>"
        yield from map(_item, remarks)
        yield "</ul>"


def _item(remark: Remark) -> str:
    subject = f"<b>{html_text(remark.subject)}</b> · " if remark.subject else ""
    return f'<li class="{html_text(remark.severity)}">{subject}{html_text(remark.text)}</li>'


def _table(sections: Sequence[Section], head: str, prefix: str) -> Iterator[str]:
    yield f"<table><thead><tr><th>{head}</th><th>State</th><th>Facts</th></tr></thead><tbody>"
    for number, section in enumerate(sections, 1):
        yield (
            f'<tr><td><a href="#{prefix}{number}">{html_text(section.name)}</a></td>'
            f"<td>{_state(section)}</td>"
            f'<td class="facts">{html_text(section.facts)}</td></tr>'
        )
    yield "</tbody></table>"


def _state(section: Section) -> str:
    return f'<span class="{"good" if section.good else "bad"}">{html_text(section.state)}</span>'


def _section(name: str, section: Section) -> Iterator[str]:
    if not section.remarks and not section.lines:
        yield f'<a id="{name}"></a>'
        return
    yield f'<details open id="{name}"><summary><b>{html_text(section.name)}</b> — '
    yield f"{_state(section)}</summary><div>"
    if section.remarks:
        yield "<ul>"
        yield from map(_item, section.remarks)
        yield "</ul>"
    if section.lines:
        yield f"<pre>{''.join(map(_line, section.lines))}</pre>"
    yield "</div></details>"


def _line(line: str) -> str:
    name = _CLASSES.get(line[:1], "")
    return f'<span class="{name}">{html_text(line)}</span>'
