"""Run a server so that nothing of it outlives its owner.

Started as a script of its own, with the standard library only. It reads standard input, which its owner
keeps open: when the owner writes a byte, closes it or dies, however it dies, the server is asked to stop,
then killed with every process that it started, and its shared memory and its runtime folder are removed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_LIBC = ctypes.CDLL(None)


def main() -> int:
    """Run `guardian.py GRACE_S SHARED_MEMORY_PREFIX RUNTIME_FOLDER COMMAND…` and return its status."""
    grace_s, prefix, runtime, *command = sys.argv[1:]
    # As subreaper this process inherits, and can wait for, the stubs of a server that died.
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1)
    server = subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_stop_with_guardian
    )
    threading.Thread(target=_stop_with_owner, args=(server, float(grace_s)), daemon=True).start()
    status = server.wait()
    _kill_group(server.pid)
    for segment in Path("/dev/shm").glob(f"{prefix}*"):  # noqa: S108
        segment.unlink(missing_ok=True)
    shutil.rmtree(runtime, ignore_errors=True)
    return status if status >= 0 else 128 - status


def _stop_with_guardian() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _stop_with_owner(server: subprocess.Popen[bytes], grace_s: float) -> None:
    os.read(sys.stdin.fileno(), 1)
    server.terminate()
    try:
        server.wait(grace_s)
    except subprocess.TimeoutExpired:
        server.kill()


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


if __name__ == "__main__":
    sys.exit(main())
