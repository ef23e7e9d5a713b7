"""Former names of modules: a platform or program written for them goes on working, with a warning.

Nothing in segctl imports by these names. They go with release 2.
"""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

#: Where the names of a former module are found now, in this order.
FORMER = {
    "segctl.apply": ("segctl.planning.apply", "segctl.planning.outcome"),
    "segctl.compile": ("segctl.compiler.build", "segctl.compiler.naming"),
    "segctl.credentials": ("segctl.transports.credentials",),
    "segctl.diff": ("segctl.model.diff",),
    "segctl.errors": ("segctl.model.errors",),
    "segctl.findings": ("segctl.planning.findings", "segctl.planning.losses"),
    "segctl.intent": ("segctl.model.site",),
    "segctl.naming": ("segctl.compiler.naming",),
    "segctl.plan": (
        "segctl.planning.plan",
        "segctl.planning.make",
        "segctl.planning.freshness",
        "segctl.planning.documents",
    ),
    "segctl.policy": ("segctl.model.policy", "segctl.model.addresses", "segctl.analysis.decide"),
    "segctl.providers.loading": ("segctl.system.loading",),
    "segctl.providers.lock_owner": ("segctl.transports.lock_owner",),
    "segctl.providers.ssh": ("segctl.transports.ssh_exec",),
    "segctl.rollout": ("segctl.fleet",),
    "segctl.topology": ("segctl.compiler.topology",),
}


class _FormerNames(MetaPathFinder, Loader):
    """Finds a former module when no other finder has found one of its name."""

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how to load a former module, None for any other."""
        return ModuleSpec(name, self) if name in FORMER else None

    def create_module(self, spec: ModuleSpec) -> None:
        """Take the default: an empty module."""

    def exec_module(self, module: ModuleType) -> None:
        """Let the module's names be those of its new homes."""
        homes = FORMER[module.__name__]

        def attribute(name: str) -> Any:
            for home in homes:
                found = import_module(home)
                if hasattr(found, name):
                    return getattr(found, name)
            message = f"{' and '.join(homes)} have no {name!r}"
            raise AttributeError(message)

        module.__dict__["__getattr__"] = attribute
        warnings.warn(
            f"{module.__name__} is now {homes[0]}; the former name goes with release 2",
            DeprecationWarning,
            stacklevel=2,
        )


def accept() -> None:
    """Let the former names be imported."""
    sys.meta_path.append(_FormerNames())
