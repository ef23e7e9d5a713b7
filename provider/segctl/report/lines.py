"""A line of a report, and how it is laid out on a screen of some width."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from segctl.system.inert import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a report; where it is too long, `text` goes on right of where it began."""

    lead: str = ""
    text: str = ""
    style: str = ""
    lead_style: str = ""


def laid_out(lines: Iterable[Line], width: int) -> Iterator[Text]:
    """Yield the lines wrapped to `width` columns, with nothing in them that steers a terminal."""
    for line in lines:
        lead, text = printable(line.lead), printable(line.text)
        room = max(24, width - len(lead))
        parts = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
        for number, part in enumerate(parts or [""]):
            head = " " * len(lead) if number else lead
            shown = Text.assemble((head, line.lead_style or line.style), (part, line.style))
            shown.rstrip()
            yield shown
