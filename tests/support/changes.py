"""Changes written as short as a test needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segctl.planning.documents import change_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl.model.diff import Change


def change(
    op: str,
    kind: str = "rule",
    name: str = "a",
    *,
    conduit: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    anchor: Mapping[str, str] | None = None,
) -> Change:
    """Return a change of an item with these fields, as JSON has them, and no other."""
    base = {"name": name} | ({"conduit": conduit} if conduit else {})
    return change_of(
        {
            "op": op,
            "kind": kind,
            "name": name,
            "before": {} if op == "create" else base | dict(before or {}),
            "after": {} if op == "delete" else base | dict(after or {}),
            "anchor": anchor,
        }
    )
