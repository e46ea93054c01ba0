"""What backends say when they fail."""

from __future__ import annotations

import json

import pytest

from vespa_client.dialects.chat_error import CONTEXT_LENGTH, Failure, read_error_body


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, b'{"error":{"message":"no","type":"x","param":"n","code":"bad_n"}}', Failure(400, "bad_n", "no", "n")),
        (400, b'{"object":"error","message":"no","type":"BadRequestError","code":400}', Failure(400, "", "no")),
        (404, b'{"detail":"Not Found"}', Failure(404, "", "Not Found")),
        (422, b'{"detail":[{"loc":["body","n"],"msg":"wrong","type":"v"}]}', Failure(422, "", "body.n: wrong")),
        (
            503,
            b'{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}',
            Failure(503, "", "Loading model"),
        ),
        (502, b"Bad gateway\n", Failure(502, "", "Bad gateway")),
        (500, b"", Failure(500, "", "The worker says no more.")),
        (500, b"null", Failure(500, "", "The worker says no more.")),
        (500, b"\xff\xfe", Failure(500, "", "\ufffd\ufffd")),
        (500, b'{"error":{}}', Failure(500, "", '{"error":{}}')),
        (500, b"[" * 5000, Failure(500, "", "[" * 4000)),
    ],
)
def test_every_shape_is_read(status: int, body: bytes, expected: Failure) -> None:
    assert read_error_body(status, body) == expected


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.",
        "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
        "the request exceeds the available context size, try increasing it",
        "The prompt (total length 5000) is longer than the maximum model length of 4096.",
    ],
)
def test_a_prompt_that_is_too_long_has_its_own_code(message: str) -> None:
    body = json.dumps({"error": {"message": message, "code": 400}}).encode()
    assert read_error_body(400, body).code == CONTEXT_LENGTH
    assert read_error_body(401, body).code == ""
