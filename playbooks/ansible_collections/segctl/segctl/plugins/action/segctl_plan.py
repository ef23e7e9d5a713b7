"""Show what segctl would change on a firewall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.segctl.segctl.plugins.plugin_utils.action import SegctlAction
from ansible_collections.segctl.segctl.plugins.plugin_utils.results import planned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.segctl.segctl.plugins.plugin_utils.command import Segctl
    from ansible_collections.segctl.segctl.plugins.plugin_utils.controller import Controller
    from ansible_collections.segctl.segctl.plugins.plugin_utils.results import Result


class ActionModule(SegctlAction):
    """Run ``segctl plan`` for the task's host."""

    MODULE = "segctl_plan"

    def perform(
        self, segctl: Segctl, controller: Controller, arguments: Mapping[str, Any]
    ) -> Result:
        """Show what segctl would change on a firewall."""
        del controller, arguments
        return planned(segctl("plan"), diff=self.diff)
