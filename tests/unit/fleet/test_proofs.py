"""Proofs beside what a plan reports: a limit of a platform that nobody is told of is not proved."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from segctl.analysis.intended import Intent
from segctl.compiler.build import compile_site
from segctl.fleet.proofs import Asked, DeviceProof, prove_declared, unreported
from segctl.inventory import load
from segctl.providers.base import provider

if TYPE_CHECKING:
    from segctl.model.errors import Problem

ROOT = Path(__file__).resolve().parents[3]
TODAY = date(2026, 11, 29)


def found() -> dict[str, tuple[DeviceProof, tuple[Problem, ...]]]:
    """What is proved of the example plants, and what plans say of them."""
    site = load([ROOT / "inventory"], today=TODAY).site
    wanted = Intent(site, TODAY).wanted()
    result: dict[str, tuple[DeviceProof, tuple[Problem, ...]]] = {}
    for name, desired in compile_site(site, TODAY).items():
        _, told = provider(desired.device.platform).fit(desired.policy, desired.device)
        proof = prove_declared(Asked(desired=desired, wanted=wanted[name]))
        assert isinstance(proof, DeviceProof)
        result[name] = proof, told
    return result


def test_a_plan_reports_what_cannot_be_told_apart() -> None:
    for name, (proof, told) in found().items():
        assert proof.proof.verdict == "proved", name
        assert proof.proof.widenings, name
        assert not list(unreported(proof.proof, told))
        silent = list(unreported(proof.proof, ()))
        assert {(one.conduit, one.flow) for one in silent} == {
            (one.conduit, one.flow) for one in proof.proof.widenings
        }
        assert all("the plan does not report it" in one.why[0] for one in silent)


def test_pairs_that_are_needed_are_kept_and_no_others() -> None:
    site = load([ROOT / "inventory"], today=TODAY).site
    wanted, desired = Intent(site, TODAY).wanted(), compile_site(site, TODAY)
    pair = "waterworks/supervisory", "waterworks/control"
    asked = Asked(desired=desired["core-fw"], wanted=wanted["core-fw"], pairs=frozenset({pair}))
    proof = prove_declared(asked)
    assert isinstance(proof, DeviceProof)
    assert [*proof.proof.between] == [("SUPERVISORY", "CONTROL")]
