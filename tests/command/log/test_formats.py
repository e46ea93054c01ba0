"""The log that is no terminal's: JSON, a file that is rotated, quiet, and the sum of a crowd."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from vespa_client.command.log.crowd import Crowd
from vespa_client.command.log.handlers import logging_as_told
from vespa_client.errors import ConfigurationError
from vespa_client.journal.log import log
from vespa_client.journal.record import Record
from vespa_client.journal.totals import Totals
from vespa_client.sandbox import Sandbox
from vespa_client.settings.table import Settings

from ...support.command_line import Process, command
from ...support.raw_worker import connect
from ...support.waiting import LONG, wait_until


@pytest.fixture
def account() -> Iterator[Sandbox]:
    with Sandbox(token_delay=0.0) as sandbox:
        yield sandbox


def serving(sandbox: Sandbox, *flags: str) -> Process:
    known = ["--endpoint", sandbox.endpoints[0].name, "--account-key", sandbox.account_key, "--port", "0"]
    return Process(command(sandbox, *known, *flags))


def ask(url: str, session: requests.Session | None = None) -> requests.Response:
    return (session or requests).post(f"{url}/v1/completions", json={"prompt": "Hi", "model": "my-model"}, timeout=LONG)


def ended(it: Process) -> str:
    it.process.terminate()
    return it.end()[2]


def test_json_is_one_object_a_line_with_all_that_is_known(account: Sandbox) -> None:
    account.autoscaler.cold(polls=1)
    # By one connection, whose requests end one after the other.
    with serving(account, "--log-format", "json") as it, requests.Session() as session:
        url = it.listening()
        first = ask(url, session)
        session.post(f"{url}/v1/x", data="no json", timeout=LONG)
        lines: list[dict[str, Any]] = [json.loads(line) for line in ended(it).splitlines()]
    assert lines[-1]["message"].startswith("Stopping")
    assert all({"time", "level", "message"} <= line.keys() for line in lines)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]) for line in lines)
    whole, refused = [line for line in lines if "exchange" in line]
    assert (whole["level"], whole["request_id"]) == ("info", first.headers["X-Vespa-Request-Id"])
    assert (whole["exchange"]["status"], whole["exchange"]["model"]) == (200, "my-model")
    assert whole["exchange"]["tokens_from"] == "usage"
    assert refused["exchange"]["error"]["code"] == "bad_request"
    waited = next(line for line in lines if "Waiting for a worker" in line["message"])
    assert waited["request_id"] == whole["request_id"]


def test_what_is_no_request_has_its_id_in_the_log(account: Sandbox) -> None:
    with serving(account, "--log-format", "json") as it:
        with connect(it.listening()) as client:
            client.send(b"GET /a b HTTP/1.1\r\n\r\n")
            refused = client.message()
        lines: list[dict[str, Any]] = [json.loads(line) for line in ended(it).splitlines()]
    [line] = [line for line in lines if "was refused" in line["message"]]
    assert line["request_id"] == refused.one("X-Vespa-Request-Id")


def test_a_page_s_error_has_its_id_in_the_log(account: Sandbox) -> None:
    with serving(account, "--log-format", "json") as it:
        refused = requests.get(f"{it.listening()}/_vespa/nothing", timeout=LONG)
        lines: list[dict[str, Any]] = [json.loads(line) for line in ended(it).splitlines()]
    told = [line for line in lines if line["message"].startswith("#")]
    assert len(told) == 2 and "HINT" in told[1]["message"]
    request_id = refused.headers["X-Vespa-Request-Id"]
    assert {line["request_id"] for line in told} == {request_id}
    assert all(line["message"].startswith(f"#{request_id.rpartition('-')[2]} ") for line in told)


def test_quiet_shows_warnings_and_errors_alone(account: Sandbox) -> None:
    with serving(account, "--quiet") as it, requests.Session() as session:
        url = it.listening()
        assert ask(url, session).status_code == 200
        session.post(f"{url}/v1/x", data="no json", timeout=LONG)
        account.worker.answer_with(500, b"wrong")
        assert ask(url, session).status_code == 500
        err = ended(it)
    [line] = re.findall(r".*#[0-9]+ .*", err)
    assert re.match(r"\d\d:\d\d:\d\d WARNING #3 POST /v1/completions -> 500, ", line)


def test_quiet_json_has_what_failed_with_its_hint(account: Sandbox) -> None:
    with serving(account, "--quiet", "--log-format", "json", "--wait", "0") as it, requests.Session() as session:
        url = it.listening()
        assert ask(url, session).status_code == 200
        account.autoscaler.cold()
        assert ask(url, session).status_code == 503
        lines = [json.loads(line) for line in ended(it).splitlines() if line.startswith("{")]
    failed, hint = lines
    assert (failed["level"], failed["exchange"]["number"], failed["exchange"]["status"]) == ("warning", 2, 503)
    assert (hint["level"], hint["request_id"]) == ("warning", failed["request_id"])
    assert hint["message"].startswith("#2 HINT: ")


def test_a_log_file_has_all_lines_and_may_be_moved_away(account: Sandbox, tmp_path: Path) -> None:
    path, moved = tmp_path / "vespa.log", tmp_path / "vespa.log.1"
    with serving(account, "--quiet", "--log-file", str(path)) as it:
        url = it.listening()
        ask(url)
        wait_until(lambda: " -> 200" in path.read_text("utf-8"))
        path.rename(moved)
        ask(url)
        ask(url)
        err = ended(it)
    assert " -> 200" not in err
    assert moved.read_text("utf-8").count(" -> 200") == 1
    assert path.read_text("utf-8").count(" -> 200") == 2
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_log_file_that_can_t_be_written_is_said_at_once(tmp_path: Path) -> None:
    settings = Settings(log_file=str(tmp_path / "no" / "such" / "place"))
    with pytest.raises(ConfigurationError, match="can't be written: No such file"), logging_as_told(settings, Totals()):
        pass
    assert log.handlers == [handler for handler in log.handlers if isinstance(handler, logging.NullHandler)]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a disk that is always full")
def test_a_log_file_on_a_full_disk_changes_nothing(account: Sandbox) -> None:
    with serving(account, "--log-file", "/dev/full") as it:
        url = it.listening()
        assert [ask(url).status_code for _ in range(3)] == [200] * 3
        err = ended(it)
    assert it.process.returncode == 0
    assert err.count(" -> 200") == 3
    assert err.count("The log file /dev/full can't be written: No space left on device.") == 1
    assert "Traceback" not in err


@pytest.mark.skipif(os.name != "posix", reason="Windows has other pipes")
def test_a_log_file_that_is_a_pipe_holds_nobody_up(account: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    filler = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    with serving(account, "--log-file", str(path)) as it, requests.Session() as session:
        url = it.listening()
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(filler, b"x" * 4096)
        assert [ask(url, session).status_code for _ in range(3)] == [200] * 3
        with contextlib.suppress(BlockingIOError):
            while os.read(reader, 65536):
                pass
        assert ask(url, session).status_code == 200
        session.close()
        err = ended(it)
    os.close(filler)
    heard = os.read(reader, 65536).decode()
    os.close(reader)
    assert err.count(f"The log file {path} can't be written: its reader is behind.") == 1
    assert " -> 200" in heard and "lines are missing there" in heard


@pytest.mark.skipif(os.name != "posix", reason="Windows lets nobody remove a file that is written")
def test_a_log_file_whose_directory_goes_and_comes_back(account: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "logs" / "vespa.log"
    path.parent.mkdir()
    with serving(account, "--debug", "--log-file", str(path)) as it, requests.Session() as session:
        url = it.listening()
        ask(url, session)
        shutil.rmtree(path.parent)
        # On one connection, which no line that can't be written may end.
        assert [ask(url, session).status_code for _ in range(3)] == [200] * 3
        path.parent.mkdir()
        assert ask(url, session).status_code == 200
        session.close()
        err = ended(it)
    assert err.count(f"The log file {path} can't be written: No such file or directory.") == 1
    assert "Traceback" not in err
    assert " -> 200" in path.read_text("utf-8")
    assert re.search(rf"The log file {re.escape(str(path))} is written again; [0-9]+ lines are missing there", err)


class Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.levels: list[int] = []
        self.second = 0.0

    def clock(self) -> float:
        """The time of day."""
        return self.second

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        self.levels.append(record.levelno)


@pytest.fixture
def crowd() -> Iterator[tuple[Crowd, Heard]]:
    """A crowd, and who hears what it lets pass and says."""
    heard, level = Heard(), log.level
    holding = Crowd(heard.clock)
    log.addFilter(holding)
    log.addHandler(heard)
    log.setLevel(logging.INFO)
    yield holding, heard
    log.removeHandler(heard)
    log.removeFilter(holding)
    log.setLevel(level)
    holding.close()


def line_at(crowd: tuple[Crowd, Heard], second: float, status: int = 200) -> None:
    holding, heard = crowd
    exchange = Record(1, "GET", "/")
    exchange.status = status
    level = logging.WARNING if exchange.is_failure else logging.INFO
    heard.second = second
    if not holding.holds(exchange, level):
        log.log(level, "a request")


def test_a_crowd_is_summed_up_once_a_minute(crowd: tuple[Crowd, Heard]) -> None:
    holding, heard = crowd
    for second in range(1000, 1130):
        for number in range(500):
            line_at(crowd, second, 500 if number % 100 == 0 else 200)
    assert heard.lines.count("a request") == 200  # those that came before it was one
    sums = [line for line in heard.lines if line != "a request"]
    assert [line.split(":")[0] for line in sums] == ["29800 requests in 60 s", "30000 requests in 60 s"]
    assert sums[1] == "30000 requests in 60 s: 29700 200 whole, 300 500 whole (--debug shows each)"
    heard.second = 1130
    holding.close()
    assert heard.lines[-1].startswith("5000 requests in 10 s: ")


def test_a_crowd_s_sum_is_as_loud_as_the_loudest_line_that_it_stands_for(crowd: tuple[Crowd, Heard]) -> None:
    holding, heard = crowd
    for status in (200, 500, 200):
        for number in range(300):
            line_at(crowd, 1000, status if number == 299 else 200)
        holding.close()
    sums = [level for line, level in zip(heard.lines, heard.levels, strict=True) if line != "a request"]
    assert sums == [logging.INFO, logging.WARNING, logging.INFO]


def test_when_the_crowd_has_gone_each_has_its_line_again(crowd: tuple[Crowd, Heard]) -> None:
    heard = crowd[1]
    for _ in range(300):
        line_at(crowd, 1000)
    heard.lines.clear()
    for second in range(1010, 1020):
        line_at(crowd, second)
    # In the time in which they came, however much later that is told.
    assert heard.lines[0] == "100 requests in 1 s: 100 200 whole (--debug shows each)"
    assert heard.lines[1:] == ["a request"] * 10


def test_its_last_ones_are_told_of_though_nobody_comes_after_them(crowd: tuple[Crowd, Heard]) -> None:
    heard, told = crowd[1], threading.Event()
    heard.emit = lambda record: told.set() if " requests in " in record.getMessage() else None  # type: ignore[method-assign]
    quick = Crowd(heard.clock, every=0.01)
    for _ in range(300):
        line_at((quick, heard), 1000)
    assert told.wait(LONG)
    quick.close()


def test_what_is_said_of_single_requests_is_held_back_in_a_crowd_and_each_hint_told_once(crowd: tuple[Crowd, Heard]) -> None:
    holding, heard = crowd
    retry = "it answered 429; asking for another worker in 0.1 s"
    log.info("%s %s", "#7", retry)
    for _ in range(300):
        line_at(crowd, 1000)
    for _ in range(3):
        log.info("%s %s", "#7", retry)
        log.info("%s HINT: %s", "#7", "Try again.")
        log.warning("%s HINT: %s", "#7", "Or not.")
    log.warning("a warning")
    log.error("%s failed inside the proxy", "#7")
    others = [line for line in heard.lines if line != "a request"]
    assert others == [f"#7 {retry}", "#7 HINT: Try again.", "#7 HINT: Or not.", "a warning", "#7 failed inside the proxy"]
    holding.close()
    log.info("%s HINT: %s", "#7", "Try again.")
    heard.second = 1010
    log.info("%s %s", "#7", retry)
    assert heard.lines[-2:] == ["#7 HINT: Try again.", f"#7 {retry}"]


@pytest.mark.parametrize("debug", [False, True])
def test_lines_are_held_back_in_a_crowd_unless_each_is_asked_for(debug: bool, capfd: pytest.CaptureFixture[str]) -> None:
    totals = Totals()
    with logging_as_told(Settings(debug=debug), totals):
        holds = totals.holds_line or (lambda record, level: False)
        held = sum(holds(Record(1, "GET", "/"), logging.INFO) for _ in range(10_000))
    assert bool(held) is not debug
    assert (f"{held} requests in " in capfd.readouterr().err) is not debug


def test_a_few_a_second_are_no_crowd(crowd: tuple[Crowd, Heard]) -> None:
    _, heard = crowd
    for second in range(1000, 1200):
        for _ in range(50):
            line_at(crowd, second)
    assert set(heard.lines) == {"a request"} and len(heard.lines) == 200 * 50
