"""A proxy that the benchmark has started, and how long that took."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from .client import exchange
from .measured import Failed
from .programs import Program
from .targets import Startable, Surroundings
from .way import Way

__all__ = ["Proxy"]

_PATIENCE = 90.0
_LOOK = 0.002
_TRIES = 3


class Proxy(Program):
    """A running proxy. It is listening when this is made. Raises :class:`Failed` where that doesn't happen."""

    def __init__(self, target: Startable, place: Surroundings, log: Path) -> None:
        for tries_left in reversed(range(_TRIES)):
            self._port = _free_port()
            self._begin = time.perf_counter()
            super().__init__(target.command(self._port, place), log, target.environment(place.home), place.home)
            try:
                self._wait()
                break
            except BaseException as problem:
                self.end()
                # Between the look for a free port and the start, another program may have taken it.
                if not isinstance(problem, Failed) or not tries_left or not _is_taken(self._port):
                    raise

    @property
    def way(self) -> Way:
        """The way through it."""
        return Way("127.0.0.1", self._port, self.process.pid)

    def answer(self) -> float:
        """Have it answer a request. Returns the seconds from its start until then."""
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=_PATIENCE) as sock:
                exchange(sock, self.way.chat()[0])
        except OSError as problem:
            raise Failed(f"no answer: {problem}") from None
        return time.perf_counter() - self._begin

    def _wait(self) -> None:
        while not _is_taken(self._port):
            if not self.is_running:
                raise Failed(self.last_words())
            if time.perf_counter() - self._begin > _PATIENCE:
                raise Failed(f"it did not listen within {_PATIENCE:g} s")
            time.sleep(_LOOK)
        self.listening_seconds = time.perf_counter() - self._begin
        """From the start of its command until it took a connection."""
        if not self.is_running:
            raise Failed(self.last_words())


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _is_taken(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
