"""Tokens as answers tell of them, of each API and server that says it in its own way."""

from __future__ import annotations

import json

import pytest

from vespa_client.journal.answer_meter import meter_for
from vespa_client.journal.record import Record
from vespa_client.journal.tokens import TAIL_BYTES, tokens_in_answer

CHAT = {"choices": [{"message": {"content": 'He said: "usage": {"prompt_tokens": 1}'}}]}

OPENAI = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18, "prompt_tokens_details": {"cached_tokens": 4}}
LITELLM = {"completion_tokens": 7, "prompt_tokens": 11, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 3}
ANTHROPIC = {"input_tokens": 11, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 3, "output_tokens": 7}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({**CHAT, "usage": OPENAI}, (11, 7, "usage")),
        ({"usage": {"prompt_tokens": 0, "completion_tokens": 0}}, (0, 0, "usage")),
        (
            {"usage": {"prompt_tokens": 11, "total_tokens": 18, "completion_tokens": 7}, "prompt_logprobs": None},
            (11, 7, "usage"),
        ),
        # Responses: details stand between the two.
        ({"usage": {"input_tokens": 11, "input_tokens_details": {"cached_tokens": 9}, "output_tokens": 7}}, (11, 7, "usage")),
        ({"content": [], "usage": ANTHROPIC}, (16, 7, "usage")),
        ({**CHAT, "usage": LITELLM}, (11, 7, "usage")),
        ({"data": [], "usage": {"prompt_tokens": 5, "total_tokens": 5}}, (5, None, "usage")),
        ({"content": "Hi", "timings": {"prompt_n": 11, "prompt_ms": 2.5, "predicted_n": 7}}, (11, 7, "timings")),
        ({"metrics": {"input_tokens": 11, "output_tokens": 7}}, (11, 7, "metrics")),
        ({"done": True, "prompt_eval_count": 11, "eval_count": 7, "eval_duration": 5}, (11, 7, "metrics")),
        ({"generated_text": "x", "details": {"generated_tokens": 7, "seed": None}}, (None, 7, "metrics")),
        ({**CHAT, "usage": OPENAI, "timings": {"prompt_n": 1, "predicted_n": 1}}, (11, 7, "usage")),
        ({**CHAT, "usage": None, "timings": {"prompt_n": 1, "predicted_n": 2}}, (1, 2, "timings")),
        (CHAT, None),
        ({"usage": {"completion_tokens": 1.5}}, None),
        ({"usage": "much"}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_an_answer_that_is_one_object(answer: object, expected: object, indent: int | None) -> None:
    text = json.dumps(answer, indent=indent).encode()
    assert tokens_in_answer(text, text) == expected


def events(*data: object) -> list[bytes]:
    return [b"data: %s\n\n" % (one if isinstance(one, bytes) else json.dumps(one).encode()) for one in data]


def metered(
    pieces: list[bytes], kind: str = "text/event-stream", path: str = "/v1/chat/completions", coding: str = ""
) -> Record:
    record = Record(1, "POST", path)
    meter = meter_for(record, kind, coding)
    for piece in pieces:
        meter.passed(piece)
    meter.end()
    return record


def test_a_stream_whose_last_event_has_the_usage() -> None:
    text = [{"choices": [{"delta": {"content": "a"}}], "usage": None}] * 50
    record = metered(events(*text, {"choices": [], "usage": OPENAI}, b"[DONE]"))
    assert (record.tokens_in, record.tokens_out, record.tokens_from) == (11, 7, "usage")
    assert record.events == 52


def test_the_last_of_many_counts() -> None:
    """vLLM's continuous_usage_stats: each event has the numbers so far."""
    record = metered(events(*({"usage": {"prompt_tokens": 11, "completion_tokens": count}} for count in range(50)), b"[DONE]"))
    assert (record.tokens_in, record.tokens_out, record.tokens_from) == (11, 49, "usage")


def test_anthropic_s_stream_says_it_at_both_ends() -> None:
    start = {"type": "message_start", "message": {"usage": {"input_tokens": 11, "output_tokens": 1}}}
    text = [{"type": "content_block_delta", "delta": {"text": "a" * 300}}] * 100
    end = {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 7}}
    record = metered(events(start, *text, end, {"type": "message_stop"}), path="/v1/messages")
    assert (record.tokens_in, record.tokens_out, record.tokens_from) == (11, 7, "usage")


def test_a_stream_that_says_nothing_is_counted_by_its_events() -> None:
    record = metered(events(*[{"choices": [{"text": "a"}]}] * 9, b"[DONE]"))
    assert (record.tokens_in, record.tokens_out, record.tokens_from) == (None, 9, "events")


def test_events_of_what_is_no_text_are_no_tokens() -> None:
    record = metered(events({"audio": "AAAA"}, {"audio": "AAAA"}), path="/v1/audio/speech")
    assert (record.events, record.tokens_out, record.tokens_from) == (2, None, "")


def test_lines_of_ollama() -> None:
    lines = [b'{"response": "a"}\n'] * 5 + [b'{"done": true, "prompt_eval_count": 3, "eval_count": 5}\n']
    record = metered(lines, "application/x-ndjson", "/api/generate")
    assert (record.events, record.tokens_in, record.tokens_out, record.tokens_from) == (6, 3, 5, "metrics")


def test_usage_that_is_cut_in_two_pieces_and_line_ends_of_two_bytes() -> None:
    whole = b"".join(events({"choices": [], "usage": OPENAI}, b"[DONE]")).replace(b"\n\n", b"\r\n\r\n")
    record = metered([whole[:40], whole[40:]])
    assert (record.tokens_out, record.tokens_from) == (7, "usage")
    assert record.events == 2


def test_what_is_encoded_is_counted_in_bytes_alone() -> None:
    record = metered([b'{"usage": {"prompt_tokens": 1}}'], "application/json", coding="gzip")
    assert (record.answer_bytes, record.tokens_from) == (31, "")


def test_a_large_answer_is_looked_at_by_its_end_alone_and_not_kept() -> None:
    piece = b"x" * TAIL_BYTES * 4
    record = Record(1, "POST", "/v1/chat/completions")
    meter = meter_for(record, "application/json; charset=utf-8", "")
    for _ in range(40):
        meter.passed(piece)
    assert len(meter._tail) == TAIL_BYTES  # type: ignore[attr-defined]
    meter.passed(b'"usage": {"prompt_tokens": 1, "completion_tokens": 2}}')
    meter.end()
    assert (record.answer_bytes, record.tokens_out) == (40 * len(piece) + 54, 2)


def test_what_a_translation_has_told_counts() -> None:
    record = Record(1, "POST", "/v1/messages")
    record.take_tokens(5, 6, "usage")
    meter = meter_for(record, "text/event-stream", "")
    meter.passed(b'data: {"usage": {"input_tokens": 1, "output_tokens": 2}}\n\n')
    meter.end()
    assert (record.tokens_in, record.tokens_out) == (5, 6)


def test_the_time_between_events_is_that_between_pieces() -> None:
    record = metered(events(*[{"a": 1}] * 4))
    assert record.gaps is not None and record.gaps.count == 3
    assert 0 < record.longest_gap <= record.gaps.total
