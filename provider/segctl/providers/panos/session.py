"""An open session with one firewall: read, lock, push through candidate and commit, revert.

What meets traffic changes only by a commit of this account's own changes: a session that ends
anywhere leaves the running configuration as it was or as it was meant to be.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from lxml import etree

from segctl.errors import (
    ApplyError,
    AuthError,
    ConnectError,
    DeviceError,
    ForeignChangesError,
    LockedError,
    ParseError,
    UnsupportedError,
)
from segctl.providers.panos import commands, configlog, names, references, version
from segctl.providers.panos.client import Client
from segctl.providers.panos.parse import COUNTED_KINDS
from segctl.providers.panos.render import CONTAINERS, restore
from segctl.providers.panos.snapshot import Snapshot, load
from segctl.providers.panos.wire import MAX_REQUEST, Wire, xml

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from segctl.providers.base import Author, Target
    from segctl.providers.panos.elements import Element

#: Configuration saved on the device before a push, for people; overwritten by the next push.
SAVED_NAME = "segctl-before.xml"
#: A lock of ours older than this belongs to a run that died on another machine.
ABANDONED_AFTER = 3600.0
#: multi-config is on by default from PAN-OS 10.1 (pan.dev, multi-configuration API).
MULTI_CONFIG_SINCE = (10, 1)

_SYSTEM = "<show><system><info></info></system></show>"
_CHANGES = "<show><config><list><changes></changes></list></config></show>"
_HA = "<show><high-availability><state></state></high-availability></show>"
#: What of it moves by itself: clocks, and content that no plan rests on.
_MOVING = re.compile(
    rb"<(time|uptime|(?:av|threat|wildfire|url|logdb|device-dictionary)[\w-]*)>[^<]*</\1>"
)
_POLL_FIRST, _POLL_MOST = 0.1, 2.0
#: Pauses before another try at going back or at releasing a lock, when the line has dropped.
_TRIES = (0.1, 1.0, 5.0, 0.0)

#: Comments of the locks that runs in this process hold now.
_HELD: set[str] = set()


class PanosSession:
    """One firewall, one virtual system; read-only unless opened for writing."""

    def __init__(self, target: Target, *, read_only: bool, progress: Callable[[str], None]) -> None:
        self._target = target
        self._progress = progress
        self._wire = Wire(target, read_only=read_only)
        self._client = Client(self._wire, target)
        self._base = names.vsys_path(target.scope)
        self._before: bytes | memoryview = b""
        self._undo: bytes | memoryview = b""
        self._version = ""
        self._script = ""

    def close(self) -> None:
        """Close the connection."""
        self._wire.close()

    # --- reading -----------------------------------------------------------------------------

    def read(self) -> bytes:
        """Return the running configuration and what is needed to judge it, in one document.

        A constant number of requests, however large the configuration is. As long as nobody
        changes the device the document stays the same, byte for byte.
        """
        self._progress("reading")
        system = _MOVING.sub(b"", self._get({"type": "op", "cmd": _SYSTEM}))
        told = xml(self._target, system)
        self._version = told.findtext("result/system/sw-version") or ""
        if told.get("status") == "success":  # what is no answer is refused by who parses it
            version.check(self._target, self._version)
        parts = {
            "system": system,
            "pending": self._get({"type": "op", "cmd": _CHANGES}),
            "vsys": self._config("show", self._base),
            "shared": self._config("show", names.SHARED),
            "applications": self._config("get", "/config/predefined/application/entry/@name"),
        }
        parts |= self._elsewhere(parts)
        for kind in COUNTED_KINDS:
            path = f"{self._base}/{CONTAINERS[kind]}/entry/@name"
            parts[f"count {kind}"] = self._config("get", path)
        document = Snapshot(
            host=self._target.name,
            user=self._target.user,
            vsys=self._target.scope,
            parts=parts,
        ).dump()
        self._before = load(document).parts["vsys"]
        return document

    def _elsewhere(self, parts: Mapping[str, bytes]) -> dict[str, bytes]:
        """Return what else of the configuration may refer to objects of ours.

        A delete is judged against the candidate: where somebody has uncommitted changes, that
        counts as well. Accounts (``mgt-config``) name no objects and are not read.
        """
        actions = {"": "show"}
        if b"<entry" in parts["pending"]:
            actions[" candidate"] = "get"
        found = {
            section + which: self._config(action, f"{names.DEVICE}/{section}")
            for section in references.SECTIONS
            for which, action in actions.items()
        }
        if b"<multi-vsys>off</multi-vsys>" not in parts["system"]:
            others = f"{names.DEVICE}/vsys/entry[@name!={names.quote(self._target.scope)}]"
            found[references.SYSTEMS] = self._config("get", others)
        return found

    def _config(self, action: str, xpath: str) -> bytes:
        return self._get({"type": "config", "action": action, "xpath": xpath})

    def _get(self, params: Mapping[str, str]) -> bytes:
        answer = self._wire.request({**params, "key": self._client.key()})
        return answer.body

    def changed_by(self, items: Sequence[tuple[str, Sequence[str]]]) -> Sequence[Author | None]:
        """Return who last changed each item, by the configuration log; None where it is silent."""
        return configlog.authors(
            configlog.read_log(self._target, self._get),
            [configlog.wanted(self._target.scope, kind, called) for kind, called in items],
            user=self._target.user,
            pending=self._pending(),
        )

    def show(self, command: str) -> str:
        """Return the answer to an operational ``<show>`` command, as XML.

        Raises:
            UnsupportedError: it is another command, or not XML.
        """
        if why := commands.refusal(command):
            raise UnsupportedError(f"{self._target.name}: {why}")
        self._progress("asking")
        return _xml(self._client.op(commands.bare(command)))

    # --- locking -----------------------------------------------------------------------------

    @contextmanager
    def lock(self) -> Generator[None]:
        """Hold the configuration and commit locks; refuse where changes of others are in the way.

        Raises:
            LockedError: somebody else holds one of them.
            ForeignChangesError: uncommitted changes in our virtual system, or of our own account.
            ApplyError: this is the passive peer of a pair.
        """
        self._wire.refuse_write()
        self._refuse_passive()
        self._progress("locking")
        comment = (
            f"segctl {socket.gethostname()} {os.getpid()} {int(time.time())} {uuid4().hex[:8]}"
        )
        _HELD.add(comment)
        try:
            self._recover()
            for kind, scope in (("commit", "shared"), ("config", self._target.scope)):
                self._take(kind, scope, comment)
            self._refuse_pending()
            yield
        finally:
            try:
                self._unlock(comment)
            finally:
                _HELD.discard(comment)

    def _take(self, kind: str, scope: str, comment: str) -> None:
        command = (
            f"<request><{kind}-lock><add><comment>{comment}</comment></add></{kind}-lock></request>"
        )
        try:
            self._client.op(command, vsys=scope)
        except (ConnectError, AuthError):
            raise
        except DeviceError as error:
            holder = self._holder(kind)
            raise LockedError(
                self._target.name,
                f"{kind} lock for {scope}: {holder or error.message}; "
                "wait until it is released, or have its owner release it",
            ) from error

    def _unlock(self, comment: str) -> None:
        """Release this run's locks, also one whose answer was lost; changes go before them.

        What cannot be released stays marked, and the next run cleans up (`_recover`).
        """
        problem = ""
        for pause in _TRIES:
            try:
                if self._script:
                    self._discard()
                for kind in ("config", "commit"):
                    for entry in self._locks(kind):
                        if self._mine(entry) and _comment(entry) == comment:
                            self._release(kind, entry.findtext("name") or "shared")
            except ConnectError as error:
                problem = error.message
                time.sleep(pause)
            except DeviceError as error:
                problem = error.message
                break
            else:
                return
        self._progress(f"could not release the locks, the next run will: {problem}")

    def _release(self, kind: str, scope: str) -> None:
        self._client.op(
            f"<request><{kind}-lock><remove></remove></{kind}-lock></request>", vsys=scope
        )

    def _mine(self, entry: Element) -> bool:
        return entry.get("name") == self._target.user

    def _holder(self, kind: str) -> str:
        return "; ".join(
            f"held by {entry.get('name')} since {entry.findtext('created')} ({_comment(entry)})"
            for entry in self._locks(kind)
        )

    def _locks(self, kind: str) -> Sequence[Element]:
        command = f"<show><{kind}-locks><vsys>all</vsys></{kind}-locks></show>"
        return self._client.op(command).findall(f"result/{kind}-locks/entry")

    def _recover(self) -> None:
        """Clean up after a run of ours that died holding its locks.

        Raises:
            LockedError: another administrator, or a run that is alive, holds one that concerns us.
        """
        for kind in ("commit", "config"):
            for entry in self._locks(kind):
                comment = _comment(entry)
                scope = entry.findtext("name") or "shared"
                if not self._mine(entry):
                    if kind == "commit" or scope in ("shared", self._target.scope):
                        raise LockedError(
                            self._target.name,
                            f"{kind} lock for {scope}: {self._holder(kind)}; "
                            "wait until it is released, or have its owner release it",
                        )
                    continue
                if not comment.startswith("segctl "):
                    continue
                if not _abandoned(comment):
                    raise LockedError(
                        self._target.name,
                        f"another segctl run holds the {kind} lock ({comment}); wait for it",
                    )
                self._progress("cleaning up after a run that was cut off")
                self._settle(self._deadline())
                self._discard()
                self._release(kind, scope)

    def _refuse_pending(self) -> None:
        for owner, xpath in self._pending():
            if owner == self._target.user:
                raise ForeignChangesError(
                    self._target.name,
                    f"the account {owner!r} has uncommitted changes that this run did not make "
                    f"({xpath}): commit or revert them, and give segctl an account of its own",
                )
            if not xpath or xpath.startswith(self._base) or self._base.startswith(xpath):
                raise ForeignChangesError(
                    self._target.name,
                    f"{owner or 'somebody'} has uncommitted changes in {self._target.scope} "
                    f"({xpath or 'place unknown'}): have them committed or reverted first",
                )

    def _pending(self) -> list[tuple[str, str]]:
        answer = self._client.op(_CHANGES)
        return [
            ((entry.findtext("owner") or "").strip(), (entry.findtext("xpath") or "").strip())
            for entry in answer.iterfind("result/journal/entry")
        ]

    def _refuse_passive(self) -> None:
        try:
            answer = self._client.op(_HA)
        except ApplyError:
            return  # a model without high availability
        state = answer.findtext("result/group/local-info/state") or ""
        if answer.findtext("result/enabled") == "yes" and not state.startswith("active"):
            peer = answer.findtext("result/group/peer-info/mgmt-ip") or "its peer"
            raise ApplyError(
                self._target.name,
                f"is the {state or 'inactive'} member of a pair: apply to the active one, {peer}",
            )

    # --- pushing -----------------------------------------------------------------------------

    def push(self, script: str, *, revert_in: float | None = None) -> None:
        """Make `script` live in one commit; on any failure go back and raise.

        Needs a `read` before, in the same session: that is what a revert goes back to.
        """
        if revert_in is not None:
            message = f"{self._target.name}: PAN-OS has no timed revert of a commit"
            raise UnsupportedError(message)
        self._script, self._undo = script, self._before
        steps = list(etree.fromstring(script.encode()))
        try:
            self._save()
            self._write(steps)
            self._validate()
            self._commit(hashlib.sha256(script.encode()).hexdigest()[:12])
        except BaseException:
            self._progress("going back")
            self.revert()
            raise

    def confirm(self) -> None:
        """Keep what was pushed: a commit needs no further word."""
        self._script = ""

    def revert(self) -> None:
        """Make running and candidate configuration what they were before `push`.

        Raises:
            ApplyError: the device did not let us; the message says where its saved copy is.
        """
        if not self._script:
            return
        problem: DeviceError | None = None
        for pause in _TRIES:
            try:
                if self._went_back():
                    self._script = ""
                    return
            except ConnectError as error:
                problem = error
                time.sleep(pause)
            except DeviceError as error:
                problem = error
                break
        raise ApplyError(
            self._target.name,
            f"could not go back by itself ({problem.message if problem else 'it changed again'}). "
            f"The configuration before this run is saved on the device as {SAVED_NAME}; "
            "run `segctl plan` to see what it holds now",
        ) from problem

    def _went_back(self) -> bool:
        """Take one step back; say whether the device was there already."""
        self._settle(self._deadline())
        self._discard()
        before = self._vsys(self._undo)
        steps = restore(self._script, before, self._vsys(self._config("show", self._base)))
        if steps:
            self._write(steps)
            self._commit("revert")
        return not steps

    def _vsys(self, body: bytes | memoryview) -> Element:
        found = xml(self._target, bytes(body)).find("result/entry")
        if found is None:
            raise ParseError(self._target.name, f"no longer shows {self._target.scope}")
        return found

    def _save(self) -> None:
        self._client.op(f"<save><config><to>{SAVED_NAME}</to></config></save>")

    def _discard(self) -> None:
        """Take this account's uncommitted changes back."""
        self._client.op(
            "<revert><config><partial><admin>"
            f"<member>{self._target.user}</member></admin></partial></config></revert>"
        )

    def _write(self, steps: Sequence[Element]) -> None:
        total, done = len(steps), 0
        for batch in _batches(steps, multi=self._multi()):
            self._progress(f"writing {done}/{total}")
            self._send(batch)
            done += len(batch)

    def _multi(self) -> bool:
        numbers = tuple(int(part) for part in re.findall(r"\d+", self._version)[:2])
        return numbers >= MULTI_CONFIG_SINCE

    def _send(self, batch: Sequence[Element]) -> None:
        params = {"type": "config"}
        if self._multi():
            params |= {"action": "multi-config", "element": _multi_config(batch)}
        else:
            (step,) = batch
            params |= {"action": str(step.tag)}
            params |= {str(key): str(value) for key, value in step.attrib.items()}
            if len(step):
                params["element"] = "".join(_xml(child) for child in step)
        answer = self._wire.request({**params, "key": self._client.key()})
        root = xml(self._target, answer.body)
        if root.get("status") == "success":
            return
        failed = next(
            (one for one in root.iter("response") if one.get("id") and _failed(one)), None
        )
        step_text = ""
        if failed is not None:
            step = batch[int(failed.get("id", "1")) - 1]
            step_text = f" at step {step.tag} {step.get('xpath', '')}"
        lines = _lines(failed if failed is not None else root)
        if "lock" in lines.lower():
            raise LockedError(self._target.name, lines)
        raise ApplyError(self._target.name, f"refuses the change{step_text}: {lines}")

    def _validate(self) -> None:
        self._progress("validating")
        answer = self._client.op(
            "<validate><partial><admin>"
            f"<member>{self._target.user}</member></admin></partial></validate>"
        )
        job = answer.findtext("result/job")
        if job:
            self._wait(job, "validation", self._deadline())

    def _deadline(self) -> float:
        return time.monotonic() + self._target.commit_timeout

    def _commit(self, what: str) -> None:
        self._progress("committing")
        deadline = self._deadline()
        try:
            answer = self._client.commit(f"segctl {what}")
        except ConnectError:
            self._settle(deadline)
            return
        job = answer.findtext("result/job")
        if job:
            self._wait(job, "commit", deadline)

    def _settle(self, deadline: float) -> None:
        """Wait until the device has no job running, as after a connection lost during a commit.

        Whether the commit went through is for the caller to see in what it reads next.
        """
        pause = _POLL_FIRST
        while True:
            busy = False
            with suppress(ConnectError, ParseError):
                jobs = self._client.op("<show><jobs><all></all></jobs></show>")
                states = [job.findtext("status") for job in jobs.iterfind("result/job")]
                busy = any(state in ("ACT", "PEND") for state in states)
                if not busy:
                    return
            if time.monotonic() > deadline:
                if busy:
                    raise ApplyError(self._target.name, "a job on the device does not end")
                raise ConnectError(
                    self._target.name,
                    "the connection was lost during the commit and did not come back: the device "
                    "holds the old or the new configuration; run `segctl plan` to see which",
                )
            time.sleep(pause)
            pause = min(pause * 2, _POLL_MOST)

    def _wait(self, job: str, what: str, deadline: float) -> None:
        """Wait for a job; Ctrl-C meanwhile is kept until the device is done.

        Raises:
            ApplyError: the job failed, with the device's own lines.
            ConnectError: no end within ``segctl_commit_timeout`` seconds.
        """
        pause, interrupted = _POLL_FIRST, False
        while True:
            try:
                found = self._job(job)
                if found is not None and found.findtext("status") == "FIN":
                    break
                if found is not None and found.findtext("type") == "Failed-Job":
                    raise ApplyError(self._target.name, f"{what} job {job}: {_lines(found)}")
                if found is not None:
                    self._progress(f"{what} {found.findtext('progress') or '0'} %")
                if time.monotonic() > deadline:
                    raise ConnectError(
                        self._target.name,
                        f"{what} job {job} did not end within "
                        f"{self._target.commit_timeout:g} s (segctl_commit_timeout)",
                    )
                time.sleep(pause)
            except KeyboardInterrupt:
                if interrupted:
                    raise
                interrupted = True
                self._progress(f"interrupted: waiting for the {what} to end, then going back")
            pause = min(pause * 2, _POLL_MOST)
        if found.findtext("result") != "OK":
            raise ApplyError(self._target.name, f"{what} failed, nothing changed: {_lines(found)}")
        if interrupted:
            raise KeyboardInterrupt

    def _job(self, job: str) -> Element | None:
        try:
            answer = self._client.op(f"<show><jobs><id>{job}</id></jobs></show>")
        except (ConnectError, ParseError):
            return None  # the management service may be busy; the deadline decides
        return answer.find("result/job")


