"""Make a firewall what the inventory says."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from ansible.utils.display import Display

from ansible_collections.segctl.segctl.plugins.plugin_utils.action import SegctlAction
from ansible_collections.segctl.segctl.plugins.plugin_utils.results import (
    applied,
    failure,
    planned,
)
from ansible_collections.segctl.segctl.plugins.plugin_utils.waves import FACT, earlier, soak

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.segctl.segctl.plugins.plugin_utils.command import Answer, Segctl
    from ansible_collections.segctl.segctl.plugins.plugin_utils.controller import Controller
    from ansible_collections.segctl.segctl.plugins.plugin_utils.results import Result


class ActionModule(SegctlAction):
    """Run ``segctl apply`` for the task's host, wave by wave as the play says."""

    MODULE = "segctl_apply"

    def perform(
        self, segctl: Segctl, controller: Controller, arguments: Mapping[str, Any]
    ) -> Result:
        """Make a firewall what the inventory says."""
        file = str(segctl.folder / "plan.json")
        mass_delete = bool(arguments["allow_mass_delete"])
        if self.check:
            plan = planned(segctl("plan"), diff=self.diff, allow_mass_delete=mass_delete)
            return plan | {"status": _status(plan, "planned")}
        if refused := self._wait_for_earlier_waves(controller):
            return refused
        answer = segctl("plan", "--out", file)
        plan = planned(answer, diff=self.diff, allow_mass_delete=mass_delete)
        if "error" in plan or not plan["changed"]:
            return plan | {"status": _status(plan, "unchanged")}
        allowed = ["--allow-purge"] if arguments["allow_purge"] else []
        allowed += ["--allow-mass-delete"] if mass_delete else []
        if controller.rollout:
            result = applied(_roll(segctl, controller, allowed), plan)
        else:
            result = applied(segctl("apply", file, *allowed), plan)
        if result["changed"]:
            result["ansible_facts"] = {FACT: {"changed_at": time.time()}}
        return result

    def _wait_for_earlier_waves(self, controller: Controller) -> Result | None:
        """Wait until earlier waves have soaked; return why this one may not start, if so."""
        before = earlier(controller.task_vars)
        if before.failed and controller.stops_after_failure:
            names = ", ".join(before.failed)
            message = (
                f"{controller.host}: not started: {names} of an earlier wave failed; "
                "segctl_on_failure: continue, or max_fail_percentage, would go on"
            )
            return failure("stopped", message, status="not_begun")
        try:
            left = soak(controller.rollout, before)
        except ValueError:
            return failure("playbook", "segctl_soak is not a duration such as 30s, 10m or 2h")
        if left > 0:
            Display().display(f"{controller.host}: earlier waves soak for {left:.0f} s more")
            time.sleep(left)
        return None


def _status(plan: Result, otherwise: str) -> str:
    if "error" in plan:
        return "failed"
    return otherwise if plan["changed"] else "unchanged"


def _roll(segctl: Segctl, controller: Controller, allowed: list[str]) -> Answer:
    """Apply as the play's words of segctl say: window, probes, time until a revert."""
    words = {name: value for name, value in controller.rollout.items() if name != "soak"}
    file, state = segctl.folder / "playbook.json", segctl.folder / "state.json"
    play = {"name": controller.play_name, "hosts": [controller.host], **words}
    file.write_text(json.dumps([play], default=str), encoding="utf-8")
    options = ["--playbook", str(file), "--state", str(state), "--auto-approve"]
    # a task that is stopped has no result: its host must be left as it was
    return segctl("apply", *options, "--on-interrupt", "revert", *allowed)
