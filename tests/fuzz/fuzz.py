"""The fuzz: rounds of cases against one proxy, a quiet moment after each in which it must be as it was, and the report."""

from __future__ import annotations

import contextlib
import itertools
import math
import re
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from vespa_client.sandbox import Endpoint
from vespa_client.sandbox.console import Console, make_key

from .answer_case import draw_answer_case
from .answer_judge import judge_answers
from .conversation import Piece, Seen, converse
from .dialect_case import draw_dialect_case
from .dialect_judge import judge_dialect
from .finding import Finding
from .lanes import Lane, Lanes
from .marks import Mark, mark_of_cost, marks_in
from .oracle import Reading, read_stream
from .proxy import Footprint, Proxy
from .report import NAMES, Report
from .request_case import RequestCase, draw_request_case
from .request_judge import Unmarked, judge_requests
from .seen import NotHTTP, are_open, read_answers

__all__ = ["Fuzz"]

_ENDPOINT = "fuzz"
_MAX_BODY = 100 * 1024
_SETTINGS = {
    "max-body": _MAX_BODY,
    "head-timeout": 1,
    "body-timeout": 1,
    "connect-timeout": 3,
    "timeout": 3,
    "idle-timeout": 3,
    "wait": 0.3,
    "retries": 1,
    "drain": 1,
}
# Far above each wait that these settings allow.
_PATIENCE = 20.0
_LONGEST_ROUND = 15.0
_QUIET_SECONDS = 8.0
_SOCKETS_PER_CLIENT = 5
# Below this a run is over before memory is warm.
_LONG = 120.0
_MOST_GROWTH = 1.6
_MOST_MEGABYTES = 64.0


