"""Hears clients leave: one thread that watches the sockets of all requests in progress."""

from __future__ import annotations

import contextlib
import select
import selectors
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator

from urllib3.util.wait import wait_for_read

from .lifeline import Lifeline

__all__ = ["HangupWatcher"]

# A client that has sent more bytes already can't be watched for its end behind them; it is looked at this often.
_TICK = 0.05
# A client that has closed its sending half is asked this often whether it still reads.
_PROBE_SECONDS = 5.0


class HangupWatcher:
    """Cuts the lifeline of a request whose client has hung up, within 100 ms.

    A socket is readable when its peer has closed it, and also when the peer has sent the next request already; a peek
    tells the two apart and takes nothing from the request's thread. A peer that has closed its sending half alone still
    wants its answer: a probe tells, which a machine whose client has gone answers with a reset.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the selector's map, _watched and _parked
        self._selector = selectors.DefaultSelector()
        self._watched: dict[int, _Watched] = {}
        self._parked: set[int] = set()
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken.fileno(), selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="vespa-hangup", daemon=True)
        self._ending = False

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and its sockets."""
        self._ending = True
        self._wake.close()
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            self._selector.close()
        self._woken.close()

    @contextlib.contextmanager
    def watching(self, client: socket.socket, lifeline: Lifeline, probe: Callable[[], bool | None]) -> Iterator[None]:
        """For as long as the block runs, the client's hang-up cuts the lifeline. The socket must stay open in it.

        ``probe`` sends what a client that has gone answers with a reset. It returns False if there is nothing to send, and
        None if the answer is being written: it is asked again soon then.
        """
        number = client.fileno()
        with self._lock:
            self._watched[number] = _Watched(client, lifeline, probe)
            self._selector.register(number, selectors.EVENT_READ)
        try:
            yield
        finally:
            with self._lock:
                del self._watched[number]
                if number in self._parked:
                    self._parked.discard(number)
                else:
                    self._selector.unregister(number)

    def _run(self) -> None:
        # select() alone doesn't notice sockets that are added while it waits.
        ticks_always = isinstance(self._selector, selectors.SelectSelector)
        while not self._ending:
            ready = self._select(_TICK if ticks_always or self._parked else None)
            with self._lock:
                for number in ready | self._parked:
                    self._look(number)

    def _select(self, seconds: float | None) -> set[int]:
        try:
            return {key.fd for key, _ in self._selector.select(seconds)}
        except (OSError, ValueError):
            # Windows' select() takes 512 sockets. With more, a leaving client is noticed by what is sent to it.
            time.sleep(_TICK)
            return set()

    def _look(self, number: int) -> None:
        """Look at a socket that is readable, or was."""
        watched = self._watched.get(number)
        if watched is None:
            return  # its request ended between select() and here
        heard = watched.look()
        if heard and number not in self._parked:
            # It would stay readable: look at it now and then instead of always.
            self._selector.unregister(number)
            self._parked.add(number)


class _Watched:
    """One client's socket, and what is known of its other end."""

    def __init__(self, sock: socket.socket, lifeline: Lifeline, probe: Callable[[], bool | None]) -> None:
        self._socket = sock
        self._lifeline = lifeline
        self._probe = probe
        self._next_probe: float | None = None
        """When to ask again whether a client that has closed its sending half is there; None while it hasn't."""

    def look(self) -> bool:
        """Cut the lifeline if the client has gone. Returns whether anything was to be heard."""
        if self._lifeline.is_cut:
            return True
        # What select() told may be over. On a socket with a time limit even MSG_DONTWAIT waits, and here everybody with it.
        if not wait_for_read(self._socket, 0):
            return False
        try:
            waiting = self._socket.recv(1, socket.MSG_PEEK)
            ended = not waiting or _ends_behind(self._socket)
            reset = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0
        except OSError:
            ended = reset = True
        if reset or (ended and not self._is_there()):
            self._lifeline.cut()
        return True

    def _is_there(self) -> bool:
        """A client that has closed its sending half may still read, or may have gone: only a probe can tell."""
        now = time.monotonic()
        if self._next_probe is not None and now < self._next_probe:
            return True
        there = self._probe()
        if there is not None:
            self._next_probe = now + _PROBE_SECONDS
        return there is not False


def _ends_behind(sock: socket.socket) -> bool:
    """Whether the peer has ended its sending behind the bytes that wait; False where the system doesn't tell."""
    if sys.platform != "linux":
        return False
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    return bool(poll.poll(0))
