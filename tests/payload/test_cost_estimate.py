"""What requests are worth, by the official worker's formulas."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st

from vespa_client.http1.fields import ReceivedFields
from vespa_client.payload.cost import read_cost
from vespa_client.payload.cost_estimate import estimate_cost, estimate_cost_of_body
from vespa_client.payload.upload import payload_of_upload

from .test_media import wav

CHAT, EMBED, SPEECH, VIDEO = "/v1/chat/completions", "/v1/embeddings", "/v1/audio/speech", "/v1/videos/sync"
IMAGES, RERANK, SCORE = "/v1/images/generations", "/v1/rerank", "/v1/score"
SPOKEN = "/v1/audio/transcriptions"
CONVERSATION = [{"role": "user", "content": "Hello"}]
BASE64 = base64.b64encode

CASES: list[tuple[str, Any, float]] = [
    # Tokens, and what stands in for them where the worker counts none.
    (CHAT, {"max_tokens": 500}, 500),
    ("/v1/completions", {"max_tokens": 1}, 1),
    (CHAT, {"max_tokens": "20"}, 20),
    (CHAT, {"input": {"max_tokens": 20}}, 20),
    (CHAT, {"max_completion_tokens": 30}, 30),
    (CHAT, {"max_tokens": 10, "max_completion_tokens": 30}, 10),
    (CHAT, {}, 100),
    (CHAT, {"max_tokens": 0}, 100),
    (CHAT, {"max_tokens": -5}, 100),
    (CHAT, {"max_tokens": None}, 100),
    (CHAT, {"max_tokens": "many"}, 100),
    (CHAT, {"max_tokens": 10**400}, 100),
    (CHAT, {"max_tokens": 1e300}, 1e9),
    (CHAT, {"max_tokens": 0.01}, 1),
    (CHAT, [1], 100),
    ("/v1/responses", {"max_output_tokens": 40}, 40),
    ("/v1/messages", {"max_tokens": 1024}, 1024),
    ("/generate", {"inputs": "Hello", "parameters": {"max_new_tokens": 60}}, 60),
    ("/generate", {"inputs": "Hello", "parameters": 5}, 100),
    ("/v1/chat/completions/batch", {"messages": [CONVERSATION] * 4, "max_tokens": 100}, 400),
    ("/v1/chat/completions/batch", {"messages": [CONVERSATION] * 2}, 1000),
    ("/v1/chat/completions/batch", {"messages": "x"}, 50),
    # Routes without a formula
    ("/generate/sync", {"input": {"workflow_json": {}}}, 100),
    ("/predict", "text", 100),
    # Embeddings, in every shape of an input
    (EMBED, {"input": "x" * 600}, 500),
    (EMBED, {"input": ["x" * 300] * 2}, 500),
    (EMBED, {"input": list(range(150))}, 500),
    (EMBED, {"input": [list(range(75))] * 2}, 500),
    (EMBED, {"input": {"input": "x" * 600}}, 500),
    (EMBED, {"input": "x"}, 50),
    (EMBED, {"input": "x" * 100_000}, 4000),
    (EMBED, {"input": None}, 50),
    # Pairs of texts
    (RERANK, {"query": "q" * 60, "documents": ["d" * 250] * 16}, 500),
    (RERANK, {"query": "q" * 60, "documents": [{"image": "x"}] * 16}, 500),
    (SCORE, {"queries": "q" * 60, "items": ["d" * 250] * 16}, 500),
    (SCORE, {"text_1": "q" * 60, "text_2": ["d" * 250] * 16}, 500),
    (SCORE, {"data_1": ["q" * 60] * 16, "data_2": ["d" * 250] * 16}, 500),
    (SCORE, {"queries": ["a"] * 3, "documents": ["b"] * 2}, 50),
    (SCORE, {}, 50.4),
    # Speech, and voices to speak in
    (SPEECH, {"input": "x" * 500}, 500),
    (SPEECH, {"input": "x" * 500, "ref_audio": "data:"}, 1000),
    (SPEECH, {"input": "x" * 500, "ref_audio": ["a", "b"], "ref_audio_2": "c"}, 2000),
    (SPEECH, {"input": "x" * 500, "references": [{"audio_path": "a"}, "b", 5]}, 1500),
    (SPEECH, {"input": 5}, 50),
    ("/v1/audio/speech/batch", {"items": [{"input": "x" * 500}] * 2}, 1000),
    ("/v1/audio/speech/batch", {"items": [{"input": "x" * 500}] * 2, "ref_audio": "a"}, 2000),
    ("/v1/audio/speech/batch", {"items": [5]}, 50),
    ("/v1/audio/generate", {"audio_length": 47}, 500),
    # Sound by its length
    (SPOKEN, {"file": BASE64(wav(30)).decode(), "filename": "a.wav"}, 500),
    (SPOKEN, {"file": BASE64(wav(60)).decode()}, 1000),
    (SPOKEN, {"file": "data:audio/mpeg;base64," + BASE64(bytes(16_000 * 15)).decode(), "filename": "a.mp3"}, 250),
    (SPOKEN, {"file": BASE64(bytes(16_000 * 15)).decode(), "filename": "a.ogg"}, 500),
    ("/v1/audio/translations", {"file": "?", "filename": 5}, 50),
    (SPOKEN, {}, 50),
    # Pictures
    (IMAGES, {}, 500),
    (IMAGES, {"n": 2, "size": "1024x1024"}, 1000),
    (IMAGES, {"n": 4, "size": "512X512"}, 500),
    (IMAGES, {"size": "auto"}, 500),
    (IMAGES, {"size": 1024}, 500),
    (IMAGES, {"size": "64x64"}, 50),
    (IMAGES, {"size": "9" * 400 + "x" + "9" * 400}, 500),
    (IMAGES, {"n": 1e308, "size": "1e308x1e308"}, 4000),
    (IMAGES, {"n": 0, "size": "1e308x1e308"}, 100),
    ("/v1/images/edits", {"image": "x", "n": 3}, 1500),
    ("/v1/images/variations", {"image": "x", "n": 3}, 1500),
    (VIDEO, {}, 500),
    (VIDEO, {"width": 832, "height": 480, "num_frames": 66}, 1000),
    (VIDEO, {"size": "1664x480", "width": 64, "height": 64}, 1000),
    (VIDEO, {"width": 64}, 500),
    (VIDEO, {"seconds": "2", "fps": "16.5"}, 500),
    (VIDEO, {"seconds": 2}, 500 * 48 / 33),
    (VIDEO, {"num_outputs_per_prompt": 2}, 1000),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "cost"), CASES, ids=range(len(CASES)))
def test_the_formulas(path: str, body: Any, cost: float) -> None:
    text = estimate_cost_of_body(path, json.dumps(body).encode())
    assert float(text) == pytest.approx(cost, abs=0.06)


def test_the_cost_is_a_number_as_a_header_has_it() -> None:
    for path, body, _ in CASES:
        text = estimate_cost_of_body(path, bytearray(json.dumps(body).encode()))
        assert re.fullmatch(r"[0-9]+\.[0-9]", text)
        assert read_cost(ReceivedFields([("X-Serverless-Cost", text)])) == text


@pytest.mark.parametrize(("path", "cost"), [(SPOKEN, 500), ("/v1/images/edits", 1500)])
def test_an_upload_counts_as_what_it_becomes(path: str, cost: float) -> None:
    file = ("file", ("a.wav", wav(30))) if path == SPOKEN else ("image", ("a.png", b"1"))
    body, content_type = urllib3.encode_multipart_formdata([file, ("n", "3")])
    payload = payload_of_upload(path, content_type, body)
    assert payload
    assert float(estimate_cost(path, payload.values)) == pytest.approx(cost)
    assert estimate_cost_of_body(path, b"".join(payload.pieces)) == estimate_cost(path, payload.values)


def large(**fields: Any) -> bytes:
    """A body of very many values, the fields behind them."""
    body = json.dumps({"messages": [[1, 2, 3]] * 200_000, **fields}).encode()
    assert len(body) > 1 << 20
    return body


@pytest.mark.parametrize(
    ("path", "body", "cost"),
    [
        (CHAT, large(max_tokens=77), 77),
        (CHAT, large(max_completion_tokens=78), 78),
        (CHAT, large(messages_too='"max_tokens": 5, \\"max_tokens\\": 6', max_tokens=7), 7),
        (CHAT, large(tools={"max_tokens": {"type": "integer"}}), 100),
        (CHAT, large(), 100),
        (EMBED, large(input=[1]), 4000),
        ("/predict", large(max_tokens=5), 100),
    ],
    ids=range(7),
)
def test_a_body_of_very_many_values_is_estimated_without_parsing_it(
    path: str, body: bytes, cost: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vespa_client.payload.cost_estimate.json.loads", None)
    assert float(estimate_cost_of_body(path, body)) == cost


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["1x1", 10**400])
odd_values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
paths = st.sampled_from(sorted({path for path, _, _ in CASES}))
fields = st.sampled_from(sorted({field for _, body, _ in CASES if isinstance(body, dict) for field in body}))


@settings(max_examples=500)
@given(paths, st.dictionaries(fields, odd_values, max_size=6))
def test_no_body_is_too_odd(path: str, values: dict[str, Any]) -> None:
    assert 1 <= float(estimate_cost(path, values)) <= 1e9
