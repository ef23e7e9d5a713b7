"""Many devices at once: plans read and changes applied over a pool of threads.

A device that fails is a value among the results, never the end of the others.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from traceback import extract_tb
from typing import TYPE_CHECKING, Any, TypeVar

from segctl.apply import Outcome, apply_device, outcome_of
from segctl.credentials import Secret, login
from segctl.errors import DeviceError, Problem, SegctlError
from segctl.plan import DevicePlan, plan_device
from segctl.providers.base import Target, provider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from segctl.compile import Desired

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A device whose plan could not be made."""

    device: str
    code: str
    message: str


class Brake:
    """Ctrl-C for workers: once pressed, every device stops at its next step and goes back."""

    def __init__(self) -> None:
        self._pressed = threading.Event()

    def press(self) -> None:
        """Ask all workers to stop; asking again changes nothing."""
        self._pressed.set()

    @property
    def pressed(self) -> bool:
        """Whether it was asked."""
        return self._pressed.is_set()

    def watch(self, report: Callable[[str], None]) -> Callable[[str], None]:
        """Return `report` made to raise KeyboardInterrupt at the first step after the press.

        It raises once: the steps of going back are not to be interrupted by the same press.
        """
        raised = False

        def step(text: str) -> None:
            nonlocal raised
            if self._pressed.is_set() and not raised:
                raised = True
                raise KeyboardInterrupt
            report(text)

        return step


def target(host: str, connection: Mapping[str, object], scope: str) -> Target:
    """Return where a host is and who logs in there, from its connection variables.

    Raises:
        AuthError: no user or no password is to be found.
    """

    def text(name: str) -> str:
        return str(connection.get(name) or "")

    def path(name: str) -> Path | None:
        return Path(text(name)) if text(name) else None

    password = connection.get("ansible_password")
    account = login(
        host,
        user=text("ansible_user"),
        password=password if isinstance(password, Secret) else None,
        key_file=text("ansible_ssh_private_key_file"),
    )
    return Target(
        name=host,
        host=text("ansible_host") or host,
        port=int(text("ansible_port") or 0),
        user=account.user,
        password=account.password,
        scope=scope,
        ca_file=path("segctl_ca_file"),
        tls_fingerprint=text("segctl_tls_fingerprint"),
        tls_verify=connection.get("segctl_tls_verify") is not False,
        known_hosts=path("segctl_known_hosts"),
        key_file=path("ansible_ssh_private_key_file"),
        ssh_fingerprint=text("segctl_ssh_fingerprint"),
        transcript=path("segctl_transcript"),
        timeout=float(text("segctl_timeout") or 60),
        commit_timeout=float(text("segctl_commit_timeout") or 1200),
        max_answer=int(float(text("segctl_max_answer_mb") or 512) * 2**20),
    )


def plan_devices(
    desired: Sequence[Desired],
    connections: Mapping[str, Mapping[str, object]],
    *,
    forks: int,
    report: Callable[[str, str], None],
) -> tuple[DevicePlan | Failure, ...]:
    """Read every device, write to none, and return a plan or a failure for each, in order.

    `report` is told every step of every device, and an empty one when the device is done.
    """
    brake = Brake()

    def one(item: Desired) -> DevicePlan:
        device = item.device
        told = brake.watch(lambda step: report(device.name, step))
        try:
            speaks = provider(device.platform)
            where = target(device.name, connections.get(device.name, {}), device.vsys)
            with speaks.connect(where, read_only=True, progress=told) as session:
                live = speaks.parse(session.read())
            told("comparing")
            made = plan_device(item, live, speaks)
        finally:
            report(device.name, "")
        return replace(made, findings=(*unverified(device.name, connections), *made.findings))

    return tuple(
        result if isinstance(result, DevicePlan) else _failure(item.device.name, result)
        for item, result in zip(desired, _each(one, desired, forks, brake), strict=True)
    )


def apply_plans(
    plans: Sequence[DevicePlan],
    connections: Mapping[str, Mapping[str, object]],
    *,
    forks: int,
    allow_purge: bool,
    brake: Brake,
    report: Callable[[str, str], None],
) -> tuple[Outcome, ...]:
    """Apply the plans, each device on its own, and return what became of each, in order.

    Once `brake` is pressed no further device is begun, and those that run go back.
    `report` is told every step of every device, and an empty one when the device is done.
    """

    def one(plan: DevicePlan) -> Outcome:
        def told(step: str) -> None:
            report(plan.name, step)

        try:
            return apply_device(
                plan,
                provider(plan.platform),
                target(plan.name, connections.get(plan.name, {}), plan.scope),
                allow_purge=allow_purge,
                progress=brake.watch(told),
            )
        finally:
            told("")

    results = _each(one, plans, forks, brake)
    return tuple(
        result if isinstance(result, Outcome) else _outcome(plan.name, result)
        for plan, result in zip(plans, results, strict=True)
    )


def unverified(host: str, connections: Mapping[str, Mapping[str, object]]) -> Iterator[Problem]:
    """Say aloud that a host's identity is not checked."""
    connection = connections.get(host, {})
    if connection.get("segctl_tls_verify") is False and not connection.get(
        "segctl_tls_fingerprint"
    ):
        yield Problem(
            message=f"{host}: TLS is NOT verified (segctl_tls_verify: false): whoever answers at "
            "its address gets the password",
            hint="pin its certificate with segctl_tls_fingerprint, or name its CA in "
            "segctl_ca_file",
            severity="warning",
            kind="tls",
        )


def _each(
    work: Callable[[Any], Result], items: Sequence[Any], forks: int, brake: Brake
) -> list[Result | BaseException]:
    """Run `work` on every item in at most `forks` threads; an exception stands for its result.

    The threads are daemons: who leaves with Ctrl-C does not wait for a device that hangs.
    """
    results: list[Result | BaseException] = [KeyboardInterrupt() for _ in items]
    waiting = deque(enumerate(items))
    ended: SimpleQueue[None] = SimpleQueue()

    def begin() -> bool:
        """Take one item and work on it; say whether there was one."""
        try:
            index, item = waiting.popleft()
        except IndexError:
            return False
        try:
            results[index] = work(item)
        except BaseException as error:  # noqa: BLE001 - it is reported as this item's result
            results[index] = error
        return True

    def worker() -> None:
        try:
            while not brake.pressed and begin():
                pass
        finally:
            ended.put(None)

    count = min(forks, len(items))
    for _ in range(count):
        threading.Thread(target=worker, daemon=True).start()
    try:
        for _ in range(count):
            ended.get()
    except BaseException:
        brake.press()
        raise
    return results


def _failure(device: str, error: BaseException) -> Failure:
    if isinstance(error, DeviceError):
        return Failure(device=device, code=error.code, message=error.message)
    if isinstance(error, SegctlError):
        return Failure(
            device=device, code=error.code, message=str(error).removeprefix(f"{device}: ")
        )
    if isinstance(error, KeyboardInterrupt):
        return Failure(device=device, code="interrupted", message="interrupted: nothing was read")
    return Failure(device=device, code="internal", message=internal(error))


def _outcome(device: str, error: BaseException) -> Outcome:
    if isinstance(error, SegctlError | KeyboardInterrupt):
        found = outcome_of(device, error)
        return replace(found, message=found.message.removeprefix(f"{device}: "))
    message = f"{internal(error)}; run segctl plan to see what the device holds"
    return Outcome(device=device, status="failed", code="internal", message=message)


def internal(error: BaseException) -> str:
    """Describe an error nobody foresaw: what, and where in the code."""
    frames = extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"a defect in segctl, please report it: {type(error).__name__}: {error}{where}"
