"""Checks as JUnit XML, as pipelines show them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from segctl.report.provenance import provenance_pairs
from segctl.system.inert import printable

if TYPE_CHECKING:
    from segctl.report.document import Check, Report, Suite
    from segctl.report.provenance import Provenance

_ELEMENTS = {"failed": "failure", "error": "error", "skipped": "skipped"}


def junit(report: Report) -> str:
    """Return a report's checks as JUnit XML."""
    name = f"segctl {report.kind} {report.environment}"
    top = ET.Element("testsuites", {"name": name} | _counts(*report.suites))
    for suite in report.suites:
        label = f"{report.kind}.{printable(suite.name)}"
        values = {"name": label} | _counts(suite) | {"skipped": _skipped(suite)}
        element = ET.SubElement(top, "testsuite", values)
        if report.provenance is not None:
            _properties(element, report.provenance)
        for check in suite.checks:
            _case(element, check, label)
    ET.indent(top, " ")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(top, encoding="unicode")}\n'


def _properties(suite: ET.Element, made: Provenance) -> None:
    suite.set("timestamp", made.date)
    properties = ET.SubElement(suite, "properties")
    for label, text in provenance_pairs(made):
        ET.SubElement(properties, "property", name=label, value=printable(text))


def _counts(*suites: Suite) -> dict[str, str]:
    verdicts = [check.verdict for suite in suites for check in suite.checks]
    return {
        "tests": str(len(verdicts)),
        "failures": str(verdicts.count("failed")),
        "errors": str(verdicts.count("error")),
    }


def _skipped(suite: Suite) -> str:
    return str(sum(check.verdict == "skipped" for check in suite.checks))


def _case(suite: ET.Element, check: Check, label: str) -> None:
    case = ET.SubElement(suite, "testcase", classname=label, name=printable(check.name))
    text = "\n".join(map(printable, check.text.split("\n")))
    if check.verdict != "passed":
        first = text.split("\n", 1)[0]
        ET.SubElement(case, _ELEMENTS[check.verdict], message=first).text = text
    elif text:
        ET.SubElement(case, "system-out").text = text
