"""What is shown can't be forged: text from elsewhere moves no cursor, begins no line, and turns no direction."""

from __future__ import annotations

import io
import logging

import pytest

from vespa_client.journal.log import PrintableLog, log
from vespa_client.journal.printable import printable

FORGERIES = [
    "\n12:00:00 INFO #2 GET / -> 200",
    "\r12:00:00 INFO forged",
    "\x1b[2J\x1b[1;1H",
    "\x1b]0;title\x07",
    "\x9b31m",
    "\x00\x08\x0b\x0c\x7f\x85",
    "\u2028\u2029",
    "\u202egnp.exe",
    "\u2066\u2067\u2068\u2069\u200e\u200f\u061c",
    "\u200b\ufeff\xad",
    "\ud800",
    "\U000e0041",
]


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_is_not_to_be_seen_is_written_out(forgery: str) -> None:
    shown = printable(f"before{forgery}after")
    assert shown.isprintable() and shown.isascii()
    assert shown.startswith("before\\") and shown.endswith("after")


@pytest.mark.parametrize("text", ["", "my-endpoint", "Ünïcødé 模型 🙂", 'a "quoted" \\n'])
def test_ordinary_text_stays(text: str) -> None:
    assert printable(text) == text


def written(forgery: str) -> list[str]:
    """The lines of a log into which the forgery goes as an argument, and as an exception's message."""
    stream = io.StringIO()
    log = logging.getLogger("tests.printable")
    handler = logging.StreamHandler(stream)
    log.addHandler(handler)
    log.addFilter(spoken := PrintableLog())
    try:
        log.warning("The worker said %s.", forgery)
        try:
            raise ValueError(forgery)
        except ValueError:
            log.exception("It failed.")
    finally:
        log.removeHandler(handler)
        log.removeFilter(spoken)
    return stream.getvalue().rstrip("\n").split("\n")


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_record_is_one_line_and_its_traceback_is_indented(forgery: str) -> None:
    said, failed, *trace = written(forgery)
    assert said.startswith("The worker said \\") and said.isprintable()
    assert failed == "It failed."
    assert all(line.startswith("    ") and line.isprintable() for line in trace)


def test_the_packages_own_log_has_the_filter() -> None:
    assert any(isinstance(one, PrintableLog) for one in log.filters)
