"""Odd requests, answers and streams: a clean error or a whole answer, and nothing in between."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.dialects.backends import cut, cuts
from tests.dialects.chat_backend import USAGE_CHUNK, call_chunk, chunk, completion, stream_of
from tests.dialects.mutations import mutated
from tests.dialects.responses.checks import check_stream, events_of
from vespa_client.dialects import Identity, Translation
from vespa_client.dialects.responses import Responses
from vespa_client.errors import AnswerNotUnderstood, Untranslatable

often = settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

REQUEST: dict[str, Any] = {
    "model": "m",
    "instructions": "Be brief.",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "data:,x"}]},
        {
            "type": "reasoning",
            "id": "rs",
            "summary": [{"type": "summary_text", "text": "hm"}],
            "encrypted_content": "vespa:aG0=",
        },
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "b", "annotations": []}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "namespace": "n", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "x"},
        {"type": "local_shell_call", "id": "l", "call_id": "c3", "action": {"type": "exec", "command": ["ls"], "env": {}}},
        {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_image", "image_url": "data:,x"}]},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "y"},
        {"type": "local_shell_call_output", "id": "l", "output": "z"},
        {"type": "tool_search_output", "call_id": "c4", "execution": "client", "tools": [{"type": "function", "name": "g"}]},
    ],
    "tools": [
        {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True},
        {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
        {"type": "namespace", "name": "n", "description": "", "tools": [{"type": "function", "name": "f"}]},
        {"type": "shell", "environment": {"type": "local"}},
        {"type": "web_search"},
    ],
    "client_metadata": {"x-codex-turn-metadata": "{}"},
    "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
    "reasoning": {"effort": "low", "summary": "auto"},
    "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}, "verbosity": "low"},
    "metadata": {"a": "b"},
    "top_logprobs": 1,
    "temperature": 0.5,
    "max_output_tokens": 5,
    "parallel_tool_calls": True,
    "stream": True,
}
LOGPROBS = {"content": [{"token": "x", "logprob": -1.0, "top_logprobs": [{"token": "x", "logprob": -1.0}]}]}
CHUNKS = [
    chunk({"role": "assistant", "content": None}),
    chunk({"reasoning": "hm"}),
    chunk({"content": "x"}, logprobs=LOGPROBS),
    chunk({"refusal": "no"}),
    call_chunk(0, "", "c", "f"),
    call_chunk(0, '{"input":"x"}'),
    call_chunk(1, '{"commands":["ls"]}', "d", "shell"),
    call_chunk(2, '{"input":"x', "e", "patch"),
    call_chunk(2, 'y"}'),
    chunk({}, "tool_calls"),
    USAGE_CHUNK,
]
COMPLETION: dict[str, Any] = json.loads(
    completion(
        {
            "content": "x",
            "reasoning_content": "hm",
            "refusal": "no",
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        "tool_calls",
        logprobs=LOGPROBS,
    )
)
# Its own tool's call may be wrong, and the model's finish reasons and usage anything: what was said is still all there.
_ENDS = {"response.completed", "response.incomplete", "response.failed"}


def translation(**members: Any) -> Translation:
    return Responses().translate(json.dumps({**REQUEST, **members}).encode(), Identity("tok", 1))


def played(parts: Sequence[bytes]) -> bytes:
    """All that a client gets, as the proxy would have it."""
    stream = translation(tool_choice="auto").stream()
    out = b""
    try:
        for part in parts:
            out += stream.feed(part)
        out += stream.end()
    except AnswerNotUnderstood as wrong:
        out += wrong.translated + stream.fail(wrong.status, wrong.code, wrong.message)
    assert stream.finished != stream.failed
    return out


@often
@given(mutated(REQUEST), st.booleans())
def test_an_odd_request_is_translated_or_refused(request: Any, drop: bool) -> None:
    try:
        asked = Responses().translate(json.dumps(request).encode(), Identity("tok", 1), drop_hosted_tools=drop)
    except Untranslatable as refusal:
        assert refusal.message
        json.loads(refusal.body())
        return
    body = json.loads(asked.body)
    assert [message["role"] for message in body["messages"]]
    assert asked.streams == (body.get("stream") is True)
    assert json.loads(asked.answer(completion({"content": "x"})))["status"] == "completed"
    assert events_of(asked.stream().fail(500, "x", "no"))[-1]["type"] == "response.failed"


@often
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_bytes_that_are_no_request_are_refused(body: bytes) -> None:
    try:
        Responses().translate(body, Identity("tok", 1))
    except Untranslatable as refusal:
        json.loads(refusal.body())


@often
@given(mutated(CHUNKS), cuts)
def test_odd_chunks_come_to_one_end_however_they_are_cut(chunks: Any, places: list[int]) -> None:
    wire = stream_of(*chunks) if isinstance(chunks, list) else stream_of(chunks)
    out = played([wire])
    assert played(cut(wire, places)) == out
    assert check_stream(out)[-1]["type"] in _ENDS


@often
@given(st.data())
def test_damaged_bytes_come_to_one_end_however_they_are_cut(data: st.DataObject) -> None:
    wire = bytearray(stream_of(*CHUNKS))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(wire)))
        gone = data.draw(st.integers(0, 40))
        wire[place : place + gone] = data.draw(
            st.binary(max_size=5) | st.sampled_from([b"\n\n", b"\r", b'"', b"data: [DONE]\n\n"])
        )
    out = played([bytes(wire)])
    assert played(cut(bytes(wire), data.draw(cuts))) == out
    assert check_stream(out)[-1]["type"] in _ENDS


@often
@given(st.lists(st.integers(0, len(CHUNKS) - 4), min_size=1, max_size=4))
def test_an_answer_that_lost_its_end_never_looks_whole(lost: list[int]) -> None:
    """Whatever else is lost beside it."""
    chunks = [one for number, one in enumerate(CHUNKS[:-2]) if number not in lost]
    wire = stream_of(*chunks).removesuffix(b"data: [DONE]\n\n")
    assert check_stream(played([wire]))[-1]["type"] == "response.failed"


@often
@given(mutated(COMPLETION))
def test_an_odd_answer_is_translated_or_not_understood(answer: Any) -> None:
    body = json.dumps(answer).encode()
    try:
        response = json.loads(translation(tool_choice="auto").answer(body))
    except AnswerNotUnderstood as wrong:
        assert wrong.message
        return
    assert response["status"] in ("completed", "incomplete")
    assert check_stream(played_plain(body))[-1]["response"]["output"] == response["output"]


def played_plain(body: bytes) -> bytes:
    return translation(tool_choice="auto").stream().feed_completion(body)
