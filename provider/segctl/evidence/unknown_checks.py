"""What becomes of traffic across the boundary of a zone that the firewall does not recognise."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from segctl.analysis.boxes import Names
from segctl.analysis.compare import zones as zones_of
from segctl.analysis.effective import permitted
from segctl.analysis.space import Box, Space, TooComplexError
from segctl.compiler.unknown import UNKNOWN_APPLICATIONS
from segctl.evidence.scene import Seen, listed
from segctl.providers.base import provider, reading

if TYPE_CHECKING:
    from segctl.evidence.scene import Scene

_UNKNOWN: Final = Space((Box(application=Names(frozenset(UNKNOWN_APPLICATIONS))),))


def recognised(scene: Scene, seen: Seen, *, outside: bool) -> Seen:
    """Return what was seen, where nothing that is not recognised passes; else that.

    Args:
        scene: the zone on a firewall.
        seen: what else was looked at, and is as it should be.
        outside: whether only traffic between inside and outside of the system counts.
    """
    expected = f"{seen.expected}; what is not recognised is denied"
    own = scene.side(scene.name)
    held = reading(provider(scene.witness.device.platform), scene.live)
    unsure: dict[str, None] = {}
    for zone in zones_of(held, held):
        if zone == scene.name or (outside and scene.side(zone) == own):
            continue
        for enter, leave in ((zone, scene.name), (scene.name, zone)):
            chain = held.between(enter, leave)
            try:
                passing = permitted(chain, _UNKNOWN)
            except TooComplexError as error:
                unsure[f"from {enter} to {leave}: {error}"] = None
                continue
            if passing.sure:
                rule = next(chain.meeting(passing.sure.example())).rule
                text = f"{rule} permits what the firewall does not recognise, {enter} → {leave}"
                return Seen(verdict="bad", observed=text, expected=expected)
            if passing.can:
                unsure |= dict.fromkeys(passing.why)
    if unsure:
        text = f"whether what is not recognised passes cannot be told: {listed(unsure)}"
        return Seen(verdict="unknown", observed=text, expected=expected)
    text = f"{seen.observed}; what is not recognised is denied"
    return replace(seen, observed=text, expected=expected)
