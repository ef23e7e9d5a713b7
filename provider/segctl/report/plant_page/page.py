"""The page around its parts: where one finds them, a search over everything, one line a sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.report.drawing.document import summary
from segctl.report.escape import html_text
from segctl.report.html import framed
from segctl.report.provenance import provenance_pairs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from segctl.report.plant_page.parts import Part, Plant

#: Of a form in which one asks.
ASKING = """\
.asking { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: end }
.asking label { display: flex; flex-direction: column; color: var(--soft); max-width: 100% }
.asking input, .asking button { font: inherit; max-width: 100% }
#told:empty, #news:empty { margin: 0 }
"""
_STYLE = """\
body { max-width: none }
nav { position: sticky; top: 0; z-index: 1; background: var(--paper); padding: .4rem 0;
  border-bottom: 1px solid var(--line); display: flex; flex-wrap: wrap; gap: .2rem 1rem }
nav a { padding: .2rem 0 } nav label { margin-left: auto; color: var(--soft) }
input { font: inherit; color: var(--ink); background: var(--box); padding: .15rem .5rem;
  border: 1px solid var(--soft); border-radius: 4px; width: 14rem; max-width: 100% }
section { scroll-margin-top: 5rem } section > h2 { font-size: 1.25rem; margin-top: 2rem }
[id] { scroll-margin-top: 5rem }
th[scope=row] { color: var(--ink); font-weight: 600 }
th, td { overflow-wrap: normal }
tbody tr:target, details:target { background: var(--amberbg); outline: 2px solid var(--amber) }
.skip { position: absolute; left: -99rem } .skip:focus { position: static }
.wide { overflow: auto; content-visibility: auto; contain-intrinsic-size: auto 30rem }
section > table, details table { display: block; overflow-x: auto }
.drawing { overflow: auto; border: 1px solid var(--line); margin: 1rem 0 }
.drawing svg { display: block; height: auto; min-width: 60rem; max-width: none }
svg a:focus rect, svg a:focus path, svg a:hover rect { stroke-width: 4 }
:focus-visible { outline: 3px solid var(--blue); outline-offset: 2px }
.sheet { display: none }
@media print { nav, .skip { display: none } .drawing, .wide { overflow: visible; border: 0 }
  .wide { content-visibility: visible } .drawing svg, .wide svg { min-width: 0; max-width: 100%;
  height: auto } section { break-before: page } body { padding-bottom: 2rem }
  table { font-size: 8pt }
  .sheet { display: block; position: fixed; bottom: 0; left: 0; right: 0; font-size: 7pt;
  background: #fff; color: #333; overflow-wrap: anywhere }
  @page { size: landscape; margin: 12mm } }
"""
#: Search: what has every word stays. A step takes a few milliseconds, so that typing goes on.
_SCRIPT = """
"use strict";
(() => {
  const field = document.getElementById("search"), told = document.getElementById("found");
  const rows = [...document.querySelectorAll("main tbody tr, main li, main details")];
  const texts = new Array(rows.length);
  let turn = 0;
  const look = () => {
    const words = field.value.toLowerCase().split(/\\s+/).filter(Boolean), mine = ++turn;
    let at = 0, found = 0;
    const step = () => {
      if (mine !== turn) return;
      for (const end = performance.now() + 15; at < rows.length && performance.now() < end; at++) {
        texts[at] ??= rows[at].textContent.toLowerCase();
        const shown = words.every(word => texts[at].includes(word));
        if (rows[at].hidden === shown) rows[at].hidden = !shown;
        if (shown) found++;
      }
      if (at < rows.length) setTimeout(step);
      else told.textContent = words.length ? `${found} of ${rows.length}` : "";
    };
    step();
  };
  const reach = () => {
    const place = document.getElementById(decodeURIComponent(location.hash.slice(1)))
      ?? document.getElementById(location.hash.slice(1));
    if (place?.hidden) { field.value = ""; rows.forEach(one => { one.hidden = false; }); look(); }
    place?.closest("details")?.setAttribute("open", "");
    place?.scrollIntoView();
  };
  document.getElementById("searching").hidden = false;
  field.addEventListener("input", look);
  addEventListener("hashchange", reach);
  addEventListener("keydown", event => {
    if (event.key === "/" && !document.activeElement?.matches("input")) {
      event.preventDefault();
      field.focus();
    } else if (event.key === "Escape" && field.value) {
      field.value = "";
      look();
    }
  });
})();
"""


def plant_page(plant: Plant, parts: Sequence[Part], *, served: str = "") -> str:
    """Return the page of a plant: one HTML file that loads nothing and works without a server.

    A page that is served has a script more, `served`, which asks whoever serves it.
    """
    title = html_text(f"segctl · {plant.title}")
    facts = (*provenance_pairs(plant.provenance), *_digests(plant))
    lines = framed(
        title,
        summary(plant.layout),
        _body(plant, parts),
        facts,
        above=_ways(parts),
        style=f"{_STYLE}{ASKING if served else ''}",
        script=f"{_SCRIPT}{served}",
        served=bool(served),
    )
    return "\n".join(lines) + "\n"


def _digests(plant: Plant) -> Iterator[tuple[str, str]]:
    for name, digest in plant.digests:
        yield f"read of {html_text(name)}", digest


def _ways(parts: Sequence[Part]) -> Iterator[str]:
    yield '<a class="skip" href="#drawing">Skip to the drawing</a>'
    yield '<nav aria-label="Parts of this page">'
    yield from (f'<a href="#{part.name}">{html_text(part.title)}</a>' for part in parts)
    yield (
        '<label id="searching" hidden>Search <input id="search" type="search" '
        'placeholder="press /"> <span id="found" role="status"></span></label></nav>'
    )


def _body(plant: Plant, parts: Sequence[Part]) -> Iterator[str]:
    for part in parts:
        head = f"{part.name}-title"
        yield f'<section id="{part.name}" aria-labelledby="{head}">'
        yield f'<h2 id="{head}">{html_text(part.title)}</h2>'
        yield from part.lines
        yield "</section>"
    told = " · ".join(f"{label} {text}" for label, text in provenance_pairs(plant.provenance))
    read = "".join(f" · {name} {digest[:19]}" for name, digest in plant.digests)
    yield f'<div class="sheet" aria-hidden="true">{html_text(told + read)}</div>'
