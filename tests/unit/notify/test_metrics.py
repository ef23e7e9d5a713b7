"""Metrics: what they say of a run, in a form that Prometheus reads."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest

from segctl.drift.acceptance import Accepted, AcceptedItem
from segctl.drift.items import DriftItem
from segctl.drift.report import DeviceDrift, DriftReport, Unchecked
from segctl.model.errors import DeliveryError
from segctl.model.site import Conduit
from segctl.notify.metrics import collect, exposition, gateway_headers, push
from segctl.planning.make import make_plan
from segctl.planning.plan import Intent, Unmanaged
from segctl.providers.state import DeviceState, Receiver
from segctl.transports.credentials import Secret
from support.metrics import samples
from support.receiver import receiver

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from prometheus_client import CollectorRegistry

EXPORTER = shutil.which("node_exporter") or shutil.which("prometheus-node-exporter")
TODAY = date(2026, 11, 22)
START = datetime(2026, 11, 22, 12, tzinfo=UTC)
ODD = 'fw "1"\\\nx'


def conduit(id_: str, days: int | None) -> Conduit:
    return Conduit(
        site="plant",
        id=id_,
        from_zones=(),
        to_zones=(),
        reason="r",
        owner="o",
        flows=(),
        expires=None if days is None else TODAY + timedelta(days=days),
    )


def item(state: str) -> DriftItem:
    return DriftItem(kind="rule", name="r", states=(state,), fingerprint="", names=("r",))


KNOWN = Accepted(device=ODD, kind="rule", name="r", owner="ops", expires=TODAY)
REPORT = DriftReport(
    devices=(
        DeviceDrift(
            name=ODD,
            items=(item("hole"), item("changed"), item("changed")),
            accepted=(AcceptedItem(item=item("moved"), by=KNOWN),),
        ),
        DeviceDrift(name="fw2"),
        Unchecked(name="fw3", code="auth", message="no"),
    )
)
CONDUITS = (conduit("a", -1), conduit("b", 0), conduit("c", 30), conduit("d", None))


def text(environment: str = "plant", **values: Any) -> str:
    return exposition(registry(environment, **values))


def registry(
    environment: str = "plant", conduits: Sequence[Conduit] = CONDUITS, **values: Any
) -> CollectorRegistry:
    return collect(
        REPORT,
        conduits,
        environment=environment,
        started=START,
        finished=START + timedelta(seconds=12.5),
        today=TODAY,
        **values,
    )


def test_a_run_in_numbers() -> None:
    found = samples(text())
    assert found["segctl_in_sync", (ODD, "plant")] == 0
    assert found["segctl_in_sync", ("fw2", "plant")] == 1
    assert ("segctl_in_sync", ("fw3", "plant")) not in found  # nobody knows
    unreachable = [found["segctl_unreachable", (name, "plant")] for name in (ODD, "fw2", "fw3")]
    assert unreachable == [0, 0, 1]
    kinds = {
        kind: found["segctl_drift_items", (ODD, "plant", kind)] for kind in ("hole", "changed")
    }
    assert kinds == {"hole": 1, "changed": 2}
    assert found["segctl_drift_items", ("fw2", "plant", "hole")] == 0
    assert found["segctl_accepted_items", (ODD, "plant")] == 1
    assert found["segctl_drift_duration_seconds", ("plant",)] == 12.5
    assert found["segctl_last_run_timestamp", ("plant",)] == START.timestamp() + 12.5
    assert ("segctl_plan_age_seconds", ("plant",)) not in found


def test_conduits_that_expire() -> None:
    found = samples(text())
    end = datetime.combine(TODAY + timedelta(days=1), time.min).astimezone()
    assert found["segctl_conduit_expiry_timestamp", ("plant/b", "plant")] == end.timestamp()
    assert ("segctl_conduit_expiry_timestamp", ("plant/d", "plant")) not in found
    assert [found["segctl_conduits_expiring", (days, "plant")] for days in ("7", "30", "90")] == [
        1,
        2,
        2,
    ]
    assert found["segctl_conduits_expired", ("plant",)] == 1


def test_a_plan_that_waits() -> None:
    plan = make_plan([], Intent())
    found = samples(text(plan=plan))
    created = datetime.fromisoformat(plan.created).timestamp()
    assert found["segctl_plan_age_seconds", ("plant",)] == START.timestamp() + 12.5 - created
    assert found["segctl_plan_expiry_timestamp", ("plant",)] == created + 24 * 3600


def test_files_of_two_environments_do_not_clash() -> None:
    """What stands in two files with the same labels is refused by who reads both."""
    one, other = (set(samples(text(environment))) for environment in ("mill", "harbour"))
    assert one
    assert len(one) == len(other)
    assert not one & other


@pytest.mark.skipif(EXPORTER is None, reason="node_exporter is not installed here")
def test_node_exporter_shows_the_files_of_two_environments(tmp_path: Path) -> None:
    assert EXPORTER is not None
    plan = make_plan([], Intent())
    files = {environment: text(environment, plan=plan) for environment in ("mill", "harbour")}
    for environment, content in files.items():
        (tmp_path / f"{environment}.prom").write_text(content, encoding="utf-8")
    words = [
        "--collector.disable-defaults",
        "--collector.textfile",
        f"--collector.textfile.directory={tmp_path}",
        "--web.listen-address=127.0.0.1:0",
    ]
    with subprocess.Popen([EXPORTER, *words], stderr=subprocess.PIPE, text=True) as process:
        try:
            shown = samples(_scraped(process))
        finally:
            process.kill()
    assert shown["node_textfile_scrape_error", ()] == 0
    for content in files.values():
        for key, value in samples(content).items():
            assert shown[key] == pytest.approx(value)


def _scraped(process: subprocess.Popen[str]) -> str:
    """Return what the exporter answers, once it has said at which port."""
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"address=(?:127\.0\.0\.1|\[::\]):(\d+)", line):
            url = f"http://127.0.0.1:{found[1]}/metrics"
            with urlopen(url, timeout=30) as answer:
                return str(answer.read().decode())
    raise AssertionError("the exporter has ended")


def test_promtool_accepts_them() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed here")
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text(), text=True, capture_output=True, check=False
    )
    assert "error" not in done.stderr
    assert done.returncode in {0, 3}, done.stderr  # 3: a remark on style


def test_a_pushgateway_gets_them_under_the_environments_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGCTL_PUSHGATEWAY_USER", "ana")
    monkeypatch.setenv("SEGCTL_PUSHGATEWAY_PASSWORD", "geheim")
    with receiver(tmp_path / "ca.pem") as service:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        push(registry(), Secret(service.url()), "plant")
        (got,) = service.received
        assert (got.method, got.path) == ("PUT", "/metrics/job/segctl/environment/plant")
        assert got.headers["Authorization"] == "Basic YW5hOmdlaGVpbQ=="
        assert samples(got.body.decode())["segctl_unreachable", ("fw3", "plant")] == 1
        service.answers = [(400, {})]
        with pytest.raises(DeliveryError, match="answers HTTP 400"):
            push(registry(), Secret(service.url()), "")
    with pytest.raises(DeliveryError, match="not a URL"):
        push(registry(), Secret("http://[geheim"), "")
    with pytest.raises(DeliveryError, match="use https"):
        push(registry(), Secret("http://gateway.example:9091"), "")


def test_how_segctl_authenticates_to_a_pushgateway(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("abc\n", encoding="utf-8")
    token.chmod(0o600)
    assert gateway_headers({}) == {}
    assert gateway_headers({"SEGCTL_PUSHGATEWAY_TOKEN_FILE": str(token)}) == {
        "Authorization": "Bearer abc"
    }


def test_firewalls_of_a_group_that_are_behind_are_told_from_the_others() -> None:
    members = (
        Receiver(name="fw1", enforces=True),
        Receiver(name="fw1b", of="fw1", why="it is not connected to Panorama"),
    )
    group = DeviceDrift(name="panorama1:OT", state=DeviceState(members=members))
    own = Unmanaged(name="interzone-default", action="allow", above=False)
    first = DeviceDrift(name="fw1", unmanaged=(own,))
    alone = DeviceDrift(name="fw9", unmanaged=(own,))
    found = samples(
        exposition(
            collect(
                DriftReport(devices=(group, first, alone)),
                (),
                environment="plant",
                started=START,
                finished=START,
                today=TODAY,
            )
        )
    )
    assert found["segctl_enforced", ("fw1", "plant", "panorama1:OT")] == 1
    assert found["segctl_enforced", ("fw1b", "plant", "panorama1:OT")] == 0
    assert found["segctl_local_rules", ("fw1", "plant")] == 1
    assert ("segctl_local_rules", ("fw9", "plant")) not in found, "it has no Panorama"
    for name in ("segctl_enforced", "segctl_local_rules"):
        assert name not in text(), "without groups there is no such metric"


def test_reviews_that_are_overdue() -> None:
    due = [
        replace(one, review_by=TODAY + timedelta(days=n))
        for n, one in zip((-1, 0), CONDUITS, strict=False)
    ]
    found = samples(text(conduits=due))
    end = datetime.combine(TODAY + timedelta(days=1), time.min).astimezone()
    assert found["segctl_conduit_review_timestamp", ("plant/b", "plant")] == end.timestamp()
    assert found["segctl_conduits_review_overdue", ("plant",)] == 1
