"""What the page of the nftables platform tells a user to write."""

from __future__ import annotations

import re
from pathlib import Path


def documented_sudoers() -> str:
    """Return the lines of sudoers that the page says to write."""
    text = (Path(__file__).parents[2] / "docs/nftables.md").read_text(encoding="utf-8")
    (found,) = re.findall(r"^```\n(segctl ALL=.*?)^```", text, re.MULTILINE | re.DOTALL)
    return str(found)
