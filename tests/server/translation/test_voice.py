"""How the proxy speaks on each route by itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vespa_client.dialects import Identity
from vespa_client.errors import BadRequest, ShuttingDown, VespaError, WorkerError
from vespa_client.server.translation.routes import dialect_of
from vespa_client.server.translation.voice import PLAIN, TranslatedVoice, voice_of

PROBLEM = WorkerError("The worker is gone.", hint="Ask again.")
RESPONSES, MESSAGES, OLLAMA = "/v1/responses", "/v1/messages", "/api/chat"
DIALECTS = (RESPONSES, MESSAGES, OLLAMA, "/api/generate")


def events(data: bytes) -> list[tuple[str, dict[str, Any]]]:
    """The events, each with its type; each must be whole."""
    assert data.endswith(b"\n\n")
    found = []
    for event in data.decode().strip("\n").split("\n\n"):
        kind, _, text = event.removeprefix("event: ").partition("\ndata: ")
        found.append((kind, json.loads(text)))
    return found


@pytest.mark.parametrize(
    "path", [MESSAGES, "/messages", "/v1/v1/messages", "/v1/messages/count_tokens", "/v1/messages/batches"]
)
def test_anthropic_s_errors_have_its_shape(path: str) -> None:
    said = json.loads(voice_of(path).error(PROBLEM))
    assert said["type"] == "error"
    assert said["error"]["type"] == "api_error"
    assert said["error"]["message"] == "The worker is gone. Ask again."


@pytest.mark.parametrize("path", [RESPONSES, "/responses", "/v1/chat/completions", "/v1/x", "/", "*"])
def test_openai_s_errors_have_its_shape(path: str) -> None:
    said = json.loads(voice_of(path).error(BadRequest("No.", hint="Else.")))["error"]
    assert said["message"] == "No. Else."
    assert said["type"] and said["code"] and "param" in said


@pytest.mark.parametrize("path", [OLLAMA, "/api/generate", "/api/show", "/api/embed", "/api/blobs/sha256:0"])
def test_ollama_s_errors_have_its_shape(path: str) -> None:
    assert json.loads(voice_of(path).error(PROBLEM)) == {"error": "The worker is gone. Ask again."}


@pytest.mark.parametrize("path", DIALECTS)
def test_a_stream_that_is_passed_on_can_be_said_to_break_off(path: str) -> None:
    voice = voice_of(path)
    behind_an_event, inside_one = voice.failure(PROBLEM, b"\n\n"), voice.failure(PROBLEM, b"half")
    assert b"The worker is gone." in behind_an_event
    assert not behind_an_event.startswith(b"\n")
    assert inside_one.lstrip(b"\n") == behind_an_event
    assert inside_one.startswith(b"\n")


def test_a_response_fails_behind_its_creation() -> None:
    kinds = [kind for kind, _ in events(voice_of(RESPONSES).failure(PROBLEM, b"\n\n"))]
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.failed"


def test_a_message_fails_with_an_error() -> None:
    ((kind, event),) = events(voice_of(MESSAGES).failure(PROBLEM, b"\n\n"))
    assert (kind, event["type"], event["error"]["type"]) == ("error", "error", "api_error")


@pytest.mark.parametrize("path", DIALECTS)
@pytest.mark.parametrize("problem", [PROBLEM, BadRequest("No."), ShuttingDown("It stops.", retry_after=3)], ids=repr)
def test_what_failed_has_failed_once(path: str, problem: VespaError) -> None:
    dialect = dialect_of(path)
    assert dialect is not None
    voice = TranslatedVoice(dialect, dialect.blank_stream(Identity("x", 0)))
    assert voice.failure(problem, b"")
    assert voice.failure(problem, b"") == b""
    assert voice.ping() == b""


@pytest.mark.parametrize("path", DIALECTS)
def test_nothing_is_said_while_events_are_on_their_way(path: str) -> None:
    dialect = dialect_of(path)
    assert dialect is not None
    voice = TranslatedVoice(dialect, dialect.blank_stream(Identity("x", 0)))
    with voice.lock:
        assert voice.ping() == b""


def test_a_sign_of_life_is_the_dialect_s_own() -> None:
    assert voice_of(MESSAGES).ping() == b'event: ping\ndata: {"type":"ping"}\n\n'
    assert voice_of(OLLAMA).ping() == b""
    assert voice_of("/v1/chat/completions") is PLAIN
