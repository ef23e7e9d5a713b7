"""Narrowing: what is declared and nobody used, taken out where replay shows nothing is lost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from segctl.operations.edits import below, diff_of, text_of
from segctl.operations.loading import today
from segctl.operations.records import read_records
from segctl.operations.watching import hear, watch_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from segctl.importing.narrowed import Entries
    from segctl.inventory import Loaded
    from segctl.model.site import Conduit, Site
    from segctl.observe.completeness import Completeness
    from segctl.observe.coverage import Coverage
    from segctl.observe.grouping import Groups
    from segctl.observe.narrowing import Cut, Narrowing
    from segctl.observe.replay import Replay
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress
    from segctl.operations.usage import UsageOptions

#: How far back devices tell what they saw where files tell of the rest, in seconds.
_LATELY: Final = 2 * 86_400.0
_BY_HAND: Final = "its file cannot be edited so that nothing else changes: change it by hand"
_NOT_ASKED: Final = "it is not the conduit that is asked about"
_LOST: Final = "replay does not show that all that was seen of it would still pass"


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What was recorded in a window, and of whom nothing is missing there.

    `called` says which firewall each witness is.
    """

    groups: Groups
    coverage: Coverage
    completeness: Completeness
    called: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NarrowResult:
    """What is proposed, the changed files by path, and how they differ from what there is.

    `replayed` counts the flows that were replayed under what is declared and under the proposal.
    """

    narrowing: Narrowing
    replayed: int
    files: Mapping[str, str]
    diff: str
    written: tuple[Path, ...]


def recorded(
    common: CommonOptions, options: UsageOptions, loaded: Loaded, progress: Progress
) -> Records:
    """Read records of the window; firewalls are asked where logs or open sessions are needed.

    Raises:
        UsageError: a file does not exist.
    """
    from segctl.observe.completeness import Completeness, Window
    from segctl.observe.pairs import members_of
    from segctl.observe.reading import ReadOptions

    first = options.now - options.window.total_seconds()
    told = None
    if options.from_devices or options.narrow:
        since = first if options.from_devices else options.now - _LATELY
        watch = watch_of(options.now, since, each=not options.from_devices, threats=True)
        told = hear(common, loaded, watch, progress).told
    reading = read_records(
        common,
        options.files,
        ReadOptions(
            now=options.now,
            since=first,
            timezone=options.timezone,
            members=members_of(loaded.site.devices),
        ),
        progress,
        told=told,
    )
    names = [one.name for one in loaded.site.devices]
    called = _called(loaded.site, reading.coverage.called(names))
    return Records(
        groups=reading.groups,
        coverage=reading.coverage,
        completeness=Completeness(reading.coverage, Window(first=first, last=options.now), called),
        called=called,
    )


def narrowed(
    common: CommonOptions, options: UsageOptions, loaded: Loaded, records: Records
) -> NarrowResult:
    """Propose an inventory without what nobody used.

    Raises:
        UsageError: the folder holds a file already.
    """
    from segctl.importing import refuse_existing, write_files
    from segctl.observe.narrowing import REVIEW_DAYS, narrowing

    holders = _holders(loaded.site)
    found = narrowing(loaded.site, records.groups, records.completeness, holders, today())
    if options.only:
        others = {one.conduit for one in found.narrowed} - {options.only}
        found = found.without(dict.fromkeys(others, _NOT_ASKED))
    edits = _Edits(loaded.site, common.sources, today() + timedelta(days=REVIEW_DAYS))
    found, flows = proven(loaded.site, records, edits.possible(found), edits.review_by)
    before, files = edits.made(found)
    written: tuple[Path, ...] = ()
    if options.out is not None and files:
        refuse_existing(options.out, files)
        written = write_files(options.out, files)
    return NarrowResult(
        narrowing=found,
        replayed=flows,
        files=files,
        diff="".join(diff_of(before, files)),
        written=written,
    )


def _called(site: Site, called: Mapping[str, str]) -> dict[str, str]:
    """Return which firewall each witness is, by all names that it may have."""
    return {
        name: device.name
        for device in site.devices
        for name in (device.name, device.serial, device.peer_serial)
        if name
    } | dict(called)


def _holders(site: Site) -> dict[tuple[str, str], set[str]]:
    """Return the firewalls that should hold rules of each flow, selected or not."""
    from segctl.compiler.build import compile_site
    from segctl.compiler.naming import label

    keys = {label(conduit): conduit.key for conduit in site.conduits}
    found: dict[tuple[str, str], set[str]] = {}
    for name, desired in compile_site(site, today()).items():
        for rule in desired.policy.rules:
            if rule.conduit in keys:
                found.setdefault((keys[rule.conduit], rule.flow), set()).add(name)
    return found


