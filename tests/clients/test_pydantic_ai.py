"""pydantic-ai, with each of the ways that it has to ask a model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anthropic
import openai
import pytest
from pydantic import BaseModel

from tests.support.waiting import LONG
from vespa_client import VastClient

from .conversation import ANSWER, ASKING_THE_TOOL, ERROR, ERROR_TEXT, HELLO, HOLD, MODEL, WEATHER, get_weather
from .site import Site

pytest.importorskip("pydantic_ai", reason="pydantic-ai needs Python 3.11")

from pydantic_ai import Agent, ModelHTTPError
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

GIVEN: dict[str, Any] = {"api_key": "not-used", "max_retries": 0, "timeout": LONG}


class City(BaseModel):
    name: str


def of_openai(url: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{url}/v1", **GIVEN)


def of_anthropic(url: str) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(base_url=url, **GIVEN)


def chat(client: Any) -> Any:
    return OpenAIChatModel(MODEL, provider=OpenAIProvider(openai_client=client))


def responses(client: Any) -> Any:
    return OpenAIResponsesModel(MODEL, provider=OpenAIProvider(openai_client=client))


def messages(client: Any) -> Any:
    return AnthropicModel(MODEL, provider=AnthropicProvider(anthropic_client=client))


Run = Callable[..., Any]


@pytest.fixture(
    params=[
        pytest.param((of_openai, chat), marks=pytest.mark.client("`pydantic-ai` (Python), chat completions")),
        pytest.param((of_openai, responses), marks=pytest.mark.client("`pydantic-ai` (Python), responses")),
        pytest.param((of_anthropic, messages), marks=pytest.mark.client("`pydantic-ai` (Python), Anthropic")),
    ],
    ids=["chat", "responses", "messages"],
)
def run(request: pytest.FixtureRequest, proxy: VastClient) -> Run:
    """Has the function do something with an agent, made of the keywords, in an event loop that leaves nothing open."""
    make_client, make_model = request.param

    def run(work: Callable[[Agent[None, Any]], Awaitable[Any]], **how: Any) -> Any:
        async def worked() -> Any:
            client: AbstractAsyncContextManager[Any] = make_client(proxy.url)
            async with client as opened:
                return await work(Agent(make_model(opened), **how))

        return asyncio.run(worked())

    return run


def test_plain(run: Run) -> None:
    async def ask(agent: Agent[None, Any]) -> Any:
        return (await agent.run(HELLO)).output

    assert run(ask) == ANSWER


def test_streamed(run: Run) -> None:
    async def ask(agent: Agent[None, Any]) -> str:
        async with agent.run_stream(HELLO) as stream:
            return "".join([text async for text in stream.stream_text(delta=True)])

    assert run(ask) == ANSWER


def test_tools(run: Run) -> None:
    async def ask(agent: Agent[None, Any]) -> str:
        async with agent.run_stream(ASKING_THE_TOOL) as stream:
            return str(await stream.get_output())

    assert run(ask, tools=[get_weather]).endswith(f"The tools said: {WEATHER}")


def test_error(run: Run) -> None:
    async def ask(agent: Agent[None, Any]) -> None:
        await agent.run(ERROR)

    with pytest.raises(ModelHTTPError, match=ERROR_TEXT) as caught:
        run(ask)
    assert caught.value.status_code == 403


def test_cancel(run: Run, site: Site) -> None:
    async def ask(agent: Agent[None, Any]) -> None:
        heard = asyncio.Event()

        async def listen() -> None:
            async with agent.run_stream(HOLD) as stream:
                async for _ in stream.stream_text(delta=True, debounce_by=None):
                    heard.set()

        listening = asyncio.ensure_future(listen())
        await heard.wait()
        listening.cancel()
        await asyncio.wait([listening])

    run(ask)
    site.wait_until_cancelled()


def test_structured_output(run: Run) -> None:
    async def ask(agent: Agent[None, Any]) -> Any:
        return (await agent.run("Name a city.")).output

    assert isinstance(run(ask, output_type=City), City)
