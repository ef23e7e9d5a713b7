"""What of a device's settings, beside its policy, shows how it protects: read, never declared."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - snapshots are read by it
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

#: What a profile does with what it finds: it blocks it, does what each signature says, only tells,
#: or lets it pass; ``unknown`` where that cannot be told.
Effect: TypeAlias = Literal["blocks", "default", "alerts", "allows", "unknown"]
#: From the weakest to the strongest.
EFFECTS: Final[tuple[Effect, ...]] = ("allows", "alerts", "default", "blocks")


#: What stands for the name of a profile that is not the vendor's.
OWN: Final = "own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """What one kind of profile of a group does; `why` says more where it does not simply block.

    `profile` is the vendor's name, or `OWN`.
    """

    profile: str
    effect: Effect
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of a device that evidence is taken from; all of it is on an allow-list.

    `groups` are groups of threat profiles by name, each with what it does by kind of profile; a
    group may be empty. `forwarding` has, of each log forwarding profile, the types of logs that go
    somewhere as a whole. `zones` has, of each zone of the device with a profile of its own, the
    protections that are switched on. `values` are single settings by a name of ours; one that is
    not there was not found. `unread` says what could not be read.
    """

    groups: Mapping[str, Mapping[str, Protection]] = field(
        default_factory=dict[str, "Mapping[str, Protection]"]
    )
    forwarding: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, "tuple[str, ...]"])
    zones: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, "tuple[str, ...]"])
    values: Mapping[str, str] = field(default_factory=dict[str, str])
    unread: tuple[str, ...] = ()
