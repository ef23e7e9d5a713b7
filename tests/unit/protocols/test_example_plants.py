"""The example plants use the catalogue as a user would: every use compiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from segctl.protocols import catalogue
from segctl.providers.panos.app_id import applications as panos_applications

GROUP_VARS = Path(__file__).parents[3] / "inventory" / "group_vars"
SITES = ("waterworks", "substation", "gas_pipeline")


def flows(site: str) -> list[tuple[str, dict[str, Any]]]:
    """Read every flow of a site, named conduit/flow."""
    text = (GROUP_VARS / site / "conduits.yml").read_text(encoding="utf-8")
    conduits: dict[str, dict[str, Any]] = yaml.safe_load(text)["segctl_conduits"]
    return [
        (f"{conduit}/{name}", flow)
        for conduit, declared in conduits.items()
        for name, flow in declared["flows"].items()
    ]


@pytest.mark.parametrize("site", SITES)
def test_every_use_of_a_protocol_compiles(site: str) -> None:
    for name, flow in flows(site):
        for protocol, classes in flow.get("protocols", {}).items():
            used = panos_applications(catalogue().get(protocol), classes)
            assert used.names, name


@pytest.mark.parametrize("site", SITES)
def test_every_application_is_a_right_name(site: str) -> None:
    known = catalogue()
    for name, flow in flows(site):
        for application in flow.get("applications", []):
            assert known.trap(application) is None, name
            assert known.caution(application) is None, name
