"""The text of one ``--extra-vars`` option: `key=value` words, or YAML/JSON in braces."""

from __future__ import annotations

import codecs
import re
from typing import Final, cast

from segctl.inventory.document import parse
from segctl.inventory.model import Layer
from segctl.inventory.values import PREFIX, Place, Variables
from segctl.model.errors import InventoryError, Problem

#: Stands for the file where a variable was given on the command line.
EXTRA: Final = "--extra-vars"
_ESCAPE: Final = re.compile(
    r"""\\U[a-fA-F0-9]{8}|\\u[a-fA-F0-9]{4}|\\x[a-fA-F0-9]{2}|\\N\{[^}]+\}|\\[\\'"abfnrtv]"""
)
_EQUALS: Final = re.compile(r"(?<=[^\\])=")


def parse_extra(option: str) -> Layer:
    """Return the variables one option gives.

    Raises:
        InventoryError: the text is neither.

    """
    if not option:
        return Layer()
    if option[0] in "/.":
        raise _error(f"{option} is a file name", f"write @{option}")
    if option[0] in "[{":
        document = parse(option, EXTRA)
        if document.problems:
            raise InventoryError(document.problems)
        value = document.value
        if not isinstance(value, dict):
            raise _error("must be a mapping", "write {name: value}")
        variables = cast("Variables", value)
    else:
        variables = _words(option)
    origins = {
        name: Place(EXTRA) for name in variables if type(name) is str and name.startswith(PREFIX)
    }
    return Layer(variables, origins)


def _words(option: str) -> Variables:
    variables: Variables = {}
    free: list[str] = []
    for word in _split(option):
        text = _ESCAPE.sub(lambda match: codecs.decode(match[0], "unicode-escape"), word)
        if match := _EQUALS.search(text):
            name, value = text[: match.start()], text[match.end() :]
            variables[name.strip()] = _unquote(value.strip())
        else:
            free.append(text.replace("\\=", "=") if "=" in text else word)
    if free:
        variables["_raw_params"] = " ".join(free)
    return variables


def _unquote(text: str) -> str:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" and text[-2] != "\\"
    return text[1:-1] if quoted else text


def _split(text: str) -> list[str]:
    """Split at white space that is neither quoted nor inside a template."""
    words: list[str] = []
    word, quote, depth = "", "", 0
    for at, char in enumerate(text):
        escaped = at > 0 and text[at - 1] == "\\"
        if char in "\"'" and not escaped:
            quote = "" if quote == char else quote or char
        pair = text[at : at + 2]
        depth += pair in {"{{", "{%", "{#"}
        depth -= depth > 0 and pair in {"}}", "%}", "#}"}
        if char.isspace() and not quote and not depth:
            words += [word] if word else []
            word = ""
        else:
            word += char
    if quote or depth:
        raise _error(f"unbalanced quotes or braces: {text}", "close them")
    return words + ([word] if word else [])


def _error(message: str, hint: str) -> InventoryError:
    return InventoryError((Problem(message=message, file=EXTRA, hint=hint),))
