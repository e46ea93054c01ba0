"""The log on a terminal: aligned lines, the live line while requests wait, and what becomes of both in odd terminals."""

from __future__ import annotations

import io
import itertools
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from vespa_client.command.log.live_line import live_line
from vespa_client.command.log.request_line import bytes_shown, request_line, seconds_shown, shortened
from vespa_client.command.log.terminal import Terminal
from vespa_client.journal.record import Problem, Record
from vespa_client.sandbox import Request, Sandbox

from ...support.command_line import command
from ...support.programs import ROOT
from ...support.tmux import Tmux, needs_tmux
from ...support.waiting import LONG

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
OpenWindow = Callable[..., Tmux]


class Stream(io.StringIO):
    def __init__(self, encoding: str, tty: bool) -> None:
        super().__init__()
        self._encoding, self._tty = encoding, tty

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._tty


def terminal(columns: int = 80, encoding: str = "utf-8", tty: bool = True, **environ: str) -> Terminal:
    return Terminal(Stream(encoding, tty), {"COLUMNS": str(columns), "TERM": "xterm-256color", **environ})


def record(**given: Any) -> Record:
    made = Record(7, "POST", "/v1/chat/completions")
    made.worker, made.status, made.first_byte, made.answer_bytes = "203.0.113.7:41234", 200, 12.8, 5678
    made.seconds.update(waiting=12.3, routing=0.031, connecting=0.02, first_byte=0.41, streaming=3.2)
    made.take_tokens(11, 142, "usage")
    made.events = 150
    for name, value in given.items():
        setattr(made, name, value)
    made.now = ("done", made.now[1] + 16)
    return made


def plain(line: str) -> str:
    return ESCAPES.sub("", line)


