"""Format inventory files and playbooks in one canonical layout; keep every value and comment.

Only the layout changes; every result is checked for that before it is returned.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

from segctl.model.errors import InventoryError, SegctlError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_BREAKS: Final = re.compile("\r(?!\n)|[\x85\u2028\u2029]")


class NotFormattedError(SegctlError):
    """A file cannot be formatted and stays as it is; the message says why."""

    code = "not_formatted"


def format_text(text: str, file: str) -> str:
    """Return a YAML text in its canonical layout, with its own kind of line ends.

    Raises:
        InventoryError: an inventory would refuse the text; with line and column.
        NotFormattedError: the text contains something that cannot be formatted.
    """
    from segctl.inventory.document import parse

    bare = text.removeprefix("\ufeff")
    if _BREAKS.search(bare):
        raise NotFormattedError(f"{file}: has line ends other than LF and CRLF: left as it is")
    unix = bare.replace("\r\n", "\n")
    document = parse(unix, file)
    if document.problems:
        raise InventoryError(document.problems)
    made = _canonical(unix, file)
    _check(unix, made, file)
    return made.replace("\n", "\r\n") if "\r\n" in bare.partition("\n")[0] + "\n" else made


def is_formattable(text: str) -> bool:
    """Whether a text can be formatted at all: YAML, and neither JSON nor vaulted."""
    from segctl.inventory.vault import is_encrypted

    bare = text.removeprefix("\ufeff")
    return not is_encrypted(bare) and bare.lstrip()[:1] not in {"{", "["}


def _canonical(text: str, file: str) -> str:
    from segctl.formatting.order import ordered
    from segctl.formatting.reading import UnknownLayoutError, read
    from segctl.formatting.writing import write

    try:
        return write(ordered(read(text)))
    except (UnknownLayoutError, RecursionError) as error:
        raise NotFormattedError(f"{file}: {error}: left as it is") from error


def _check(before: str, after: str, file: str) -> None:
    """Refuse a result that reads differently, lost a comment, or would be formatted again."""
    from segctl.formatting.reading import comments
    from segctl.inventory.document import parse

    again = parse(after, file)
    wrong = ""
    if again.problems or not same(parse(before, file).value, again.value):
        wrong = "would read differently"
    elif sorted(comments(before)) != sorted(comments(after)):
        wrong = "would lose a comment"
    elif _canonical(after, file) != after:
        wrong = "would be formatted differently the next time"
    if wrong:
        raise NotFormattedError(f"{file}: {wrong}: left as it is; please report the file")


def same(one: object, other: object) -> bool:
    """Whether two values and their types are the same; 1, 1.0 and true are three values."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        mine, theirs = cast("Mapping[Any, Any]", one), cast("Mapping[Any, Any]", other)
        if len(mine) != len(theirs):
            return False
        pairs = zip(_sorted(mine), _sorted(theirs), strict=True)
        return all(one[:2] == other[:2] and same(one[2], other[2]) for one, other in pairs)
    if isinstance(one, list):
        left, right = cast("Sequence[Any]", one), cast("Sequence[Any]", other)
        return len(left) == len(right) and all(map(same, left, right))
    return one == other or repr(one) == repr(other)


def _sorted(mapping: Mapping[Any, Any]) -> list[tuple[str, str, Any]]:
    """Return type, spelling and value of every key, because ``.nan`` cannot be looked up."""
    found = [(type(key).__name__, repr(key), value) for key, value in mapping.items()]
    return sorted(found, key=lambda one: one[:2])
