"""Problems and warnings about a site, each with its place in the inventory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from segctl.model.errors import Problem

if TYPE_CHECKING:
    from segctl.model.site import Source


def problem(where: Source, message: str, hint: str, path: str = "") -> Problem:
    """Return a problem that prevents the site from being compiled."""
    return Problem(
        message=message,
        hint=hint,
        path=path,
        file=where.file,
        line=where.line,
        column=where.column,
    )


def warning(where: Source, message: str, hint: str, path: str = "") -> Problem:
    """Return a warning: the site compiles, but its owner should look at it."""
    return replace(problem(where, message, hint, path), severity="warning")
