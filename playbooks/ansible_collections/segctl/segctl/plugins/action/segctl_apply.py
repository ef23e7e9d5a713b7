"""Make a firewall what the inventory says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.segctl.segctl.plugins.plugin_utils.action import SegctlAction
from ansible_collections.segctl.segctl.plugins.plugin_utils.results import applied, planned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.segctl.segctl.plugins.plugin_utils.command import Segctl
    from ansible_collections.segctl.segctl.plugins.plugin_utils.controller import Controller
    from ansible_collections.segctl.segctl.plugins.plugin_utils.results import Result


class ActionModule(SegctlAction):
    """Run ``segctl apply`` for the task's host."""

    MODULE = "segctl_apply"

    def perform(
        self, segctl: Segctl, controller: Controller, arguments: Mapping[str, Any]
    ) -> Result:
        """Make a firewall what the inventory says."""
        del controller
        file = str(segctl.folder / "plan.json")
        plan = planned(segctl("plan", "--out", file), diff=self.diff)
        if "error" in plan:
            return plan | {"status": "failed"}
        if self.check or not plan["changed"]:
            return plan | {"status": "planned" if plan["changed"] else "unchanged"}
        words = ["--allow-purge"] if arguments["allow_purge"] else []
        return applied(segctl("apply", file, *words), plan)
