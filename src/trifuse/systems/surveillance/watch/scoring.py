"""One thread that has the windows of all cameras assessed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from trifuse.errors import InputError, RequestError
from trifuse.systems.surveillance.watch.records import PROBLEM, SERVER_BACK, SERVER_SILENT, record
from trifuse.systems.surveillance.watch.worker import Worker

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from trifuse.systems.surveillance.calls import Assessment
    from trifuse.systems.surveillance.watch.cameras import Camera, Waiting
    from trifuse.systems.surveillance.watch.records import Record
    from trifuse.systems.surveillance.watch.waiting import Taken, WaitingRoom
    from trifuse.systems.surveillance.window import Window

MAX_BATCH = 32
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 10.0


class Assessor(Protocol):
    """Whoever assesses windows, such as the `SurveillanceClient`."""

    def assess_many(self, windows: Sequence[Window]) -> list[Assessment]:
        """Assess windows of any cameras, in their order."""


class Scorer(Worker):
    """Takes what waits, has it assessed together and tells the cameras.

    While there is no server, a `patient` scorer reports that once and goes on with the newest windows; an
    impatient one stops, with the error in `failure`.
    """

    def __init__(
        self,
        room: WaitingRoom[Waiting],
        cameras: Mapping[str, Camera],
        assessor: Callable[[], AbstractContextManager[Assessor]],
        report: Callable[[Record], None],
        stop: threading.Event,
        *,
        patient: bool,
    ) -> None:
        super().__init__("scorer")
        self._room, self._cameras, self._open_assessor = room, cameras, assessor
        self._report, self._stop_event, self._patient = report, stop, patient
        self._pause_s = 0.0

    def work(self) -> None:
        """Go on until the room is closed and empty."""
        # Opened here, as a connection over HTTP belongs to its thread.
        with self._open_assessor() as assessor:
            while batch := self._room.take(MAX_BATCH):
                self._assess(assessor, batch)

    def finished(self) -> None:
        """Let nobody wait for room that would never be made."""
        self._room.close()

    def _assess(self, assessor: Assessor, batch: Sequence[Taken[Waiting]]) -> None:
        try:
            found = assessor.assess_many([taken.item.seen.window for taken in batch])
        except InputError as error:
            self._refused(assessor, batch, error)
        except RequestError as error:
            self._unanswered(batch, error)
        else:
            self._answered()
            for taken, assessment in zip(batch, found, strict=True):
                self._cameras[taken.camera].assessed(taken.item, assessment)

    def _refused(self, assessor: Assessor, batch: Sequence[Taken[Waiting]], error: InputError) -> None:
        """Find the window that the server refuses, for the others are none the worse for it."""
        if len(batch) > 1:
            for taken in batch:
                self._assess(assessor, [taken])
            return
        if not self._patient:
            raise error
        self._cameras[batch[0].camera].failed(batch[0].item)
        self._report(record(PROBLEM, batch[0].camera, problem=f"the server refuses a window: {error}"))

    def _unanswered(self, batch: Sequence[Taken[Waiting]], error: RequestError) -> None:
        if not self._patient:
            raise error
        if not self._pause_s:
            self._report(record(SERVER_SILENT, reason=str(error)))
        for taken in batch:
            self._cameras[taken.camera].failed(taken.item)
        self._pause_s = min(max(_FIRST_PAUSE_S, 2 * self._pause_s), _LONGEST_PAUSE_S)
        self._stop_event.wait(self._pause_s)

    def _answered(self) -> None:
        if self._pause_s:
            self._report(record(SERVER_BACK))
        self._pause_s = 0.0
