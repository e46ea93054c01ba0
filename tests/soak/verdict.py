"""The rules of the package's docstring, applied to what client, autoscaler and workers wrote down."""

from __future__ import annotations

from collections import Counter

from .fleet import Fleet
from .ledger import Entry, Seen
from .metronome import Metronome
from .proxy import Proxy

__all__ = ["PROMISES", "Verdict"]

PROMISES = (
    "lost",
    "crossed",
    "truncated that looked whole",
    "broken without an error event",
    "sent twice that may have run",
    "running 200 ms after the client left",
    "not meant for its worker",
)
"""What there must be none of."""

_LEAVE_SECONDS = 0.2
_TRIES = 4
_TURNED_AWAY = (429, 503)
_ANSWERED = ("answered", "the worker's error")
_SHOWN = 20


class Verdict:
    """Counts what was seen, and keeps what was not to be."""

    def __init__(self, fleet: Fleet, metronome: Metronome, proxy: Proxy) -> None:
        self.kinds: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.broken: Counter[str] = Counter(dict.fromkeys(PROMISES, 0))
        self.details: list[str] = []
        self.retried = 0
        self.leaving_seconds: list[float] = []
        """From a client's leaving to the end of its generation, as measured."""
        self._fleet = fleet
        self._metronome = metronome
        self._proxy = proxy

    def judge(self, entry: Entry) -> None:
        """One request that is over."""
        self.kinds[entry.plan.kind] += 1
        self.retried += len(entry.runs) > 1
        if sum(run.end != "turned away" for run in entry.runs) > 1:
            self._breach("sent twice that may have run", entry)
        if entry.plan.leaves:
            self.outcomes["left early"] += 1
            self._judge_leaving(entry)
            return
        seen = entry.seen
        if seen is None:
            self._breach("lost", entry, "its client never came to an end")
            return
        if seen.crossed:
            self._breach("crossed", entry, seen.crossed)
        if seen.is_whole and seen.content == "short" and not _is_turned_away(seen):
            self._breach("truncated that looked whole", entry)
        outcome = self._outcome(entry)
        self.outcomes[outcome or "lost"] += 1
        if not outcome:
            self._breach("lost", entry)

    def note(self, promise: str, what: str) -> None:
        """A breach that isn't one request's."""
        self.broken[promise] += 1
        if len(self.details) < _SHOWN:
            self.details.append(f"{promise}: {what}")

    @property
    def leaving(self) -> str:
        """How long generations went on, in words."""
        if not self.leaving_seconds:
            return "none"
        times = sorted(round(seconds * 1000) for seconds in self.leaving_seconds)
        half, most = times[len(times) // 2], times[int(len(times) * 0.99)]
        return f"{len(times)}: half within {half} ms, 99 % within {most} ms, all within {times[-1]} ms"

    def _judge_leaving(self, entry: Entry) -> None:
        assert entry.left_at is not None
        for run in entry.runs:
            if run.ended_at is None:
                self._breach("running 200 ms after the client left", entry, "it never ended")
                continue
            seconds = run.ended_at - entry.left_at
            if run.end == "left":
                self.leaving_seconds.append(max(seconds, 0.0))
            if seconds > _LEAVE_SECONDS + self._metronome.lateness(entry.left_at, run.ended_at):
                self._breach("running 200 ms after the client left", entry, f"it went on for {seconds:.3f} s")

    def _outcome(self, entry: Entry) -> str:
        """What the client saw, in words; nothing where it may not have seen that."""
        seen, plan = entry.seen, entry.plan
        assert seen is not None
        if seen.is_whole and seen.own_error in ("", "worker_failed"):
            if _is_turned_away(seen):
                return f"turned away by {_TRIES} workers" if self._all_failed(entry) else ""
            # What is the worker's has nothing of the proxy's in it but words, where the worker had none.
            has_words = plan.fault != "no words"
            return _ANSWERED[plan.status >= 400] if seen.status == plan.status and has_words != bool(seen.own_error) else ""
        if seen.own_error == "worker_unreachable" and seen.status in (502, 504):
            return f"{_TRIES} workers unreachable" if self._all_failed(entry) else ""
        if not self._broke(entry):
            return ""
        if seen.own_error == "worker_answer_broken" and seen.status == 502:
            return "502, the worker hung up" if entry.runs else "502, the worker ended the connection as it came"
        if seen.status and not seen.is_whole:
            if plan.events and seen.status == 200 and not seen.has_error_event:
                self._breach("broken without an error event", entry)
            return "visibly broken with its worker"
        return ""

    def _all_failed(self, entry: Entry) -> bool:
        """Whether each of the workers that it was assigned to had a reason not to take it, and there were enough."""
        assert entry.seen is not None
        turned_away = [run.worker.url for run in entry.runs if run.end == "turned away"]
        return (
            len(entry.assigned) >= _TRIES
            and len(turned_away) == len(entry.runs)
            and all(url in turned_away or self._was_out(url, entry.seen.ended_at) for _, url in entry.assigned)
        )

    def _was_out(self, url: str, before: float) -> bool:
        since = self._fleet.outage(url)
        return since is not None and since <= before

    def _broke(self, entry: Entry) -> bool:
        """Whether the worker that had it broke it off, or was gone before the client had all of its answer."""
        assert entry.seen is not None
        ran = next((run for run in entry.runs if run.end != "turned away"), None)
        if ran is not None:
            return ran.end == "broken" or self._was_out(ran.worker.url, entry.seen.ended_at)
        if not entry.assigned:
            return False
        assigned_at, url = entry.assigned[-1]
        return self._was_out(url, entry.seen.ended_at) or self._fleet.ended_between(url, assigned_at, entry.seen.ended_at)

    def _breach(self, promise: str, entry: Entry, what: str = "") -> None:
        self.broken[promise] += 1
        if len(self.details) >= _SHOWN:
            return
        lines = [f"{promise}: {what}", f"    {entry.plan}", f"    {entry.seen}"]
        lines += [f"    assigned {at - entry.sent_at:.3f} s after it was sent: {url}" for at, url in entry.assigned]
        for run in entry.runs:
            came = f"at {run.worker.url} after {run.arrived_at - entry.sent_at:.3f} s"
            ended = "never" if run.ended_at is None else f"after {run.ended_at - entry.sent_at:.3f} s"
            lines.append(f"    {came}, ended {ended}: {run.end}")
        lines += [f"    log: {line}" for line in self._proxy.log_lines(f"/{entry.plan.number} ")]
        self.details.append("\n".join(lines))


def _is_turned_away(seen: Seen) -> bool:
    return seen.is_whole and seen.status in _TURNED_AWAY and seen.own_error in ("", "worker_failed")
