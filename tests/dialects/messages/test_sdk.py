"""The Anthropic SDK in front of a translated backend, as its own users call it."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import pytest
from anthropic import beta_tool
from pydantic import BaseModel

from vespa_client.dialects.messages import Messages, count_tokens

from ..chat_backend import USAGE_CHUNK, Backend, call_chunk, chunk, completion, events_of, translating

QUESTION: list[anthropic.types.MessageParam] = [{"role": "user", "content": "What is the weather?"}]
TOOL: anthropic.types.ToolParam = {
    "name": "weather",
    "description": "The weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
ASKED: dict[str, Any] = {"model": "m", "max_tokens": 2000, "messages": QUESTION}

THINKING = [chunk({"reasoning": "They ask "}), chunk({"reasoning": "for weather."})]
CALLS = [
    call_chunk(0, "", "call-1", "weather"),
    call_chunk(0, '{"city": "U'),
    call_chunk(0, 'lm"}'),
    call_chunk(1, '{"city": "Köln"}', "call-2", "weather"),
    chunk({}, "tool_calls"),
    USAGE_CHUNK,
]
HELLO = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "Hel"}),
    chunk({"content": "lo!"}),
    chunk({}, "stop"),
    USAGE_CHUNK,
]


@contextmanager
def sdk(backend: Backend) -> Iterator[anthropic.Anthropic]:
    """The SDK, without retries that would hide a failure."""
    with (
        translating({"/v1/messages": Messages()}, backend, {"/v1/messages/count_tokens": count_tokens}) as url,
        anthropic.Anthropic(base_url=url, api_key="not-used", max_retries=0, timeout=10) as client,
    ):
        yield client


def saying(*chunks: dict[str, Any]) -> Backend:
    return lambda request: events_of(*chunks)


def test_create() -> None:
    seen: list[dict[str, Any]] = []

    def backend(request: dict[str, Any]) -> bytes:
        seen.append(request)
        return completion({"content": "Sunny.", "reasoning": "Hm."})

    with sdk(backend) as client:
        said = client.messages.create(
            system="Be brief.", extra_body={"temperature": 0.5}, thinking={"type": "enabled", "budget_tokens": 1024}, **ASKED
        )
    assert [block.type for block in said.content] == ["thinking", "text"]
    assert said.stop_reason == "end_turn"
    assert seen == [
        {
            "model": "m",
            "max_tokens": 2000,
            "temperature": 0.5,
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is the weather?"}],
        }
    ]


def test_the_stream_helper() -> None:
    with (
        sdk(saying(*THINKING, chunk({"content": "I look."}), *CALLS)) as client,
        client.messages.stream(tools=[TOOL], thinking={"type": "adaptive"}, **ASKED) as stream,
    ):
        kinds = [event.type for event in stream]
        said = stream.get_final_message()
    thinking, text, *calls = said.content
    assert thinking.type == "thinking" and thinking.thinking == "They ask for weather." and thinking.signature
    assert text.type == "text" and text.text == "I look."
    assert [(call.id, call.input) for call in calls if call.type == "tool_use"] == [
        ("call-1", {"city": "Ulm"}),
        ("call-2", {"city": "Köln"}),
    ]
    assert said.stop_reason == "tool_use"
    assert (said.usage.input_tokens, said.usage.output_tokens) == (20, 7)
    assert {"thinking", "signature", "text", "input_json", "content_block_stop", "message_stop"} <= set(kinds)


def test_raw_events() -> None:
    with sdk(saying(*HELLO)) as client:
        kinds = [event.type for event in client.messages.create(stream=True, **ASKED)]
    assert kinds == [
        *("message_start", "content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"),
        *("message_delta", "message_stop"),
    ]


def test_the_beta_client() -> None:
    with sdk(saying(*HELLO)) as client, client.beta.messages.stream(betas=["context-management-2025-06-27"], **ASKED) as stream:
        assert "".join(stream.text_stream) == "Hello!"


def test_the_asynchronous_client() -> None:
    async def ask(url: str) -> str:
        async with (
            anthropic.AsyncAnthropic(base_url=url, api_key="not-used", max_retries=0) as client,
            client.messages.stream(**ASKED) as stream,
        ):
            return await stream.get_final_text()

    with translating({"/v1/messages": Messages()}, saying(*HELLO)) as url:
        assert asyncio.run(ask(url)) == "Hello!"


def test_tools_take_turns_until_the_answer() -> None:
    asked: list[dict[str, Any]] = []

    def backend(request: dict[str, Any]) -> bytes:
        asked.append(request)
        if len(asked) == 1:
            calls = [
                {
                    "id": f"call-{city}",
                    "type": "function",
                    "function": {"name": "weather", "arguments": json.dumps({"city": city})},
                }
                for city in ("Ulm", "Köln", "Atlantis")
            ]
            return completion({"reasoning": "Two cities.", "tool_calls": calls}, "tool_calls")
        return completion({"content": "Sun, and rain."})

    @beta_tool
    def weather(city: str) -> str:
        """The weather in a city.

        Args:
            city: The city's name.
        """
        return {"Ulm": "sun", "Köln": "rain"}[city]

    with sdk(backend) as client:
        runner = client.beta.messages.tool_runner(tools=[weather], thinking={"type": "adaptive"}, **ASKED)
        said = runner.until_done()
    assert said.content[0].type == "text" and said.content[0].text == "Sun, and rain."
    # The runner asks the server to remember the conversation, and is told to send all of it.
    question, turn, *results = asked[1]["messages"]
    assert question["content"] == "What is the weather?"
    assert turn["reasoning_content"] == "Two cities."
    assert [call["id"] for call in turn["tool_calls"]] == ["call-Ulm", "call-Köln", "call-Atlantis"]
    assert [one["content"] for one in results[:2]] == ["sun", "rain"]
    assert results[2]["tool_call_id"] == "call-Atlantis" and "failed" in results[2]["content"]


def test_structured_outputs() -> None:
    class Place(BaseModel):
        city: str
        people: int

    def backend(request: dict[str, Any]) -> bytes:
        schema = request["response_format"]["json_schema"]["schema"]
        assert set(schema["properties"]) == {"city", "people"}
        return completion({"content": '{"city": "Ulm", "people": 128928}'})

    with sdk(backend) as client:
        assert client.messages.parse(output_format=Place, **ASKED).parsed_output == Place(city="Ulm", people=128928)


def test_images() -> None:
    def backend(request: dict[str, Any]) -> bytes:
        _, shown = request["messages"][0]["content"]
        assert base64.b64decode(shown["image_url"]["url"].removeprefix("data:image/png;base64,")) == b"PNG"
        return completion({"content": "A dot."})

    data = base64.b64encode(b"PNG").decode()
    image: anthropic.types.ImageBlockParam = {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": data},
    }
    with sdk(backend) as client:
        question: Any = [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, image]}]
        assert client.messages.create(**{**ASKED, "messages": question}).content[0].to_dict()["text"] == "A dot."


def test_counting() -> None:
    with sdk(saying()) as client:
        assert client.messages.count_tokens(model="m", messages=QUESTION).input_tokens == 9
        assert client.beta.messages.count_tokens(model="m", messages=QUESTION, tools=[TOOL]).input_tokens > 40


def test_what_can_not_be_carried_over_is_a_bad_request() -> None:
    with sdk(saying()) as client, pytest.raises(anthropic.BadRequestError, match=r"tools\[0\]\.type is 'web_search_20250305'"):
        client.messages.create(tools=[{"type": "web_search_20250305", "name": "web_search"}], **ASKED)


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (404, anthropic.NotFoundError),
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
        (503, anthropic.APIStatusError),
    ],
)
@pytest.mark.parametrize("streams", [False, True])
def test_a_workers_error_raises_what_anthropics_would(status: int, raised: type[Exception], streams: bool) -> None:
    with sdk(lambda request: (status, b'{"error": {"message": "No."}}')) as client, pytest.raises(raised, match="No"):
        client.messages.create(stream=streams, **ASKED)


def hang_up(*chunks: dict[str, Any]) -> Callable[[dict[str, Any]], Iterator[bytes]]:
    def backend(request: dict[str, Any]) -> Iterator[bytes]:
        yield from events_of(*chunks)
        raise ConnectionResetError

    return backend


@pytest.mark.parametrize(
    "backend",
    [
        saying(*HELLO[:2]),
        saying(*HELLO[:2], {"error": {"message": "Out of memory", "code": 500}}),
        saying({"error": {"message": "Out of memory", "code": 500}}),
        hang_up(*HELLO[:2]),
        hang_up(),
    ],
    ids=["cut off", "an error", "an error at once", "hung up", "hung up at once"],
)
def test_a_broken_stream_raises(backend: Backend) -> None:
    with (
        sdk(backend) as client,
        client.messages.stream(**ASKED) as stream,
        pytest.raises(anthropic.APIStatusError) as caught,
    ):
        stream.get_final_message()
    assert caught.value.body["error"]["type"] == "api_error"  # type: ignore[index]
