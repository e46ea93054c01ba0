"""``/_vespa/events``: the status as it happens, as server-sent events (HTML Standard, "Server-sent events").

First a ``snapshot``, which is the whole status; then small changes. Each reader is served by its own connection's thread, which
looks ten times a second at what has changed: the threads of requests leave a note and go on. To tell of an exchange takes a
fifth of what a request does, so that in a crowd not each is told of; the sums have all of them, and another snapshot follows.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from ...errors import TooManyConnections
from ...http1.fields import Fields
from ...journal.changes import Changes
from ...journal.record import Record
from ...journal.snapshot import Exchange
from ...journal.totals import Totals
from ...net.lifeline import Lifeline
from ...routing.endpoint_view import EndpointView
from ..answer_writer import AnswerWriter
from .answer import NEVER_STORED
from .status import Overview, Status, as_json

__all__ = ["MOST_FOLLOWERS", "Follower"]

MOST_FOLLOWERS = 32
"""How many may read the events at a time: each is a thread."""

_STEP = 0.1
# Of those that failed, and of the others that a reader hasn't been told of.
_MOST_A_STEP = 10
_PROGRESS_SECONDS = 1.0
_OVERVIEW_SECONDS = 2.0
# Between two snapshots in a crowd that doesn't end.
_CROWD_SECONDS = 5.0
_HEARTBEAT_SECONDS = 15.0
# Of a reader that is told to come again.
_RETRY_MILLISECONDS = 2000
_RETRY_AFTER = 10
_HEAD: Fields = [("Content-Type", "text/event-stream"), *NEVER_STORED]


class Follower:
    """One reader of the events."""

    def __init__(
        self,
        totals: Totals,
        status: Callable[[], Status],
        overview: Callable[[], Overview],
        endpoint: Callable[[], EndpointView],
        is_stopping: Callable[[], bool],
    ) -> None:
        self._totals = totals
        self._status = status
        self._overview = overview
        self._endpoint = endpoint
        self._is_stopping = is_stopping
        self._known: set[int] = set()
        """The exchanges in progress that the reader has been told of."""
        self._said: dict[int, str] = {}
        """What the autoscaler says of those that wait, as the reader knows it."""
        self._view: EndpointView | None = None
        """The endpoint, as the reader knows it."""
        self._sums_are_old = False
        self._has_gaps = False
        """Whether there were exchanges that the reader has not been told of."""
        self._number = 0

    def serve(self, writer: AnswerWriter, lifeline: Lifeline) -> None:
        """Write events until the reader leaves, reads too slowly, or the proxy stops.

        Raises :class:`ClientGone` where the reader has gone, :class:`TooManyConnections` where there are enough already.
        """
        if writer.method == "HEAD":
            writer.begin(200, "OK", _HEAD, None)
            return
        if self._totals.followers >= MOST_FOLLOWERS:
            raise TooManyConnections(
                f"{MOST_FOLLOWERS} already read the proxy's events.", hint="Close a status page.", retry_after=_RETRY_AFTER
            )
        with self._totals.following() as changes:
            hello = f"retry: {_RETRY_MILLISECONDS}\n\n".encode()
            writer.begin(200, "OK", _HEAD, None, hello + self._snapshot())
            self._follow(changes, writer, lifeline)
        writer.end()

    def _follow(self, changes: Changes[Record], writer: AnswerWriter, lifeline: Lifeline) -> None:
        spoken = told = summed = filled = time.monotonic()
        while not changes.overflowed and not self._is_stopping():
            lifeline.wait(_STEP)
            now = time.monotonic()
            changed = changes.take()
            events = [self._changed(Exchange.of(record)) for record in self._chosen(changed)]
            if self._has_gaps and (not changed or now - filled >= _CROWD_SECONDS):
                filled = now
                events.append(self._snapshot())
            view = self._endpoint()
            if view != self._view:
                self._view = view
                events.append(self._event("endpoint", view))
            if now - told >= _PROGRESS_SECONDS:
                told = now
                events += self._progress()
            if self._sums_are_old and now - summed >= _OVERVIEW_SECONDS:
                summed = now
                self._sums_are_old = False
                events.append(self._event("overview", self._overview()))
            if not events and now - spoken >= _HEARTBEAT_SECONDS:
                events.append(self._event("heartbeat", {"now": round(time.time(), 4)}))
            if events:
                spoken = now
                writer.write(b"".join(events))

    def _chosen(self, changed: list[Record]) -> list[Record]:
        """Those of the exchanges that the reader is told of: the ones it knows, and the newest failures and others."""
        if len(changed) <= _MOST_A_STEP:
            return changed
        self._sums_are_old = self._has_gaps = True
        known: list[Record] = []
        failed: deque[Record] = deque(maxlen=_MOST_A_STEP)
        others: deque[Record] = deque(maxlen=_MOST_A_STEP)
        for record in changed:
            if record.number in self._known:
                known.append(record)
            elif record.is_done and record.is_failure:
                failed.append(record)
            else:
                others.append(record)
        return [*known, *failed, *others]

    def _snapshot(self) -> bytes:
        """The whole status."""
        status = self._status()
        self._view = status.endpoint
        self._known = {exchange.number for exchange in status.in_progress}
        self._said = {}
        self._sums_are_old = self._has_gaps = False
        return self._event("snapshot", status)

    def _changed(self, exchange: Exchange) -> bytes:
        if exchange.phase == "done":
            self._known.discard(exchange.number)
            self._sums_are_old = True
            return self._event("finished", exchange)
        if exchange.number in self._known:
            return self._event("phase", exchange)
        self._known.add(exchange.number)
        return self._event("begun", exchange)

    def _progress(self) -> list[bytes]:
        """How far answers and waits are of exchanges that the reader knows."""
        steps: list[dict[str, Any]] = []
        said: dict[int, str] = {}
        for record in self._totals.running():
            if record.number not in self._known:
                continue
            phase = record.now[0]
            if phase == "streaming":
                steps.append({"number": record.number, "bytes_out": record.answer_bytes, "events": record.events})
            elif phase == "waiting":
                said[record.number] = record.waiting_for
                if self._said.get(record.number) != record.waiting_for:
                    steps.append({"number": record.number, "waiting_for": record.waiting_for})
        self._said = said
        return [self._event("progress", steps)] if steps else []

    def _event(self, name: str, seen: Any) -> bytes:
        self._number += 1
        return b"event: %s\nid: %d\ndata: %s\n\n" % (name.encode(), self._number, as_json(seen))
