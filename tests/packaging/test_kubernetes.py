"""The CronJob: against Kubernetes' schema, what keeps it confined, and its arguments run."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from cli_support import ROOT
from segctl.cli import run

if TYPE_CHECKING:
    from pathlib import Path

BASE = ROOT / "packaging/kubernetes/base"
EXAMPLE = ROOT / "packaging/kubernetes/example"
COMPONENTS = ROOT / "packaging/kubernetes/components"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def pod(cronjob: Any) -> Any:
    return cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def validate(document: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the validator's own imports
        import kubernetes_validate

        kubernetes_validate.validate(document, "1.33", strict=True)


@pytest.mark.parametrize("name", ["cronjob", "history", "networkpolicy"])
def test_kubernetes_takes_it(name: str) -> None:
    validate(read(BASE / f"{name}.yaml"))


def test_every_file_of_the_base_is_used() -> None:
    listed = set(read(BASE / "kustomization.yaml")["resources"])
    assert listed == {path.name for path in BASE.iterdir()} - {"kustomization.yaml"}


def test_what_keeps_the_pod_confined() -> None:
    cronjob = read(BASE / "cronjob.yaml")
    assert cronjob["spec"]["concurrencyPolicy"] == "Forbid"
    spec = pod(cronjob)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["automountServiceAccountToken"] is False
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]
    # what it writes lies on volumes, and every mount has its volume
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert set(mounts) == {volume["name"] for volume in spec["volumes"]}
    environment = {each["name"]: each["value"] for each in container["env"]}
    assert mounts["history"] == f"{environment['XDG_STATE_HOME']}/segctl"
    assert mounts["cache"] == f"{environment['XDG_CACHE_HOME']}/segctl"
    assert environment["SEGCTL_PASSWORD_FILE"].startswith(f"{mounts['secrets']}/")
    (secret,) = [volume["secret"] for volume in spec["volumes"] if "secret" in volume]
    assert secret["defaultMode"] == 0o440
    assert not any("valueFrom" in each or each["name"] == "PASSWORD" for each in container["env"])


@pytest.fixture(scope="module")
def built() -> list[Any]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed here")
    done = subprocess.run(
        [kubectl, "kustomize", EXAMPLE], capture_output=True, text=True, check=True
    )
    return list(yaml.safe_load_all(done.stdout))


def test_the_example_builds_with_its_components(built: list[Any]) -> None:
    for document in built:
        validate(document)
        assert document["metadata"]["namespace"] == "segctl"
    assert {document["kind"] for document in built} == {"ConfigMap", "CronJob", "NetworkPolicy"}
    (cronjob,) = [document for document in built if document["kind"] == "CronJob"]
    spec = pod(cronjob)
    (container,) = spec["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    assert environment["SEGCTL_HISTORY_FILE"] == "/run/segctl/history"
    assert environment["SEGCTL_WEBHOOK_FILE"] == "/run/segctl/webhook"
    assert container["args"][-1] == "--webhook-template=slack"
    assert container["image"] == "registry.example/ot/segctl:0.1.0"
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        volume["name"] for volume in spec["volumes"]
    }
    assert "history" not in {volume["name"] for volume in spec["volumes"]}


def test_the_components_are_what_the_example_names() -> None:
    named = {path.rpartition("/")[2] for path in read(EXAMPLE / "kustomization.yaml")["components"]}
    assert named == {path.name for path in COMPONENTS.iterdir()}


def test_the_examples_inventory_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-i", str(EXAMPLE / "inventory"), "validate"]) == 0, capsys.readouterr()


def test_the_arguments_are_segctls(capsys: pytest.CaptureFixture[str]) -> None:
    (container,) = pod(read(BASE / "cronjob.yaml"))["containers"]
    patch = read(COMPONENTS / "webhook/kustomization.yaml")["patches"][0]["patch"]
    more = [each["value"] for each in yaml.safe_load(patch) if each["path"].endswith("args/-")]
    assert run([*container["args"], *more, "--help"]) == 0
    assert "Compare the devices with the inventory" in capsys.readouterr().out
