"""Threads whose failures are not lost."""

from __future__ import annotations

import threading
from abc import abstractmethod

from trifuse.errors import TrifuseError


class Worker(threading.Thread):
    """A thread that keeps what ended it early in `failure`; as a daemon it does not keep the process."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.failure: BaseException | None = None

    @abstractmethod
    def work(self) -> None:
        """Do what the thread is for."""

    @abstractmethod
    def finished(self) -> None:
        """Tidy up, however the work ended."""

    def run(self) -> None:
        """Work; an error that was not foreseen is also printed, with its place, as threads do."""
        try:
            self.work()
        except TrifuseError as error:
            self.failure = error
        except BaseException as error:
            self.failure = error
            raise
        finally:
            self.finished()
