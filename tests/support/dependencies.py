"""The libraries that segctl declares: their floors, and whether a bill of materials names them.

It needs nothing but Python: it runs where no library is installed yet.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
_REQUIREMENT = re.compile(r"([\w.-]+)(?:\[[\w,]+\])?>=([\w.]+)(?:,[<!=\w.,]+)?(?:; .+)?")


def declared() -> Iterator[tuple[str, str]]:
    """Give name and floor of each library, those of the extras too.

    Raises:
        ValueError: one has no floor.
    """
    project: Any = tomllib.loads(PROJECT.read_text("utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    for requirement in [*project["dependencies"], *(one for extra in extras for one in extra)]:
        found = _REQUIREMENT.fullmatch(requirement)
        if found is None:
            raise ValueError(f"{requirement!r} has no floor")
        yield found[1], found[2]


def missing(bill: Any) -> list[str]:
    """Return which libraries that segctl needs a bill of materials does not name by version."""
    project: Any = tomllib.loads(PROJECT.read_text("utf-8"))["project"]
    named = {
        one["name"].lower().replace("_", "-")
        for one in bill["components"]
        if one.get("version") and one.get("purl", "").startswith("pkg:pypi/")
    }
    needed = {re.split(r"[\[<>=!]", one)[0] for one in project["dependencies"]}
    own = bill["metadata"]["component"]
    wrong = [] if own["name"] == project["name"] and own["version"] else [project["name"]]
    return wrong + sorted(needed - named)


if __name__ == "__main__":
    if sys.argv[1] == "floors":
        print("\n".join(f"{name}=={floor}" for name, floor in declared()))
    for path in sys.argv[2:]:
        if lacks := missing(json.loads(Path(path).read_text("utf-8"))):
            sys.exit(f"{path} does not name {', '.join(lacks)}")