def _comment(lock: Element) -> str:
    return (lock.findtext("comment") or "").strip()


def _abandoned(comment: str) -> bool:
    """Whether a lock comment of ours names a run that cannot be alive."""
    parts = comment.split()
    if len(parts) != 5 or not (parts[2].isdigit() and parts[3].isdigit()):
        return False
    host, pid, began = parts[1], int(parts[2]), int(parts[3])
    if host != socket.gethostname():
        return datetime.now(UTC).timestamp() - began > ABANDONED_AFTER
    if pid == os.getpid():
        return comment not in _HELD
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _batches(steps: Sequence[Element], *, multi: bool) -> Iterator[Sequence[Element]]:
    """Part steps into requests: one each, or as many as a multi-config may carry."""
    if not multi:
        yield from ([step] for step in steps)
        return
    batch: list[Element] = []
    size = 0
    for step in steps:
        length = _encoded_length(_xml(step)) + 64
        if batch and size + length > MAX_REQUEST:
            yield batch
            batch, size = [], 0
        batch.append(step)
        size += length
    if batch:
        yield batch


def _encoded_length(text: str) -> int:
    """Return how long `text` is in a form body, where all but letters and digits take three."""
    plain = len(re.findall(r"[A-Za-z0-9_.\- ~]", text))
    return plain + 3 * (len(text.encode()) - plain)


def _multi_config(batch: Sequence[Element]) -> str:
    root = etree.Element("multi-config")
    for number, step in enumerate(batch, 1):
        root.append(step)
        step.set("id", str(number))
    return _xml(root)


def _xml(element: Element) -> str:
    return etree.tostring(element, encoding="unicode", with_tail=False)


def _failed(response: Element) -> bool:
    return response.get("status") != "success"


def _lines(element: Element) -> str:
    found = [
        str(text).strip() for line in element.iter("line", "msg") for text in [line.text] if text
    ]
    text = "; ".join(line for line in found if line)
    return text or " ".join(str(t).strip() for t in element.itertext()).strip() or "no reason given"
