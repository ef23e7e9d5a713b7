"""What a plan touches, drawn where a change is reviewed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from pathlib import Path

    from cli_support import Plant


def written(plant: Plant) -> tuple[str, str]:
    """Return the Markdown and the HTML of a plan."""
    done = plant("plan", "--markdown", "plan.md", "--html", "plan.html")
    assert done.code == 0, done.err
    return (plant.folder / "plan.md").read_text(), (plant.folder / "plan.html").read_text()


def drawn(markdown: str) -> str:
    """Return the lines of the drawing in a comment."""
    return markdown.split("```mermaid\n", 1)[1].split("\n```", 1)[0]


def svg_of(page: str) -> ET.Element:
    found = re.search(r"<svg.*?</svg>", page, re.DOTALL)
    assert found
    return ET.fromstring(found[0])


def conduits(folder: Path) -> Path:
    return next(one for one in folder.rglob("*.yml") if "segctl_conduits:" in one.read_text())


def test_new_conduits_are_drawn_as_new(plant: Plant) -> None:
    markdown, page = written(plant)
    text = drawn(markdown)
    assert text.splitlines()[1] == "flowchart TB"
    assert "(new)" in text.replace("#40;", "(").replace("#41;", ")")
    titles = [one.text or "" for one in svg_of(page).iter() if one.tag.endswith("title")]
    assert any("plant/supervisory to plant/control" in one for one in titles)


def test_only_what_changes_is_drawn_and_what_goes_too(applied: Plant) -> None:
    markdown, page = written(applied)
    assert "mermaid" not in markdown, "nothing changes"
    assert "<svg" not in page
    file = conduits(applied.folder)
    before = file.read_text()
    changed = before.replace("[read, write]", "[read]") if "[read, write]" in before else ""
    assert changed or "[read]" in before
    file.write_text(changed or before.replace("[read]", "[read, write]", 1))
    text = drawn(written(applied)[0]).replace("#40;", "(").replace("#41;", ")")
    assert "(changed)" in text
    assert text.count("-->") + text.count("==>") == 1
    file.write_text(re.sub(r"(?m)^(  polling:\n)", r"\1    mode: absent\n", before))
    text = drawn(written(applied)[0]).replace("#40;", "(").replace("#41;", ")")
    assert "(removed)" in text
    assert "polling" in text


def test_a_plan_from_a_file_knows_no_zones_and_draws_none(plant: Plant) -> None:
    assert plant("plan", "-o", "plan.json").code == 0
    assert plant("show", "plan.json", "--markdown", "shown.md").code == 0
    assert "mermaid" not in (plant.folder / "shown.md").read_text()
