"""OpenAI's SDK, and LangChain upon it, in front of a translated backend, as their own users call them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from langchain_openai import ChatOpenAI
from openai.types.responses import FunctionToolParam
from pydantic import BaseModel, SecretStr

from tests.dialects.chat_backend import USAGE_CHUNK, Backend, call_chunk, chunk, completion, events_of, translating
from vespa_client.dialects.responses import Responses

TOOL: FunctionToolParam = {
    "type": "function",
    "name": "weather",
    "description": "The weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}
HELLO = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"reasoning_content": "Hm."}),
    chunk({"content": "Hel"}),
    chunk({"content": "lo!"}),
    chunk({}, "stop"),
    USAGE_CHUNK,
]
CALLS = [
    call_chunk(0, "", "call-1", "weather"),
    call_chunk(0, '{"city": "U'),
    call_chunk(0, 'lm"}'),
    call_chunk(1, '{"city": "Köln"}', "call-2", "weather"),
    chunk({}, "tool_calls"),
    USAGE_CHUNK,
]


class City(BaseModel):
    """What a structured answer is."""

    name: str
    people: int


CITY = '{"name": "Ulm", "people": 128928}'


@contextmanager
def url_of(backend: Backend) -> Iterator[str]:
    with translating({"/v1/responses": Responses()}, backend) as url:
        yield f"{url}/v1"


@contextmanager
def sdk(backend: Backend) -> Iterator[openai.OpenAI]:
    """The SDK, without retries that would hide a failure."""
    with url_of(backend) as url, openai.OpenAI(base_url=url, api_key="not-used", max_retries=0, timeout=10) as client:
        yield client


def saying(*chunks: dict[str, Any]) -> Backend:
    return lambda request: events_of(*chunks)


def breaking_off(*chunks: dict[str, Any]) -> Backend:
    def pieces(request: dict[str, Any]) -> Iterator[bytes]:
        yield from events_of(*chunks)
        raise OSError

    return pieces


def test_create() -> None:
    with sdk(lambda request: completion({"content": "Hello!", "reasoning": "Hm."})) as client:
        response = client.responses.create(model="m", input="hi", metadata={"a": "b"})
    assert response.output_text == "Hello!"
    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert response.usage
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (20, 7, 27)
    assert response.metadata == {"a": "b"}


def test_create_streamed() -> None:
    with sdk(saying(*HELLO)) as client:
        events = list(client.responses.create(model="m", input="hi", stream=True))
    assert events[-1].type == "response.completed"
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == "Hello!"


def test_the_stream_helper() -> None:
    with sdk(saying(*HELLO)) as client, client.responses.stream(model="m", input="hi") as stream:
        snapshots = [event.snapshot for event in stream if event.type == "response.output_text.delta"]
        response = stream.get_final_response()
    assert snapshots == ["Hel", "Hello!"]
    assert response.output_text == "Hello!"


def test_the_stream_helper_with_tools() -> None:
    with sdk(saying(*CALLS)) as client, client.responses.stream(model="m", input="hi", tools=[TOOL]) as stream:
        response = stream.get_final_response()
    calls = [item for item in response.output if item.type == "function_call"]
    assert [(call.call_id, call.name, call.parsed_arguments) for call in calls] == [
        ("call-1", "weather", {"city": "Ulm"}),
        ("call-2", "weather", {"city": "Köln"}),
    ]


def test_parse_plain_and_streamed() -> None:
    def backend(request: dict[str, Any]) -> Any:
        assert request["response_format"]["json_schema"]["schema"]["required"] == ["name", "people"]
        if request.get("stream"):
            return events_of(chunk({"content": CITY[:9]}), chunk({"content": CITY[9:]}), chunk({}, "stop"))
        return completion({"content": CITY})

    with sdk(backend) as client:
        assert client.responses.parse(model="m", input="hi", text_format=City).output_parsed == City(name="Ulm", people=128928)
        with client.responses.stream(model="m", input="hi", text_format=City) as stream:
            assert stream.get_final_response().output_parsed == City(name="Ulm", people=128928)


def test_several_turns_with_a_tool() -> None:
    turns: list[dict[str, Any]] = []

    def backend(request: dict[str, Any]) -> bytes:
        turns.append(request)
        if len(turns) == 1:
            call = {"id": "call-1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Ulm"}'}}
            return completion({"reasoning_content": "Look.", "tool_calls": [call]}, "tool_calls")
        return completion({"content": "Sunny."})

    with sdk(backend) as client:
        conversation: list[Any] = [{"role": "user", "content": "Weather?"}]
        first = client.responses.create(model="m", input=conversation, tools=[TOOL], include=["reasoning.encrypted_content"])
        conversation += first.output
        conversation.append({"type": "function_call_output", "call_id": "call-1", "output": "sun"})
        second = client.responses.create(model="m", input=conversation, tools=[TOOL])
    assert second.output_text == "Sunny."
    called, result = turns[1]["messages"][1:]
    assert called["reasoning_content"] == "Look."
    assert called["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city": "Ulm"}'}
    assert result == {"role": "tool", "tool_call_id": "call-1", "content": "sun"}


def test_a_refused_request_is_the_sdk_s_bad_request() -> None:
    with sdk(saying()) as client, pytest.raises(openai.BadRequestError, match="previous_response_id") as refusal:
        client.responses.create(model="m", input="hi", previous_response_id="resp_1")
    assert refusal.value.param == "previous_response_id"


@pytest.mark.parametrize(
    "backend",
    [saying(*HELLO[:3]), breaking_off(*HELLO[:3]), saying({"error": {"message": "no"}})],
    ids=["ended", "broken", "error"],
)
def test_a_stream_that_fails_is_a_failed_response(backend: Backend) -> None:
    with sdk(backend) as client:
        *_, last = client.responses.create(model="m", input="hi", stream=True)
        assert last.type == "response.failed"
        assert last.response.error
        assert last.response.error.code == "server_error"
        with client.responses.stream(model="m", input="hi") as stream, pytest.raises(RuntimeError, match="completed"):
            stream.get_final_response()


def test_async() -> None:
    async def ask(url: str) -> str:
        async with (
            openai.AsyncOpenAI(base_url=url, api_key="not-used", max_retries=0, timeout=10) as client,
            client.responses.stream(model="m", input="hi") as stream,
        ):
            return (await stream.get_final_response()).output_text

    with url_of(saying(*HELLO)) as url:
        assert asyncio.run(ask(url)) == "Hello!"


def test_langchain_with_the_responses_api() -> None:
    def backend(request: dict[str, Any]) -> Any:
        return events_of(*HELLO) if request.get("stream") else completion({"content": json.dumps(request["messages"][0])})

    with url_of(backend) as url:
        model = ChatOpenAI(
            model="m", base_url=url, api_key=SecretStr("not-used"), use_responses_api=True, max_retries=0, stream_usage=False
        )
        assert json.loads(model.invoke("hi").text) == {"role": "user", "content": "hi"}
        assert "".join(part.text for part in model.stream("hi")) == "Hello!"
        called = model.bind_tools([{"type": "function", "function": TOOL_OF_CHAT}]).invoke("hi")
        assert called.text
        model.root_client.close()


TOOL_OF_CHAT = {name: TOOL[name] for name in ("name", "description", "parameters")}  # type: ignore[literal-required]
