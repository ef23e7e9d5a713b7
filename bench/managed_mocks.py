"""Serve the Panorama of a managed plant and count its requests, as JSON; driven by standard input.

A line ``count`` asks for the requests since the last one, ``edit XPATH`` changes a rule as another
administrator does, ``away`` and ``back`` let all firewalls lose and find their connection. It ends
with standard input.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segctl_mocks.panos.faults import Request


def _counted(requests: Iterable[Request]) -> dict[str, int]:
    """Count requests to Panorama itself and writes; firewalls count those passed on to them."""
    kinds = Counter("write" if one.is_write else "read" for one in requests)
    return {"reads": kinds["read"], "writes": kinds["write"]}


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from segctl.inventory import load
    from segctl.operations.demo import fleet

    source, overlay, today = Path(sys.argv[1]), Path(sys.argv[2]), date(2027, 1, 1)
    with fleet(load([source], today=today), today, overlay=overlay) as running:
        (panorama,) = running.panoramas.values()
        print(json.dumps({"port": panorama.port, "ca_file": str(running.ca_file)}), flush=True)
        seen = len(panorama.requests)
        for line in sys.stdin:
            word, _, xpath = line.strip().partition(" ")
            if word == "edit":
                everything = "<application><member>any</member></application>"
                panorama.edit("edit", xpath, everything, admin="other", commit=True)
            for serial in panorama.firewalls:
                if word == "away":
                    panorama.disconnect(serial)
                elif word == "back":
                    panorama.reconnect(serial)
            now = panorama.requests
            print(json.dumps(_counted(now[seen:])), flush=True)
            seen = len(now)
