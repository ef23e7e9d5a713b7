"""The laws that every provider keeps, for the tests of ours and of third parties'.

A provider's tests make a `ProviderHarness` and call `check_provider` with it, or run each of
`LAWS` as a test of its own. The strategies make inventories (`sites`), what they compile to
(`desired`) and packets that try the borders of policies (`packets`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

try:
    import hypothesis as _  # noqa: F401 - what everything here stands on
except ImportError as error:  # pragma: no cover - the tests have it
    message = "segctl.testing needs Hypothesis: pip install hypothesis"
    raise ImportError(message) from error

from segctl.testing.harness import ProviderHarness, Workbench
from segctl.testing.laws import (
    converges,
    fewest_moves,
    leaves_others,
    never_widens,
    nothing_in_between,
    old_or_new,
    reverts,
    round_trip,
)
from segctl.testing.packets import packets
from segctl.testing.same import imports_to_nothing, order_means_nothing, shuffled
from segctl.testing.strategies import TODAY, desired, sites
from segctl.testing.trying import apply, plan, reach, read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "LAWS",
    "TODAY",
    "ProviderHarness",
    "Workbench",
    "apply",
    "check_provider",
    "desired",
    "packets",
    "plan",
    "reach",
    "read",
    "shuffled",
    "sites",
]

#: The laws by name, in the order of their numbers.
LAWS: Mapping[str, Callable[[ProviderHarness], None]] = {
    law.__name__: law
    for law in (
        converges,
        round_trip,
        leaves_others,
        nothing_in_between,
        reverts,
        old_or_new,
        never_widens,
        fewest_moves,
        imports_to_nothing,
        order_means_nothing,
    )
}


def check_provider(harness: ProviderHarness) -> None:
    """Hold a provider to every law.

    Raises:
        AssertionError: a law is broken; Hypothesis shows the smallest example it finds.
    """
    for law in LAWS.values():
        law(harness)
