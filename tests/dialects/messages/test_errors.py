"""How a failure reads in Anthropic's words."""

from __future__ import annotations

import json

import pytest
from anthropic.types.shared import ErrorResponse

from vespa_client.dialects.messages import Messages


def error(status: int, body: bytes) -> tuple[str, str]:
    said = json.loads(Messages().worker_error(status, body))
    assert said["type"] == "error"
    return said["error"]["type"], said["error"]["message"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
    ],
)
def test_an_errors_type_is_that_of_its_status(status: int, kind: str) -> None:
    assert error(status, b'{"error": {"message": "No.", "type": "x", "code": 1}}') == (kind, "No.")
    # The SDK's types don't list what its own documentation has for a 413.
    if kind != "request_too_large":
        ErrorResponse.model_validate_json(Messages().error(status, "code", "No."), strict=True)


TOO_LONG = "prompt is too long: 40000 tokens > 32768 maximum"
TOO_MUCH = "input length and `max_tokens` exceed context limit: 20000 + 32000 > 32768"


@pytest.mark.parametrize(
    ("message", "begins"),
    [
        (
            "This model's maximum context length is 32768 tokens. However, you requested 52000 tokens (20000 in the messages, "
            "32000 in the completion). Please reduce the length of the messages or completion.",
            TOO_MUCH,
        ),
        (
            "'max_tokens' or 'max_completion_tokens' is too large: 32000. This model's maximum context length is 32768 tokens "
            "and your request has 20000 input tokens (32000 > 32768 - 20000).",
            TOO_MUCH,
        ),
        (
            "This model's maximum context length is 32768 tokens. However, your request has 40000 input tokens. Please reduce "
            "the length of the input messages.",
            TOO_LONG,
        ),
        (
            "You passed 20000 input tokens and requested 32000 output tokens. However, the model's context length is only "
            "32768 tokens, resulting in a maximum input length of 768 tokens.",
            TOO_MUCH,
        ),
        (
            "Requested token count exceeds the model's maximum context length of 32768 tokens. You requested a total of 52000 "
            "tokens: 20000 tokens from the input messages and 32000 tokens for the completion.",
            TOO_MUCH,
        ),
        (
            "This model's maximum context length is 32768 tokens. However, you requested 32000 output tokens and your prompt "
            "contains at least 769 input tokens, for a total of at least 32769 tokens. Please reduce the length of the input "
            "prompt or the number of requested output tokens.",
            "input length and `max_tokens` exceed context limit: 16768 + 32000 > 32768",
        ),
        (
            "This model's maximum context length is 32768 tokens. However, you requested 0 output tokens and your prompt "
            "contains at least 32769 input tokens, for a total of at least 32769 tokens.",
            "prompt is too long: 32769 tokens > 32768 maximum",
        ),
        (
            "This model's maximum context length is 32768 tokens. However, you requested 500 output tokens and your prompt "
            "contains 9000000 characters (more than 4130304 characters, which is the upper bound for 32268 input tokens).",
            "prompt is too long. (This model's",
        ),
        ("The input (40000 tokens) is longer than the model's context length (32768 tokens).", TOO_LONG),
        ("the request (40000 tokens) exceeds the available context size (32768 tokens), try increasing it", TOO_LONG),
        ("the request exceeds the available context size", "prompt is too long. (the request exceeds"),
    ],
)
def test_a_request_that_is_too_long_is_one_in_the_words_that_claude_code_looks_for(message: str, begins: str) -> None:
    kind, said = error(400, json.dumps({"error": {"message": message, "type": "BadRequestError", "code": 400}}).encode())
    assert kind == "invalid_request_error"
    assert said.startswith(begins)
    assert message in said
