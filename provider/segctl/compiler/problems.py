"""Problems and warnings of a site, each with the place in the inventory that it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.model.errors import Problem

if TYPE_CHECKING:
    from segctl.model.site import Source


def problem(where: Source, message: str, hint: str, path: str = "") -> Problem:
    """Return what keeps a site from being compiled."""
    return Problem(
        message=message,
        hint=hint,
        path=path,
        file=where.file,
        line=where.line,
        column=where.column,
    )


def warning(where: Source, message: str, hint: str, path: str = "") -> Problem:
    """Return what the owner of a site should look at, though it can be compiled."""
    return Problem(
        message=message,
        hint=hint,
        path=path,
        file=where.file,
        line=where.line,
        column=where.column,
        severity="warning",
    )
