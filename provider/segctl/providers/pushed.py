"""What a management station put on a device beside the configuration that is the device's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from segctl.model.policy import ANY, Rule

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The rule that stands for those that could not be read.
UNREAD_RULES: Final = "Panorama pushed rules that could not be read"
#: What is before the name of a pushed rule, by whether the device's own rules come after it.
ORIGIN: Final = "Panorama "
PUSHED: Final[Mapping[bool, str]] = {True: "pre-rule ", False: "post-rule "}
#: The zones, where they could not be read.
UNREAD_ZONES: Final = "zones of Panorama's templates that could not be read"


def name_on_device(rule: str) -> str:
    """Return the name that a device itself gives a rule, pushed or its own."""
    starts = (ORIGIN + kind for kind in PUSHED.values())
    return next((rule.removeprefix(one) for one in starts if rule.startswith(one)), rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """Rules that others push, named with their origin; segctl never writes or compares them.

    `before` are enforced before all rules in `Live.order`, `after` after them. `unread` says why
    there may be more of them, or others; it is empty where all are known. `zones` are the names of
    the zones that the device has from there.
    """

    before: tuple[Rule, ...] = ()
    after: tuple[Rule, ...] = ()
    unread: tuple[str, ...] = ()
    zones: frozenset[str] = frozenset()
    #: SHA-256 of each rule, by name; of rules of one name it is of all of them
    digests: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All of them, first to last."""
        return (*self.before, *self.after)

    def around(self, own: tuple[Rule, ...]) -> tuple[Rule, ...]:
        """Return the device's own rules with these in their places.

        A rule of which nothing is known but why comes first where some could not be read: whatever
        it holds may decide about any packet.
        """
        doubt = (
            (Rule(name=UNREAD_RULES, from_zones=(ANY,), to_zones=(ANY,), extras=self.unread),)
            if self.unread
            else ()
        )
        return (*doubt, *self.before, *own, *self.after)
