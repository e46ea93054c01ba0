"""What the built-in model can do, as the SDKs of OpenAI and Anthropic see it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from typing import Any, Literal

import anthropic
import openai
import pydantic
import pytest

from tests.support.waiting import LONG
from vespa_client import VastClient
from vespa_client.sandbox import Sandbox
from vespa_client.sandbox.reply import count_tokens
from vespa_client.sandbox.speech.script import Script

SAYS = "I am the sandbox's stand-in, not a real model. "
IMAGE = "data:image/png;base64,iVBORw0KGgo="


def function(name: str, **properties: Any) -> Any:
    parameters = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


WEATHER = function("get_weather", city={"type": "string"}, unit={"enum": ["C", "F"]})
TIME = function("get_time", zone={"type": "string", "pattern": "^[A-Z]{3}$"})
TOOLS: Any = [WEATHER, TIME]
ARGUMENTS = {"get_weather": {"city": "sample city", "unit": "C"}, "get_time": {"zone": "AAA"}}


def asked(text: str) -> Any:
    return [{"role": "user", "content": text}]


def called(message: Any) -> list[tuple[str, Any]]:
    return [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or []]


class TestTools:
    @pytest.mark.parametrize(
        ("text", "options", "expected"),
        [
            ("Hello!", {}, []),
            ("Use get_weather.", {}, ["get_weather"]),
            ("get_time, get_weather and get_time", {}, ["get_time", "get_weather", "get_time"]),
            ("get_time, get_weather", {"parallel_tool_calls": False}, ["get_time"]),
            ("get_weathers", {}, []),
            ("get_weather", {"tool_choice": "none"}, []),
            ("Hello!", {"tool_choice": "required"}, ["get_time"]),
            ("get_weather", {"tool_choice": "required"}, ["get_weather"]),
            ("Hello!", {"tool_choice": {"type": "function", "function": {"name": "get_weather"}}}, ["get_weather"]),
        ],
    )
    def test_who_is_called(self, gpt: openai.OpenAI, text: str, options: Any, expected: list[str]) -> None:
        choice = gpt.chat.completions.create(model="m", messages=asked(text), tools=TOOLS, **options).choices[0]
        assert called(choice.message) == [(name, ARGUMENTS[name]) for name in expected]
        assert choice.finish_reason == ("tool_calls" if expected else "stop")
        assert (choice.message.content is None) == bool(expected)

    def test_results_are_told(self, gpt: openai.OpenAI) -> None:
        messages = asked("get_time and get_weather")
        first = gpt.chat.completions.create(model="m", messages=messages, tools=TOOLS).choices[0].message
        assert first.tool_calls
        ids = [call.id for call in first.tool_calls]
        assert len(set(ids)) == 2
        results = [
            {"role": "tool", "tool_call_id": id_, "content": text} for id_, text in zip(ids, ["12:00", "sun"], strict=True)
        ]
        messages += [first.model_dump(exclude_none=True), *results]
        second = gpt.chat.completions.create(model="m", messages=messages, tools=TOOLS)
        assert second.choices[0].message.content == SAYS + "The tools said: 12:00; sun"
        assert second.usage and second.usage.prompt_tokens_details
        assert 0 < (second.usage.prompt_tokens_details.cached_tokens or 0) < second.usage.prompt_tokens

    def test_arguments_are_streamed(self, gpt: openai.OpenAI) -> None:
        request: Any = {"model": "m", "messages": asked("get_time, get_weather"), "tools": TOOLS}
        with gpt.chat.completions.stream(**request) as stream:
            deltas = [event for event in stream if event.type == "tool_calls.function.arguments.delta"]
            final = stream.get_final_completion()
        assert len(deltas) > 10
        assert final.choices[0].finish_reason == "tool_calls"
        plain = gpt.chat.completions.create(**request)
        assert called(final.choices[0].message) == called(plain.choices[0].message)

    def test_what_is_cut_off_is_no_call_that_looks_whole(self, gpt: openai.OpenAI) -> None:
        choice = gpt.chat.completions.create(model="m", messages=asked("get_weather"), tools=TOOLS, max_tokens=5).choices[0]
        assert choice.finish_reason == "length"
        assert choice.message.tool_calls
        function = choice.message.tool_calls[0].function  # type: ignore[union-attr]
        with pytest.raises(ValueError, match=r"delimiter|Expecting|Unterminated"):
            json.loads(function.arguments)

    def test_a_seed_chooses(self, gpt: openai.OpenAI) -> None:
        tools: Any = [function("pick", number={"enum": list(range(100))})]

        def picked(**options: Any) -> list[Any]:
            answer = gpt.chat.completions.create(model="m", messages=asked("pick"), tools=tools, **options)
            return [called(choice.message)[0][1]["number"] for choice in answer.choices]

        assert picked() == [0]
        assert len(set(picked(seed=1, n=20))) > 5
        assert picked(seed=1, n=20) == picked(seed=1, n=20)


class Address(pydantic.BaseModel):
    street: str
    number: int = pydantic.Field(ge=1)


class Person(pydantic.BaseModel):
    name: str
    kind: Literal["friend", "foe"]
    born: str = pydantic.Field(json_schema_extra={"format": "date"})
    email: str | None
    addresses: list[Address]


class TestStructuredOutput:
    def test_parsed_by_the_sdk(self, gpt: openai.OpenAI) -> None:
        answer = gpt.chat.completions.parse(model="m", messages=asked("Who?"), response_format=Person)
        person = answer.choices[0].message.parsed
        assert person is not None
        assert (person.name, person.kind, person.born, person.email) == ("sample name", "friend", "2026-01-31", "sample email")
        assert person.addresses == [Address(street="sample street", number=1)]

    def test_streamed(self, gpt: openai.OpenAI) -> None:
        with gpt.chat.completions.stream(model="m", messages=asked("Who?"), response_format=Person) as stream:
            stream.until_done()
            assert stream.get_final_completion().choices[0].message.parsed is not None

    def test_any_object(self, gpt: openai.OpenAI) -> None:
        answer = gpt.chat.completions.create(model="m", messages=asked("Who?"), response_format={"type": "json_object"})
        assert isinstance(json.loads(answer.choices[0].message.content or ""), dict)


class TestReasoning:
    @pytest.mark.parametrize(
        ("options", "thinks"),
        [
            ({}, False),
            ({"reasoning_effort": "low"}, True),
            ({"reasoning_effort": "none"}, False),
            ({"extra_body": {"chat_template_kwargs": {"enable_thinking": True}}}, True),
            ({"extra_body": {"chat_template_kwargs": {"thinking": False}}, "reasoning_effort": "high"}, False),
        ],
    )
    def test_when_asked(self, gpt: openai.OpenAI, options: Any, thinks: bool) -> None:
        answer = gpt.chat.completions.create(model="m", messages=asked("Hello!"), **options)
        assert bool(getattr(answer.choices[0].message, "reasoning_content", "")) == thinks
        assert answer.usage and answer.usage.completion_tokens_details
        assert bool(answer.usage.completion_tokens_details.reasoning_tokens) == thinks
        assert answer.choices[0].message.content == SAYS + "You said: Hello!"

    def test_streamed_before_the_text(self, gpt: openai.OpenAI, sandbox: Sandbox) -> None:
        sandbox.model.reasoning_field = "reasoning"
        options: Any = {"include_usage": True}
        kinds, thought = [], ""
        for chunk in gpt.chat.completions.create(model="m", messages=asked("think"), stream=True, stream_options=options):
            for choice in chunk.choices:
                thought += getattr(choice.delta, "reasoning", None) or ""
                kinds.append("reasoning" if hasattr(choice.delta, "reasoning") else "text" if choice.delta.content else "")
        assert re.fullmatch("_r+t+_", "".join(kind[:1] or "_" for kind in kinds))
        assert chunk.usage and chunk.usage.completion_tokens_details
        assert chunk.usage.completion_tokens_details.reasoning_tokens == count_tokens([thought])


class TestAnswers:
    def test_images_are_mentioned(self, gpt: openai.OpenAI) -> None:
        parts = [{"type": "image_url", "image_url": {"url": url}} for url in (IMAGE, "https://example.com/a.png")]
        content: Any = [{"type": "text", "text": "What is it?"}, *parts]
        answer = gpt.chat.completions.create(model="m", messages=[{"role": "user", "content": content}])
        expected = "What is it?\n[image: image/png, 8 bytes]\n[image: https://example.com/a.png]"
        assert (answer.choices[0].message.content or "").endswith(expected)

    def test_logprobs(self, gpt: openai.OpenAI) -> None:
        request: Any = {"model": "m", "messages": asked("Hi"), "logprobs": True, "top_logprobs": 3, "max_tokens": 4}
        content = gpt.chat.completions.create(**request).choices[0].logprobs
        assert content and content.content
        assert [one.token for one in content.content] == ["I", " am", " the", " sandbox"]
        assert [len(one.top_logprobs) for one in content.content] == [3] * 4
        assert all(one.top_logprobs[0].token == one.token and one.logprob <= 0 for one in content.content)
        streamed = [
            chunk.choices[0].logprobs.content[0]
            for chunk in gpt.chat.completions.create(**request, stream=True)
            if chunk.choices[0].logprobs and chunk.choices[0].logprobs.content
        ]
        assert streamed == content.content

    def test_logprobs_of_a_completion(self, gpt: openai.OpenAI) -> None:
        answer = gpt.completions.create(model="m", prompt="Hi", logprobs=2, max_tokens=3)
        logprobs = answer.choices[0].logprobs
        assert logprobs and logprobs.tokens == ["I", " am", " the"]
        assert logprobs.text_offset == [0, 1, 4]
        chunks = list(gpt.completions.create(model="m", prompt="Hi", logprobs=2, max_tokens=3, stream=True))
        assert [chunk.choices[0].logprobs.text_offset for chunk in chunks if chunk.choices[0].text] == [[0], [1], [4]]  # type: ignore[union-attr]

    def test_orders(self, gpt: openai.OpenAI) -> None:
        def answer(text: str) -> tuple[Any, int]:
            answer = gpt.chat.completions.create(model="m", messages=asked(text))
            assert answer.usage
            return answer.choices[0].message.content, answer.usage.completion_tokens

        assert answer("long 500")[1] == 500
        assert answer("empty") == ("", 0)
        assert answer("error 200")[0] == SAYS + "You said: error 200"

    @pytest.mark.parametrize(
        ("status", "error"),
        [
            (400, openai.BadRequestError),
            (401, openai.AuthenticationError),
            (418, openai.APIStatusError),
            (500, openai.InternalServerError),
        ],
    )
    def test_errors_on_request(self, gpt: openai.OpenAI, status: int, error: type[openai.APIStatusError]) -> None:
        for model, text in (("m", f"error {status}"), (f"error-{status}", "Hello!")):
            with pytest.raises(error, match=f"asked for an error {status}") as raised:
                gpt.chat.completions.create(model=model, messages=asked(text))
            assert raised.value.status_code == status

    def test_a_break_on_request(self, gpt: openai.OpenAI) -> None:
        said = ""
        with pytest.raises(openai.APIError):
            for chunk in gpt.chat.completions.create(model="m", messages=asked("break"), stream=True):
                said += chunk.choices[0].delta.content or ""
        assert said and SAYS.startswith(said[:20])

    def test_silence_on_request(self, gpt: openai.OpenAI, sandbox: Sandbox) -> None:
        stream = gpt.chat.completions.create(model="m", messages=asked("hold"), stream=True)
        sandbox.model.holds.wait_until_reached("order")
        stream.close()
        assert sandbox.model.wait_for(lambda _: sandbox.model.cancelled)

    @pytest.mark.parametrize(
        ("more", "param"),
        [
            ({"tools": [{"type": "web_search"}]}, "tools[0]"),
            ({"tools": {}}, "tools"),
            ({"tools": [{"type": "function", "function": {"name": "a", "parameters": 1}}]}, "tools[0].function.parameters"),
            ({"tool_choice": "required"}, "tool_choice"),
            ({"tools": TOOLS, "tool_choice": "get_weather"}, "tool_choice"),
            ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "sing"}}}, "tool_choice"),
            ({"tools": TOOLS, "parallel_tool_calls": 1}, "parallel_tool_calls"),
            ({"response_format": "json"}, "response_format"),
            ({"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}}, "response_format"),
            (
                {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"enum": []}}}},
                "response_format",
            ),
            (
                {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"minLength": {}}}}},
                "response_format",
            ),
            ({"reasoning_effort": 1}, "reasoning_effort"),
            ({"chat_template_kwargs": []}, "chat_template_kwargs"),
            ({"seed": "x"}, "seed"),
            ({"top_logprobs": 2}, "top_logprobs"),
            ({"messages": [{"role": "sage", "content": ""}]}, "messages[0].role"),
            ({"messages": [{"role": "tool", "tool_call_id": "x", "content": ""}]}, "messages[0].tool_call_id"),
            ({"messages": [{"role": "assistant", "tool_calls": [{"id": "x"}]}]}, "messages[0].tool_calls[0]"),
            ({"messages": [{"role": "assistant", "tool_calls": {"id": "x"}}]}, "messages[0].tool_calls"),
            (
                {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
                "messages[0].content.image_url.url",
            ),
        ],
    )
    def test_bad_requests(self, gpt: openai.OpenAI, more: Any, param: str) -> None:
        with pytest.raises(openai.BadRequestError) as raised:
            gpt.post("/chat/completions", body={"messages": asked("Hi"), **more}, cast_to=object)
        assert raised.value.param == param


SCRIPT = [
    {"reasoning": "Look first.", "text": "I read it.", "calls": [{"name": "read", "arguments": {"path": "a.txt"}}]},
    {"steps": [{"text": "It says: {{result}}."}, {"hold": "middle"}, {"text": " That is all."}]},
    {"steps": [{"text": "And"}, {"break": "reset"}]},
]


class TestScript:
    @pytest.fixture
    def sandbox(self) -> Iterator[Sandbox]:
        with Sandbox(token_delay=0.0, script=SCRIPT) as running:
            yield running

    def ask(self, gpt: openai.OpenAI, messages: Any, tool: str = "read") -> Any:
        return gpt.chat.completions.create(model="m", messages=messages, tools=[function(tool)]).choices[0].message

    def test_a_conversation(self, gpt: openai.OpenAI, sandbox: Sandbox) -> None:
        messages = asked("What is in a.txt?")
        first = self.ask(gpt, messages)
        assert (first.reasoning_content, first.content) == ("Look first.", "I read it.")
        assert called(first) == [("read", {"path": "a.txt"})]
        assert "stand-in" in self.ask(gpt, asked("A title, please."), tool="other").content
        messages += [first.model_dump(), {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "hello"}]
        answers: list[str] = []
        asking = threading.Thread(target=lambda: answers.append(self.ask(gpt, messages).content))
        asking.start()
        sandbox.model.holds.wait_until_reached("middle")
        assert not answers
        sandbox.model.holds.release("middle")
        asking.join(LONG)
        assert answers == ["It says: hello. That is all."]
        with pytest.raises(openai.APIError):
            self.ask(gpt, [*messages, {"role": "assistant", "content": answers[0]}, *asked("Go on.")])

    @pytest.mark.parametrize("stream", [False, True])
    def test_an_error_in_the_middle(self, gpt: openai.OpenAI, sandbox: Sandbox, stream: bool) -> None:
        sandbox.model.script = Script(
            [{"steps": [{"text": "Half an"}, {"error": {"status": 500, "message": "Out of memory."}}]}]
        )
        said = ""
        with pytest.raises(openai.APIError, match=r"Out of memory\."):
            for chunk in gpt.chat.completions.create(model="m", messages=asked("Hi"), stream=stream):
                said += chunk.choices[0].delta.content or ""  # type: ignore[union-attr]
        assert said == ("Half an" if stream else "")

    def test_interrupted_in_the_middle(self, gpt: openai.OpenAI, sandbox: Sandbox) -> None:
        messages = [*asked("Hi"), {"role": "assistant", "content": "x"}, *asked("Go on.")]
        tools: Any = [function("read")]
        stream = gpt.chat.completions.create(model="m", messages=messages, tools=tools, stream=True)
        sandbox.model.holds.wait_until_reached("middle")
        said = ""
        for chunk in stream:
            said += chunk.choices[0].delta.content or ""
            if said == "It says: .":
                break
        stream.close()
        assert sandbox.model.wait_for(lambda _: sandbox.model.cancelled)


class TestMessages:
    """Anthropic's API, which the worker has where it isn't the official one."""

    @pytest.fixture
    def sandbox(self) -> Iterator[Sandbox]:
        with Sandbox(token_delay=0.0, worker_kind="vespa") as running:
            yield running

    @pytest.fixture
    def claude(self, proxy: VastClient) -> Iterator[anthropic.Anthropic]:
        with anthropic.Anthropic(base_url=proxy.url, api_key="x", max_retries=0, timeout=LONG) as client:
            yield client

    TOOLS: Any = [{"name": one["function"]["name"], "input_schema": one["function"]["parameters"]} for one in (WEATHER, TIME)]  # noqa: RUF012

    def test_tools_there_and_back(self, claude: anthropic.Anthropic) -> None:
        messages = asked("get_time and get_weather")
        with claude.messages.stream(model="m", max_tokens=500, messages=messages, tools=self.TOOLS) as stream:
            first = stream.get_final_message()
        plain = claude.messages.create(model="m", max_tokens=500, messages=messages, tools=self.TOOLS)
        assert plain.content == first.content
        uses = [block for block in first.content if block.type == "tool_use"]
        assert [(block.name, block.input) for block in uses] == [
            (name, ARGUMENTS[name]) for name in ("get_time", "get_weather")
        ]
        assert first.stop_reason == "tool_use"
        results = [{"type": "tool_result", "tool_use_id": block.id, "content": f"of {block.name}"} for block in uses]
        messages += [
            {"role": "assistant", "content": [block.model_dump() for block in uses]},
            {"role": "user", "content": results},
        ]
        second = claude.messages.create(model="m", max_tokens=500, messages=messages, tools=self.TOOLS)
        assert second.content[0].text == SAYS + "The tools said: of get_time; of get_weather"  # type: ignore[union-attr]
        assert second.usage.cache_read_input_tokens

    @pytest.mark.parametrize(
        ("choice", "expected"),
        [({"type": "any"}, "get_time"), ({"type": "tool", "name": "get_weather"}, "get_weather"), ({"type": "none"}, None)],
    )
    def test_tool_choice(self, claude: anthropic.Anthropic, choice: Any, expected: str | None) -> None:
        answer = claude.messages.create(model="m", max_tokens=99, messages=asked("Hi"), tools=self.TOOLS, tool_choice=choice)
        assert [block.name for block in answer.content if block.type == "tool_use"] == ([expected] if expected else [])

    def test_thinking(self, claude: anthropic.Anthropic) -> None:
        thinking: Any = {"type": "enabled", "budget_tokens": 1024}
        with claude.messages.stream(model="m", max_tokens=2000, messages=asked("Hi"), thinking=thinking) as stream:
            message = stream.get_final_message()
        assert [block.type for block in message.content] == ["thinking", "text"]
        assert message.content[0].signature and message.content[0].thinking  # type: ignore[union-attr]

    def test_structured_output_and_images(self, claude: anthropic.Anthropic) -> None:
        answer = claude.messages.parse(model="m", max_tokens=500, messages=asked("Who?"), output_format=Address)
        assert answer.parsed_output == Address(street="sample street", number=1)
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
        described = claude.messages.create(model="m", max_tokens=99, messages=[{"role": "user", "content": [image]}])  # type: ignore[list-item]
        assert described.content[0].text.endswith("[image: image/png, 8 bytes]")  # type: ignore[union-attr]

    def test_a_script_and_errors(self, claude: anthropic.Anthropic, sandbox: Sandbox) -> None:
        sandbox.model.script = Script([{"calls": [{"name": "get_time", "arguments": {"zone": "UTC"}}]}, "It is {{result}}."])
        messages = asked("Now?")
        first = claude.messages.create(model="m", max_tokens=99, messages=messages, tools=self.TOOLS)
        use = first.content[0]
        assert use.type == "tool_use" and use.input == {"zone": "UTC"}
        result = {"type": "tool_result", "tool_use_id": use.id, "content": [{"type": "text", "text": "noon"}]}
        messages += [{"role": "assistant", "content": [use.model_dump()]}, {"role": "user", "content": [result]}]
        second = claude.messages.create(model="m", max_tokens=99, messages=messages, tools=self.TOOLS)
        assert second.content[0].text == "It is noon."  # type: ignore[union-attr]
        sandbox.model.script = Script([{"steps": [{"text": "Half"}, {"error": 529}]}])
        with (
            pytest.raises(anthropic.APIStatusError, match="error 529"),
            claude.messages.stream(model="m", max_tokens=99, messages=asked("Hi")) as stream,
        ):
            assert list(stream.text_stream) == ["Half"]
        sandbox.model.script = None
        for text, error in (("error 400", anthropic.BadRequestError), ("error 529", anthropic.APIStatusError)):
            with pytest.raises(error, match="was asked for"):
                claude.messages.create(model="m", max_tokens=99, messages=asked(text))

    @pytest.mark.parametrize(
        ("more", "param"),
        [
            ({"tools": {}}, "tools"),
            ({"tool_choice": "any"}, "tool_choice"),
            ({"tool_choice": {"type": "any"}}, "tool_choice.type"),
            ({"tool_choice": {"type": "tool", "name": "x"}}, "tool_choice.name"),
            ({"thinking": {"type": "deep"}}, "thinking.type"),
            ({"output_config": {"format": {"type": "text"}}}, "output_config.format"),
            (
                {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x"}]}]},
                "messages.0.content.0.tool_use_id",
            ),
            ({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "x"}]}]}, "messages.0.content.0"),
            ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages.0.content.0"),
            ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0"),
        ],
    )
    def test_bad_requests(self, claude: anthropic.Anthropic, more: Any, param: str) -> None:
        with pytest.raises(anthropic.BadRequestError) as raised:
            claude.post("/v1/messages", body={"model": "m", "max_tokens": 9, "messages": asked("Hi"), **more}, cast_to=object)
        assert raised.value.body["error"]["param"] == param  # type: ignore[index]
