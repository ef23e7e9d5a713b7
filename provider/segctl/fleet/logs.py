"""A device's own log of changes, read in a session that cannot write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.fleet.connections import target
from segctl.fleet.failures import Failure, failure_of
from segctl.model.errors import UnsupportedError
from segctl.providers.base import provider
from segctl.providers.logs import Logging

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from segctl.model.site import Device
    from segctl.providers.logs import DeviceLog


def read_log(
    device: Device,
    connections: Mapping[str, Mapping[str, object]],
    since: datetime | None,
    told: Callable[[str], None] = lambda _step: None,
) -> DeviceLog | Failure:
    """Return a device's log of changes since a moment, or why it cannot be read."""
    try:
        where = target(device.name, connections.get(device.name, {}), device.scope)
        speaks = provider(device.platform)
        with speaks.connect(where, read_only=True, progress=told) as session:
            if isinstance(session, Logging):
                return session.log(since)
    except Exception as error:  # noqa: BLE001 - it is this device's result
        return failure_of(device.name, error)
    title = speaks.capabilities.title or device.platform
    message = f"{title} keeps no log of who changed it: only what segctl applied is shown"
    return Failure(device=device.name, code=UnsupportedError.code, message=message)
