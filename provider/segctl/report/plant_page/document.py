"""Which parts the page of a plant has and what it was made from, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segctl.report.provenance import provenance_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from segctl.report.provenance import Provenance


def site_json(
    file: str, parts: Iterable[str], failed: Mapping[str, str], made: Provenance
) -> dict[str, Any]:
    """Return the document of a page that was written.

    `failed` are the firewalls that were asked and gave no answer, with the reasons.
    """
    document: dict[str, Any] = {
        "format_version": "1.0",
        "file": file,
        "parts": list(parts),
        "failed": [{"name": name, "message": why} for name, why in failed.items()],
        "provenance": provenance_json(made),
    }
    if failed:
        name, why = next(iter(failed.items()))
        document["error"] = {"code": "cannot_tell", "message": f"{name}: {why}"}
    return document
