"""Requests of type=op: a table of commands, each a small function."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, TypeAlias
from xml.sax.saxutils import escape, quoteattr

from segctl_mocks.panos import showings
from segctl_mocks.panos.answers import Answer, ApiError, malformed, result
from segctl_mocks.panos.locks import SHARED, Lock
from segctl_mocks.panos.parts import container_of, described, scope_of_command
from segctl_mocks.panos.schema import FIREWALL
from segctl_mocks.panos.showings import Call
from segctl_mocks.panos.tree import MalformedError, parse, serialize, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from segctl_mocks.panos.appliance import Device
    from segctl_mocks.panos.faults import Request
    from segctl_mocks.panos.tree import Element

Words: TypeAlias = tuple[str, ...]
_FILE_NAME = re.compile(r"[a-zA-Z0-9][.a-zA-Z0-9_-]{1,31}")
_VSYS_NEEDED = (9, 1)


class Operator:
    """Answers operational commands of one device."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self._commands: dict[Words, Callable[[Element, Call], Answer]] = {
            ("show", "jobs", "all"): self._jobs_all,
            ("show", "jobs", "pending"): self._jobs_all,
            ("show", "jobs", "processed"): self._jobs_all,
            ("show", "jobs", "id"): self._job,
            ("show", "config", "running"): self._show_running,
            ("show", "config", "candidate"): self._show_candidate,
            ("show", "config", "saved"): self._show_saved,
            ("show", "config", "diff"): self._cli_only,
            ("show", "config", "audit"): self._audit,
            ("show", "config", "list", "changes"): self._list_changes,
            ("show", "config", "list", "change-summary"): self._change_summary,
            ("show", "config", "list", "admins"): self._list_admins,
            ("show", "config-locks"): self._show_config_locks,
            ("show", "commit-locks"): self._show_commit_locks,
            ("check", "pending-changes"): self._pending,
            ("check", "full-commit-required"): self._full_required,
            ("request", "config-lock"): self._config_lock,
            ("request", "commit-lock"): self._commit_lock,
            ("request", "config", "list", "commit-versions"): self._audit,
            ("save", "config"): self._save,
            ("load", "config"): self._load,
            ("revert", "config"): self._revert,
            ("validate",): self._validate,
        }
        for words, report in {**showings.COMMANDS, **device.commands}.items():
            self._commands[words] = partial(report, device)
        self._prefixes = {words[:size] for words in self._commands for size in range(len(words))}

    def handle(self, request: Request, params: Mapping[str, str]) -> Answer:
        """Answer one command."""
        try:
            root = parse(request.cmd.encode())
        except MalformedError as error:
            raise malformed() from error
        words: Words = (str(root.tag),)
        node = root
        while words not in self._commands:
            child = next(iter(node), None)
            if words not in self._prefixes or child is None:
                # Observed: " show -> redistribution  is unexpected", without the words before.
                raise ApiError("17", f" {' -> '.join(words)}  is unexpected", cdata=True)
            node = child
            words = (*words, str(child.tag))
        call = Call(request, params.get("vsys", ""))
        return self._commands[words](node, call)

    # -- jobs ---------------------------------------------------------------------

    def _jobs_all(self, _node: Element, _call: Call) -> Answer:
        now, release = self.device.clock(), self.device.settings.release
        jobs = reversed(self.device.jobs.jobs)
        return result("".join(job.to_xml(now, release) for job in jobs))

    def _job(self, node: Element, _call: Call) -> Answer:
        job = self.device.jobs.find(text_of(node))
        return result(job.to_xml(self.device.clock(), self.device.settings.release))

    # -- whole configurations -----------------------------------------------------

    def _show_running(self, node: Element, _call: Call) -> Answer:
        return showings.document(self.device.running, node)

    def _show_candidate(self, node: Element, _call: Call) -> Answer:
        return showings.document(self.device.candidate, node)

    def _show_saved(self, node: Element, _call: Call) -> Answer:
        name = text_of(node)
        if name not in self.device.saved:
            raise ApiError("", f"{name} does not exist")
        return result(serialize(parse(self.device.saved[name])))

    def _cli_only(self, _node: Element, _call: Call) -> Answer:
        raise ApiError("", "invalid client cli")

    def _audit(self, node: Element, _call: Call) -> Answer:
        wanted = text_of(node.find("version"))
        if wanted in {"candidate", "running"}:
            tree = self.device.candidate if wanted == "candidate" else self.device.running
            return result(tree.to_bytes())
        for version in self.device.versions:
            if wanted and str(version.number) == wanted:
                return result(version.xml)
        if wanted:
            raise ApiError("", f"version {wanted} does not exist")
        rows = "".join(
            f'<entry name="{version.number}"><admin>{escape(version.admin)}</admin>'
            f"<time>{version.time}</time><description>{escape(version.description)}"
            "</description></entry>"
            for version in self.device.versions
        )
        return result(f"<versions>{rows}</versions>")

    # -- what changed -------------------------------------------------------------

    def _pending(self, _node: Element, _call: Call) -> Answer:
        return result("yes" if self.device.journal.changes else "no")

    def _full_required(self, _node: Element, _call: Call) -> Answer:
        changes = self.device.journal.changes
        return result("yes" if any(not change.path for change in changes) else "no")

    def _list_changes(self, node: Element, _call: Call) -> Answer:
        scope = scope_of_command(node)
        changes = [change for change in self.device.journal.changes if scope.covers(change)]
        return result(self.device.journal.list_changes(changes))

    def _change_summary(self, node: Element, _call: Call) -> Answer:
        """Name the containers with changes (form of Panorama: a client in the wild)."""
        changes = self.device.journal.by(scope_of_command(node).admins)
        found: dict[str, dict[str, None]] = {"vsys": {}} if self._is_firewall else {}
        for kind, name in (container_of(described(change.path)) for change in changes):
            if kind and name:
                found.setdefault(kind, {})[name] = None
        parts = (
            f"<{kind}>{''.join(f'<member>{escape(name)}</member>' for name in names)}</{kind}>"
            for kind, names in found.items()
        )
        return result(f"<summary>{''.join(parts)}</summary>" if changes else "")

    @property
    def _is_firewall(self) -> bool:
        return self.device.platform == FIREWALL

    def _list_admins(self, _node: Element, _call: Call) -> Answer:
        rows = "".join(f"<entry name={quoteattr(name)}/>" for name in self.device.journal.admins)
        return result(f"<admins>{rows}</admins>")

    # -- locks --------------------------------------------------------------------

    def _show_config_locks(self, node: Element, call: Call) -> Answer:
        return self._show_locks("config", node, call)

    def _show_commit_locks(self, node: Element, call: Call) -> Answer:
        return self._show_locks("commit", node, call)

    def _show_locks(self, kind: str, node: Element, call: Call) -> Answer:
        vsys = text_of(node.find("vsys")) or call.vsys
        needed = self._is_firewall and self.device.settings.release >= _VSYS_NEEDED
        if not vsys and needed:
            raise ApiError("", "vsys not provided")
        return result(self.device.locks.to_xml(kind, vsys or "all"))

    def _config_lock(self, node: Element, call: Call) -> Answer:
        return self._lock("config", node, call)

    def _commit_lock(self, node: Element, call: Call) -> Answer:
        return self._lock("commit", node, call)

    def _lock(self, kind: str, node: Element, call: Call) -> Answer:
        scope = call.vsys or SHARED
        admin = call.request.user
        locks = self.device.locks
        remove = node.find("remove")
        if remove is not None:
            return result(locks.drop(kind, scope, admin, text_of(remove.find("admin"))))
        add = node.find("add")
        if add is None:
            raise ApiError("17", f" request -> {kind}-lock  is unexpected")
        comment = text_of(add.find("comment"))
        of = "vsys" if scope == SHARED else self.device.lock_kind(scope)
        return result(locks.take(Lock(kind, scope, admin, self.device.now(), comment, of)))

    # -- save, load, revert, validate ---------------------------------------------

    def _save(self, node: Element, _call: Call) -> Answer:
        name = text_of(node.find("to"))
        if not _FILE_NAME.fullmatch(name):
            raise ApiError("17", f" save -> config -> to '{name}' is invalid")
        self.device.saved[name] = self.device.candidate.to_bytes()
        return result(f"Config saved to {name}")

    def _load(self, node: Element, call: Call) -> Answer:
        partial = node.find("partial")
        if partial is not None:
            return self.device.committer.load_partial(partial, call.request.user)
        return self.device.committer.load_named(node, call.request.user)

    def _revert(self, node: Element, call: Call) -> Answer:
        self.device.locks.refuse_edit(call.request.user, "")
        return self.device.committer.take_back(scope_of_command(node))

    def _validate(self, node: Element, call: Call) -> Answer:
        return self.device.committer.validate(node, call.request)
