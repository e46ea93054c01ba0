"""Server-sent events: the same however they are cut."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dialects.backends import cut, cuts, letters
from vespa_client.dialects.events import MAX_EVENT, Event, EventDecoder, encode_event
from vespa_client.errors import AnswerNotUnderstood

some = settings(max_examples=200)


def decode(parts: Sequence[bytes]) -> list[Event]:
    decoder = EventDecoder()
    events = [event for part in parts for event in decoder.feed(part)]
    return [*events, *decoder.end()]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_and_every_field_is_understood(end: str) -> None:
    lines = [": hi", "event: a", "id: 7", "retry: 5", "data: one", "data:two", "data", "", "nonsense", "data: ä", "", ""]
    wire = end.join(lines).encode()
    expected = [Event("a", "one\ntwo\n"), Event("", "ä")]
    assert decode([wire]) == expected
    assert decode(letters(wire)) == expected


def test_an_event_waits_for_nothing_behind_its_end() -> None:
    decoder = EventDecoder()
    assert list(decoder.feed(b"data: a\r\r")) == [Event("", "a")]
    assert list(decoder.feed(b"\ndata: b\r\n\r")) == [Event("", "b")]
    assert list(decoder.feed(b"\n")) == []


def test_the_last_event_counts_without_its_line_ends() -> None:
    assert decode([b"data: a\n\ndata: [DONE]"]) == [Event("", "a"), Event("", "[DONE]")]


def test_a_byte_order_mark_is_no_part_of_the_first_field() -> None:
    assert decode(letters(b"\xef\xbb\xbfdata: a\n\n")) == [Event("", "a")]


def test_the_error_field_of_llama_cpp_is_an_event_of_that_type() -> None:
    assert decode([b'error: {"code":500}\n\n']) == [Event("error", '{"code":500}')]


def test_an_encoded_event_is_decoded_as_it_was() -> None:
    assert decode([encode_event(b"x", b'{"a":1}')]) == [Event("x", '{"a":1}')]


@some
@given(st.text("ab:\r\n \x00ä", max_size=60), cuts, cuts)
def test_any_bytes_come_to_the_same_however_they_are_cut(text: str, places: list[int], others: list[int]) -> None:
    wire = ("data:" + text + "\n\n").encode()
    assert decode(cut(wire, [place % 70 for place in places])) == decode(letters(wire)) == decode([wire])


@pytest.mark.parametrize("line", [b"data: ", b": ", b"nonsense"])
def test_an_event_above_the_limit_is_an_error_before_it_ends(line: bytes) -> None:
    decoder = EventDecoder()
    piece = b"x" * 65536
    list(decoder.feed(line))
    with pytest.raises(AnswerNotUnderstood, match="more than 4194304 bytes"):
        for _ in range(MAX_EVENT // len(piece) + 1):
            list(decoder.feed(piece))


def test_many_lines_of_one_event_are_limited_and_comments_without_end_are_not() -> None:
    decoder = EventDecoder()
    comment = b": " + b"x" * 65000 + b"\n"
    for _ in range(100):
        assert list(decoder.feed(comment)) == []
    with pytest.raises(AnswerNotUnderstood):
        for _ in range(100):
            list(decoder.feed(b"data: " + b"x" * 65000 + b"\n"))
