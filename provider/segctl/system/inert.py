r"""Makes text from devices and files inert, once for each output form.

A name or a message of a device may contain characters that control a terminal, change the reading
direction, or are invisible. In every output form, such a character is written as an escape:
``\x1b``, ``\u202e``. So is the first sign of what the runner of a pipeline would take for a command
in the log of a job: ``\x23#[add-mask]``. Documents stay exact: a program that reads JSON or YAML
gets the character itself.

Sources: Unicode 15, general categories Cc, Cf, Cs, Co, Zl, Zp and Zs, and the property
Default_Ignorable_Code_Point of DerivedCoreProperties.txt (of which variation selectors are a part).
Commands to runners: ``ActionCommand`` of GitHub's runner (``::`` after blanks, ``##[`` anywhere),
logging commands of Azure Pipelines, service messages of TeamCity.
"""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Every character that is written as an escape, except for line ends between lines.
_STEERS: Final = re.compile(
    "["
    "\\x00-\\x09\\x0b-\\x1f\\x7f-\\xa0\\xad"
    "\\u034f\\u0600-\\u0605\\u061c\\u06dd\\u070f\\u0890\\u0891\\u08e2"
    "\\u115f\\u1160\\u1680\\u17b4\\u17b5\\u180b-\\u180f"
    "\\u2000-\\u200f\\u2028-\\u202f\\u205f-\\u206f\\u3000\\u3164"
    "\\ud800-\\uf8ff\\ufdd0-\\ufdef\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff0-\\ufffb\\ufffe\\uffff"
    "\\U000110bd\\U000110cd\\U00013430-\\U0001343f\\U0001bca0-\\U0001bca3\\U0001d173-\\U0001d17a"
    "\\U000e0000-\\U000e0fff\\U000f0000-\\U0010ffff"
    "]"
)

#: So many pieces of JSON, each a few characters, make a block.
_PIECES: Final = 10_000
#: Where what reads a job's log begins to take a text for a command to itself, anywhere in a line
#: (GitHub, Azure Pipelines, TeamCity) or at its beginning (GitHub); a line may be broken anywhere.
_COMMANDS: Final = re.compile(
    r"#(?=#(?:\[|vso\[|teamcity\[))"
    r"|:(?=:(?:add-|debug|echo|endgroup|error|group|internal-|notice|remove-|save-|set-|stop-"
    r"|warning))",
    re.IGNORECASE,
)

#: Where a formula begins, in a cell or in what a spreadsheet may take for one.
_FORMULA: Final = re.compile(r"((?:^|;)[ \"]*+)(?=[-=+@\uff0d\uff1d\uff0b\uff20])")


def printable(text: str, *, keep: str = "") -> str:
    r"""Return `text` on one line, unprintable characters escaped; `keep` (say a tab) stays."""
    if "##" in text or "::" in text:
        text = _COMMANDS.sub(_spelled, text)
    if text.isascii() and text.isprintable():
        return text
    escaped = _STEERS.sub(lambda found: _escape(found[0], keep), text)
    if escaped.isprintable():
        return escaped
    return "".join(one if one.isprintable() else _escape(one, keep) for one in escaped)


def _escape(character: str, keep: str) -> str:
    return character if character in keep else character.encode("unicode_escape").decode()


def _spelled(found: re.Match[str]) -> str:
    return f"\\x{ord(found[0]):02x}"


def lines(text: str) -> list[str]:
    r"""Return the lines of a text, each printable; only ``\n`` ends one, tabs stay."""
    return [printable(line, keep="\t") for line in text.split("\n")]


def inert_json(text: str) -> str:
    r"""Return JSON with the same values, but without characters that affect whoever looks at it.

    >>> inert_json('{"name": "a\u202eb"}')
    '{"name": "a\\u202eb"}'
    """
    if "##" in text or "::" in text:
        text = _COMMANDS.sub(_json_escape, text)
    return text if text.isascii() and "\x7f" not in text else _STEERS.sub(_json_escape, text)


def _json_escape(found: re.Match[str]) -> str:
    # JSON has no escape of its own for these
    plain = found[0] in "\x7f#:"
    return f"\\u{ord(found[0]):04x}" if plain else json.dumps(found[0])[1:-1]


def json_text(document: object, *, indent: int | None = 1) -> str:
    """Return a document as JSON with sorted keys, without a final line end."""
    return "".join(json_blocks(document, indent=indent))


def json_blocks(document: object, *, indent: int | None = 1) -> Iterator[str]:
    """Yield `json_text` in blocks, so that a large one is never held whole."""
    encoder = json.JSONEncoder(indent=indent, sort_keys=True, ensure_ascii=False)
    pieces = encoder.iterencode(document)
    while block := "".join(islice(pieces, _PIECES)):
        yield inert_json(block)


def csv_line(cells: Iterable[str]) -> str:
    """Return a line of CSV (RFC 4180) in which nothing is a formula to who opens it.

    A spreadsheet set to a language with decimal commas ends a cell at each semicolon, and one set
    to Japanese or Chinese takes signs of full width for plain ones. Source: OWASP, CSV Injection.
    """
    return ",".join(map(_cell, cells))


def _cell(text: str) -> str:
    shown = printable(text)
    shown = _FORMULA.sub(r"\1'", shown)
    if "," in shown or '"' in shown:
        quoted = shown.replace('"', '""')
        return f'"{quoted}"'
    return shown


def yaml_text(text: str) -> str:
    """Return a text as a double-quoted scalar of YAML, on one line."""
    quoted = json.dumps(text, ensure_ascii=False)
    return _STEERS.sub(_yaml_escape, quoted)


def _yaml_escape(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\u{number:04x}" if number < 1 << 16 else f"\\U{number:08x}"