class TestRequestLine:
    def test_where_there_is_room_it_has_it_all(self) -> None:
        line = plain(request_line(record(), terminal(200)))
        assert line == (
            f"    #7 POST   {'/v1/chat/completions':34} 200  wait 12.3 s · route 31 ms · connect 20 ms · first byte 410 ms · "
            "stream 3.2 s · 142 tok 44/s · 5.7 kB · 203.0.113.7:41234"
        )

    @pytest.mark.parametrize("columns", [40, 60, 80, 100, 120, 160, 200])
    def test_it_fits_and_keeps_what_says_most(self, columns: int) -> None:
        line = plain(request_line(record(), terminal(columns)))
        assert "\n" not in line and "wait 12.3 s" in line
        assert len(line) <= max(columns, 60)

    def test_what_took_no_time_goes_first(self) -> None:
        slow = record()
        slow.seconds.update(first_byte=0.002, routing=0.031, connecting=0.0)
        slow.take_tokens(11, 60, "usage")
        assert plain(request_line(slow, terminal(80))).endswith(" 200  wait 12.3 s · stream 3.2 s · 60 tok 19/s")
        # What is too long by a little loses the least.
        slow.take_tokens(11, 14200, "usage")
        assert plain(request_line(slow, terminal(80))).endswith(" 200  wait 12.3 s · stream 3.2 s · 14200 tok")

    def test_a_refusal_says_what_its_time_went_to(self) -> None:
        refused = record(outcome="refused", status=502, tokens_out=None, answer_bytes=0)
        refused.seconds.update(waiting=0.0, routing=0.0, connecting=0.0, first_byte=5.0, streaming=0.0)
        assert " 502  first byte 5.0 s · 203.0.113.7:41234" in plain(request_line(refused, terminal(100)))
        refused.seconds.update(first_byte=0.0)
        assert " 502  16.0 s · 203.0.113.7:41234" in plain(request_line(refused, terminal(100)))

    def test_a_pause_for_a_worker_that_others_found_dead_is_no_retry(self) -> None:
        paused = record()
        paused.seconds.update(retrying=0.25)
        assert " · retry pause 250 ms · " in plain(request_line(paused, terminal(200)))
        paused.retry("203.0.113.9:1", "unreachable", "connection refused")
        assert " · 1 retried 250 ms · " in plain(request_line(paused, terminal(200)))

    def test_what_is_long_is_broken_between_words(self) -> None:
        said = "The worker 127.0.0.1:37171 was lost inside its answer: its answer broke off inside the chunked body."
        _, *lines = plain(request_line(record(outcome="broken", detail=said), terminal(80))).split("\n")
        assert [len(line) <= 80 for line in lines] == [True, True] and all(line.startswith("       ") for line in lines)
        assert " ".join(line.strip() for line in lines) == f"broke off: {said}"
        # A pipe's reader breaks lines itself.
        piped = plain(request_line(record(outcome="broken", detail=said), terminal(80, tty=False)))
        assert piped.endswith(f"\n       broke off: {said}")

    def test_lines_are_aligned(self) -> None:
        shown = terminal(80)
        lines = [request_line(record(number=number, path=path), shown) for number, path in ((1, "/"), (99999, "/a" * 50))]
        assert len({plain(line).index(" 200 ") for line in lines}) == 1

    def test_so_are_those_of_every_method_which_is_said_in_full(self) -> None:
        methods = ("GET", "DELETE", "OPTIONS", "PROPPATCH")
        lines = [plain(request_line(record(method=method), terminal(80))) for method in methods]
        assert len({line.index(" 200 ") for line in lines}) == 1
        assert all(f" {method} " in line for method, line in zip(methods, lines, strict=True))

    def test_what_went_wrong_is_said_below(self) -> None:
        refused = record(outcome="refused", status=503, detail="no_worker_ready: None.", problem=Problem("a", "b", "c"))
        first, second = plain(request_line(refused, terminal())).split("\n")
        assert " 503 " in first and second == "       refused: no_worker_ready: None."
        assert "\n" not in request_line(record(outcome="left", status=None), terminal())

    def test_colours_are_heard_of(self) -> None:
        assert "\x1b[32m200" in request_line(record(), terminal())
        assert "\x1b[31m500" in request_line(record(status=500), terminal())
        assert "\x1b[33m404" in request_line(record(status=404), terminal())
        for without in ({"NO_COLOR": "1"}, {"TERM": "dumb"}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}):
            assert "\x1b" not in request_line(record(), terminal(**without))
        assert "\x1b" not in request_line(record(), terminal(tty=False))
        assert "\x1b[32m200" in request_line(record(), terminal(tty=False, FORCE_COLOR="1"))

    def test_a_locale_that_has_ascii_alone(self) -> None:
        line = request_line(record(path="/a" * 50), terminal(encoding="ascii"))
        assert line.isascii() and "..." in line and " | " in line

    def test_nothing_from_elsewhere_moves_the_cursor(self) -> None:
        odd = record(path="/\x1b[2J", outcome="refused", detail="\x1b]0;x\x07\nforged")
        assert plain(request_line(odd, terminal(NO_COLOR="1"))).replace("\n", "").isprintable()

    def test_times_and_sizes(self) -> None:
        times = {0.0004: "0 ms", 0.031: "31 ms", 0.9996: "1.0 s", 12.34: "12.3 s", 99.96: "1 m 40 s", 245: "4 m 05 s"}
        assert {seconds: seconds_shown(seconds) for seconds in times} == times
        assert seconds_shown(179.7) == "3 m 00 s"
        sizes = {0: "0 B", 999: "999 B", 1234: "1.2 kB", 99_900: "100 kB", 999_600: "1.0 MB", 34_000_000: "34 MB"}
        assert {count: bytes_shown(count) for count in sizes} == sizes

    def test_a_path_keeps_both_its_ends(self) -> None:
        assert shortened("/openai/deployments/mine/chat/completions", 20, terminal()) == "/opena…t/completions"
        assert shortened("/short", 20, terminal()) == "/short"


