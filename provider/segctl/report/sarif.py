"""Findings as SARIF 2.1.0 and as GitLab's code quality report, each at its line of the files."""

from __future__ import annotations

import hashlib
from os.path import normpath
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import segctl
from segctl.report.provenance import provenance_json
from segctl.report.rules import rule, rule_id
from segctl.system.inert import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segctl.model.errors import Problem
    from segctl.report.document import Report

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
#: The words GitLab has for how bad it is.
_SEVERITIES = {"error": "critical", "warning": "minor", "note": "info"}


def sarif(report: Report, root: Path) -> dict[str, Any]:
    """Return a report's findings as SARIF; `root` is the top of the repository."""
    used = sorted({_rule_of(problem) for problem in report.problems})
    made = report.provenance
    evidence = {"properties": {"segctl": provenance_json(made)}} if made is not None else {}
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "segctl",
                        "version": segctl.__version__,
                        "rules": [_descriptor(name) for name in used],
                    }
                },
                "automationDetails": {"id": f"segctl-{report.kind}/{report.environment}/"},
                "columnKind": "unicodeCodePoints",
                "results": [
                    _result(problem, used.index(_rule_of(problem)), root)
                    for problem in report.problems
                ],
            }
            | evidence
        ],
    }


def _rule_of(problem: Problem) -> str:
    return rule_id(problem.kind, problem.severity)


def _descriptor(name: str) -> dict[str, Any]:
    described = rule(name)
    return {
        "id": name,
        "shortDescription": {"text": described.title},
        "fullDescription": {"text": described.help},
        "help": {"text": described.help},
    }


def _result(problem: Problem, index: int, root: Path) -> dict[str, Any]:
    location: dict[str, Any] = {}
    if problem.file:
        location["physicalLocation"] = _physical(problem, root)
    if name := printable(problem.path or problem.subject):
        location["logicalLocations"] = [{"fullyQualifiedName": name}]
    return {
        "ruleId": _rule_of(problem),
        "ruleIndex": index,
        "level": problem.severity,
        # a viewer takes [text](place) for a link
        "message": {"text": printable(_message(problem)).replace("](", "] (")},
        "locations": [location] if location else [],
        "partialFingerprints": {"segctl/v1": fingerprint(problem, root)},
    }


def _physical(problem: Problem, root: Path) -> dict[str, Any]:
    path, inside = relative(problem.file, root)
    artifact = {"uri": quote(path)} if inside else {"uri": Path(path).as_uri()}
    region = {"startLine": max(problem.line, 1)}
    if problem.column:
        region["startColumn"] = problem.column
    return {
        "artifactLocation": artifact | ({"uriBaseId": "%SRCROOT%"} if inside else {}),
        "region": region,
    }


def relative(file: str, root: Path) -> tuple[str, bool]:
    """Return a file's path from the top of the repository, and whether it is inside."""
    path = Path(normpath(Path(file).absolute()))  # not resolved: a link is named as it was
    if path.is_relative_to(root):
        return path.relative_to(root).as_posix(), True
    return path.as_posix(), False


def _message(problem: Problem) -> str:
    parts = ": ".join(part for part in (problem.path, problem.message) if part)
    return f"{parts} ({problem.hint})" if problem.hint else parts


def fingerprint(problem: Problem, root: Path) -> str:
    """Return what a finding is known by in the next run, when its line may be another."""
    path = relative(problem.file, root)[0] if problem.file else ""
    parts = (_rule_of(problem), path, problem.path, problem.subject, problem.message)
    return hashlib.sha256("\0".join(parts).encode(errors="backslashreplace")).hexdigest()[:32]


def code_quality(problems: Iterable[Problem], root: Path) -> list[dict[str, Any]]:
    """Return findings as GitLab's code quality report; those without a place are left out."""
    return [
        {
            "description": printable(_message(problem)),
            "check_name": _rule_of(problem),
            "fingerprint": fingerprint(problem, root),
            "severity": _SEVERITIES[problem.severity],
            "location": {
                "path": relative(problem.file, root)[0],
                "lines": {"begin": max(problem.line, 1)},
            },
        }
        for problem in problems
        if problem.file
    ]
