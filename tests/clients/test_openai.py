"""OpenAI's own SDK for Python, with both of its ways to ask: chat completions, and responses, which are translated."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel

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

FUNCTION: Any = {"name": "get_weather", "description": "The weather in a city.", "parameters": WEATHER_SCHEMA, "strict": True}


class City(BaseModel):
    name: str
    population: int


@pytest.fixture
def sdk(proxy: VastClient) -> Iterator[openai.OpenAI]:
    """Without retries, which would hide a failure."""
    with openai.OpenAI(base_url=f"{proxy.url}/v1", api_key="not-used", max_retries=0, timeout=LONG) as client:
        yield client


def user(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


@pytest.mark.client("`openai` (Python), chat completions")
class TestChat:
    def test_plain(self, sdk: openai.OpenAI) -> None:
        answer = sdk.chat.completions.create(model=MODEL, messages=user(HELLO))
        assert answer.choices[0].message.content == ANSWER

    def test_streamed(self, sdk: openai.OpenAI) -> None:
        with sdk.chat.completions.stream(model=MODEL, messages=user(HELLO)) as stream:
            assert "".join(event.delta for event in stream if event.type == "content.delta") == ANSWER

    def test_tools(self, sdk: openai.OpenAI) -> None:
        messages = user(ASKING_THE_TOOL)
        tools: Any = [{"type": "function", "function": FUNCTION}]
        asked = sdk.chat.completions.create(model=MODEL, messages=messages, tools=tools).choices[0].message
        assert asked.tool_calls
        call: Any = asked.tool_calls[0]
        result = get_weather(**json.loads(call.function.arguments))
        messages += [asked.model_dump(), {"role": "tool", "tool_call_id": call.id, "content": result}]
        answer = sdk.chat.completions.create(model=MODEL, messages=messages, tools=tools)
        assert answer.choices[0].message.content == TOOL_ANSWER

    def test_error(self, sdk: openai.OpenAI) -> None:
        with pytest.raises(openai.PermissionDeniedError, match=ERROR_TEXT):
            sdk.chat.completions.create(model=MODEL, messages=user(ERROR))

    def test_cancel(self, sdk: openai.OpenAI, site: Site) -> None:
        with sdk.chat.completions.create(model=MODEL, messages=user(HOLD), stream=True) as stream:
            assert next(text for chunk in stream if (text := chunk.choices[0].delta.content))
        site.wait_until_cancelled()

    def test_models(self, sdk: openai.OpenAI, site: Site) -> None:
        assert [model.id for model in sdk.models.list()] == ["my-endpoint"]
        assert not site.costs()
        sdk.chat.completions.create(model=MODEL, messages=user(HELLO))
        assert [model.id for model in sdk.models.list()] == [MODEL]
        assert sdk.models.retrieve(MODEL).id == MODEL


@pytest.mark.client("`openai` (Python), responses")
class TestResponses:
    def test_plain(self, sdk: openai.OpenAI, site: Site) -> None:
        answer = sdk.responses.with_raw_response.create(model=MODEL, input=HELLO, instructions="Be brief.")
        assert answer.headers["X-Vespa-Translated"] == "responses"
        response = answer.parse()
        assert (response.output_text, response.status) == (ANSWER, "completed")
        assert response.usage and response.usage.output_tokens > 1
        (payload,) = site.payloads()
        assert [message["content"] for message in payload["messages"]] == ["Be brief.", HELLO]

    def test_streamed(self, sdk: openai.OpenAI) -> None:
        with sdk.responses.stream(model=MODEL, input=HELLO) as stream:
            events = list(stream)
            final = stream.get_final_response()
        assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == ANSWER
        assert [event.sequence_number for event in events] == list(range(len(events)))
        assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
        assert final.output_text == ANSWER
        assert final.usage and final.usage.total_tokens == final.usage.input_tokens + final.usage.output_tokens

    @pytest.mark.parametrize("streams", [False, True])
    def test_tools(self, sdk: openai.OpenAI, streams: bool) -> None:
        tools: Any = [{"type": "function", **FUNCTION}]
        conversation = user(ASKING_THE_TOOL)

        def ask() -> Any:
            if not streams:
                return sdk.responses.create(model=MODEL, input=conversation, tools=tools)
            with sdk.responses.stream(model=MODEL, input=conversation, tools=tools) as stream:
                return stream.get_final_response()

        (call,) = ask().output
        assert (call.type, json.loads(call.arguments)) == ("function_call", {"city": CITY})
        result = get_weather(**json.loads(call.arguments))
        conversation += [
            {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments},
            {"type": "function_call_output", "call_id": call.call_id, "output": result},
        ]
        assert ask().output_text == TOOL_ANSWER

    def test_error(self, sdk: openai.OpenAI) -> None:
        with pytest.raises(openai.PermissionDeniedError, match=ERROR_TEXT):
            sdk.responses.create(model=MODEL, input=ERROR)
        with pytest.raises(openai.BadRequestError, match="previous_response_id") as caught:
            sdk.responses.create(model=MODEL, input=HELLO, previous_response_id="resp_1")
        assert caught.value.param == "previous_response_id"

    def test_cancel(self, sdk: openai.OpenAI, site: Site) -> None:
        with sdk.responses.create(model=MODEL, input=HOLD, stream=True) as stream:
            assert next(event.delta for event in stream if event.type == "response.output_text.delta")
        site.wait_until_cancelled()

    def test_models(self, sdk: openai.OpenAI) -> None:
        sdk.responses.create(model=MODEL, input=HELLO)
        assert [model.id for model in sdk.models.list()] == [MODEL]

    def test_a_stream_that_breaks_off_fails(self, sdk: openai.OpenAI) -> None:
        with sdk.responses.create(model=MODEL, input=BREAK, stream=True) as stream:
            kinds = []
            with pytest.raises(openai.APIError):
                kinds += [event.type for event in stream]
                raise AssertionError(f"it looks whole: {kinds}")

    @pytest.mark.parametrize("streams", [False, True])
    def test_parsed(self, sdk: openai.OpenAI, streams: bool) -> None:
        if streams:
            with sdk.responses.stream(model=MODEL, input="Name a city.", text_format=City) as stream:
                found = stream.get_final_response().output_parsed
        else:
            found = sdk.responses.parse(model=MODEL, input="Name a city.", text_format=City).output_parsed
        assert isinstance(found, City)

    @pytest.mark.parametrize("streams", [False, True])
    def test_thoughts(self, sdk: openai.OpenAI, streams: bool) -> None:
        if streams:
            with sdk.responses.stream(model=MODEL, input=THINK, reasoning={"summary": "auto"}) as stream:
                thought, said = stream.get_final_response().output
        else:
            thought, said = sdk.responses.create(model=MODEL, input=THINK, reasoning={"summary": "auto"}).output
        assert (thought.type, said.type) == ("reasoning", "message")
        assert THOUGHTS in str(thought)

    def test_async_side_by_side(self, proxy: VastClient) -> None:
        async def all_texts() -> list[str]:
            base_url = f"{proxy.url}/v1"
            async with openai.AsyncOpenAI(base_url=base_url, api_key="not-used", max_retries=0, timeout=LONG) as client:

                async def streamed() -> str:
                    async with client.responses.stream(model=MODEL, input=HELLO) as stream:
                        return (await stream.get_final_response()).output_text

                async def plain() -> str:
                    return (await client.responses.create(model=MODEL, input=HELLO)).output_text

                return await asyncio.gather(*(streamed() for _ in range(4)), *(plain() for _ in range(4)))

        assert asyncio.run(all_texts()) == [ANSWER] * 8
