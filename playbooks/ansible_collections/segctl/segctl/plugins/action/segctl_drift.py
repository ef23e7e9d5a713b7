"""Report whether a firewall still is what the inventory says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.segctl.segctl.plugins.plugin_utils.action import SegctlAction
from ansible_collections.segctl.segctl.plugins.plugin_utils.results import drifted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.segctl.segctl.plugins.plugin_utils.command import Segctl
    from ansible_collections.segctl.segctl.plugins.plugin_utils.controller import Controller
    from ansible_collections.segctl.segctl.plugins.plugin_utils.results import Result


class ActionModule(SegctlAction):
    """Run ``segctl drift`` for the task's host."""

    MODULE = "segctl_drift"

    def perform(
        self, segctl: Segctl, controller: Controller, arguments: Mapping[str, Any]
    ) -> Result:
        """Report whether a firewall still is what the inventory says."""
        del controller
        words = ["--baseline", arguments["baseline"]] if arguments["baseline"] else []
        if self.check:
            words.append("--no-history")
        return drifted(segctl("drift", *words), fail_on_drift=arguments["fail_on_drift"])
