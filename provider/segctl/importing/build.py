"""A device as an inventory: its own rules read back, others' as suggestions, checked by planning.

Pure: the same device gives the same files.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from segctl.compiler import naming
from segctl.compiler.build import compile_site
from segctl.importing.files import inventory_files
from segctl.importing.islands import given_back, not_given_back, with_islands
from segctl.importing.managed import read_managed
from segctl.importing.suggest import suggest
from segctl.importing.words import is_word
from segctl.importing.zones import ELSEWHERE
from segctl.model.errors import InventoryError, Problem, SegctlError
from segctl.model.policy import DefaultRule
from segctl.model.site import Device, Position, Site, ZoneBinding
from segctl.planning.linted import lint_live
from segctl.planning.make import plan_device
from segctl.providers.base import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from segctl.analysis.finding import Lint
    from segctl.compiler.build import Desired
    from segctl.importing.islands import Prepared
    from segctl.importing.suggest import Suggested
    from segctl.model.diff import Change
    from segctl.model.policy import Rule
    from segctl.model.site import Conduit
    from segctl.providers.base import Live, Provider

#: More changes than this are counted, not named one by one.
_MOST_NAMED = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Inventory files by path, and what to know of them.

    `changes` is how many changes planning them against the same device finds: none, unless
    something that carries our mark cannot be said in an inventory; `warnings` name it. `lint` is
    what is wrong with the device's policy by itself.
    """

    host: str
    files: Mapping[str, str]
    site: Site
    lint: Lint
    suggestions: int = 0
    changes: int = 0
    warnings: tuple[Problem, ...] = ()

    @property
    def summary(self) -> str:
        """One line for people."""
        counts = self.as_json()
        text = (
            f"{counts['zones']} zones, {counts['conduits']} conduits in force, "
            f"{counts['suggestions']} suggested"
        )
        if not self.changes:
            return f"{text}; planning back changes nothing"
        return f"{text}; planning back finds {self.changes} changes: see the warnings"

    def as_json(self) -> dict[str, object]:
        """Return the counts and warnings."""
        kept = len(self.site.conduits) - self.suggestions
        return {
            "host": self.host,
            "zones": len(self.site.zones),
            "conduits": kept,
            "suggestions": self.suggestions,
            "changes": self.changes,
        }


def import_device(
    live: Live,
    provider: Provider,
    device: Device,
    *,
    site: str,
    connection: Mapping[str, object],
    today: date,
) -> Imported:
    """Return the inventory of a device.

    Args:
        live: the device, parsed.
        provider: its platform's.
        device: what the inventory already says of the host; it may have neither zones nor rules.
        site: the site the inventory gives the host; the rules' own marks come first.
        connection: connection variables of the host; what is no text or number is left out.
        today: the day on which the result is planned back.
    """
    managed = read_managed(live, provider, device, site)
    linted = lint_live(live, provider, reading(provider, live))
    suggested = suggest(live, managed, provider, remarks_of(linted))
    bindings, strange = bindings_of(live, suggested.attached, managed.site)
    forwarding = managed.log_forwarding or default_setting(live)
    firewall = Device(
        name=device.name,
        platform=device.platform,
        zones=bindings,
        position=position_of(live),
        scope=device.scope,
        threat_profiles=managed.profiles,
        log_forwarding=forwarding if is_word(forwarding) else "",
        schedules=suggested.schedules,
        default_rules=default_rules(live, forwarding),
        unknown_applications=unknown_applications(live.policy.rules),
        containment=managed.containment,
        ha_peer=device.ha_peer,
    )
    whole = Site(
        zones=suggested.zones,
        conduits=(*managed.conduits, *suggested.conduits),
        devices=(firewall,),
    )
    whole, refused = compilable(whole, today)
    whole, back = planned_back(
        whole, managed.islands, lambda site: compile_site(site, today)[device.name], live, provider
    )
    (firewall,) = whole.devices
    files = inventory_files(
        site=whole,
        device=firewall,
        connection=connection,
        zone_notes=notes_of(suggested),
        conduit_notes=suggested.conduit_notes,
        left=suggested.left,
        site_id=managed.site,
    )
    return Imported(
        host=device.name,
        files=files,
        site=whole,
        lint=linted,
        suggestions=len(suggested.conduits),
        changes=back.changes,
        warnings=(*managed.warnings, *strange, *refused, *back.warnings, *suggested.warnings),
    )


def remarks_of(linted: Lint) -> dict[str, list[str]]:
    """Return what lint says of rules, by their names, as comments beside them."""
    found: dict[str, list[str]] = {}
    for one in linted.findings:
        if one.severity != "note" or one.kind == "redundant":
            found.setdefault(one.subject, []).append(f"lint: {one.message}")
    return found


def notes_of(suggested: Suggested) -> dict[str, tuple[str, ...]]:
    """Return what to know of zones, by id."""
    notes = dict(suggested.zone_notes)
    for zone in suggested.zones:
        if zone.id == ELSEWHERE:
            notes[zone.id] = (
                "addresses within networks of other zones that belong to zones not seen here",
            )
    return notes


def _warning(message: str, hint: str = "", subject: str = "") -> Problem:
    return Problem(message=message, hint=hint, severity="warning", kind="import", subject=subject)


# --- the firewall --------------------------------------------------------------------------------


