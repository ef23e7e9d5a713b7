"""What the running ansible-playbook knows and segctl needs to know."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ansible import context
from ansible.utils.vars import load_extra_vars

from ansible_collections.segctl.segctl.plugins.plugin_utils.command import Given, find_executable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Variables of a play that say how it is rolled out; segctl's inventory does not have them.
ROLLOUT = frozenset(
    {
        "segctl_window",
        "segctl_soak",
        "segctl_verify",
        "segctl_revert_in",
        "segctl_on_failure",
        "segctl_replay",
    }
)
#: Where Ansible was told of vault passwords.
_VAULT = ("ANSIBLE_VAULT_PASSWORD_FILE", "ANSIBLE_VAULT_IDENTITY_LIST")
#: Connection variables that may hold templates, which segctl does not evaluate.
_TEMPLATED = ("ansible_host", "ansible_port", "ansible_ssh_private_key_file")


class Controller:
    """The running ansible-playbook, as a task of one host sees it."""

    def __init__(
        self,
        *,
        loader: Any,
        play: Any,
        password: str,
        template: Callable[[Any], Any],
        task_vars: Mapping[str, Any],
    ) -> None:
        self._loader = loader
        self._play = play
        self._password = password
        self._template = template
        #: What the task knows of its host and of the others.
        self.task_vars = task_vars

    @property
    def host(self) -> str:
        """The task's host."""
        return str(self.task_vars["inventory_hostname"])

    @property
    def is_firewall(self) -> bool:
        """Whether the host is one of segctl's."""
        return bool(self._value("ansible_network_os"))

    def given(self, executable: str | None) -> Given:
        """Return what segctl is given for the host."""
        secrets = self._loader._vault.secrets or ()  # noqa: SLF001 - Ansible has no other way to it
        return Given(
            executable=find_executable(executable),
            host=self.host,
            sources=[str(source) for source in self.task_vars["ansible_inventory_sources"]],
            variables=self._variables(),
            vault_passwords=[bytes(secret.bytes) for _, secret in secrets],
            environment=self._environment(),
        )

    @property
    def rollout(self) -> dict[str, Any]:
        """The play's own words of segctl, without their prefix."""
        own = [name for name in self._play_vars() if name in ROLLOUT]
        return {name.removeprefix("segctl_"): self._value(name) for name in own}

    @property
    def play_name(self) -> str:
        """The play's name."""
        return str(self._play.get_name()) if self._play is not None else self.host

    @property
    def stops_after_failure(self) -> bool:
        """Whether a failed host of one wave keeps the next from being begun, as in segctl.

        Where the play says how many may fail, Ansible counts them itself.
        """
        if self._play is None or self.rollout.get("on_failure") == "continue":
            return False
        return self._play.max_fail_percentage is None and not self._play.any_errors_fatal

    def _variables(self) -> dict[str, Any]:
        """Return what is to win over the inventory: templates, then the play, then ``-e``."""
        connection = {
            name: self._value(name)
            for name in _TEMPLATED
            if name in self.task_vars and self._value(name) != self.task_vars[name]
        }
        play = {
            name: self._value(name)
            for name in self._play_vars()
            if name.startswith("segctl_") and name not in ROLLOUT
        }
        extra = {
            name: value
            for name, value in load_extra_vars(self._loader).items()
            if name not in ROLLOUT
        }
        return {**connection, **play, **extra}

    def _play_vars(self) -> Mapping[str, Any]:
        return self._play.vars if self._play is not None else {}

    def _environment(self) -> dict[str, str]:
        """Return the environment for segctl, with the account that Ansible knows for the host.

        What the user set for segctl stays: it is what segctl asks first in any case.
        """
        environment = dict(os.environ)
        for name in _VAULT:  # what they name comes along already opened
            environment.pop(name, None)
        if "SEGCTL_USER" not in environment:
            user = self._value("ansible_user") or context.CLIARGS.get("remote_user")
            environment |= {"SEGCTL_USER": str(user)} if user else {}
        if not environment.keys() & {"SEGCTL_PASSWORD", "SEGCTL_PASSWORD_FILE"}:
            password = (
                self._value("ansible_password") or self._value("ansible_ssh_pass") or self._password
            )
            environment |= {"SEGCTL_PASSWORD": str(password)} if password else {}
        return environment

    def _value(self, name: str) -> Any:
        return self._template(self.task_vars[name]) if name in self.task_vars else None
