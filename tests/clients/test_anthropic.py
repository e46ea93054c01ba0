"""Anthropic's own SDK for Python; its messages are translated."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import anthropic
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

TOOLS: Any = [{"name": "get_weather", "description": "The weather in a city.", "input_schema": WEATHER_SCHEMA}]
THINKING: Any = {"type": "enabled", "budget_tokens": 1024}


@pytest.fixture
def sdk(proxy: VastClient) -> Iterator[anthropic.Anthropic]:
    """Without retries, which would hide a failure."""
    with anthropic.Anthropic(base_url=proxy.url, api_key="not-used", max_retries=0, timeout=LONG) as client:
        yield client


def asking(text: str) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 2000, "messages": [{"role": "user", "content": text}]}


@pytest.mark.client("`anthropic` (Python)")
class TestMessages:
    def test_plain(self, sdk: anthropic.Anthropic, site: Site) -> None:
        answer = sdk.messages.with_raw_response.create(**asking(HELLO), system="Be brief.")
        assert answer.headers["X-Vespa-Translated"] == "messages"
        message = answer.parse()
        assert [block.text for block in message.content] == [ANSWER]
        assert (message.role, message.stop_reason) == ("assistant", "end_turn")
        assert message.usage.input_tokens > 1 and message.usage.output_tokens > 1
        (payload,) = site.payloads()
        assert [said["content"] for said in payload["messages"]] == ["Be brief.", HELLO]

    def test_streamed(self, sdk: anthropic.Anthropic) -> None:
        with sdk.messages.stream(**asking(HELLO)) as stream:
            assert "".join(stream.text_stream) == ANSWER
            final = stream.get_final_message()
        assert final.stop_reason == "end_turn"
        assert final.usage.output_tokens > 1

    @pytest.mark.parametrize("streams", [False, True])
    def test_tools(self, sdk: anthropic.Anthropic, streams: bool) -> None:
        conversation = asking(ASKING_THE_TOOL)

        def ask() -> anthropic.types.Message:
            if not streams:
                return sdk.messages.create(**conversation, tools=TOOLS)
            with sdk.messages.stream(**conversation, tools=TOOLS) as stream:
                return stream.get_final_message()

        asked = ask()
        (call,) = asked.content
        assert (asked.stop_reason, call.type) == ("tool_use", "tool_use")
        assert call.input == {"city": CITY}
        result = {"type": "tool_result", "tool_use_id": call.id, "content": get_weather(**call.input)}
        conversation["messages"] += [
            {"role": "assistant", "content": [block.model_dump() for block in asked.content]},
            {"role": "user", "content": [result]},
        ]
        (said,) = ask().content
        assert said.type == "text" and said.text == TOOL_ANSWER

    def test_error(self, sdk: anthropic.Anthropic) -> None:
        with pytest.raises(anthropic.PermissionDeniedError, match=ERROR_TEXT) as caught:
            sdk.messages.create(**asking(ERROR))
        assert caught.value.type == "permission_error"

    def test_cancel(self, sdk: anthropic.Anthropic, site: Site) -> None:
        with sdk.messages.stream(**asking(HOLD)) as stream:
            assert next(iter(stream.text_stream))
        site.wait_until_cancelled()

    def test_models(self, sdk: anthropic.Anthropic, site: Site) -> None:
        assert [model.id for model in sdk.models.list()] == ["my-endpoint"]
        assert not site.costs()
        sdk.messages.create(**asking(HELLO))
        assert [model.id for model in sdk.models.list()] == [MODEL]
        assert sdk.models.retrieve(MODEL).type == "model"

    def test_a_stream_that_breaks_off_fails(self, sdk: anthropic.Anthropic) -> None:
        with sdk.messages.stream(**asking(BREAK)) as stream, pytest.raises(anthropic.APIError):
            stream.until_done()

    @pytest.mark.parametrize("streams", [False, True])
    def test_thoughts(self, sdk: anthropic.Anthropic, streams: bool) -> None:
        if streams:
            with sdk.messages.stream(**asking(THINK), thinking=THINKING) as stream:
                thought, said = stream.get_final_message().content
        else:
            thought, said = sdk.messages.create(**asking(THINK), thinking=THINKING).content
        assert thought.type == "thinking" and THOUGHTS in thought.thinking
        assert said.type == "text"

    def test_tokens_are_counted_without_a_worker(self, sdk: anthropic.Anthropic, site: Site) -> None:
        few = sdk.messages.count_tokens(model=MODEL, messages=[{"role": "user", "content": HELLO}])
        many = sdk.messages.count_tokens(model=MODEL, messages=[{"role": "user", "content": HELLO * 100}], tools=TOOLS)
        assert 0 < few.input_tokens < many.input_tokens
        assert not site.costs()

    def test_the_beta_api(self, sdk: anthropic.Anthropic) -> None:
        message = sdk.beta.messages.create(**asking(HELLO), betas=["interleaved-thinking-2025-05-14"])
        assert [block.text for block in message.content if block.type == "text"] == [ANSWER]

    def test_async_side_by_side(self, proxy: VastClient) -> None:
        async def all_texts() -> list[str]:
            async with anthropic.AsyncAnthropic(base_url=proxy.url, api_key="not-used", max_retries=0, timeout=LONG) as client:

                async def streamed() -> str:
                    async with client.messages.stream(**asking(HELLO)) as stream:
                        return await stream.get_final_text()

                return await asyncio.gather(*(streamed() for _ in range(8)))

        assert asyncio.run(all_texts()) == [ANSWER] * 8