class TestLiveLine:
    def waiting(self, count: int, said: str = "0 ready, 2 loading, 1 stopped") -> list[Record]:
        records = [Record(number, "POST", "/v1/chat/completions") for number in range(1, count + 1)]
        for one in records:
            one.ask_for_worker()
            one.wait_for_worker(said)
        return records

    def line(self, records: list[Record], columns: int, **how: str) -> str:
        return live_line(records, records[0].now[1] + 12, "|", terminal(columns, **how))

    def test_one_request(self) -> None:
        line = self.line(self.waiting(1), 120)
        assert line == "| #1 POST /v1/chat/completions waits for a worker, 12.0 s · 0 ready, 2 loading, 1 stopped"

    def test_what_the_autoscaler_says_counts_for_more_than_the_path(self) -> None:
        assert self.line(self.waiting(1), 80) == "| #1 waits for a worker, 12.0 s · 0 ready, 2 loading, 1 stopped"

    def test_many_are_one_line(self) -> None:
        line = self.line(self.waiting(50), 120)
        assert line == "| 50 requests wait for a worker, the first for 12.0 s · 0 ready, 2 loading, 1 stopped"
        assert self.line(self.waiting(50), 80) == "| 50 wait for a worker, 12.0 s · 0 ready, 2 loading, 1 stopped"
        assert self.line(self.waiting(50), 60) == "| 50 wait, 12.0 s · 0 ready, 2 loading, 1 stopped"

    @pytest.mark.parametrize(
        ("phase", "said"),
        [
            ("reading", "is still being sent, 12.0 s"),
            ("routing", "waits for the autoscaler, 12.0 s"),
            ("retrying", "waits for its next try, 12.0 s · 203.0.113.9:1: connection refused"),
            ("connecting", "waits for a connection, 12.0 s · 203.0.113.7:41234"),
            ("first_byte", "waits for the first byte, 12.0 s · 203.0.113.7:41234"),
            ("streaming", "is being answered, 12.0 s · 150 events, 5.7 kB"),
        ],
    )
    def test_each_phase_that_takes_long_has_its_words(self, phase: str, said: str) -> None:
        one = record()
        one.seconds.update(dict.fromkeys(one.seconds, 0.0))
        one.retry("203.0.113.9:1", "unreachable", "connection refused")
        one.now = (phase, one.started)
        assert self.line([one], 120) == f"| #7 POST /v1/chat/completions {said}"
        assert live_line([one], one.started + 0.5, "|", terminal(120)) == ""

    def test_what_people_wait_for_most_has_it_and_the_others_are_counted(self) -> None:
        streaming, waiting = record(), self.waiting(1)
        streaming.now = ("streaming", waiting[0].now[1])
        assert self.line([*waiting, streaming, streaming], 120).endswith("2 loading, 1 stopped · 2 more in progress")
        assert self.line([*waiting, streaming], 80).endswith("2 loading, 1 stopped")
        assert self.line([streaming, streaming], 120).startswith(
            "| 2 requests are being answered, the first for 15.2 s · 300 events"
        )

    @pytest.mark.parametrize("columns", [2, 3, 20, 40, 80])
    def test_it_is_narrower_than_the_terminal(self, columns: int) -> None:
        line = self.line(self.waiting(3, "word " * 80), columns)
        assert len(line) == columns - 1 and line.endswith("…")
        assert len(self.line(self.waiting(3), columns, encoding="ascii")) < columns

    def test_in_ascii(self) -> None:
        assert self.line(self.waiting(3, "word " * 80), 80, encoding="ascii").isascii()


@pytest.fixture
def cold() -> Iterator[Sandbox]:
    """A Vast.ai whose endpoint has no worker ready until it is told so."""
    with Sandbox(token_delay=0.0) as sandbox:
        sandbox.autoscaler.cold(status="0 of 3 ready: 2 loading, 1 stopped")
        yield sandbox


@pytest.fixture
def window(cold: Sandbox, tmp_path: Path) -> Iterator[OpenWindow]:
    """Opens a window in which the proxy runs in front of the cold sandbox; keywords are its environment."""
    with ExitStack() as opened:

        def open_one(columns: int = 80, *flags: str, **environment: str) -> Tmux:
            endpoint = ["--endpoint", cold.endpoints[0].name, "--account-key", cold.account_key, "--port", "0"]
            surroundings = {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "LC_ALL": "C.UTF-8", **environment}
            return opened.enter_context(Tmux(command(cold, *endpoint, *flags), tmp_path, columns, surroundings))

        yield open_one


def url_of(window: Tmux) -> str:
    found = re.search(r"Listening on: (\S+)", window.wait_for(lambda screen: "not-used" in screen))
    assert found
    return found[1]


