"""What the three action plugins have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from ansible import constants
from ansible.plugins.action import ActionBase

from ansible_collections.segctl.segctl.plugins.plugin_utils.arguments import SPECS
from ansible_collections.segctl.segctl.plugins.plugin_utils.command import CommandError, opened
from ansible_collections.segctl.segctl.plugins.plugin_utils.controller import Controller
from ansible_collections.segctl.segctl.plugins.plugin_utils.results import (
    explained,
    failure,
    inert,
    skipped,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.segctl.segctl.plugins.plugin_utils.command import Segctl
    from ansible_collections.segctl.segctl.plugins.plugin_utils.results import Result


class SegctlAction(ActionBase):
    """A task that runs segctl for its host."""

    TRANSFERS_FILES = False
    _requires_connection = False
    #: Whose arguments it takes.
    MODULE = ""

    def run(self, tmp: None = None, task_vars: Mapping[str, Any] | None = None) -> Result:
        """Run the task for one host."""
        _, arguments = self.validate_argument_spec(argument_spec=SPECS[self.MODULE])
        result: Result = super().run(tmp, task_vars)
        controller = Controller(
            loader=self._loader,
            play=self._task.play,
            password=self._play_context.password or "",
            template=self._templar.template,
            task_vars=task_vars or {},
        )
        shown: Result = inert(result | self._result(controller, arguments))
        return shown

    def _result(self, controller: Controller, arguments: Mapping[str, Any]) -> Result:
        if not controller.is_firewall:
            return skipped(controller.host)
        try:
            given = controller.given(arguments["executable"])
            with opened(given, constants.DEFAULT_LOCAL_TMP) as segctl:
                return explained(self.perform(segctl, controller, arguments))
        except CommandError as error:
            return failure("segctl", str(error))

    @abstractmethod
    def perform(
        self, segctl: Segctl, controller: Controller, arguments: Mapping[str, Any]
    ) -> Result:
        """Do what the task is for."""

    @property
    def check(self) -> bool:
        """Whether nothing may be changed."""
        return bool(self._task.check_mode)

    @property
    def diff(self) -> bool:
        """Whether the result is to show what differs."""
        return bool(self._task.diff)
