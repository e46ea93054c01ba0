"""The Ollama client in front of a translated backend, as its own users call it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ollama
import pytest

from vespa_client.dialects.ollama import OllamaChat, OllamaGenerate, show, tags, version

from ..chat_backend import USAGE_CHUNK, Backend, call_chunk, chunk, completion, events_of, translating

QUESTION = [{"role": "user", "content": "What is the weather?"}]
HELLO = [chunk({"reasoning": "Hm."}), chunk({"content": "Hel"}), chunk({"content": "lo!"}), chunk({}, "stop"), USAGE_CHUNK]
MODELS = [("m", 4096)]


@contextmanager
def serving(backend: Backend) -> Iterator[str]:
    local = {
        "/api/tags": lambda body: tags(MODELS, 1_700_000_000),
        "/api/version": lambda body: version(),
        "/api/show": lambda body: show(body, MODELS, 1_700_000_000) or b"",
    }
    with translating({"/api/chat": OllamaChat(), "/api/generate": OllamaGenerate()}, backend, local) as url:
        yield url


@contextmanager
def sdk(backend: Backend) -> Iterator[ollama.Client]:
    with serving(backend) as url, ollama.Client(url, timeout=10) as client:
        yield client


def test_chat() -> None:
    with sdk(lambda request: completion({"content": "Sunny.", "reasoning": "Hm."})) as client:
        said = client.chat("m", QUESTION, think=True)
    assert (said.message.content, said.message.thinking, said.done_reason, said.eval_count) == ("Sunny.", "Hm.", "stop", 7)


def test_chat_in_a_stream() -> None:
    with sdk(lambda request: events_of(*HELLO)) as client:
        parts = list(client.chat("m", QUESTION, stream=True))
    assert "".join(part.message.content or "" for part in parts) == "Hello!"
    assert "".join(part.message.thinking or "" for part in parts) == "Hm."
    assert [bool(part.done) for part in parts].index(True) == len(parts) - 1


def test_generate() -> None:
    def backend(request: dict[str, Any]) -> bytes | list[bytes]:
        assert request["messages"][0]["content"] == "Hello!"
        return events_of(*HELLO) if request.get("stream") else completion({"content": "Hello!"})

    with sdk(backend) as client:
        assert client.generate("m", "Hello!").response == "Hello!"
        assert "".join(part.response or "" for part in client.generate("m", "Hello!", stream=True)) == "Hello!"


def test_the_asynchronous_client() -> None:
    async def ask(url: str) -> str:
        async with ollama.AsyncClient(url) as client:
            return "".join([part.message.content or "" async for part in await client.chat("m", QUESTION, stream=True)])

    with serving(lambda request: events_of(*HELLO)) as url:
        assert asyncio.run(ask(url)) == "Hello!"


def test_tools_take_turns_until_the_answer() -> None:
    def weather(city: str) -> str:
        """The weather.

        Args:
            city: The city's name.
        """
        return f"sun in {city}"

    asked: list[dict[str, Any]] = []

    def backend(request: dict[str, Any]) -> list[bytes]:
        asked.append(request)
        if len(asked) == 1:
            calls = [
                call_chunk(0, '{"city": "U', "a", "weather"),
                call_chunk(0, 'lm"}'),
                call_chunk(1, '{"city": "Köln"}', "b", "weather"),
            ]
            return events_of(*calls, chunk({}, "tool_calls"))
        return events_of(*HELLO)

    messages: list[Any] = list(QUESTION)
    with sdk(backend) as client:
        for part in client.chat("m", messages, tools=[weather], stream=True):
            for call in part.message.tool_calls or ():
                messages.append(part.message)
                result = weather(**call.function.arguments)
                messages.append({"role": "tool", "tool_name": call.function.name, "content": result})
        said = list(client.chat("m", messages, tools=[weather], stream=True))
    assert "".join(part.message.content or "" for part in said) == "Hello!"
    assert asked[0]["tools"][0]["function"]["name"] == "weather"
    assert [one["content"] for one in asked[1]["messages"] if one["role"] == "tool"] == ["sun in Ulm", "sun in Köln"]


def test_images_and_formats() -> None:
    def backend(request: dict[str, Any]) -> bytes:
        assert request["messages"][0]["content"][1]["image_url"]["url"].startswith("data:image/png;base64,")
        assert request["response_format"]["type"] == "json_schema"
        return completion({"content": '{"a": 1}'})

    image = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
    question = [{"role": "user", "content": "What is it?", "images": [image]}]
    with sdk(backend) as client:
        assert client.chat("m", question, format={"type": "object"}).message.content == '{"a": 1}'


def test_models() -> None:
    with sdk(lambda request: b"") as client:
        assert [model.model for model in client.list().models] == ["m"]
        assert client.show("m").capabilities == ["completion", "tools"]


def test_to_load_a_model_wakes_nobody() -> None:
    def backend(request: dict[str, Any]) -> bytes:
        raise AssertionError("the worker was asked")

    with sdk(backend) as client:
        assert client.chat("m").done_reason == "load"
        assert client.generate("m", keep_alive=0).done_reason == "unload"
        assert [part.done_reason for part in client.generate("m", stream=True)] == ["load"]


@pytest.mark.parametrize(
    "chunks", [HELLO[:2], [*HELLO[:2], {"error": "Out of memory"}], []], ids=["cut off", "an error", "nothing"]
)
def test_a_broken_stream_raises(chunks: list[dict[str, Any]]) -> None:
    with sdk(lambda request: events_of(*chunks)) as client, pytest.raises(ollama.ResponseError):
        list(client.chat("m", QUESTION, stream=True))


def test_a_workers_error_raises() -> None:
    with sdk(lambda request: (404, b'{"error": {"message": "no such model"}}')) as client:
        with pytest.raises(ollama.ResponseError, match="no such model") as caught:
            client.chat("m", QUESTION)
        assert caught.value.status_code == 404