def asking(url: str, count: int = 1) -> list[threading.Thread]:
    threads = [
        threading.Thread(target=lambda: requests.post(f"{url}/v1/completions", json={"prompt": "Hi"}, timeout=60))
        for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    return threads


def answered(cold: Sandbox, threads: list[threading.Thread]) -> None:
    cold.autoscaler.warm()
    for thread in threads:
        thread.join(LONG)
        assert not thread.is_alive()


@needs_tmux
class TestInATerminal:
    @pytest.mark.parametrize("columns", [80, 120])
    def test_a_cold_start_is_told_while_it_lasts_and_leaves_one_line(
        self, window: OpenWindow, cold: Sandbox, columns: int
    ) -> None:
        screen = window(columns)
        threads = asking(url_of(screen))
        screen.wait_for(lambda seen: "waits for a worker" in seen and "2 loading, 1 stopped" in seen)
        answered(cold, threads)
        seen = screen.wait_for(lambda seen: " 200 " in seen)
        line = next(line for line in seen.splitlines() if " 200 " in line)
        assert "wait " in line and "19 tok" in line and len(line) <= columns
        assert "waits for" not in seen
        assert re.search("\x1b\\[32m(\x1b\\[49m)?200", screen.screen(colours=True))

    def test_many_that_wait_are_one_line(self, window: OpenWindow, cold: Sandbox) -> None:
        screen = window(120)
        threads = asking(url_of(screen), 5)
        seen = screen.wait_for(lambda seen: "5 requests wait for a worker" in seen)
        assert seen.count("wait for a worker") == 1
        answered(cold, threads)
        screen.wait_for(lambda seen: seen.count(" 200 ") == 5 and "wait for a worker" not in seen)

    def test_a_window_that_is_resized_leaves_no_rest_of_a_line(self, window: OpenWindow, cold: Sandbox) -> None:
        screen = window(120)
        threads = asking(url_of(screen))
        for now, then in itertools.pairwise((120, 60, 50, 100, 45, 120)):
            # Drawn anew for this width, and not broken by the window.
            screen.wait_for(
                lambda seen, now=now: any(  # type: ignore[misc]
                    "#1 " in line and " waits" in line and len(line) < now for line in seen.splitlines()
                )
            )
            screen.resize(then)
        answered(cold, threads)
        seen = screen.wait_for(lambda seen: " 200 " in seen)
        assert " waits" not in seen

    def test_a_narrow_window_is_not_filled_with_it(self, window: OpenWindow, cold: Sandbox) -> None:
        screen = window(80)
        url = url_of(screen)
        screen.resize(24)
        threads = asking(url)
        for second in "12":
            seen = screen.wait_for(lambda seen, second=second: f"#1 waits, {second}." in seen)  # type: ignore[misc]
        assert seen.count("#1 waits") == 1
        answered(cold, threads)

    def test_a_model_that_thinks_is_told_of(self, window: OpenWindow, cold: Sandbox) -> None:
        cold.autoscaler.warm()
        release = threading.Event()

        def think(request: Request) -> None:
            release.wait(LONG)

        cold.worker.answer_by(think)
        screen = window(80)
        threads = asking(url_of(screen))
        screen.wait_for(lambda seen: "#1 POST /v1/completions waits for the first byte, 1." in seen)
        release.set()
        answered(cold, threads)
        screen.wait_for(lambda seen: " 200 " in seen and "waits for" not in seen)

    def test_lines_come_above_the_live_one(self, window: OpenWindow, cold: Sandbox) -> None:
        screen = window(120)
        url = url_of(screen)
        threads = asking(url)
        screen.wait_for(lambda seen: "waits for a worker" in seen)
        assert requests.post(f"{url}/v1/x", data="no json", timeout=LONG).status_code == 400
        seen = screen.wait_for(lambda seen: " 400 " in seen and "waits for a worker" in seen)
        assert seen.index(" 400 ") < seen.index("waits for a worker")
        answered(cold, threads)

    def test_no_color_and_a_locale_of_ascii(self, window: OpenWindow, cold: Sandbox) -> None:
        screen = window(80, NO_COLOR="1", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
        threads = asking(url_of(screen))
        seen = screen.wait_for(lambda seen: "waits for a worker" in seen)
        assert "⠋" not in seen and "·" not in seen
        answered(cold, threads)
        screen.wait_for(lambda seen: " 200 " in seen)
        assert "\x1b[3" not in screen.screen(colours=True)

    def test_a_dumb_terminal_is_not_drawn_on(self, window: OpenWindow, cold: Sandbox) -> None:
        screen = window(80, TERM="dumb")
        threads = asking(url_of(screen))
        screen.wait_for(lambda seen: "Waiting for a worker" in seen)
        answered(cold, threads)
        seen = screen.wait_for(lambda seen: " 200 " in seen)
        assert "waits for a worker" not in seen and "\x1b[3" not in screen.screen(colours=True)

    def test_ctrl_c_leaves_a_clean_terminal(self, window: OpenWindow, cold: Sandbox) -> None:
        screen = window(80, "--drain", "0")
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(requests.post, f"{url_of(screen)}/v1/completions", json={"prompt": "Hi"}, timeout=60)
            screen.wait_for(lambda seen: "waits for a worker" in seen)
            screen.type("C-c")
            seen = screen.wait_for(lambda seen: "it ended with 0" in seen)
            assert asked.result(LONG).status_code == 503
        assert "waits for a worker" not in seen.splitlines()[-1]
