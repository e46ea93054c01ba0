"""What requests for Ollama's /api/chat and /api/generate become, and what is refused by the name of its field."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from vespa_client.dialects.ollama import OllamaChat, OllamaGenerate
from vespa_client.errors import Untranslatable

from ..chat_backend import IDENTITY
from ..mutations import mutated

HELLO = [{"role": "user", "content": "Hello!"}]
PNG = "iVBORw0KGgo="
PNG_PART = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
TOOL = {"type": "function", "function": {"name": "weather", "description": "x", "parameters": {"type": "object"}}}
STREAMED = {"stream": True, "stream_options": {"include_usage": True}}


def chat(messages: list[dict[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    request = {"model": "m", "stream": False, "messages": HELLO if messages is None else messages, **fields}
    return json.loads(OllamaChat().translate(json.dumps(request).encode(), IDENTITY).body)


def generate(**fields: Any) -> dict[str, Any]:
    request = {"model": "m", "stream": False, **fields}
    return json.loads(OllamaGenerate().translate(json.dumps(request).encode(), IDENTITY).body)


def call(name: str, id: str | None = None, **arguments: Any) -> dict[str, Any]:
    return ({"id": id} if id else {}) | {"function": {"name": name, "arguments": arguments}}


def test_a_question_is_a_question() -> None:
    assert chat() == {"model": "m", "messages": HELLO}
    assert chat(system=None)["messages"] == HELLO
    assert generate(prompt="Hello!") == {"model": "m", "messages": HELLO}
    assert generate(prompt="Hello!", system="Be brief.")["messages"] == [{"role": "system", "content": "Be brief."}, *HELLO]


def test_the_answer_is_a_stream_where_nothing_is_said() -> None:
    for said in ({"stream": None}, {"stream": True}):
        assert chat(**said) == {"model": "m", "messages": HELLO, **STREAMED}
        assert generate(prompt="Hello!", **said) == {"model": "m", "messages": HELLO, **STREAMED}


def test_a_tag_that_means_nothing_is_left_out() -> None:
    assert chat(model="Qwen/Qwen3-8B:latest")["model"] == "Qwen/Qwen3-8B"
    assert chat(model="llama3:8b")["model"] == "llama3:8b"


def test_several_turns() -> None:
    turns = [
        {"role": "system", "content": "Be brief."},
        *HELLO,
        {"role": "assistant", "content": "Hi.", "thinking": "Hm."},
        *HELLO,
    ]
    assert chat(turns)["messages"] == [
        {"role": "system", "content": "Be brief."},
        *HELLO,
        {"role": "assistant", "content": "Hi.", "reasoning_content": "Hm."},
        *HELLO,
    ]


def test_images() -> None:
    shown = {
        "role": "user",
        "content": "What is it?",
        "images": [PNG, "/9j/4AAQ", "UklGRg==", "R0lGODlh", "data:image/bmp;base64,Qk0="],
    }
    first, *images = chat([shown])["messages"][0]["content"]
    assert first == {"type": "text", "text": "What is it?"}
    assert images[0] == PNG_PART
    kinds = [image["image_url"]["url"].partition(";")[0] for image in images]
    assert kinds == ["data:image/png", "data:image/jpeg", "data:image/webp", "data:image/gif", "data:image/bmp"]
    assert generate(prompt="", images=[PNG])["messages"] == [{"role": "user", "content": [PNG_PART]}]


def test_calls_are_known_by_id_name_or_place() -> None:
    turns = [
        *HELLO,
        {"role": "assistant", "content": "", "tool_calls": [call("a", x=1), call("b"), call("b", y="ö"), call("c", id="own")]},
        {"role": "tool", "content": "of b", "tool_name": "b"},
        {"role": "tool", "content": "of own", "tool_call_id": "own"},
        {"role": "tool", "content": "of a"},
        {"role": "tool", "content": "of b again", "tool_name": "b", "images": [PNG]},
    ]
    _, turn, *results = chat(turns, tools=[TOOL])["messages"]
    assert turn["content"] is None
    ids = [one["id"] for one in turn["tool_calls"]]
    assert len(set(ids)) == 4 and ids[3] == "own"
    assert [one["function"]["arguments"] for one in turn["tool_calls"]] == ['{"x":1}', "{}", '{"y":"ö"}', "{}"]
    answered = {one["tool_call_id"]: one["content"].partition("\n")[0] for one in results if one["role"] == "tool"}
    assert answered == dict(zip(ids, ["of a", "of b", "of b again", "of own"], strict=True))
    assert results[-1]["content"][-1] == PNG_PART


def test_tools_go_on_as_they_are() -> None:
    assert chat(tools=[TOOL])["tools"] == [TOOL]


def test_options_have_other_names() -> None:
    options = {
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 5,
        "min_p": 0.1,
        "seed": 1,
        "stop": ["END"],
        "num_predict": 100,
        "presence_penalty": 1,
        "frequency_penalty": 0.5,
        "repeat_penalty": 1.1,
        "num_ctx": 4096,
        "num_gpu": 1,
        "mirostat": 0,
    }
    assert chat(options=options, keep_alive="5m") == {
        "model": "m",
        "messages": HELLO,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 5,
        "min_p": 0.1,
        "seed": 1,
        "stop": ["END"],
        "max_tokens": 100,
        "presence_penalty": 1,
        "frequency_penalty": 0.5,
        "repetition_penalty": 1.1,
    }
    for without_limit in (-1, -2, 0):
        assert "max_tokens" not in chat(options={"num_predict": without_limit})
    assert chat(options={"stop": "END"})["stop"] == ["END"]


def test_format() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    assert chat(format="json")["response_format"] == {"type": "json_object"}
    wanted = {"type": "json_schema", "json_schema": {"name": "output", "schema": schema, "strict": True}}
    assert chat(format=schema)["response_format"] == generate(prompt="x", format=schema)["response_format"] == wanted
    assert chat(format="") == chat()


def test_thinking() -> None:
    assert chat(think=True) == chat()
    assert chat(think=False)["chat_template_kwargs"] == {"enable_thinking": False, "thinking": False}
    assert chat(think="low")["reasoning_effort"] == "low"


def test_logprobs() -> None:
    said = chat(logprobs=True, top_logprobs=3)
    assert (said["logprobs"], said["top_logprobs"]) == (True, 3)
    assert "logprobs" not in chat(logprobs=False)


@pytest.mark.parametrize(
    ("dialect", "request_", "done_reason"),
    [
        (OllamaChat(), {"messages": []}, "load"),
        (OllamaChat(), {}, "load"),
        (OllamaChat(), {"messages": [], "keep_alive": 0}, "unload"),
        (OllamaChat(), {"messages": [], "keep_alive": "0s"}, "unload"),
        (OllamaChat(), {"messages": [], "keep_alive": "10m"}, "load"),
        (OllamaGenerate(), {"keep_alive": -1}, "load"),
        (OllamaGenerate(), {"prompt": "", "keep_alive": 0}, "unload"),
    ],
)
def test_who_says_nothing_is_answered_at_once(dialect: OllamaChat | OllamaGenerate, request_: Any, done_reason: str) -> None:
    said = dialect.translate(json.dumps({"model": "m", **request_}).encode(), IDENTITY).immediate
    assert said is not None
    answer = json.loads(said)
    assert (answer["model"], answer["done"], answer["done_reason"]) == ("m", True, done_reason)
    assert answer["message"]["content"] == "" if isinstance(dialect, OllamaChat) else answer["response"] == ""


def test_who_says_something_is_not() -> None:
    assert OllamaChat().translate(json.dumps({"model": "m", "messages": HELLO}).encode(), IDENTITY).immediate is None
    assert OllamaGenerate().translate(json.dumps({"model": "m", "images": [PNG]}).encode(), IDENTITY).immediate is None


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        ({"model": None}, "model"),
        ({"messages": "x"}, "messages"),
        ({"messages": [{"role": "boss", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "images": [1]}]}, "messages[0].images"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "assistant", "tool_calls": [{}]}]}, "messages[0].tool_calls[0].function"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "x", "arguments": "{}"}}]}]},
            "messages[0].tool_calls[0].function.arguments",
        ),
        ({"options": {"temperature": "hot"}}, "options.temperature"),
        ({"options": {"stop": [1]}}, "options.stop"),
        ({"options": []}, "options"),
        ({"format": "xml"}, "format"),
        ({"think": 1}, "think"),
        ({"stream": "yes"}, "stream"),
        ({"tools": ["x"]}, "tools[0]"),
    ],
)
def test_what_is_wrong_is_named(request_: dict[str, Any], param: str) -> None:
    with pytest.raises(Untranslatable) as caught:
        chat(**request_)
    assert (caught.value.status, caught.value.param) == (400, param)


@pytest.mark.parametrize("field", [{"raw": True}, {"suffix": "x"}, {"template": "x"}, {"context": [1]}])
def test_what_a_chat_completion_has_no_place_for_is_refused(field: dict[str, Any]) -> None:
    with pytest.raises(Untranslatable) as caught:
        generate(prompt="x", **field)
    assert caught.value.param == next(iter(field))
    assert generate(prompt="x", **{name: type(value)() for name, value in field.items()}) == generate(prompt="x")


FULL: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "a"},
        {"role": "user", "content": "b", "images": [PNG]},
        {"role": "assistant", "content": "c", "thinking": "d", "tool_calls": [call("e", f=[1])]},
        {"role": "tool", "content": "g", "tool_name": "e"},
    ],
    "tools": [TOOL],
    "format": {"type": "object"},
    "think": "high",
    "options": {"temperature": 1, "stop": ["x"], "num_predict": 5},
    "prompt": "h",
    "system": "i",
    "images": [PNG],
}


@pytest.mark.parametrize("dialect", [OllamaChat(), OllamaGenerate()], ids=["chat", "generate"])
@given(request_=mutated(FULL))
def test_any_request_is_translated_or_refused(dialect: OllamaChat | OllamaGenerate, request_: Any) -> None:
    try:
        translation = dialect.translate(json.dumps(request_).encode(), IDENTITY)
    except Untranslatable as fault:
        assert json.loads(dialect.error(fault.status, fault.code, fault.message, fault.param))["error"]
    else:
        assert json.loads(translation.body)["model"] is not None
