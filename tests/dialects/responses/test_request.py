"""A request to /v1/responses becomes a chat completion that says the same, or a 400 that names the field."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vespa_client.dialects import Identity, Translation
from vespa_client.dialects.responses import Responses
from vespa_client.errors import Untranslatable

FUNCTION = {"type": "function", "name": "f", "description": "F.", "parameters": {"type": "object"}, "strict": True}
IMAGE = "data:image/png;base64,AAAA"


def translate(*, drop_hosted_tools: bool = False, **members: Any) -> Translation:
    body = json.dumps({"model": "m", "input": "hi", **members}).encode()
    return Responses().translate(body, Identity("tok", 1), drop_hosted_tools=drop_hosted_tools)


def chat(**members: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(translate(**members).body)
    return body


def messages(*items: dict[str, Any], **members: Any) -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = chat(input=list(items), **members)["messages"]
    return read


def refused(**members: Any) -> Untranslatable:
    with pytest.raises(Untranslatable) as refusal:
        translate(**members)
    assert refusal.value.status == 400
    assert refusal.value.param is None or refusal.value.param in refusal.value.message
    return refusal.value


def test_a_text_is_a_user_s_message_and_nothing_else_is_added() -> None:
    assert chat() == {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def test_a_stream_is_asked_for_with_its_usage() -> None:
    asked = translate(stream=True)
    assert asked.streams
    assert json.loads(asked.body)["stream_options"] == {"include_usage": True}
    assert not translate(stream=False).streams
    assert "stream" not in chat(stream=False)


def test_instructions_and_what_developers_say_first_are_one_system_message() -> None:
    said = messages(
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "b"}]},
        {"role": "system", "content": "c"},
        {"role": "user", "content": "d"},
        {"role": "developer", "content": "e"},
        {"role": "user", "content": "f"},
        instructions="a",
    )
    assert [(one["role"], one["content"]) for one in said] == [
        ("system", "a\n\nb\n\nc"),
        ("user", "d"),
        ("system", "e"),
        ("user", "f"),
    ]


def test_text_and_images_of_a_user_are_parts() -> None:
    content = [
        {"type": "input_text", "text": "a"},
        {"type": "input_image", "image_url": IMAGE, "detail": "auto"},
        {"type": "input_image", "image_url": "https://x/y", "detail": "high"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    ]
    assert messages({"role": "user", "content": content})[0]["content"] == [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": IMAGE}},
        {"type": "image_url", "image_url": {"url": "https://x/y", "detail": "high"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    ]


def test_a_turn_with_thoughts_text_and_calls_is_one_message_and_its_results_follow() -> None:
    said = messages(
        {"role": "user", "content": "go"},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "ok", "annotations": []}]},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": '{"x":1}'},
        {"type": "custom_tool_call", "call_id": "b", "name": "patch", "input": '"x"\n'},
        {"type": "function_call_output", "call_id": "a", "output": "1"},
        {
            "type": "custom_tool_call_output",
            "call_id": "b",
            "output": [{"type": "input_text", "text": "2"}, {"type": "input_image", "image_url": IMAGE}],
        },
        {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
    )
    assert said[1] == {
        "role": "assistant",
        "content": "ok",
        "reasoning_content": "hm",
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
            {"id": "b", "type": "function", "function": {"name": "patch", "arguments": '{"input":"\\"x\\"\\n"}'}},
        ],
    }
    assert [one["role"] for one in said] == ["user", "assistant", "tool", "tool", "user", "assistant"]
    assert said[2] == {"role": "tool", "tool_call_id": "a", "content": "1"}
    assert said[3]["content"].startswith("2\n")
    assert said[4]["content"][1] == {"type": "image_url", "image_url": {"url": IMAGE}}
    assert said[5]["content"] == "no"


def test_what_the_client_s_own_tools_did_is_told_as_calls_and_results() -> None:
    said = messages(
        {"type": "local_shell_call", "id": "lsh", "call_id": "a", "action": {"type": "exec", "command": ["ls"], "env": {}}},
        {"type": "local_shell_call_output", "id": "lsh", "output": "x"},
        {"type": "shell_call", "call_id": "b", "action": {"commands": ["ls"]}},
        {
            "type": "shell_call_output",
            "call_id": "b",
            "output": [{"stdout": "x", "stderr": "", "outcome": {"type": "timeout"}}],
        },
        {"type": "apply_patch_call", "call_id": "c", "operation": {"type": "delete_file", "path": "a"}, "status": "completed"},
        {"type": "apply_patch_call_output", "call_id": "c", "status": "completed"},
    )
    calls = [one["tool_calls"][0] for one in said if one["role"] == "assistant"]
    assert [(call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls] == [
        ("a", "local_shell", {"command": ["ls"]}),
        ("b", "shell", {"commands": ["ls"]}),
        ("c", "apply_patch", {"type": "delete_file", "path": "a"}),
    ]
    results = [(one["tool_call_id"], one["content"]) for one in said if one["role"] == "tool"]
    assert results[0] == ("a", "x")
    assert json.loads(results[1][1])[0]["outcome"] == {"type": "timeout"}
    assert results[2] == ("c", "completed")


def test_tools_that_a_search_found_can_be_called() -> None:
    found = {"type": "namespace", "name": "mcp__mail", "description": "", "tools": [{**FUNCTION, "name": "send"}]}
    body = chat(
        tools=[{"type": "tool_search", "execution": "client", "description": "S.", "parameters": {"type": "object"}}],
        input=[
            {"type": "tool_search_call", "call_id": "a", "execution": "client", "arguments": {"query": "mail"}},
            {"type": "tool_search_output", "call_id": "a", "execution": "client", "status": "completed", "tools": [found]},
            {"type": "function_call", "call_id": "b", "name": "send", "namespace": "mcp__mail", "arguments": ""},
            {"type": "function_call_output", "call_id": "b", "output": "sent"},
        ],
    )
    assert [tool["function"]["name"] for tool in body["tools"]] == ["tool_search", "mcp__mail__send"]
    assert body["messages"][2]["tool_calls"][0]["function"] == {"name": "mcp__mail__send", "arguments": "{}"}
    assert body["messages"][1]["content"] == "Found: mcp__mail"


def test_what_codex_sends_by_default_is_carried_over() -> None:
    body = chat(
        instructions="You are Codex.",
        input=[
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "rules"}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "go"}]},
        ],
        tools=[
            {"type": "function", "name": "exec_command", "strict": False, "parameters": {"type": "object", "properties": {}}},
            {"type": "custom", "name": "apply_patch", "description": "P.", "format": {"type": "grammar"} | GRAMMAR},
            {"type": "namespace", "name": "functions", "description": "", "tools": [{**FUNCTION, "name": "plain"}]},
            {"type": "web_search", "external_web_access": True},
            {"type": "local_shell"},
        ],
        tool_choice="auto",
        parallel_tool_calls=False,
        reasoning={"effort": "xhigh", "summary": "auto"},
        store=False,
        stream=True,
        include=["reasoning.encrypted_content"],
        prompt_cache_key="k",
        text={"verbosity": "low"},
        client_metadata={"x-codex-turn-metadata": "{}"},
    )
    assert [tool["function"]["name"] for tool in body["tools"]] == ["exec_command", "apply_patch", "plain", "local_shell"]
    assert GRAMMAR["definition"] in body["tools"][1]["function"]["description"]
    assert body["tools"][1]["function"]["parameters"]["required"] == ["input"]
    assert "strict" not in body["tools"][0]["function"]
    assert (body["tool_choice"], body["parallel_tool_calls"], body["reasoning_effort"]) == ("auto", False, "high")
    assert set(body) - {"model", "messages", "tools", "tool_choice", "stream", "stream_options", "reasoning_effort"} == {
        *("parallel_tool_calls", "verbosity")
    }


GRAMMAR = {"syntax": "lark", "definition": "start: begin_patch"}


@pytest.mark.parametrize(
    "kind", ["web_search", "web_search_preview", "file_search", "computer_use_preview", "code_interpreter"]
)
def test_a_hosted_tool_is_refused_by_name_and_left_out_where_it_may_be(kind: str) -> None:
    refusal = refused(tools=[FUNCTION, {"type": kind}])
    assert refusal.param == "tools[1].type"
    assert "--drop-hosted-tools" in refusal.hint
    body = chat(tools=[FUNCTION, {"type": kind}], drop_hosted_tools=True)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["f"]
    # Nothing is left of a request that wanted hosted tools alone.
    assert refused(tools=[{"type": kind}], drop_hosted_tools=True).param == "tools[0].type"


def test_codex_may_ask_with_nothing_but_its_web_search() -> None:
    assert chat(tools=[{"type": "web_search"}], client_metadata={"x-codex-turn-metadata": "{}"}) == chat()
    assert refused(tools=[{"type": "web_search"}], client_metadata={"other": ""}).param == "tools[0].type"


def test_a_shell_in_a_container_is_a_hosted_tool() -> None:
    assert refused(tools=[{"type": "shell", "environment": {"type": "container_auto"}}]).param == "tools[0].type"


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": {"id": "c"}}, "conversation"),
        ({"background": True}, "background"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"input": None}, "input"),
        ({"input": 5}, "input"),
        ({"input": ["x"]}, "input[0]"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].type"),
        ({"input": [{"type": "item_reference"}]}, "input[0].id"),
        ({"input": [{"type": "web_search_call", "id": "i"}]}, "input[0].type"),
        ({"input": [{"type": "compaction", "encrypted_content": "x"}]}, "input[0].type"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}, "input[0].content[0].file_id"),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]}, "input[0].content[0].file_id"),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_url": "f"}]}]}, "input[0].content[0].file_url"),
        ({"input": [{"role": "user", "content": [{"type": "video"}]}]}, "input[0].content[0].type"),
        (
            {"input": [{"role": "system", "content": [{"type": "input_image", "image_url": "u"}]}]},
            "input[0].content[0].type",
        ),
        ({"input": [{"type": "function_call", "call_id": "a"}]}, "input[0].name"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": {}}, "tools"),
        ({"tool_choice": "never"}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "name": "g"}, "tools": [FUNCTION]}, "tool_choice.name"),
        ({"tool_choice": {"type": "web_search"}, "tools": [FUNCTION]}, "tool_choice.type"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_output_tokens": 1.5}, "max_output_tokens"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"stream": "yes"}, "stream"),
        ({"model": 5}, "model"),
    ],
)
def test_what_can_t_be_carried_over_is_named(members: dict[str, Any], param: str) -> None:
    assert refused(**members).param == param


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"nonsense", b"\xff", b'{"input": NaN}', b'{"temperature": 1e999}', b"[" * 100_000]
)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(Untranslatable):
        Responses().translate(body, Identity("tok", 1))


def test_a_request_that_is_nested_too_deeply_is_refused() -> None:
    for depth in range(0, 2000, 50):
        schema = '{"a":' * depth + "1" + "}" * depth
        body = f'{{"input":"x","tools":[{{"type":"function","name":"f","parameters":{{"x":{schema}}}}}]}}'.encode()
        try:
            asked = Responses().translate(body, Identity("tok", 1))
        except Untranslatable:
            continue
        assert asked.stream().fail(500, "", "no").endswith(b"\n\n")


@pytest.mark.parametrize("depth", [100, 500, 900, 960, 980, 990, 2000])
def test_a_turn_that_is_nested_too_deeply_is_refused_or_translated(depth: int) -> None:
    nested = '{"a":' * depth + "1" + "}" * depth
    for item in (
        f'{{"type":"shell_call","call_id":"a","action":{{"commands":["ls"],"x":{nested}}}}}',
        f'{{"type":"shell_call_output","call_id":"a","output":[{nested}]}}',
    ):
        body = f'{{"input":[{item}]}}'.encode()
        try:
            json.loads(Responses().translate(body, Identity("tok", 1)).body)
        except Untranslatable as refusal:
            assert depth >= 900
            assert "nested too deeply" in refusal.message


@pytest.mark.parametrize(("effort", "sent"), [("minimal", "low"), ("low", "low"), ("medium", "medium"), ("xhigh", "high")])
def test_efforts_are_those_that_model_servers_know(effort: str, sent: str) -> None:
    assert chat(reasoning={"effort": effort})["reasoning_effort"] == sent


def test_no_effort_is_no_thinking() -> None:
    body = chat(reasoning={"effort": "none"})
    assert "reasoning_effort" not in body
    assert body["chat_template_kwargs"]["enable_thinking"] is False


def test_tool_choices_are_carried_over() -> None:
    custom = {"type": "custom", "name": "c"}
    named = {"type": "function", "function": {"name": "c"}}
    assert chat(tools=[FUNCTION, custom], tool_choice="required")["tool_choice"] == "required"
    assert chat(tools=[FUNCTION, custom], tool_choice={"type": "custom", "name": "c"})["tool_choice"] == named
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]}
    body = chat(tools=[FUNCTION, custom], tool_choice=allowed)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["f"]
    assert body["tool_choice"] == "required"
    assert "tool_choice" not in chat(tool_choice="auto", parallel_tool_calls=True)
    assert "parallel_tool_calls" not in chat(tool_choice="auto", parallel_tool_calls=True)


def test_tools_of_one_name_are_told_apart() -> None:
    spaces = [{"type": "namespace", "name": name, "description": "", "tools": [FUNCTION]} for name in ("a", "a__")]
    body = chat(tools=[FUNCTION, {"type": "custom", "name": "f"}, *spaces])
    assert [tool["function"]["name"] for tool in body["tools"]] == ["f", "f_2", "a__f", "a__f_2"]


def test_structured_outputs_are_a_response_format() -> None:
    schema = {"type": "object", "properties": {}}
    form = {"type": "json_schema", "name": "n", "schema": schema, "strict": True}
    assert chat(text={"format": form})["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": schema, "strict": True},
    }
    assert chat(text={"format": {"type": "json_object"}})["response_format"] == {"type": "json_object"}
    assert "response_format" not in chat(text={"format": {"type": "text"}})


def test_limits_sampling_and_what_the_client_adds_by_itself_are_sent() -> None:
    body = chat(
        max_output_tokens=9,
        temperature=0.5,
        top_p=0.25,
        top_logprobs=2,
        user="u",
        service_tier="flex",
        seed=7,
        stop=["x"],
        top_k=3,
    )
    assert body == chat() | {
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.25,
        "logprobs": True,
        "top_logprobs": 2,
        "user": "u",
        "service_tier": "flex",
        "seed": 7,
        "stop": ["x"],
        "top_k": 3,
    }


def test_what_is_accepted_without_effect_isn_t_sent() -> None:
    accepted = {
        "store": True,
        "metadata": {"a": "b"},
        "include": ["file_search_call.results"],
        "truncation": "auto",
        "max_tool_calls": 3,
        "safety_identifier": "s",
        "prompt_cache_retention": "24h",
        "context_management": [{"type": "compaction"}],
        "stream_options": {"include_obfuscation": False},
        "service_tier": "auto",
        "background": False,
        "previous_response_id": None,
    }
    assert chat(**accepted) == chat()


def test_errors_have_openai_s_shape_whichever_side_they_come_from() -> None:
    ours = json.loads(Responses().error(503, "no_worker_ready", "None."))
    assert ours == {"error": {"message": "None.", "type": "server_error", "param": None, "code": "no_worker_ready"}}
    theirs = json.loads(Responses().worker_error(400, b'{"object":"error","message":"bad","param":"n","code":400}'))
    assert theirs == {"error": {"message": "bad", "type": "invalid_request_error", "param": "n", "code": None}}
    assert json.loads(Responses().worker_error(429, b""))["error"]["type"] == "rate_limit_error"
