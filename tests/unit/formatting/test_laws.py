"""What holds for every file: the same values, every comment in its order, and no second change."""

from __future__ import annotations

from hypothesis import given, settings

from segctl.formatting import format_text, same
from segctl.formatting.reading import comments
from segctl.inventory.document import parse
from segctl.model.errors import InventoryError
from support.layouts import yaml_texts


@given(yaml_texts())
@settings(max_examples=100, deadline=None)
def test_values_and_comments_are_kept_and_the_second_time_changes_nothing(text: str) -> None:
    before = parse(text, "f.yml")
    if before.problems:
        try:
            format_text(text, "f.yml")
        except InventoryError:
            return
        raise AssertionError(text)
    made = format_text(text, "f.yml")
    assert same(before.value, parse(made, "f.yml").value)
    assert comments(made) == comments(text)
    assert format_text(made, "f.yml") == made
