"""The sample alerts: rules that Prometheus takes, on metrics that there are."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, date, datetime
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from cli_support import ROOT
from segctl.drift.report import DriftReport
from segctl.notify.metrics import collect, exposition
from segctl.planning.make import make_plan
from segctl.planning.plan import Intent

FILE = ROOT / "packaging/prometheus/segctl.rules.yml"


def test_every_metric_in_them_is_one_of_ours() -> None:
    plan = make_plan([], Intent())
    now = datetime(2026, 11, 22, tzinfo=UTC)
    registry = collect(
        DriftReport(devices=()),
        (),
        environment="plant",
        started=now,
        finished=now,
        today=date(2026, 11, 22),
        plan=plan,
    )
    ours = {family.name for family in text_string_to_metric_families(exposition(registry))}
    document: Any = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    rules = [rule for group in document["groups"] for rule in group["rules"]]
    used = {name for rule in rules for name in re.findall(r"segctl_\w+", rule["expr"])}
    assert used
    assert used <= ours


def test_prometheus_takes_them() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed here")
    done = subprocess.run(
        [promtool, "check", "rules", FILE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
