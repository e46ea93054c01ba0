"""Places of a script where the model is silent until a test says that it may go on."""

from __future__ import annotations

import threading
import time

from .messages import ClientGone, Request

__all__ = ["Holds"]


class Holds:
    """The places by name. One that was released stays so until :meth:`clear`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()  # guards everything below
        self._reached: set[str] = set()
        self._released: set[str] = set()

    def wait_until_reached(self, name: str, timeout: float = 5.0) -> None:
        """Wait until the model is silent there. TimeoutError after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while name not in self._reached:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"The model did not come to the hold {name!r} within {timeout} s.")
                self._changed.wait(left)

    def release(self, name: str) -> None:
        """Let the model go on there, now or when it comes there."""
        with self._changed:
            self._released.add(name)
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget which were reached and released."""
        with self._changed:
            self._reached.clear()
            self._released.clear()

    def hold(self, request: Request, name: str) -> None:
        """Be silent there. Raises :class:`ClientGone` at once when the client hangs up or the sandbox stops."""
        gone = threading.Event()

        def leave() -> None:
            with self._changed:
                gone.set()
                self._changed.notify_all()

        with request.watched(leave), self._changed:
            self._reached.add(name)
            self._changed.notify_all()
            self._changed.wait_for(lambda: name in self._released or gone.is_set())
        if gone.is_set():
            raise ClientGone
