"""A real llama.cpp behind a worker that has the official one's routes alone: what SDKs of three dialects get of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import anthropic
import ollama
import openai
import pytest
import requests
from pydantic import BaseModel, Field

from vespa_client import VastClient
from vespa_client.sandbox import Sandbox

from ..support.llama_cpp import MODEL, llama_cpp
from ..support.waiting import LONG

__all__ = ["llama_cpp"]

pytestmark = pytest.mark.heavy

HELLO: Any = [{"role": "user", "content": "Hello!"}]
TOKENS = 24


class Weather(BaseModel):
    """What a grammar has even a random model say."""

    sky: Literal["clear", "cloudy"]
    degrees: int = Field(ge=-20, le=40)


@pytest.fixture
def proxy(llama_cpp: str) -> Iterator[VastClient]:
    """A proxy in front of the sandbox, whose worker hands on to llama.cpp."""
    with Sandbox(backend_url=llama_cpp) as sandbox:
        where = {"console_url": sandbox.console_url, "autoscaler_url": sandbox.autoscaler_url}
        with VastClient(sandbox.endpoints[0].name, account_key=sandbox.account_key, port=0, **where) as client:
            yield client


@pytest.fixture
def text(llama_cpp: str) -> str:
    """What the model says to HELLO, asked without the proxy: the likeliest tokens, which are always the same."""
    body = {"model": MODEL, "messages": HELLO, "max_tokens": TOKENS, "temperature": 0}
    answer = requests.post(f"{llama_cpp}/v1/chat/completions", json=body, timeout=LONG).json()
    said = answer["choices"][0]["message"]["content"]
    assert isinstance(said, str) and said
    return said


@pytest.fixture
def gpt(proxy: VastClient) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{proxy.url}/v1", api_key="not-used", max_retries=0, timeout=LONG) as client:
        yield client


@pytest.fixture
def claude(proxy: VastClient) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=proxy.url, api_key="not-used", max_retries=0, timeout=LONG) as client:
        yield client


def test_chat_completions(gpt: openai.OpenAI, text: str) -> None:
    asked: dict[str, Any] = {"model": MODEL, "messages": HELLO, "max_tokens": TOKENS, "temperature": 0}
    assert gpt.chat.completions.create(**asked).choices[0].message.content == text
    with gpt.chat.completions.stream(**asked) as stream:
        assert "".join(event.delta for event in stream if event.type == "content.delta") == text


def test_responses(gpt: openai.OpenAI, text: str) -> None:
    asked: dict[str, Any] = {"model": MODEL, "input": "Hello!", "max_output_tokens": TOKENS, "temperature": 0}
    answer = gpt.responses.create(**asked)
    assert answer.output_text == text
    assert (answer.status, answer.model) == ("incomplete", MODEL)
    assert answer.incomplete_details and answer.incomplete_details.reason == "max_output_tokens"
    assert answer.usage and answer.usage.output_tokens == TOKENS
    with gpt.responses.create(**asked, stream=True) as stream:
        events = list(stream)
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == text
    last = events[-1]
    assert last.type == "response.incomplete"
    assert last.response.usage and last.response.usage.output_tokens == TOKENS


def test_messages(claude: anthropic.Anthropic, text: str) -> None:
    asked: dict[str, Any] = {"model": MODEL, "messages": HELLO, "max_tokens": TOKENS, "extra_body": {"temperature": 0}}
    answer = claude.messages.create(**asked)
    assert (answer.content[0].text, answer.stop_reason) == (text, "max_tokens")
    assert answer.usage.output_tokens == TOKENS
    with claude.messages.stream(**asked) as stream:
        assert "".join(stream.text_stream) == text
        assert stream.get_final_message().usage.output_tokens == TOKENS


def test_ollama(proxy: VastClient, text: str) -> None:
    client = ollama.Client(proxy.url, timeout=LONG)
    options = {"temperature": 0, "num_predict": TOKENS}
    assert client.chat(MODEL, HELLO, options=options).message.content == text
    pieces = list(client.chat(MODEL, HELLO, options=options, stream=True))
    assert "".join(piece.message.content or "" for piece in pieces) == text
    assert (pieces[-1].done_reason, pieces[-1].eval_count) == ("length", TOKENS)
    client._client.close()


def test_structured_output(gpt: openai.OpenAI) -> None:
    assert isinstance(gpt.responses.parse(model=MODEL, input="How is it?", text_format=Weather).output_parsed, Weather)


def test_an_error_of_its_own(gpt: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="context"):
        gpt.responses.create(model=MODEL, input="Hello! " * 1000)
