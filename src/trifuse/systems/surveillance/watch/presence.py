"""Whether a camera still shows anything; that it does not is news, too."""

from __future__ import annotations

import threading
import time

from trifuse.systems.surveillance.watch.incidents import new_id
from trifuse.systems.surveillance.watch.records import CAMERA_BACK, CAMERA_SILENT, Record, record


class Presence:
    """Tells once when a camera falls silent and once when it is back, under one id; shared by threads."""

    def __init__(self, camera: str, silent_after_s: float) -> None:
        self._camera, self._silent_after_s = camera, silent_after_s
        self._lock = threading.Lock()
        self._seen_at_s = time.monotonic()
        self._silence: str | None = None
        self.trouble: str | None = None

    @property
    def is_silent(self) -> bool:
        """Whether the camera was told to be silent and has not come back."""
        return self._silence is not None

    def seen(self) -> Record | None:
        """Note that the camera shows something; returns that it is back, if it was away."""
        with self._lock:
            silent_s = time.monotonic() - self._seen_at_s
            self._seen_at_s += silent_s
            if self._silence is None:
                return None
            back = record(CAMERA_BACK, self._camera, id=self._silence, silent_s=silent_s)
            self._silence = None
            return back

    def check(self) -> Record | None:
        """Return that the camera is silent, if it has just become so, and why, if that is known."""
        with self._lock:
            silent_s = time.monotonic() - self._seen_at_s
            if self._silence is not None or silent_s < self._silent_after_s:
                return None
            self._silence = new_id()
            return record(
                CAMERA_SILENT, self._camera, id=self._silence, silent_s=silent_s, reason=self.trouble
            )
