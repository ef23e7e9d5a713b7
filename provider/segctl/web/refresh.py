"""Looks at the plant again and again, in a thread of its own, one look after the other."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from segctl.fleet import Brake
from segctl.fleet.failures import internal
from segctl.model.errors import SegctlError
from segctl.operations.live import look, unseen

if TYPE_CHECKING:
    from collections.abc import Callable

    from segctl.operations.live import Seen
    from segctl.operations.options import CommonOptions
    from segctl.operations.site import SiteOptions


class Refresh:
    """Looks every so many seconds; a look that takes longer is followed by the next one at once.

    `seen` is what the last look saw, None before the first one; `trouble` why that failed.
    """

    def __init__(
        self,
        common: CommonOptions,
        options: SiteOptions,
        *,
        every: float,
        log: Callable[[str], None],
    ) -> None:
        self.seen: Seen | None = None
        self.trouble = ""
        self.common = common
        self._options = options
        self.every = every
        self._log = log
        self._brake = Brake()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="refresh")
        self._ended = time.monotonic()

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End it: sessions with firewalls end at their next step."""
        self._stopped.set()
        self._brake.press()

    def join(self, seconds: float) -> bool:
        """Wait for the last look to end; return whether it did."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    @property
    def alive(self) -> bool:
        """Whether looks go on: one ended within the time that a look is good for."""
        return self._thread.is_alive() and time.monotonic() - self._ended < 3 * self.every + 600

    def _run(self) -> None:
        while not self._stopped.is_set():
            begun = time.monotonic()
            self._look()
            self._ended = time.monotonic()
            self._stopped.wait(max(0.0, begun + self.every - self._ended))

    def _look(self) -> None:
        before = self.seen
        try:
            seen = look(self.common, self._options, before, every=self.every, brake=self._brake)
        except (SegctlError, OSError) as error:
            self._say(str(error))
            return
        except Exception as error:  # noqa: BLE001 - a defect must not end the looks for good
            text = internal(error)
            self._say(text)
            if before is not None:
                self.seen = unseen(before, text, datetime.now(UTC))
            return
        if self._stopped.is_set():
            return
        self.trouble = ""
        news = seen.now.error or "; ".join(seen.warnings)
        known = "" if before is None else before.now.error or "; ".join(before.warnings)
        if news and news != known:
            self._log(f"segctl: warning: {news}")
        elif known and not news:
            self._log("segctl: read again, without that warning")
        self.seen = seen

    def _say(self, text: str) -> None:
        if text != self.trouble and not self._stopped.is_set():
            self._log(f"segctl: nothing was read: {text}")
        self.trouble = text
