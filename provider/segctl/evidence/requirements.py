"""The requirements that evidence is about: data, read once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal, TypeAlias, cast

from segctl.model.errors import UsageError, nearest

#: How much of a requirement the configuration of firewalls can show for a zone.
Extent: TypeAlias = Literal["full", "partial", "none"]
#: The foundational requirements, in the order of an SL-T vector.
FOUNDATIONS: Final = ("iac", "uc", "si", "dc", "rdf", "tre", "ra")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A system requirement or enhancement: ``SR 5.2 RE 1``.

    `level` is the foundational requirement whose SL-T counts, `sl` the lowest level at which it is
    asked for. `gap` is what stays open whatever firewalls show, `disputed` where sources differ
    about `sl`, `check` what judges it, empty where nothing does.
    """

    id: str
    level: str
    sl: int
    title: str
    firewall: Extent
    gap: str = ""
    disputed: str = ""
    check: str = ""

    @property
    def token(self) -> str:
        """Its id as a token: ``sr-5.2-re1``."""
        system, _, enhancement = self.id.lower().removeprefix("sr ").partition(" re ")
        return f"sr-{system}-re{enhancement}" if enhancement else f"sr-{system}"


@cache
def requirements() -> tuple[Requirement, ...]:
    """Return all of them, in the order of the standard."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = (files("segctl.evidence") / "requirements.yaml").read_text(encoding="utf-8")
    rows = cast("list[dict[str, Any]]", yaml.load(text, Loader=loader))  # noqa: S506 - safe loaders, our own file
    return tuple(Requirement(**row) for row in rows)


def chosen(words: tuple[str, ...]) -> tuple[Requirement, ...]:
    """Return the requirements that are asked for; all without words.

    A word is an id in any usual spelling: ``SR 5.2 RE 1``, ``5.2re1``; ``5.2`` is the system
    requirement with its enhancements.

    Raises:
        UsageError: there is no such requirement.
    """
    every = requirements()
    if not words:
        return every
    known = {_plain(one.id): one for one in every}
    wanted: set[str] = set()
    for word in words:
        plain = _plain(word)
        found = {one.id for name, one in known.items() if name == plain}
        if "re" not in plain:
            found |= {one.id for name, one in known.items() if name.startswith(f"{plain}re")}
        if not found:
            hint = nearest(word, [one.id for one in every], "such as SR 5.2 or SR 5.2 RE 1")
            raise UsageError(f"--sr {word!r}: there is no such requirement: {hint}")
        wanted |= found
    return tuple(one for one in every if one.id in wanted)


def _plain(text: str) -> str:
    return "".join(text.lower().split()).replace("-", "").removeprefix("sr")
