"""OpenAI's Agents SDK: an agent that asks by responses, which are translated."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import openai
import pytest

from tests.support.waiting import LONG
from vespa_client import VastClient

from .conversation import ANSWER, ASKING_THE_TOOL, ERROR, ERROR_TEXT, HELLO, HOLD, MODEL, TOOL_ANSWER, get_weather
from .site import Site

try:
    import agents
except ImportError:
    agents = None  # type: ignore[assignment]

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.client("`openai-agents` (Python)"),
    pytest.mark.skipif(agents is None, reason="openai-agents is one of the heavy packages"),
]

Run = Callable[..., Any]


@pytest.fixture
def run(proxy: VastClient) -> Run:
    """Has the function do something with an agent, made of the keywords, in an event loop that leaves nothing open."""
    agents.set_tracing_disabled(True)  # traces would go to OpenAI

    def run(work: Callable[[Any], Awaitable[Any]], **how: Any) -> Any:
        async def worked() -> Any:
            base_url = f"{proxy.url}/v1"
            async with openai.AsyncOpenAI(base_url=base_url, api_key="not-used", max_retries=0, timeout=LONG) as client:
                model = agents.OpenAIResponsesModel(model=MODEL, openai_client=client)
                return await work(agents.Agent(name="agent", model=model, instructions="Be brief.", **how))

        return asyncio.run(worked())

    return run


async def texts(agent: Any, prompt: str, heard: asyncio.Event | None = None) -> str:
    """What an agent says, as it says it."""
    said = ""
    result = agents.Runner.run_streamed(agent, prompt)
    async for event in result.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            said += event.data.delta
            if heard:
                heard.set()
    return said


def test_plain(run: Run) -> None:
    async def ask(agent: Any) -> Any:
        return (await agents.Runner.run(agent, HELLO)).final_output

    assert run(ask) == ANSWER


def test_streamed(run: Run) -> None:
    async def ask(agent: Any) -> str:
        return await texts(agent, HELLO)

    assert run(ask) == ANSWER


def test_tools(run: Run) -> None:
    async def ask(agent: Any) -> tuple[Any, Any]:
        plain = await agents.Runner.run(agent, ASKING_THE_TOOL)
        return plain.final_output, await texts(agent, ASKING_THE_TOOL)

    assert run(ask, tools=[agents.function_tool(get_weather)]) == (TOOL_ANSWER, TOOL_ANSWER)


def test_error(run: Run) -> None:
    async def ask(agent: Any) -> Any:
        return await agents.Runner.run(agent, ERROR)

    with pytest.raises(openai.PermissionDeniedError, match=ERROR_TEXT):
        run(ask)


def test_cancel(run: Run, site: Site) -> None:
    async def ask(agent: Any) -> None:
        heard = asyncio.Event()
        listening = asyncio.ensure_future(texts(agent, HOLD, heard))
        await heard.wait()
        listening.cancel()
        await asyncio.wait([listening])
        # The client is closed behind this: what ends the request is the agent's own doing.
        await asyncio.to_thread(site.wait_until_cancelled)

    run(ask)


def test_structured_output(run: Run) -> None:
    from .test_pydantic_ai import City

    async def ask(agent: Any) -> Any:
        return (await agents.Runner.run(agent, "Name a city.")).final_output

    assert isinstance(run(ask, output_type=City), City)