class Fuzz:
    """One run by a seed: each case is the same for the same seed and number. When it happens is not."""

    def __init__(self, seed: int, clients: int = 8, say: Callable[[str], None] = lambda line: None) -> None:
        """``say`` is told how it goes: a line a round, and what was found in it."""
        self._seed = seed
        self._clients = clients
        self._say = say
        self._numbers: dict[str, Iterator[int]] = {fuzzer: itertools.count(1) for fuzzer in "rat"}
        self._left: list[tuple[RequestCase, Reading, Seen]] = []
        self._lock = threading.Lock()  # guards the two below
        # What came, or may have come, to the worker from requests in which no mark is left.
        self._has_come: Counter[Unmarked] = Counter()
        self._may_have_come: Counter[Unmarked] = Counter()
        self._footprints: list[Footprint] = []
        self.report = Report()

    def run(self, seconds: float, fuzzers: str = "rat") -> Report:
        """Rounds of each of the fuzzers in turn, until the time is over."""
        started = time.monotonic()
        length = min(max(seconds / 4, 2.0), _LONGEST_ROUND)
        with self._scene():
            for fuzzer in itertools.cycle(fuzzers):
                self._round(fuzzer, min(time.monotonic() + length, started + seconds))
                if self._proxy.has_ended or started + seconds - time.monotonic() < length / 2:
                    break
            self._tell(time.monotonic() - started)
        return self.report

    def run_one(self, fuzzer: str, number: int, times: int = 1) -> Report:
        """One case, again and again. What it shows is told, known or not."""
        self.report = Report(excuses=False)
        self._numbers = {fuzzer: itertools.repeat(number, times)}
        self._clients = 1
        with self._scene():
            self._round(fuzzer, math.inf)
        return self.report

    @contextlib.contextmanager
    def _scene(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            key, account_key = make_key(), make_key()
            console = Console(account_key, [Endpoint(1, _ENDPOINT, key)])
            console.start()
            stack.callback(console.stop)
            self._stage = stage = Lanes(_ENDPOINT, key, self._clients)
            stack.callback(stage.stop)
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fuzz-")))
            urls = ("--endpoint", _ENDPOINT, "--console-url", console.url, "--autoscaler-url", stage.autoscaler.url)
            settings = [word for name, value in _SETTINGS.items() for word in (f"--{name}", str(value))]
            self._proxy = proxy = Proxy(home, account_key, *urls, *settings)
            self._idle = proxy.footprint()
            try:
                yield
            finally:
                exit_code = proxy.end()
                if exit_code:
                    self.report.find(Finding("-", "the proxy ends in good order", f"its exit code is {exit_code}"))

    def _round(self, fuzzer: str, ends_at: float) -> None:
        """Cases of one fuzzer from all clients, then silence."""
        before, started, shown = self.report.cases, time.monotonic(), len(self.report.findings)
        play = {"r": self._play_request, "a": self._play_answer, "t": self._play_dialect}[fuzzer]
        lock = threading.Lock()

        def run(lane: Lane) -> None:
            while time.monotonic() < ends_at and not self._proxy.has_ended:
                with lock:
                    number = next(self._numbers[fuzzer], None)
                if number is None:
                    return
                try:
                    play(lane, number)
                except Exception as problem:  # noqa: BLE001 - whatever it is, the case is to be named
                    self.report.find(Finding(f"{fuzzer}{number}", "the fuzzer itself is in order", repr(problem)))

        threads = [threading.Thread(target=run, args=(lane,), name="fuzz-client") for lane in self._stage.lanes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.monotonic() - started
        self._check_quiet(f"after a round of {fuzzer}")
        count = self.report.cases - before
        megabytes = self._footprints[-1].memory / 2**20 if self._footprints else 0.0
        for finding in self.report.findings[shown:]:
            self._say(f"\n{finding}\n    again: --seed {self._seed} --case {finding.case}\n")
        self._say(
            f"{NAMES[fuzzer]}: {count} cases, {count / seconds:.0f} a second; {megabytes:.1f} MB; {self.report.found} findings"
        )

    def _play_request(self, lane: Lane, number: int) -> None:
        case = draw_request_case(number, Random(f"{self._seed} r{number}"))
        reading = read_stream(case.data, _MAX_BODY)
        methods = [step.request.method for step in reading.steps]
        # What is no request gets an answer as well; the connection ends behind that, which is for the proxy to do.
        count = len(methods) + (reading.end == "broken")
        seen = converse(self._proxy.port, case.pieces, lambda got: are_open(got, methods, count), _PATIENCE, case.leaves)
        if case.leaves:
            # Something of it may still be under way.
            self._left.append((case, reading, seen))
            return
        self._judge_request(case, reading, seen)

    def _judge_request(self, case: RequestCase, reading: Reading, seen: Seen) -> None:
        judgement = judge_requests(case, reading, seen, self._stage.take("r", case.number))
        with self._lock:
            (self._may_have_come if case.leaves or judgement.finding else self._has_come).update(judgement.unmarked)
        self.report.count("r", case.kinds, judgement.group, judgement.outcome)
        if judgement.finding:
            self.report.find(judgement.finding)

    def _play_answer(self, lane: Lane, number: int) -> None:
        case = draw_answer_case(number, Random(f"{self._seed} a{number}"), lane.worker.url)
        self._stage.begin(lane, case)
        methods = [case.method, "POST"]
        count = 2 if case.follows else 1
        pieces = [Piece(case.request + case.follows)]
        seen = converse(self._proxy.port, pieces, lambda got: are_open(got, methods, count), _PATIENCE)
        beside = self._stage.finish(lane)
        group, outcome, finding = judge_answers(case, lane.routes, lane.runs, beside, seen)
        self.report.count("a", case.kinds, group, outcome)
        if finding:
            self.report.find(finding)

    def _play_dialect(self, lane: Lane, number: int) -> None:
        case = draw_dialect_case(number, Random(f"{self._seed} t{number}"), lane.worker.url)
        self._stage.begin(lane, case)
        seen = converse(self._proxy.port, [Piece(case.request)], lambda got: are_open(got, ["POST"], 1), _PATIENCE)
        self._stage.finish(lane)
        group, outcome, finding = judge_dialect(case, lane.runs, seen)
        self.report.count("t", case.kinds, group, outcome)
        if finding:
            self.report.find(finding)

    def _check_quiet(self, when: str) -> None:
        """Now that nobody asks, the proxy must be as it was, and serve."""
        if self._proxy.has_ended:
            self.report.find(Finding("-", "the proxy lives", f"it ended {when}"))
            return
        self._proxy.wait_for_threads(self._idle.threads, _QUIET_SECONDS)
        footprint = self._proxy.footprint()
        self._footprints.append(footprint)
        if footprint.threads > self._idle.threads:
            self._blame("no thread is left", f"{footprint.threads} {when}, and {self._idle.threads} at the start")
        if count := self._proxy.client_sockets():
            self._blame("no socket is left", f"{count} towards clients {when}")
        most = self._idle.sockets + _SOCKETS_PER_CLIENT * self._clients
        if footprint.sockets > most:
            self._blame("no socket is left", f"{footprint.sockets} {when}, and {self._idle.sockets} at the start")
        gone = {case.number for case, _, _ in self._left}
        for case, reading, seen in self._left:
            self._judge_request(case, reading, seen)
        self._left.clear()
        self._check_unmarked()
        for what, raw in self._stage.settle():
            marks = marks_in(raw) | {mark for mark in [mark_of_cost(_cost_in(raw))] if mark}
            # Of a client that has gone, some of it may be missing, its mark included.
            if not any(mark.fuzzer == "r" and mark.number in gone for mark in marks) and (marks or not gone):
                name = next((f"{mark.fuzzer}{mark.number}" for mark in marks), "-")
                self.report.find(Finding(name, "upstream comes what was sent, and nothing else", what, [("raw", raw)]))
        for complaint in self._proxy.new_complaints():
            name = next((f"{mark.fuzzer}{mark.number}" for mark in marks_in(complaint.encode())), "-")
            what = (re.findall(r"^\w+(?:Error|Exception|Warning)\b.*", complaint, re.MULTILINE) or ["its log complains"])[-1]
            self.report.find(Finding(name, "nothing fails inside the proxy", what, [("log", complaint)]))
        self._check_served(when)

    def _check_unmarked(self) -> None:
        came = Counter((arrival.method, arrival.target, arrival.payload) for arrival in self._stage.take_unmarked())
        for request in came - self._has_come - self._may_have_come:
            self._blame("nothing arrives upstream that is no request", f"{request}, without a mark")
        for request in self._has_come - came:
            self._blame("what was answered had arrived", f"{request}, without a mark, had not")
        self._has_come.clear()
        self._may_have_come.clear()

    def _check_served(self, when: str) -> None:
        mark = Mark("r", 0, 0)
        request = f"GET /v1/{mark} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        with contextlib.suppress(OSError, NotHTTP):
            seen = converse(self._proxy.port, [Piece(request)], lambda got: False, _PATIENCE)
            self._stage.take("r", 0)
            answers = read_answers(seen.data, seen.end, ["GET"])
            if [answer.status for answer in answers] == [200] and seen.end == "end":
                return
        self._blame("a plain request is served", f"it wasn't {when}")

    def _blame(self, promise: str, what: str) -> None:
        self.report.find(Finding("-", promise, what))

    def _tell(self, seconds: float) -> None:
        report, cases = self.report, self.report.cases
        report.rows.append(("seed", str(self._seed)))
        report.rows.append(("cases", f"{cases} in {seconds:.0f} s, {cases / seconds:.0f} a second"))
        if not self._footprints:
            return
        memory = [footprint.memory / 2**20 for footprint in self._footprints]
        warm = memory[len(memory) // 3]
        report.rows.append(
            ("memory", f"{self._idle.memory / 2**20:.1f} MB at the start, {warm:.1f} warm, {memory[-1]:.1f} at the end")
        )
        last = self._footprints[-1]
        report.rows.append(("threads", f"{self._idle.threads} at the start, {last.threads} at the end"))
        report.rows.append(("sockets", f"{self._idle.sockets} at the start, {last.sockets} at the end"))
        is_growing = seconds >= _LONG and memory[-1] > warm * _MOST_GROWTH
        if is_growing or memory[-1] > self._idle.memory / 2**20 + _MOST_MEGABYTES:
            self._blame("memory does not grow", f"{warm:.1f} MB warm, {memory[-1]:.1f} MB at the end")


def _cost_in(raw: bytes) -> str:
    """The workload in the words of an assignment that nobody used."""
    begin = raw.find(b"'cost': ('number', '")
    return raw[begin + 20 :].partition(b"'")[0].decode() if begin >= 0 else ""
