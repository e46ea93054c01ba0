"""Hears clients leave: one thread that watches the sockets of all connections while requests are in progress on them."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable

from urllib3.util.wait import wait_for_read

from ..journal.log import log
from ..net.forks import close_in_children
from ..net.keepalives import GONE_AFTER
from ..net.lifeline import TICK, Lifeline
from ..net.pollers import make_poller
from ..net.presence import has_closed, is_reset
from ..net.tcp import peer_has_ended, seconds_unheard

__all__ = ["HangupWatcher", "Watch"]

# A client that has closed its sending half is asked this often whether it still reads, and its system, where that is ours,
# is asked too: soon at first, since many close right behind that.
_PROBE_SECONDS = 5.0
# How often it is looked at whether clients' systems still say that they take what is sent to them.
_ROUND_SECONDS = 15.0


class HangupWatcher:
    """Cuts the lifeline of a request whose client has hung up, within 100 ms.

    A peer that has closed its sending half still wants its answer (RFC 9112, 9.6), unless there is a sign that it has gone:
    its system answers a probe, or the answer's own bytes, with a reset. Where there is no sign, the answer goes on. On some
    systems a socket can be heard only by being readable, which it is too when the peer has sent the next request already; a
    peek tells the two apart and takes nothing from the request's thread.

    A client whose machine or network has gone leaves nothing to hear. Keepalives tell of it where nothing is on its way; where
    an answer is, its system's silence does, within a minute or so.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the poller's sockets, the two below, and what a watch says is guarded
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        close_in_children(self._wake)
        close_in_children(self._woken)
        self._poller = make_poller(self._woken.fileno())
        self._watches: dict[int, Watch] = {}
        self._parked: set[Watch] = set()
        self._thread = threading.Thread(target=self._run, name="vespa-hangup", daemon=True)
        self._ending = False
        self._next_round = 0.0

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and its sockets."""
        self._ending = True
        # Not closed alone: a child that was forked meanwhile may have a copy of it.
        with contextlib.suppress(OSError):
            self._wake.shutdown(socket.SHUT_RDWR)
        self._wake.close()
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            self._poller.stop()
        self._woken.close()

    def watch(self, client: socket.socket) -> Watch:
        """Watch a client's socket, which must stay open until the watch is closed."""
        watch = Watch(self, client)
        with self._lock:
            self._watches[watch.number] = watch
            self._poller.open(watch.number)
        return watch

    def _begin(self, watch: Watch) -> None:
        with self._lock:
            if not self._poller.begin(watch.number):
                return
            # Heard before this request, which came with the end or before it.
            self._parked.add(watch)
        self._rouse()

    def _end(self, watch: Watch) -> None:
        with self._lock:
            watch.lifeline = None
            self._parked.discard(watch)
            self._poller.end(watch.number)

    def _close(self, watch: Watch) -> None:
        with self._lock:
            del self._watches[watch.number]
            self._poller.close(watch.number)

    def _rouse(self) -> None:
        """Have the thread see that somebody is parked, if it sleeps."""
        with contextlib.suppress(OSError):  # it is ending, or has been roused often enough
            self._wake.send(b"x")

    def _run(self) -> None:
        while not self._ending:
            ready = self._poller.wait(TICK if self._parked else _ROUND_SECONDS)
            with self._lock:
                self._go_round()
                if self._woken.fileno() in ready and not self._ending:
                    self._woken.recv(1024)
                for watch in {*filter(None, map(self._watches.get, ready)), *self._parked}:
                    try:
                        self._look(watch)
                    except Exception:  # noqa: BLE001 - a mistake of ours costs one client's watch, not everybody's
                        log.exception("A client can't be watched; please report this.")
                        self._poller.close(watch.number)
                        self._parked.discard(watch)

    def _go_round(self) -> None:
        now = time.monotonic()
        if now >= self._next_round:
            self._next_round = now + _ROUND_SECONDS
            for watch in self._watches.values():
                watch.look_for_silence()

    def _look(self, watch: Watch) -> None:
        """Look at a socket from which something was heard."""
        # It would be heard again at once: from now on it is looked at now and then instead.
        if self._poller.confirm(watch.socket) and watch.lifeline is not None:
            self._parked.add(watch)
            watch.look()


class Watch:
    """One client's socket, and what is known of its other end. For its connection's thread."""

    def __init__(self, watcher: HangupWatcher, sock: socket.socket) -> None:
        self.number = sock.fileno()
        self.lifeline: Lifeline | None = None
        """Whose request is in progress. Guarded by the watcher's lock."""
        self._watcher = watcher
        self.socket = sock
        self._probe: Callable[[], bool | None] = lambda: None
        # When a client that has closed its sending half is to be asked again, and its system, and how long that pause is.
        self._next_probe = self._next_look_up = 0.0
        self._pause = TICK

    def begin(self, lifeline: Lifeline, probe: Callable[[], bool | None]) -> None:
        """From now on, the client's hang-up cuts the lifeline.

        ``probe`` sends what the system of a client that has gone answers with a reset. It returns False if that can't be
        sent any more, and None if there is nothing to be sent just now: it is asked again soon then.
        """
        self._probe = probe
        self._next_probe = self._next_look_up = 0.0
        self._pause = TICK
        self.lifeline = lifeline
        self._watcher._begin(self)

    def end(self) -> None:
        """The request is over."""
        self._watcher._end(self)

    def close(self) -> None:
        """The connection is over."""
        self._watcher._close(self)

    def look(self) -> None:
        """Cut the lifeline if the client has gone."""
        lifeline = self.lifeline
        # What was told may be over. On a socket with a time limit even MSG_DONTWAIT waits, and here everybody with it.
        if lifeline is None or lifeline.is_cut or not wait_for_read(self.socket, 0):
            return
        try:
            waiting = self.socket.recv(1, socket.MSG_PEEK)
            ended = not waiting or peer_has_ended(self.socket)
            reset = is_reset(self.socket)
        except OSError:
            ended = reset = True
        if reset or (ended and not self._is_there()):
            lifeline.cut()

    def look_for_silence(self) -> None:
        """Cut the lifeline if the client's system has long said nothing of what was sent to it."""
        if self.lifeline is not None and seconds_unheard(self.socket) >= GONE_AFTER:
            self.lifeline.cut()

    def _is_there(self) -> bool:
        """Whether a client that has closed its sending half may still read. What a probe brings is seen at the next look."""
        now = time.monotonic()
        if now >= self._next_look_up:
            self._next_look_up = now + self._pause
            self._pause = min(self._pause * 2, _PROBE_SECONDS)
            if has_closed(self.socket):
                return False
        if now >= self._next_probe:
            there = self._probe()
            if there is not None:
                self._next_probe = now + _PROBE_SECONDS
            return there is not False
        return True
