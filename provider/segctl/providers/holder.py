"""Who holds a lock of ours on a device, and whether that run can still be alive."""

from __future__ import annotations

import os
import re
import socket
import time
from uuid import uuid4

#: A lock of ours older than this belongs to a run that died on another machine.
ABANDONED_AFTER = 3600.0
#: Holders that runs in this process are now.
_HELD: set[str] = set()


def new() -> str:
    """Return the name of a new holder: machine, process, time, and what tells it from others."""
    machine = re.sub(r"[^0-9A-Za-z.-]", "-", socket.gethostname())[:60]
    holder = f"segctl {machine} {os.getpid()} {int(time.time())} {uuid4().hex[:8]}"
    _HELD.add(holder)
    return holder


def done(holder: str) -> None:
    """Forget a holder."""
    _HELD.discard(holder)


def abandoned(holder: str) -> bool:
    """Whether a holder of ours cannot be alive."""
    parts = holder.split()
    if len(parts) != 5 or not (parts[2].isdigit() and parts[3].isdigit()):
        return False
    machine, process, began = parts[1], int(parts[2]), int(parts[3])
    if machine != re.sub(r"[^0-9A-Za-z.-]", "-", socket.gethostname())[:60]:
        return time.time() - began > ABANDONED_AFTER
    if process == os.getpid():
        return holder not in _HELD
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
