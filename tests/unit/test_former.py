"""What was written for the former names of modules goes on working."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from segctl.former import FORMER

#: What a platform of somebody else, written from the documentation, imported.
PLATFORM = """
from segctl.compile import Desired, compile_site, with_closing, label, zone_label
from segctl.compile import CLOSING_RULE, DEFAULT_SITE
from segctl.credentials import Secret
from segctl.diff import Change
from segctl.errors import ApplyError, AuthError, ConnectError, LockedError, ParseError, Problem
from segctl.intent import Device, ZoneBinding
from segctl.naming import shorten
from segctl.plan import DevicePlan, Plan, OPS, VALID_FOR, make_plan, plan_device, managed, basis_of
from segctl.plan import check_fresh, is_as_desired, digest_of, load_plan, parse_plan, plan_bytes
from segctl.plan import FORMAT_VERSION, device_of, schema, schema_names
from segctl.policy import ANY, FirewallZone, Policy, Rule, interval_text, resolver, sealed, decide
from segctl.providers.base import Capabilities, Identity, Live, Provider, Session, Target, provider
from segctl.providers.ssh import SshSession, token
from segctl.rollout import apply_plans, plan_devices
from segctl.testing import LAWS, check_provider
import segctl.model.policy
print(Policy is segctl.model.policy.Policy)
"""


@pytest.mark.parametrize("name", FORMER)
def test_a_former_name_is_the_module_of_today(name: str) -> None:
    sys.modules.pop(name, None)
    with pytest.warns(DeprecationWarning, match=f"{name} is now {FORMER[name][0]}"):
        former = import_module(name)
    home = import_module(FORMER[name][0])
    public = next(one for one in vars(home) if not one.startswith("_") and one != "annotations")
    assert getattr(former, public) is getattr(home, public)
    assert not hasattr(former, "nothing_of_the_kind")


def test_a_platform_that_was_written_before_goes_on_working() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PLATFORM], capture_output=True, text=True, check=False
    )
    assert done.stdout == "True\n", done.stderr
