"""Links in a repository are followed within it, as it may hold those of somebody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from segctl.inventory.files import list_folder, read_as_written
from segctl.model.errors import InventoryError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    top = tmp_path / "repository"
    for folder in (top / ".git", top / "inventory", tmp_path / "outside"):
        folder.mkdir(parents=True)
    for file in (top / ".git/config", top / "shared.yml", tmp_path / "outside/secret.yml"):
        file.write_text("secret: 1\n", encoding="utf-8")
    return top


@pytest.mark.parametrize(
    ("target", "read"),
    [
        ("../../outside/secret.yml", ""),
        ("{top}/../outside/secret.yml", ""),
        ("/proc/self/environ", ""),
        ("../.git/config", ""),
        ("../../outside", "/secret.yml"),
        ("..", "/.git/config"),
        ("/proc/self/cwd/..", "/outside/secret.yml"),
    ],
)
def test_a_link_that_leads_out_is_refused(
    repository: Path, target: str, read: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    link = repository / "inventory/link"
    link.symlink_to(target.format(top=repository))
    for named in (f"{link}{read}", f"inventory/link{read}"):
        with pytest.raises(InventoryError, match="leads out of its repository"):
            read_as_written(named)
    if link.is_dir() and target != "..":
        with pytest.raises(InventoryError, match="leads out of its repository"):
            list_folder("inventory/link")


def test_links_within_a_repository_and_to_one_are_followed(
    repository: Path, tmp_path: Path
) -> None:
    (repository / "inventory/link.yml").symlink_to("../shared.yml")
    (repository / "inventory/top").symlink_to("..")
    (tmp_path / "work").symlink_to("repository")
    for named in (
        repository / "inventory/link.yml",
        repository / "inventory/top/shared.yml",
        tmp_path / "work/inventory/link.yml",
        repository / "../outside/secret.yml",
    ):
        assert read_as_written(str(named)) == "secret: 1\n"
    assert list_folder(str(repository / "inventory/top"))


def test_without_a_repository_links_are_followed(tmp_path: Path) -> None:
    """As those of a volume of Kubernetes."""
    (tmp_path / "there.yml").write_text("a: 1\n", encoding="utf-8")
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume/link.yml").symlink_to("../there.yml")
    assert read_as_written(str(tmp_path / "volume/link.yml")) == "a: 1\n"
