"""The far side of the proxy where it is odd: each client has a worker of its own, which plays its cases' scripts.

So what a worker does behind an answer is over before the next request may come to it, and nothing is left to chance.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field

from .answer_case import AnswerCase, Script
from .arrival import Arrival
from .dialect_case import DialectCase
from .marks import Mark
from .stage import Stage, json_answer
from .upstream import Link, Upstream

__all__ = ["Lane", "Lanes", "Play"]

_LATE = 0.002
_ENDS_WITHIN = 10.0


@dataclass
class Play:
    """One script that is, or was, played to one request."""

    script: Script
    arrival: Arrival
    ended: threading.Event = field(default_factory=threading.Event)


@dataclass
class Lane:
    """A worker, and the case that it plays in at present."""

    worker: Upstream
    case: AnswerCase | DialectCase | None = None
    routes: list[Play] = field(default_factory=list)
    runs: list[Play] = field(default_factory=list)

    def begin(self, case: AnswerCase | DialectCase) -> None:
        """From now on it plays this one."""
        self.routes, self.runs, self.case = [], [], case

    def finish(self) -> None:
        """Wait until all that is still going on is over."""
        for play in (*self.routes, *self.runs):
            play.ended.wait(_ENDS_WITHIN)


class Lanes(Stage):
    """A stage with odd workers beside the one that is in order."""

    def __init__(self, endpoint: str, key: str, count: int) -> None:
        self.lanes: list[Lane] = []
        self._by_case: dict[tuple[str, int], Lane] = {}
        super().__init__(endpoint, key)
        for place in range(count):
            worker = Upstream(f"lane-{place}", self._serve_lane, signed=True)
            names = ("127.0.0.1", "localhost", "localhost.", "127.1", "[::1]", "[::ffff:127.0.0.1]")
            worker.names = tuple(f"{name}:{worker.port}" for name in names)
            self.lanes.append(Lane(worker))

    def stop(self) -> None:
        super().stop()
        for lane in self.lanes:
            lane.worker.stop()

    def begin(self, lane: Lane, case: AnswerCase | DialectCase) -> None:
        """From now on the case is known."""
        lane.begin(case)
        self._by_case[case.mark.case] = lane

    def finish(self, lane: Lane) -> list[Arrival]:
        """Wait until all that is still going on is over. Returns what was served in order beside the script."""
        assert lane.case is not None
        lane.finish()
        del self._by_case[lane.case.mark.case]
        return self.take(*lane.case.mark.case)

    def settle(self) -> list[tuple[str, bytes]]:
        faults = super().settle()
        for lane in self.lanes:
            faults += lane.worker.faults
            lane.worker.faults = []
        return faults

    def play_autoscaler(self, link: Link, arrival: Arrival, mark: Mark | None, cost: str) -> bool:
        lane = self._by_case.get(mark.case) if mark is not None else None
        if lane is None or lane.case is None or mark is None or mark.index:
            url = self.worker.url if lane is None else lane.worker.url
            link.sock.sendall(json_answer(self.assign(cost, url)))
            return True
        scripts = lane.case.autoscaler
        return _play(link, scripts[min(len(lane.routes), len(scripts) - 1)], arrival, lane.routes)

    def _serve_lane(self, upstream: Upstream, link: Link) -> None:
        while (arrival := link.next(upstream.names)) is not None:
            lane = next(lane for lane in self.lanes if lane.worker is upstream)
            if lane.case is None or arrival.marks != {lane.case.mark}:
                self.serve_in_order(upstream, link, arrival)
                continue
            if not _play(link, lane.case.worker_script(arrival, len(lane.runs)), arrival, lane.runs):
                return


def _play(link: Link, script: Script, arrival: Arrival, plays: list[Play]) -> bool:
    """Returns whether the connection goes on."""
    play = Play(script, arrival)
    plays.append(play)
    try:
        # The proxy may have seen enough before all of it is sent.
        with contextlib.suppress(OSError):
            for piece in script.pieces:
                if piece.pause:
                    time.sleep(piece.pause)
                link.sock.sendall(piece.data)
            if script.late:
                time.sleep(_LATE)
                link.sock.sendall(script.late)
            if script.end == "keep":
                return True
        if script.end == "reset":
            link.reset()
        link.sock.close()
        return False
    finally:
        play.ended.set()
