"""What GitLab shows in a merge request: changes of a plan, findings of a validation or checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segctl.report.sarif import code_quality

if TYPE_CHECKING:
    from pathlib import Path

    from segctl.report.document import Report


def gitlab(report: Report, root: Path) -> dict[str, int] | list[dict[str, Any]]:
    """Return the ``terraform`` report of changes, else the code quality report.

    A rule that moves or is renamed counts as updated: the widget has no words for them.
    """
    if report.kind in {"validate", "check"}:
        return code_quality(report.problems, root)
    counts = report.counts or {}
    return {
        "create": counts.get("create", 0),
        "update": sum(counts.get(op, 0) for op in ("update", "move", "rename")),
        "delete": counts.get("delete", 0),
    }
