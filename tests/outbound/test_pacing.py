"""Small pieces in a crowd are taken in bunches; nothing else waits."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from vespa_client.outbound import pacing
from vespa_client.outbound.pacing import Pacing


class Clock:
    """A clock that goes on by what happens, and counts the pauses."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses = 0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds < 0.001
        self.pauses += 1
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pacing, "time", SimpleNamespace(monotonic=clock.monotonic, sleep=clock.sleep))
    monkeypatch.setattr(pacing, "_CAN_PAUSE", True)
    return clock


def pauses(clock: Clock, kept: Pacing, pieces: int, seconds: float, size: int = 100) -> int:
    """How many pauses so many pieces bring, each after so many seconds."""
    before = clock.pauses
    for _ in range(pieces):
        clock.now += seconds
        kept.pause_after(size)
    return clock.pauses - before


def test_tokens_are_never_paused(clock: Clock) -> None:
    assert pauses(clock, Pacing(), 10_000, 0.001) == 0


def test_a_crowd_of_small_pieces_gathers(clock: Clock) -> None:
    kept = Pacing()
    assert pauses(clock, kept, 63, 0.000_007) == 0
    assert pauses(clock, kept, 64, 0.000_007) == 64


def test_large_pieces_are_passed_on_at_once(clock: Clock) -> None:
    assert pauses(clock, Pacing(), 10_000, 0.000_007, size=65_536) == 0


def test_behind_a_crowd_the_pace_is_looked_at_again(clock: Clock) -> None:
    kept = Pacing()
    pauses(clock, kept, 100, 0.000_007)
    pauses(clock, kept, 64, 0.01)
    assert pauses(clock, kept, 1000, 0.01) == 0


def test_a_few_pieces_at_once_are_no_crowd(clock: Clock) -> None:
    kept = Pacing()
    for _ in range(100):
        assert pauses(clock, kept, 20, 0.000_001) == 0
        clock.now += 0.05
