"""pydantic-ai, through the proxy, before the sandbox's model: structured output in its three ways, and tools."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import openai
import pytest

from vespa_client import VastClient
from vespa_client.sandbox import Sandbox
from vespa_client.sandbox.speech.script import Script

from .people import Person

pytest.importorskip("pydantic_ai", reason="pydantic-ai needs Python 3.11")

from pydantic_ai import Agent, NativeOutput, PromptedOutput, ToolOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


@pytest.fixture
def run(proxy: VastClient) -> Callable[..., Any]:
    """Runs an agent of pydantic-ai, made of the keywords, in an event loop that leaves nothing open."""

    def run(prompt: str, streamed: bool = False, **how: Any) -> Any:
        async def asked() -> Any:
            async with openai.AsyncOpenAI(base_url=f"{proxy.url}/v1", api_key="not-used", max_retries=0) as client:
                provider = OpenAIProvider(openai_client=client)
                agent = Agent(OpenAIChatModel("m", provider=provider), **how)
                if not streamed:
                    return (await agent.run(prompt)).output
                async with agent.run_stream(prompt) as stream:
                    return await stream.get_output()

        return asyncio.run(asked())

    return run


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("way", [ToolOutput, NativeOutput, PromptedOutput])
def test_structured_output(run: Callable[..., Any], sandbox: Sandbox, way: Any, streamed: bool) -> None:
    if way is PromptedOutput:
        # It only asks for JSON, and tells the schema in the prompt, which a stand-in doesn't read.
        sandbox.model.script = Script(['{"name": "Ada", "addresses": []}'])
    assert isinstance(run("Who?", streamed, output_type=way(Person)), Person)


def test_a_tool_is_called_and_its_result_used(run: Callable[..., Any]) -> None:
    cities = []

    def get_weather(city: str) -> str:
        cities.append(city)
        return f"rain in {city}"

    output = run("Ask get_weather, please.", tools=[get_weather])
    assert cities == ["sample city"]
    assert output.endswith("The tools said: rain in sample city")
