"""Values in YAML that Ansible and segctl read alike, quoted wherever YAML 1.1 would surprise."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from segctl.inventory.scalars import ScalarError, resolve
from segctl.system.inert import printable, yaml_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PLAIN = re.compile(r"[A-Za-z0-9_/](?:[A-Za-z0-9_./ -]*[A-Za-z0-9_.-])?")
_SURPRISES = frozenset({"y", "n"})
_WIDTH = 96


def scalar(value: object) -> str:
    """Return one value as YAML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    text = str(value)
    return text if _is_plain(text) else yaml_text(text)


def _is_plain(text: str) -> bool:
    if not _PLAIN.fullmatch(text) or text.lower() in _SURPRISES or "  " in text:
        return False
    try:
        return resolve(text) == text
    except ScalarError:
        return False


def entry(indent: int, key: str, value: object) -> str:
    """Return one line of a mapping."""
    return f"{' ' * indent}{scalar(key)}: {scalar(value)}"


def listed(indent: int, key: str, values: Sequence[object]) -> list[str]:
    """Return a list: on the key's line, or one item a line when it is long."""
    short = f"{' ' * indent}{scalar(key)}: {flow(values)}"
    if len(short) <= _WIDTH:
        return [short]
    head = f"{' ' * indent}{scalar(key)}:"
    return [head, *(f"{' ' * (indent + 2)}- {scalar(value)}" for value in values)]


def flow(values: Iterable[object]) -> str:
    """Return a list in brackets."""
    return f"[{', '.join(map(scalar, values))}]"


def comments(indent: int, texts: Iterable[str]) -> list[str]:
    """Return comments, one line each."""
    return [f"{' ' * indent}# {printable(text)}".rstrip() for text in texts]


def mapping(indent: int, key: str, body: Sequence[str]) -> list[str]:
    """Return a mapping below a key; when it is empty, ``{}`` with its comments above."""
    head = f"{' ' * indent}{scalar(key)}:"
    if all(not line.strip() or line.lstrip().startswith("#") for line in body):
        return [*(f"{' ' * indent}{line.strip()}" for line in body), f"{head} {{}}"]
    return [head, *body]
