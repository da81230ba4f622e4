"""Decides who may go on when processes share a data directory: advisory locks that never block the loop.

The kernel frees the lock of a killed process, so a lock that is held always has a live holder.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from pathlib import Path

from core.errors import ServerUnavailable

_RETRY_SECONDS = 0.05


class FileLock:
    """One holder's view of a lock file; two of them in one process are two holders."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this holder has the lock, shared or alone."""
        return self._descriptor is not None

    def try_shared(self) -> bool:
        """Take the lock beside other sharers; False if somebody has it alone."""
        return self._try(fcntl.LOCK_SH)

    def try_alone(self) -> bool:
        """Take the lock alone, also from shared; False if anybody else has it.

        A refused change from shared to alone may lose the shared lock: callers leave then anyway.
        """
        return self._try(fcntl.LOCK_EX)

    async def alone(self, timeout_seconds: float) -> None:
        """Wait for the lock alone, at most so long."""
        deadline = time.monotonic() + timeout_seconds
        while not self.try_alone():
            if time.monotonic() > deadline:
                raise ServerUnavailable(
                    f"{self._path}: another process has kept this lock for {timeout_seconds:.0f} s; "
                    f"look at it with `fuser -v {self._path}` and end it if it hangs"
                )
            await asyncio.sleep(_RETRY_SECONDS)

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _try(self, kind: int) -> bool:
        descriptor = self._descriptor
        if descriptor is None:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if self._descriptor is None:
                os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True
