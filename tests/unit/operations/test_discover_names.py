"""Names of hosts from a file that somebody hands over: short, plain, and told with their line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from segctl.model.errors import UsageError
from segctl.operations.discover import names_of

if TYPE_CHECKING:
    from pathlib import Path


def test_a_name_is_plain_and_no_longer_than_60_characters(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    lines = ["10.0.0.1 first plc.1 # old", f"10.0.0.2 {'n' * 5000}", "10.0.0.3 $(id)", "fd00::01 a"]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert names_of(path) == {"10.0.0.1": "plc-1", "10.0.0.2": "n" * 60, "fd00::1": "a"}


def test_of_a_line_without_an_address_only_the_beginning_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("\n" + "x" * 5000 + " name\n", encoding="utf-8")
    with pytest.raises(UsageError, match=rf"hosts:2: '{'x' * 40}' is not an address"):
        names_of(path)
