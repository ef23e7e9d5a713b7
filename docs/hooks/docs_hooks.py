"""What the site has besides the files in docs/: generated pages, drawings, its navigation."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mkdocs.structure.files import File

from docs_pages import changelog, commands, errors, inventory, playbooks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

_ID = re.compile(r' id="[^"]*"')
_IMAGE = re.compile(r'<p><img alt="([^"]*)" src="[^"]*?(drawings/[a-z-]+\.svg)"\s*/?></p>')
_OUTSIDE = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+[^)\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages, and name every page in the navigation."""
    top, docs = Path(config.config_file_path).parent, Path(config.docs_dir)
    runbooks = (docs / "operations.md").read_text(encoding="utf-8")
    pages = {
        "reference/commands.md": commands(),
        "reference/inventory.md": inventory(),
        "reference/playbooks.md": playbooks(),
        "reference/errors.md": errors(runbooks),
        "changelog.md": changelog(sorted((top / "changelog.d").glob("*.md"))),
    }
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    there = {file.src_uri for file in files.documentation_pages()}
    declared: list[Any] = cast("Any", config).nav
    nav = list(_present(declared, there))
    rest = sorted(there - set(_names(nav)))
    config.nav = [*nav, *([{"More": rest}] if rest else [])]
    return files


def _present(nav: list[Any], there: set[str]) -> Iterator[Any]:
    """Yield the navigation without pages that are not there; a folder stands for its pages."""
    for entry in nav:
        for title, target in entry.items():
            if not isinstance(target, str):
                inner: list[Any] | str = list(_present(target, there))
            elif target.endswith("/"):
                inner = sorted(name for name in there if name.startswith(target))
            else:
                inner = target if target in there else ""
            if inner:
                yield {title: inner}


def _names(nav: list[Any]) -> Iterator[str]:
    """Yield the pages that a navigation names."""
    for entry in nav:
        if isinstance(entry, str):
            yield entry
            continue
        for target in entry.values():
            yield from [target] if isinstance(target, str) else _names(target)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Show links to files outside docs/ as their names: the site does not have them."""
    del files
    docs = Path(config.docs_dir)
    folder = (docs / page.file.src_uri).parent

    def named(match: re.Match[str]) -> str:
        target = (folder / match[2]).resolve()
        if target.is_relative_to(docs):
            return match[0]
        return f"`{target.relative_to(docs.parent)}`"

    return _OUTSIDE.sub(named, markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put drawings into the page itself, so that they follow its colours."""
    del page, files

    def drawn(match: re.Match[str]) -> str:
        svg = (Path(config.docs_dir) / match[2]).read_text(encoding="utf-8")
        svg = _ID.sub("", svg)  # a page may hold several drawings of one plant
        return f'<figure class="drawing" role="img" aria-label="{match[1]}">{svg}</figure>'

    return _IMAGE.sub(drawn, html)