def bindings_of(
    live: Live, attached: Iterable[tuple[str, str]], site: str
) -> tuple[tuple[ZoneBinding, ...], tuple[Problem, ...]]:
    """Bind zones to the device's; of several for one the first has the interfaces."""
    interfaces = {zone.name: zone.interfaces for zone in live.zones}
    bindings: list[ZoneBinding] = []
    strange: list[Problem] = []
    seen: set[str] = set()
    for zone, name in attached:
        if not is_word(name) or not all(map(is_word, interfaces.get(name, ()))):
            strange.append(
                _warning(
                    f"zone {name!r} of the device has characters in its name "
                    "that the inventory does not take"
                )
            )
            continue
        own = () if name in seen else interfaces.get(name, ())
        seen.add(name)
        bindings.append(ZoneBinding(zone=f"{site}/{zone}", name=name, interfaces=own))
    return tuple(bindings), tuple(strange)


def position_of(live: Live) -> Position:
    """Return where our block stands; a device without one gets it below the rules of others."""
    leading = {rule.name for rule in live.policy.rules if rule.ahead}
    ours = {rule.name for rule in live.policy.rules} - leading
    order = [name for name in live.order if name not in leading]
    above: list[str] = []
    below: list[str] = []
    for name in order:
        if name in ours:
            break
        above.append(name)
    others = [name for name in order if name not in ours]
    below = others[len(above) :]
    if not ours or (above and not below):
        return Position(where="last")
    if not above:
        return Position(where="first")
    if is_word(above[-1]):
        return Position(where="after", rule=above[-1])
    return Position(where="before", rule=below[0])


def _default(live: Live) -> DefaultRule | None:
    for rule in live.policy[DefaultRule]:
        if rule.name == "interzone-default":
            return rule
    return None


def default_setting(live: Live) -> str:
    """Return how the device forwards the logs of unmatched traffic that it denies."""
    rule = _default(live)
    return rule.log_setting if rule is not None and rule.action != "allow" and rule.log else ""


def unknown_applications(rules: Iterable[Rule]) -> Literal["", "deny"]:
    """Return whether a rule of ours denies what the device does not recognise."""
    return "deny" if any(rule.name == naming.UNKNOWN_RULE for rule in rules) else ""


def default_rules(live: Live, forwarding: str) -> Literal["manage", "leave"]:
    """Return whether the device already does with unmatched traffic what segctl would have."""
    wanted = DefaultRule(name="interzone-default", action="deny", log=True, log_setting=forwarding)
    held = _default(live)
    return "manage" if held is not None and wanted.beside(held) == held else "leave"


# --- planning back -------------------------------------------------------------------------------


def compilable(site: Site, today: date) -> tuple[Site, tuple[Problem, ...]]:
    """Make absent what cannot be compiled, so that the rest can be planned."""
    warnings: list[Problem] = []
    while True:
        try:
            compile_site(site, today)
        except InventoryError as error:
            wrong = _blamed(site.conduits, error)
        else:
            return site, tuple(warnings)
        if not wrong:
            return site, tuple(warnings)
        for conduit, problem in wrong.items():
            warnings.append(
                _warning(
                    f"conduit {conduit.id} is made absent: {problem}",
                    "its rules were edited by hand; planning back would delete them",
                )
            )
        site = replace(
            site,
            conduits=tuple(
                replace(conduit, mode="absent") if conduit in wrong else conduit
                for conduit in site.conduits
            ),
        )


def _blamed(conduits: Iterable[Conduit], error: InventoryError) -> dict[Conduit, str]:
    """Return the conduits that problems name, all of them when none is named."""
    enforced = [conduit for conduit in conduits if conduit.mode != "absent"]
    words = [
        (problem.message, {*problem.message.replace(":", " ").split()})
        for problem in error.problems
    ]
    named = {
        conduit: message for conduit in enforced for message, found in words if conduit.key in found
    }
    return named or dict.fromkeys(enforced, words[0][0] if words else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Back:
    """How many changes planning an imported inventory finds, and what to say of it."""

    changes: int
    warnings: tuple[Problem, ...]


def planned_back(
    site: Site,
    islands: Sequence[Prepared],
    desired: Callable[[Site], Desired],
    live: Live,
    provider: Provider,
) -> tuple[Site, Back]:
    """Return the site, with its islands where these compile to what is there, and what differs."""
    given = with_islands(site, islands) if islands else None
    back = _plan_back(lambda: desired(site), live, provider)
    if given is None:
        return site, replace(back, warnings=(*not_given_back(islands), *back.warnings))
    whole = _plan_back(lambda: desired(given.site), live, provider)
    if whole.changes >= back.changes:
        return site, replace(back, warnings=(*not_given_back(islands), *back.warnings))
    told = (*given_back(given.islands), *not_given_back(given.left))
    return given.site, replace(whole, warnings=(*told, *whole.warnings))


def _plan_back(desired: Callable[[], Desired], live: Live, provider: Provider) -> Back:
    """Plan, and return each change as a warning."""
    try:
        made = plan_device(desired(), live, provider)
    except SegctlError as error:
        return Back(changes=1, warnings=(_warning(f"planning back is not possible: {error}"),))
    return Back(changes=len(made.changes), warnings=tuple(_differing(made.changes)))


def _differing(changes: tuple[Change, ...]) -> Iterator[Problem]:
    for change in changes[:_MOST_NAMED]:
        fields = ", ".join(change.fields)
        yield _warning(
            f"{change.kind} {change.name} carries our mark and cannot be read back exactly: "
            f"planning would {change.op} it{f' ({fields})' if fields else ''}",
            "it was edited by hand, has expired, or the inventory cannot express it",
            subject=change.name,
        )
    if len(changes) > _MOST_NAMED:
        yield _warning(f"planning back finds {len(changes) - _MOST_NAMED} more changes")