# --- replay --------------------------------------------------------------------------------------


def proven(
    site: Site, records: Records, found: Narrowing, review_by: date
) -> tuple[Narrowing, int]:
    """Return what replay shows to drop nothing that was seen, and how many flows it judged."""
    from segctl.observe.narrowing import narrowed_site

    if not found.narrowed:
        return found, 0
    before = _replayed(site, site, records)
    while found.narrowed:
        after = _replayed(site, narrowed_site(site, found, review_by), records)
        lost = _lost(before, after)
        if not lost:
            break
        proposed = {one.conduit for one in found.narrowed}
        found = found.without(dict.fromkeys(lost & proposed or proposed, _LOST))
    return found, sum(one.flows for one in before.volumes.values())


def _replayed(site: Site, permitting: Site, records: Records) -> Replay:
    """Replay what was seen under what a site permits; who owns a flow is told by another."""
    from segctl.compiler.build import compile_site
    from segctl.fleet.legs import declared_of
    from segctl.observe.places import Places
    from segctl.observe.replay import Firewall, replayed
    from segctl.observe.standing import Standings
    from segctl.providers.base import provider

    firewalls = [
        Firewall(
            device=item.device,
            provider=provider(item.device.platform),
            after=declared_of(item, None),
        )
        for item in compile_site(permitting, today()).values()
    ]
    standings = Standings(site, Places(site, records.called), today())
    return replayed(records.groups, site, standings, firewalls, records.called)


def _lost(before: Replay, after: Replay) -> set[str]:
    """Return the conduits of what would pass before and not after; none where nothing changes.

    A policy that permits less can only turn what passes into what does not, or into what cannot be
    told: where it does, the sums differ.
    """
    if before.volumes == after.volumes and before.untold == after.untold:
        return set()
    known = {(one.flow, one.why, fate) for fate, held in before.flows.items() for one in held}
    return {
        one.standing.conduit
        for fate, held in after.flows.items()
        for one in held
        if (one.flow, one.why, fate) not in known
    } | {""}


# --- files ---------------------------------------------------------------------------------------


class _Edits:
    """Changes files of an inventory, each conduit where it is declared."""

    def __init__(self, site: Site, sources: Sequence[Path], review_by: date) -> None:
        self.review_by = review_by
        self._conduits = {one.key: one for one in site.conduits}
        self._sources = sources

    def possible(self, found: Narrowing) -> Narrowing:
        """Return what the files can be changed to, each conduit by itself."""
        failed: dict[str, str] = {}
        for key in dict.fromkeys(one.conduit for one in found.narrowed):
            conduit = self._conduits[key]
            text = text_of(Path(conduit.declared.file)) if self._path(conduit) else None
            if text is None or self._changed(text, conduit, found) is None:
                failed[key] = _BY_HAND
        return found.without(failed)

    def made(self, found: Narrowing) -> tuple[dict[str, str], dict[str, str]]:
        """Return the files as they are and as they would be, by path below the inventory."""
        before: dict[str, str] = {}
        after: dict[str, str] = {}
        for key in dict.fromkeys(one.conduit for one in found.narrowed):
            conduit = self._conduits[key]
            path = self._path(conduit)
            text = after.get(path) or text_of(Path(conduit.declared.file)) or ""
            before.setdefault(path, text)
            changed = self._changed(text, conduit, found)
            if changed is None:
                raise ValueError(f"{path} could be changed before")
            after[path] = changed
        return before, after

    def _path(self, conduit: Conduit) -> str:
        return below(Path(conduit.declared.file), self._sources)

    def _changed(self, text: str, conduit: Conduit, found: Narrowing) -> str | None:
        from segctl.importing.narrowed import without_entries
        from segctl.observe.narrowing import earlier

        flows = {
            one.flow: _entries(one.cuts) for one in found.narrowed if one.conduit == conduit.key
        }
        day = earlier(conduit.review_by, self.review_by)
        return without_entries(text, conduit.id, flows, day)


def _entries(cuts: Iterable[Cut]) -> Entries:
    """Return what is taken out of a flow, in the words of its file."""
    from segctl.importing.narrowed import Entries

    by_kind: dict[str, list[str]] = {}
    classes: dict[str, list[str]] = {}
    for one in cuts:
        if one.kind == "class":
            classes.setdefault(one.protocol, []).append(one.text)
        else:
            by_kind.setdefault(one.kind, []).append(one.text)
    return Entries(**by_kind, classes=classes)
