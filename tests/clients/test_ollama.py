"""Ollama's own client for Python; its chats are translated."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import ollama
import pytest

from tests.support.waiting import LONG
from vespa_client import VastClient

from .conversation import (
    ANSWER,
    ASKING_THE_TOOL,
    BREAK,
    CITY,
    ERROR,
    ERROR_TEXT,
    HELLO,
    HOLD,
    MODEL,
    THINK,
    THOUGHTS,
    TOOL_ANSWER,
    WEATHER_SCHEMA,
    get_weather,
)
from .site import Site


@pytest.fixture
def client(proxy: VastClient) -> Iterator[ollama.Client]:
    made = ollama.Client(proxy.url, timeout=LONG)
    yield made
    made._client.close()


def user(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


@pytest.mark.client("`ollama` (Python)")
class TestOllama:
    def test_plain(self, client: ollama.Client) -> None:
        answer = client.chat(MODEL, user(HELLO))
        assert (answer.message.content, answer.done, answer.done_reason) == (ANSWER, True, "stop")
        assert answer.eval_count and answer.eval_count > 1

    def test_streamed(self, client: ollama.Client) -> None:
        pieces = list(client.chat(MODEL, user(HELLO), stream=True))
        assert "".join(piece.message.content or "" for piece in pieces) == ANSWER
        assert [piece.done for piece in pieces] == [False] * (len(pieces) - 1) + [True]

    def test_tools(self, client: ollama.Client) -> None:
        messages = user(ASKING_THE_TOOL)
        asked = client.chat(MODEL, messages, tools=[get_weather]).message
        assert asked.tool_calls
        (call,) = asked.tool_calls
        assert call.function.arguments == {"city": CITY}
        result = get_weather(**call.function.arguments)
        messages += [asked.model_dump(), {"role": "tool", "tool_name": call.function.name, "content": result}]
        assert client.chat(MODEL, messages, tools=[get_weather]).message.content == TOOL_ANSWER

    def test_error(self, client: ollama.Client) -> None:
        with pytest.raises(ollama.ResponseError, match=ERROR_TEXT) as caught:
            client.chat(MODEL, user(ERROR))
        assert caught.value.status_code == 403

    def test_cancel(self, client: ollama.Client, site: Site) -> None:
        stream: Any = client.chat(MODEL, user(HOLD), stream=True)
        assert next(piece.message.content for piece in stream if piece.message.content)
        stream.close()
        site.wait_until_cancelled()

    def test_models(self, client: ollama.Client, site: Site) -> None:
        assert [model.model for model in client.list().models] == ["my-endpoint"]
        assert "completion" in (client.show("my-endpoint").capabilities or [])
        assert not site.costs()

    def test_a_stream_that_breaks_off_fails(self, client: ollama.Client) -> None:
        with pytest.raises(ollama.ResponseError):
            list(client.chat(MODEL, user(BREAK), stream=True))

    def test_thoughts(self, client: ollama.Client) -> None:
        message = client.chat(MODEL, user(THINK), think=True).message
        assert message.thinking and THOUGHTS in message.thinking

    @pytest.mark.parametrize("streams", [False, True])
    def test_generating(self, client: ollama.Client, streams: bool) -> None:
        if streams:
            assert "".join(piece.response for piece in client.generate(MODEL, HELLO, stream=True)) == ANSWER
        else:
            assert client.generate(MODEL, HELLO).response == ANSWER

    def test_structured_output(self, client: ollama.Client) -> None:
        answer = client.chat(MODEL, user("Name a city."), format=WEATHER_SCHEMA)
        assert answer.message.content == f'{{"city": "{CITY}"}}'

    def test_async(self, proxy: VastClient) -> None:
        async def text() -> str:
            client = ollama.AsyncClient(proxy.url, timeout=LONG)
            stream: Any = await client.chat(MODEL, user(HELLO), stream=True)
            said = "".join([piece.message.content async for piece in stream])
            await client._client.aclose()
            return said

        assert asyncio.run(text()) == ANSWER
