"""From the records of runs in a table to their meaning: who is alive, what goes back, when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.providers.nftables import names
from segctl.providers.nftables.locking import REMOVE, spell_time
from segctl.providers.nftables.records import NO_PLAN
from segctl.providers.state import DeviceState, Lock, Unconfirmed
from segctl.transports import lock_owner

if TYPE_CHECKING:
    from segctl.providers.nftables.line import Clock
    from segctl.providers.nftables.records import Held, Pushed, Records
    from segctl.transports.lock_owner import LockOwner


def standing(records: Records, clock: Clock, own: str = "") -> DeviceState:
    """Return the meaning of `records` by the host's clock.

    Args:
        records: the records in the table.
        clock: the host's clock, just read.
        own: the comment of the caller's own lock, which is left out.
    """
    owners = {one.comment: lock_owner.read_owner(one.comment) for one in records.locks}
    alive = {
        owner.token: lock_owner.is_alive(owner, age=_age(owner, clock))
        for owner in owners.values()
        if owner is not None
    }
    return DeviceState(
        unconfirmed=tuple(_unconfirmed(one, clock, alive) for one in records.pushed),
        locks=tuple(
            _lock(one, owners[one.comment], clock) for one in records.locks if one.comment != own
        ),
        applied=tuple(one.plan for one in records.applied if one.plan != NO_PLAN),
    )


def _age(owner: LockOwner, clock: Clock) -> float:
    return max(0.0, clock.epoch - owner.began)


def _unconfirmed(push: Pushed, clock: Clock, alive: dict[str, bool | None]) -> Unconfirmed:
    """Describe a push; a run without its lock cannot confirm, whether it is alive or not."""
    since = max(0.0, clock.uptime - push.since)
    return Unconfirmed(
        push=push.key,
        run=push.run,
        plan_id=push.plan,
        probes=push.probes,
        since=since if push.token else None,
        goes_back_in=max(0.0, push.seconds - since) if push.seconds else None,
        alive=alive.get(push.token, False),
    )


def _lock(held: Held, owner: LockOwner | None, clock: Clock) -> Lock:
    if owner is None:
        return Lock(kind="table", owner=held.comment, scope=names.TABLE, command=REMOVE)
    age = _age(owner, clock)
    return Lock(
        kind="table",
        owner=owner.run,
        scope=names.TABLE,
        ours=True,
        alive=lock_owner.is_alive(owner, age=age),
        lease_left=max(0.0, lock_owner.remaining(owner, age=age)),
        since=spell_time(owner.began),
        command=REMOVE,
    )
