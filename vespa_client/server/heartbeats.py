"""Signs of life on event streams whose answer is still to come: Node's fetch, load balancers and corporate proxies give
up on a silent connection after one to five minutes, and a cold start takes longer.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from .answer_writer import AnswerWriter

__all__ = ["Heartbeats"]


class Heartbeats:
    """One thread that beats for all requests that wait. ``seconds`` is the pause between two beats; 0 is none at all."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._changed = threading.Condition()  # guards the two below; told when there is more to do, or nothing ever
        self._due: dict[AnswerWriter, float] = {}
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

    @contextlib.contextmanager
    def beating(self, writer: AnswerWriter) -> Iterator[None]:
        """For as long as the block runs, the client hears a comment every so often; the first one spends the status."""
        if not self._seconds:
            yield
            return
        with self._changed:
            self._due[writer] = time.monotonic() + self._seconds
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
                self._changed.wait(min(self._due.values()) - now if self._due else None)
