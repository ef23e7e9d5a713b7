"""What people and machines are told: plans, drift, validation and outcomes, form by form."""

from __future__ import annotations

from segctl.report.changes import row
from segctl.report.drifts import author_text, drift_json, drift_text
from segctl.report.lines import Line, laid_out, printable
from segctl.report.outcomes import outcomes_json, outcomes_text
from segctl.report.plans import DOUBT, device_text, plan_text, summary_text
from segctl.report.validation import problems_json, validation_text
from segctl.report.words import list_changes

__all__ = [
    "DOUBT",
    "Line",
    "author_text",
    "device_text",
    "drift_json",
    "drift_text",
    "laid_out",
    "list_changes",
    "outcomes_json",
    "outcomes_text",
    "plan_text",
    "printable",
    "problems_json",
    "row",
    "summary_text",
    "validation_text",
]
