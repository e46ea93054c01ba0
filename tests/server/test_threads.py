"""Threads that serve one connection after another: one for each at a time, and none that outlives its use."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from vespa_client.server import threads as threads_module
from vespa_client.server.threads import ConnectionThreads

from ..support.waiting import LONG, wait_until


@pytest.fixture
def threads() -> Iterator[ConnectionThreads]:
    made = ConnectionThreads("tests-connection")
    yield made
    made.close(LONG)
    assert not made._threads


class Work:
    """Something to be done, which waits until it may end. ``thread`` is who did it."""

    def __init__(self) -> None:
        self.begun, self.may_end, self.over = threading.Event(), threading.Event(), threading.Event()
        self.thread: threading.Thread | None = None

    def __call__(self) -> None:
        self.thread = threading.current_thread()
        self.begun.set()
        assert self.may_end.wait(LONG)
        self.over.set()

    def done(self) -> threading.Thread:
        """Let it end. Returns who did it."""
        self.may_end.set()
        assert self.over.wait(LONG) and self.thread
        return self.thread


def begun(threads: ConnectionThreads) -> Work:
    work = Work()
    threads.run(work)
    assert work.begun.wait(LONG)
    return work


def test_each_has_a_thread_of_its_own_while_it_lasts(threads: ConnectionThreads) -> None:
    works = [begun(threads) for _ in range(20)]
    assert len({work.done() for work in works}) == 20


def test_a_thread_that_is_free_takes_the_next(threads: ConnectionThreads) -> None:
    first = begun(threads).done()
    wait_until(lambda: threads._idle == 1)
    assert begun(threads).done() is first
    assert first.name == "tests-connection"


def test_a_few_wait_and_no_more(threads: ConnectionThreads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads_module, "_MOST_IDLE", 3)
    for work in [begun(threads) for _ in range(10)]:
        work.done()
    wait_until(lambda: len(threads._threads) == 3)
    assert threads._idle == 3


def test_who_has_waited_in_vain_goes(threads: ConnectionThreads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads_module, "_IDLE_SECONDS", 0.05)
    thread = begun(threads).done()
    thread.join(LONG)
    assert not thread.is_alive()
    assert threads._idle == 0
    assert begun(threads).done() is not thread


def test_nothing_is_lost_between_waiting_and_going(threads: ConnectionThreads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads_module, "_IDLE_SECONDS", 0.0005)
    done = threading.Semaphore(0)
    pause = threading.Event()
    for number in range(500):
        threads.run(done.release)
        pause.wait(0.0001 * (number % 12))
    for _ in range(500):
        assert done.acquire(timeout=LONG)


def test_the_end_waits_for_those_that_work(threads: ConnectionThreads) -> None:
    waiting, working = begun(threads), begun(threads)
    waiting.done()
    wait_until(lambda: threads._idle == 1)
    threads.close(0.05)
    assert working.thread and working.thread.is_alive()
    working.done()
    threads.close(LONG)
    assert not working.thread.is_alive()


def test_a_thread_that_cannot_be_started_is_not_waited_for(threads: ConnectionThreads, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            threads.run(lambda: None)
    assert not threads._threads
    begun(threads).done()
