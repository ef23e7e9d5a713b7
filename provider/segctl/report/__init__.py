"""What people and machines are told: plans, drift, validation and outcomes, form by form."""

from __future__ import annotations

from segctl.report.changes import row
from segctl.report.check import check_json, check_text
from segctl.report.check_report import check_report
from segctl.report.claim import claim_json, claim_text
from segctl.report.document import (
    DEFAULT_ENVIRONMENT,
    Check,
    Places,
    Remark,
    Report,
    Section,
    Suite,
    environment_name,
)
from segctl.report.drift_document import drift_json
from segctl.report.drift_report import drift_report
from segctl.report.drift_text import accepted_text, author_text, drift_text
from segctl.report.gitlab import gitlab
from segctl.report.html import webpage
from segctl.report.junit import junit
from segctl.report.labels import list_changes
from segctl.report.lines import Line, laid_out, plain_lines
from segctl.report.markdown import BUDGET, markdown, marker
from segctl.report.outcomes import done_text, outcomes_json, outcomes_text
from segctl.report.plan_report import plan_report
from segctl.report.plan_text import DOUBT, device_text, pending_text, plan_text, summary_text
from segctl.report.prove import prove_json, prove_text
from segctl.report.provenance import Provenance, provenance_json
from segctl.report.query import csv_text, matrix_json, matrix_text, query_json, query_text
from segctl.report.review import difference_text, review_json, review_report, review_text
from segctl.report.sarif import sarif
from segctl.report.validate_report import refusal_report, validation_report
from segctl.report.validate_text import problems_json, validation_text
from segctl.system.inert import printable

__all__ = [
    "BUDGET",
    "DEFAULT_ENVIRONMENT",
    "DOUBT",
    "Check",
    "Line",
    "Places",
    "Provenance",
    "Remark",
    "Report",
    "Section",
    "Suite",
    "accepted_text",
    "author_text",
    "check_json",
    "check_report",
    "check_text",
    "claim_json",
    "claim_text",
    "csv_text",
    "device_text",
    "difference_text",
    "done_text",
    "drift_json",
    "drift_report",
    "drift_text",
    "environment_name",
    "gitlab",
    "junit",
    "laid_out",
    "list_changes",
    "markdown",
    "marker",
    "matrix_json",
    "matrix_text",
    "outcomes_json",
    "outcomes_text",
    "pending_text",
    "plain_lines",
    "plan_report",
    "plan_text",
    "printable",
    "problems_json",
    "prove_json",
    "prove_text",
    "provenance_json",
    "query_json",
    "query_text",
    "refusal_report",
    "review_json",
    "review_report",
    "review_text",
    "row",
    "sarif",
    "summary_text",
    "validation_report",
    "validation_text",
    "webpage",
]
