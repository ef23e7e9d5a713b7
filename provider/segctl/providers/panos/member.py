"""One firewall with everything that is needed to talk to it: requests, jobs, locks, writing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from segctl.model.errors import ApplyError, ConnectError
from segctl.providers.panos.client import Client
from segctl.providers.panos.holding import Holding
from segctl.providers.panos.jobs import Jobs
from segctl.providers.panos.location import Location
from segctl.providers.panos.standing import STATE, Standing, read_standing
from segctl.providers.panos.wire import Wire
from segctl.providers.panos.writing import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from segctl.transports.target import Target

SYSTEM: Final = "<show><system><info></info></system></show>"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Member:
    """A firewall, alone or one of a pair, as one session sees it."""

    target: Target
    wire: Wire
    client: Client
    jobs: Jobs
    holding: Holding
    writer: Writer

    @classmethod
    def of(cls, target: Target, *, read_only: bool, progress: Callable[[str], None]) -> Member:
        """Return the member at a target; nothing is sent yet."""
        wire = Wire(target, read_only=read_only, progress=progress)
        client = Client(wire, target)
        jobs = Jobs(client, target, progress)
        return cls(
            target=target,
            wire=wire,
            client=client,
            jobs=jobs,
            holding=Holding(
                client=client,
                target=target,
                jobs=jobs,
                clock=lambda: clock(client),
                places=(Location.of(target.scope),),
            ),
            writer=Writer(client=client, target=target, jobs=jobs, progress=progress),
        )

    def ask(self, params: Mapping[str, str]) -> bytes:
        """Send a request, and return the answer as it came.

        Raises:
            DeviceError: as `Client.ask`.
        """
        return self.client.ask(params).body

    def standing(self) -> Standing:
        """Ask for the member's place in its pair; one that gives no answer is silent.

        Raises:
            AuthError: it refuses the account, which does not mean that it is dead.
            ParseError: it answers something else.
            HaStateError: it has no high availability.
        """
        name = self.target.name
        try:
            return read_standing(name, self.client.op(SYSTEM), self.client.op(STATE))
        except ConnectError as error:
            return Standing(name=name, silent=error.message)
        except ApplyError:
            return Standing(name=name)  # a model without high availability


def clock(client: Client) -> str:
    """Return a firewall's own time."""
    time_text = client.op(SYSTEM).findtext("result/system/time")
    return (time_text or "").strip()
