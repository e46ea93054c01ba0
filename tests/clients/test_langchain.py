"""LangChain, with OpenAI's responses and with Anthropic's messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import httpx
import openai
import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from tests.support.waiting import LONG
from vespa_client import VastClient

from .conversation import ANSWER, ASKING_THE_TOOL, ERROR, ERROR_TEXT, HELLO, HOLD, MODEL, TOOL_ANSWER, get_weather
from .site import Site


class City(BaseModel):
    """A city."""

    name: str


@contextmanager
def with_responses(url: str) -> Iterator[BaseChatModel]:
    with httpx.Client() as http:
        given: dict[str, Any] = {"api_key": "not-used", "timeout": LONG, "http_client": http}
        yield ChatOpenAI(model=MODEL, base_url=f"{url}/v1", use_responses_api=True, max_retries=0, **given)


@contextmanager
def with_messages(url: str) -> Iterator[BaseChatModel]:
    given: dict[str, Any] = {"model": MODEL, "base_url": url, "api_key": "not-used", "timeout": LONG}
    model = ChatAnthropic(max_retries=0, **given)
    yield model
    model._client.close()


@pytest.fixture(
    params=[
        pytest.param(with_responses, marks=pytest.mark.client("`langchain-openai` (Python), responses")),
        pytest.param(with_messages, marks=pytest.mark.client("`langchain-anthropic` (Python)")),
    ],
    ids=["openai", "anthropic"],
)
def model(request: pytest.FixtureRequest, proxy: VastClient) -> Iterator[BaseChatModel]:
    with request.param(proxy.url) as made:
        yield made


def test_plain(model: BaseChatModel) -> None:
    answer = model.invoke(HELLO)
    assert answer.text == ANSWER
    assert answer.usage_metadata and answer.usage_metadata["output_tokens"] > 1


def test_streamed(model: BaseChatModel) -> None:
    assert "".join(chunk.text for chunk in model.stream(HELLO)) == ANSWER


def test_tools(model: BaseChatModel) -> None:
    weather = tool(get_weather)
    able = model.bind_tools([weather])
    conversation: list[Any] = [HumanMessage(ASKING_THE_TOOL)]
    asked: Any = able.invoke(conversation)
    conversation += [asked, *(weather.invoke(call) for call in asked.tool_calls)]
    assert able.invoke(conversation).text == TOOL_ANSWER


def test_error(model: BaseChatModel) -> None:
    with pytest.raises((openai.PermissionDeniedError, anthropic.PermissionDeniedError), match=ERROR_TEXT):
        model.invoke(ERROR)


def test_cancel(model: BaseChatModel, site: Site) -> None:
    stream: Any = model.stream(HOLD)
    assert next(chunk.text for chunk in stream if chunk.text)
    stream.close()
    site.wait_until_cancelled()


def test_structured_output(model: BaseChatModel) -> None:
    assert isinstance(model.with_structured_output(City).invoke("Name a city."), City)
