"""Four cameras for a long time, one of which dies and comes back every minute: memory does not grow."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.core.rtsp_camera import RtspCamera
from tests.core.watching import Brightness, Watching, bright
from trifuse.systems.surveillance.calls import Assessment
from trifuse.systems.surveillance.window import Window

MINUTES = float(os.environ.get("SOAK_MINUTES", "10"))
CAMERAS, PERIOD_S = 4, 60.0


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Forgetful(Brightness):
    """An assessor that keeps nothing."""

    def assess_many(self, windows: Sequence[Window]) -> list[Assessment]:
        found = super().assess_many(windows)
        self.windows.clear()
        return found


def restart(camera: RtspCamera, over: threading.Event) -> int:
    """Let the camera die and come back until the test is over; returns how often."""
    times = 0
    while not over.wait(PERIOD_S / 2):
        camera.die()
        over.wait(PERIOD_S / 2)
        camera.live()
        times += 1
    return times


@pytest.mark.timeout(MINUTES * 60 + 300)
def test_memory_stays_while_a_camera_comes_and_goes(tmp_path: Path) -> None:
    pictures: list[Callable[[float], object]] = [
        bright(5.0 * number, 5.0 * number + 4) for number in range(4)
    ]
    over, restarts = threading.Event(), []
    with ExitStack() as stack:
        cameras = [stack.enter_context(RtspCamera(picture)) for picture in pictures]
        sources = [f"camera{number}={camera.url}" for number, camera in enumerate(cameras)]
        watching = stack.enter_context(Watching(tmp_path, *sources, assessor=Forgetful()))
        flaky = threading.Thread(target=lambda: restarts.append(restart(cameras[0], over)), daemon=True)
        flaky.start()
        time.sleep(MINUTES * 60 * 0.2)
        early_mb = resident_mb()
        time.sleep(MINUTES * 60 * 0.8)
        late_mb = resident_mb()
        over.set()
        flaky.join()
    counts = watching.summary["cameras"]
    windows = {name: count["windows"] for name, count in counts.items()}
    print(f"\n{windows} windows, {restarts[0]} restarts, memory {early_mb:.0f} -> {late_mb:.0f} MB")
    assert late_mb < early_mb * 1.1 + 20
    assert min(windows.values()) > MINUTES * 60 * 0.3
    assert len(watching.records("camera_silent")) >= restarts[0] - 1
