"""Many devices at once: plans read and changes applied over a pool of threads.

A device that fails is a value among the results, never the end of the others.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from segctl.apply import Outcome, apply_device, outcome_of
from segctl.credentials import Secret, login
from segctl.errors import DeviceError, Problem, SegctlError
from segctl.plan import DevicePlan, plan_device
from segctl.providers.base import Target, provider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from segctl.compile import Desired

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A device whose plan could not be made."""

    device: str
    code: str
    message: str


class Brake:
    """Ctrl-C for workers: each press interrupts every running device once, at its next step."""

    def __init__(self) -> None:
        self._pressed = 0
        self._lock = threading.Lock()

    def press(self) -> int:
        """Ask all workers to stop; return how often it was asked."""
        with self._lock:
            self._pressed += 1
            return self._pressed

    def watch(self, report: Callable[[str], None]) -> Callable[[str], None]:
        """Return `report` made to raise KeyboardInterrupt once for every press."""
        seen = 0

        def step(text: str) -> None:
            nonlocal seen
            if self._pressed > seen:
                seen += 1
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
    """Read every device, write to none, and return a plan or a failure for each, in order."""

    def one(item: Desired) -> DevicePlan:
        device = item.device
        speaks = provider(device.platform)
        where = target(device.name, connections.get(device.name, {}), device.vsys)
        with speaks.connect(
            where, read_only=True, progress=lambda step: report(device.name, step)
        ) as session:
            live = speaks.parse(session.read())
        report(device.name, "comparing")
        made = plan_device(item, live, speaks)
        return replace(made, findings=(*unverified(device.name, connections), *made.findings))

    return tuple(
        result if isinstance(result, DevicePlan) else _failure(item.device.name, result)
        for item, result in zip(desired, _each(one, desired, forks), strict=True)
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
    """Apply the plans, each device on its own, and return what became of each, in order."""

    def one(plan: DevicePlan) -> Outcome:
        def told(step: str) -> None:
            report(plan.name, step)

        return apply_device(
            plan,
            provider(plan.platform),
            target(plan.name, connections.get(plan.name, {}), plan.scope),
            allow_purge=allow_purge,
            progress=brake.watch(told),
        )

    results = _each(one, plans, forks, brake)
    return tuple(
        result if isinstance(result, Outcome) else outcome_of(plan.name, result)
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
    work: Callable[[Any], Result], items: Sequence[Any], forks: int, brake: Brake | None = None
) -> list[Result | BaseException]:
    """Run `work` on every item in at most `forks` threads; an exception stands for its result."""

    def guarded(item: Any) -> Result | BaseException:
        try:
            return work(item)
        except (SegctlError, OSError, KeyboardInterrupt) as error:
            return error

    if not items:
        return []
    with ThreadPoolExecutor(max_workers=min(forks, len(items))) as pool:
        futures = [pool.submit(guarded, item) for item in items]
        _wait(futures, brake)
        return [
            KeyboardInterrupt() if future.cancelled() else future.result() for future in futures
        ]


def _wait(futures: Iterable[Any], brake: Brake | None) -> None:
    """Wait for all; on Ctrl-C start no further device and brake those that run."""
    waiting = list(futures)
    while True:
        try:
            for _ in as_completed(waiting):
                pass
        except KeyboardInterrupt:
            if brake is None:
                raise
            brake.press()
            for future in waiting:
                future.cancel()
        else:
            return


def _failure(device: str, error: BaseException) -> Failure:
    if isinstance(error, DeviceError):
        return Failure(device=device, code=error.code, message=error.message)
    code = error.code if isinstance(error, SegctlError) else "error"
    message = str(error).removeprefix(f"{device}: ")
    return Failure(device=device, code=code, message=message)
