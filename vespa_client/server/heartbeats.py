"""Signs of life on event streams whose answer is still to come: Node's fetch, load balancers and corporate proxies give
up on a silent connection after one to five minutes, and a cold start takes longer.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Iterator

from .answer_writer import AnswerWriter

__all__ = ["Heartbeats"]


class Heartbeats:
    """One thread that beats for all requests that wait. ``seconds`` is the pause between two beats; 0 is none at all."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._changed = threading.Condition()  # guards the three below; told when there is more to do, or nothing ever
        self._due: dict[AnswerWriter, float] = {}
        self._wakes = math.inf
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="vespa-heartbeat", daemon=True)
        if seconds:
            self._thread.start()

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    def are_for(self, writer: AnswerWriter, *, streams: bool) -> bool:
        """Whether a client that asks for a stream, or for none, may hear them."""
        return bool(self._seconds) and streams and writer.takes_signs

    @contextlib.contextmanager
    def beating(self, writer: AnswerWriter) -> Iterator[None]:
        """For as long as the block runs, the client hears a sign every so often; the first one spends the status."""
        with self._changed:
            due = time.monotonic() + self._seconds
            self._due[writer] = due
            # It mostly wakes for an earlier one anyhow, or for one that has been answered since.
            if due < self._wakes:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                del self._due[writer]

    def _run(self) -> None:
        with self._changed:
            while not self._ending:
                now = time.monotonic()
                for writer, due in self._due.items():
                    if due <= now:
                        writer.beat()
                        self._due[writer] = now + self._seconds
                self._wakes = min(self._due.values(), default=math.inf)
                self._changed.wait(min(self._wakes - now, threading.TIMEOUT_MAX))
