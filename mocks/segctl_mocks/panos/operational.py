"""Requests of type=op: a table of commands, each a small function."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, TypeAlias
from xml.sax.saxutils import escape, quoteattr

from segctl_mocks.panos import reports, showings
from segctl_mocks.panos import xpath as xpaths
from segctl_mocks.panos.answers import Answer, ApiError, malformed, message_result, result
from segctl_mocks.panos.commit import scope_of_command
from segctl_mocks.panos.locks import SHARED, Lock
from segctl_mocks.panos.policymatch import policy_match
from segctl_mocks.panos.references import scope_path
from segctl_mocks.panos.showings import Call
from segctl_mocks.panos.tree import MalformedError, Tree, parse, serialize, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from segctl_mocks.panos.device import PanosDevice
    from segctl_mocks.panos.faults import Request
    from segctl_mocks.panos.tree import Element

Words: TypeAlias = tuple[str, ...]
_FILE_NAME = re.compile(r"[a-zA-Z0-9][.a-zA-Z0-9_-]{1,31}")
_VSYS_NEEDED = (9, 1)


class Operator:
    """Answers operational commands of one device."""

    def __init__(self, device: PanosDevice) -> None:
        self.device = device
        self._commands: dict[Words, Callable[[Element, Call], Answer]] = {
            ("show", "jobs", "all"): self._jobs_all,
            ("show", "jobs", "pending"): self._jobs_all,
            ("show", "jobs", "processed"): self._jobs_all,
            ("show", "jobs", "id"): self._job,
            ("show", "config", "running"): self._show_running,
            ("show", "config", "candidate"): self._show_candidate,
            ("show", "config", "merged"): self._show_candidate,
            ("show", "config", "effective-running"): self._show_running,
            ("show", "config", "pushed-shared-policy"): self._pushed_policy,
            ("show", "config", "pushed-template"): self._pushed_template,
            ("show", "panorama-status"): self._panorama_status,
            ("show", "config", "saved"): self._show_saved,
            ("show", "config", "diff"): self._cli_only,
            ("show", "config", "audit"): self._audit,
            ("show", "config", "list", "changes"): self._list_changes,
            ("show", "config", "list", "change-summary"): self._change_summary,
            ("show", "config", "list", "admins"): self._list_admins,
            ("show", "config-locks"): self._show_config_locks,
            ("show", "commit-locks"): self._show_commit_locks,
            ("show", "rule-hit-count"): self._hit_count,
            ("show", "running", "security-policy"): self._running_policy,
            ("check", "pending-changes"): self._pending,
            ("check", "full-commit-required"): self._full_required,
            ("request", "config-lock"): self._config_lock,
            ("request", "commit-lock"): self._commit_lock,
            ("request", "config", "list", "commit-versions"): self._audit,
            ("clear", "rule-hit-count"): self._clear_hits,
            ("save", "config"): self._save,
            ("load", "config"): self._load,
            ("revert", "config"): self._revert,
            ("validate",): self._validate,
            ("test", "security-policy-match"): self._policy_match,
        }
        for words, report in showings.COMMANDS.items():
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

    def _nothing(self, _node: Element, _call: Call) -> Answer:
        return result("")

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
        return self._document(self.device.running, node)

    def _show_candidate(self, node: Element, _call: Call) -> Answer:
        return self._document(self.device.candidate, node)

    @staticmethod
    def _document(tree: Tree, node: Element) -> Answer:
        wanted = text_of(node.find("xpath"))
        if not wanted:
            return result(tree.to_bytes())
        absolute = wanted if wanted.startswith("/") else f"/config/{wanted}"
        return result(b"".join(serialize(found) for found in xpaths.select(tree, absolute)))

    def _show_saved(self, node: Element, _call: Call) -> Answer:
        name = text_of(node)
        if name not in self.device.saved:
            raise ApiError("", f"{name} does not exist")
        return result(serialize(parse(self.device.saved[name])))

    def _pushed_policy(self, node: Element, _call: Call) -> Answer:
        device = self.device
        wanted = text_of(node.find("vsys"))
        if wanted and device.running.at(scope_path(wanted)) is None:
            raise ApiError("17", f"{wanted} is invalid vsys")
        if not wanted and device.settings.multi_vsys:
            return result(device.pushed.of_all())
        return result(device.pushed.of_system(wanted or "vsys1", device.settings.sw_version))

    def _pushed_template(self, _node: Element, _call: Call) -> Answer:
        return result(self.device.pushed.of_template())

    def _panorama_status(self, _node: Element, _call: Call) -> Answer:
        return result(self.device.pushed.status(self.device.running))

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
        return result(self.device.journal.list_changes(scope_of_command(node).admins))

    def _change_summary(self, node: Element, _call: Call) -> Answer:
        changes = self.device.journal.by(scope_of_command(node).admins)
        names = dict.fromkeys(change.path[3][1] for change in changes if len(change.path) > 3)
        members = "".join(f"<member>{escape(name)}</member>" for name in names if name)
        return result(f"<summary><vsys>{members}</vsys></summary>" if changes else "")

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
        if not vsys and self.device.settings.release >= _VSYS_NEEDED:
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
        return result(locks.take(Lock(kind, scope, admin, self.device.now(), comment)))

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
        return self.device.committer.revert(scope_of_command(node).admins)

    def _validate(self, node: Element, call: Call) -> Answer:
        return self.device.committer.validate(node, call.request)

    # -- rules --------------------------------------------------------------------

    def _hit_count(self, node: Element, _call: Call) -> Answer:
        return result(reports.hit_count(self.device, node))

    def _clear_hits(self, _node: Element, _call: Call) -> Answer:
        self.device.hits.clear()
        return message_result("Succeeded to reset rule hit count for specified rules")

    def _running_policy(self, _node: Element, call: Call) -> Answer:
        rules = reports.enforced(self.device, call.vsys or "vsys1")
        return result(b"".join(serialize(rule) for rule in rules))

    def _policy_match(self, node: Element, call: Call) -> Answer:
        return result(policy_match(self.device, node, call.vsys or "vsys1"))

    # -- users --------------------------------------------------------------------
