"""Review: which conduits are due to be looked at, and what is decided about one of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from segctl.model.errors import UsageError, nearest
from segctl.operations.edits import below, diff_of, text_of
from segctl.operations.loading import load_inventory, today

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, timedelta

    from segctl.inventory.due import Due
    from segctl.model.site import Conduit, Review, Site
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress
    from segctl.operations.usage import UsageOptions, UsageResult

_BY_HAND: Final = "its file cannot be edited so that nothing else changes: change it by hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What is decided: the record of it, and the day until which a conduit is kept or lasts.

    Without a day the conduit is narrowed, which sets one.
    """

    review: Review
    day: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewOptions:
    """Which conduits are looked at, and what is decided about `conduit`.

    Those that are due `within` a time are, or only `conduit`. With `usage` firewalls are asked what
    they count. The changed file goes into the folder `out`.
    """

    within: timedelta
    conduit: str = ""
    usage: UsageOptions | None = None
    decided: Decided | None = None
    out: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The changed files by path, how they differ from what there is, and those written."""

    files: Mapping[str, str]
    diff: str
    written: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewResult:
    """What is due by a day, what has no day, what devices count, and the decision as a change."""

    today: date
    until: date
    due: tuple[Due, ...]
    undated: tuple[Conduit, ...]
    usage: UsageResult | None = None
    changed: Changed | None = None


def review(common: CommonOptions, options: ReviewOptions, progress: Progress) -> ReviewResult:
    """Return what is due, and the inventory in which a decision is on record; changes no device.

    Raises:
        InventoryError: the inventory cannot be used.
        UsageError: there is no such conduit, its file cannot be edited, nothing shows that it can
            be narrower, or the folder holds a file already.
    """
    from segctl.inventory.due import Due, due, undated
    from segctl.operations.usage import usage

    loaded = load_inventory(common, progress)
    day = today()
    until = day + options.within
    conduits = loaded.site.conduits
    if options.conduit:
        conduits = (_conduit(loaded.site, options.conduit),)
    found = due(conduits, until)
    if options.conduit and not found:
        found = (Due(conduit=conduits[0], deadlines=()),)
    counted = None
    if options.usage is not None:
        asked = options.usage
        if options.decided is not None and options.decided.day is None:
            asked = replace(asked, narrow=True, only=conduits[0].key)
        counted = usage(common, asked, progress)
    changed = None
    if options.decided is not None:
        changed = _changed(common, options, conduits[0], counted)
    return ReviewResult(
        today=day,
        until=until,
        due=found,
        undated=undated(conduits),
        usage=counted,
        changed=changed,
    )


def _conduit(site: Site, name: str) -> Conduit:
    """Return the conduit of a name, which is its key, or its id where one site has it."""
    found = [one for one in site.conduits if name in {one.key, one.id}]
    if len(found) == 1:
        return found[0]
    if found:
        several = ", ".join(one.key for one in found)
        raise UsageError(f"{name} is declared by several sites: {several}")
    hint = nearest(name, [one.key for one in site.conduits], "segctl list conduits lists them")
    raise UsageError(f"there is no conduit {name!r}: {hint}")


def _changed(
    common: CommonOptions, options: ReviewOptions, conduit: Conduit, counted: UsageResult | None
) -> Changed:
    from segctl.importing import refuse_existing, write_files
    from segctl.importing.reviewed import with_review

    decided = options.decided
    path = below(Path(conduit.declared.file), common.sources)
    before = text_of(Path(conduit.declared.file)) if path else None
    if decided is None or before is None:
        raise UsageError(f"{conduit.key} ({conduit.declared}): {_BY_HAND}")
    text = before if decided.day is not None else _narrower(conduit, counted, path)
    after = with_review(text, conduit.id, _days(conduit, decided), decided.review)
    if after is None:
        raise UsageError(f"{conduit.key} ({conduit.declared}): {_BY_HAND}")
    files = {path: after}
    written: tuple[Path, ...] = ()
    if options.out is not None:
        refuse_existing(options.out, files)
        written = write_files(options.out, files)
    return Changed(files=files, diff="".join(diff_of({path: before}, files)), written=written)


def _days(conduit: Conduit, decided: Decided) -> dict[str, date]:
    """Return the days that a decision gives a conduit, by key.

    One that is kept is looked at again by the day, and one that ends by itself ends then; one that
    is retired has its last day then. Narrowing sets its own day.
    """
    if decided.day is None:
        return {}
    if decided.review.decision == "retire":
        return {"expires": decided.day}
    if conduit.expires is None:
        return {"review_by": decided.day}
    again = {} if conduit.review_by is None else {"review_by": decided.day}
    return again | {"expires": decided.day}


def _narrower(conduit: Conduit, counted: UsageResult | None, path: str) -> str:
    """Return the file with a conduit that permits less."""
    narrowed = counted.narrowed if counted is not None else None
    text = narrowed.files.get(path) if narrowed is not None else None
    if narrowed is None or text is None:
        left = narrowed.narrowing.left if narrowed is not None else ()
        why = "; ".join(dict.fromkeys(one.why for one in left if one.conduit == conduit.key))
        raise UsageError(f"{conduit.key} is not narrowed: {why or 'all that it declares was seen'}")
    return text
