"""One device at a time: read, plan and apply as the commands do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segctl.model.site import Position
from segctl.planning.apply import Order, apply_device
from segctl.planning.make import plan_device
from segctl.testing.packets import packets
from segctl.testing.strategies import containments, desired, unknown_applications

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import DataObject, DrawFn

    from segctl.analysis.decide import Packet
    from segctl.compiler.build import Desired
    from segctl.model.policy import Policy
    from segctl.planning.outcome import Outcome
    from segctl.planning.plan import DevicePlan
    from segctl.providers.base import Live
    from segctl.testing.harness import ProviderHarness, Workbench

#: A law's example talks to a device: slow, and large in what it draws.
_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)


def quiet(_step: str) -> None:
    """Take what a session says of its progress."""
    return


def read(harness: ProviderHarness, bench: Workbench) -> Live:
    """Read the device as `segctl plan` does."""
    with harness.provider.connect(bench.target, read_only=True, progress=quiet) as session:
        return harness.provider.parse(session.read())


def plan(harness: ProviderHarness, bench: Workbench, wanted: Desired) -> DevicePlan:
    """Plan as `segctl plan` does."""
    return plan_device(wanted, read(harness, bench), harness.provider)


def apply(harness: ProviderHarness, bench: Workbench, made: DevicePlan) -> Outcome:
    """Apply as `segctl apply --allow-mass-delete` does: the laws leave nothing of a policy."""
    return apply_device(
        made,
        harness.provider,
        bench.target,
        order=Order(allow_mass_delete=True),
        progress=quiet,
    )


def reach(harness: ProviderHarness, bench: Workbench, wanted: Desired) -> DevicePlan:
    """Plan and apply."""
    made = plan(harness, bench, wanted)
    apply(harness, bench, made)
    return made


def policies_met(harness: ProviderHarness, bench: Workbench) -> list[Policy]:
    """Return every policy that traffic has met so far."""
    return [harness.provider.parse(document).effective() for document in bench.met()]


class _Shown:
    """A desired policy that prints as what makes it what it is."""

    def __init__(self, wanted: Desired) -> None:
        self.desired = wanted

    def __repr__(self) -> str:
        rules = ", ".join(
            f"{rule.name}({'|'.join(rule.sources)} > {'|'.join(rule.destinations)}, "
            f"{'|'.join(rule.services)}, {'|'.join(rule.applications)} {rule.protocols or ''})"
            for rule in self.desired.policy.rules
        )
        return f"{self.desired.device.position.where}: {rules or 'no rules'}"


@st.composite
def _examples(draw: DrawFn, harness: ProviderHarness) -> _Shown:
    positions = [Position(where="last"), Position(where="first")]
    if harness.anchor:
        positions.append(Position(where="before", rule=harness.anchor))
        positions.append(Position(where="after", rule=harness.anchor))
    can = harness.provider.capabilities
    device = replace(
        harness.device,
        position=draw(st.sampled_from(positions)),
        containment=draw(containments(can, [one.zone for one in harness.device.zones])),
        unknown_applications=draw(unknown_applications(can)),
    )
    return _Shown(draw(desired(device, can)))


def draw_desired(data: DataObject, harness: ProviderHarness, label: str = "desired") -> Desired:
    """Draw what the device is to hold, at one of the places that our rules may stand at."""
    return data.draw(_examples(harness), label).desired


def draw_packets(data: DataObject, *policies: Policy) -> list[Packet]:
    """Draw packets at the borders of policies."""
    return packets(*policies, seed=data.draw(st.integers(0, 2**16), "packets"))


def require(fact: object, *seen: object) -> None:
    """Raise AssertionError with what was seen, unless `fact` holds."""
    if not fact:
        raise AssertionError(*seen)


def trial(law: Callable[[DataObject], None]) -> None:
    """Try a law on many examples."""
    silent = settings(suppress_health_check=_SLOW, deadline=None)
    silent(given(st.data())(law))()
