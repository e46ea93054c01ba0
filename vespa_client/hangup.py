"""Hears clients leave: one thread that watches the sockets of all connections while requests are in progress on them."""

from __future__ import annotations

import contextlib
import select
import socket
import sys
import threading
import time
from collections.abc import Callable

from urllib3.util.wait import wait_for_read

from .ears import make_ears
from .lifeline import TICK, Lifeline
from .log import log

__all__ = ["HangupWatcher", "Watch"]

# A client that has closed its sending half is asked this often whether it still reads.
_PROBE_SECONDS = 5.0


class HangupWatcher:
    """Cuts the lifeline of a request whose client has hung up, within 100 ms.

    A peer that has closed its sending half alone still wants its answer: a probe tells, which a machine whose client has
    gone answers with a reset. On some systems a socket can be heard only by being readable, which it is too when the peer
    has sent the next request already; a peek tells the two apart and takes nothing from the request's thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the ears' sockets, the two below, and what a watch says is guarded
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._ears = make_ears(self._woken.fileno())
        self._watches: dict[int, Watch] = {}
        self._parked: set[Watch] = set()
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
            self._ears.close()
        self._woken.close()

    def watch(self, client: socket.socket) -> Watch:
        """Watch a client's socket, which must stay open until the watch is closed."""
        watch = Watch(self, client)
        with self._lock:
            self._watches[watch.number] = watch
            if self._ears.hear_ends_alone:
                self._listen(watch)
        return watch

    def _listen(self, watch: Watch) -> None:
        self._ears.add(watch.number)
        watch.is_listened_to = True

    def _stop_listening(self, watch: Watch) -> None:
        if watch.is_listened_to:
            self._ears.remove(watch.number)
            watch.is_listened_to = False

    def _begin(self, watch: Watch) -> None:
        with self._lock:
            if not self._ears.hear_ends_alone:
                self._listen(watch)
            if not watch.has_ended:
                return
            # Heard before this request, which came with the end or before it.
            self._parked.add(watch)
        self._rouse()

    def _end(self, watch: Watch) -> None:
        with self._lock:
            watch.lifeline = None
            self._parked.discard(watch)
            if not self._ears.hear_ends_alone:
                self._stop_listening(watch)

    def _close(self, watch: Watch) -> None:
        with self._lock:
            del self._watches[watch.number]
            self._stop_listening(watch)

    def _rouse(self) -> None:
        """Have the thread see that somebody is parked, if it sleeps."""
        with contextlib.suppress(OSError):  # it is ending, or has been roused often enough
            self._wake.send(b"x")

    def _run(self) -> None:
        while not self._ending:
            ready = self._ears.wait(TICK if self._parked else None)
            with self._lock:
                if self._woken.fileno() in ready and not self._ending:
                    self._woken.recv(1024)
                for watch in {*filter(None, map(self._watches.get, ready)), *self._parked}:
                    try:
                        self._look(watch)
                    except Exception:  # noqa: BLE001 - a mistake of ours costs one client's watch, not everybody's
                        log.exception("A client can't be watched; please report this.")
                        self._stop_listening(watch)
                        self._parked.discard(watch)

    def _look(self, watch: Watch) -> None:
        """Look at a socket from which something was heard."""
        if self._ears.hear_ends_alone:
            # The number may be another socket's since.
            watch.has_ended = watch.has_ended or watch.ends()
            if not watch.has_ended:
                return
        elif not watch.look():
            return  # what was heard is over
        # It would be heard again at once: look at it now and then instead.
        self._stop_listening(watch)
        if watch.lifeline is not None:
            self._parked.add(watch)
            if self._ears.hear_ends_alone:
                watch.look()


class Watch:
    """One client's socket, and what is known of its other end. For its connection's thread."""

    def __init__(self, watcher: HangupWatcher, sock: socket.socket) -> None:
        self.number = sock.fileno()
        self.lifeline: Lifeline | None = None
        """Whose request is in progress. This, and the next two, are guarded by the watcher's lock."""
        self.is_listened_to = False
        self.has_ended = False
        """Whether the client's end of sending has been heard."""
        self._watcher = watcher
        self._socket = sock
        self._probe: Callable[[], bool | None] = lambda: False
        self._next_probe: float | None = None
        """When to ask again whether a client that has closed its sending half is there; None while it hasn't."""

    def begin(self, lifeline: Lifeline, probe: Callable[[], bool | None]) -> None:
        """From now on, the client's hang-up cuts the lifeline.

        ``probe`` sends what a client that has gone answers with a reset. It returns False if there is nothing to send, and
        None if the answer is being written: it is asked again soon then.
        """
        self._probe = probe
        self._next_probe = None
        self.lifeline = lifeline
        self._watcher._begin(self)

    def end(self) -> None:
        """The request is over."""
        self._watcher._end(self)

    def close(self) -> None:
        """The connection is over."""
        self._watcher._close(self)

    def ends(self) -> bool:
        """Whether the client has ended its sending, behind bytes that wait as well; False where the system doesn't tell."""
        if sys.platform != "linux":
            return False
        poll = select.poll()
        poll.register(self._socket, select.POLLRDHUP)
        return bool(poll.poll(0))

    def look(self) -> bool:
        """Cut the lifeline if the client has gone. Returns whether anything was to be heard."""
        lifeline = self.lifeline
        if lifeline is None or lifeline.is_cut:
            return True
        # What was told may be over. On a socket with a time limit even MSG_DONTWAIT waits, and here everybody with it.
        if not wait_for_read(self._socket, 0):
            return False
        try:
            waiting = self._socket.recv(1, socket.MSG_PEEK)
            ended = not waiting or self.ends()
            reset = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0
        except OSError:
            ended = reset = True
        if reset or (ended and not self._is_there()):
            lifeline.cut()
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
