"""Scripts: which turn it is, what it says, and what is wrong with one that is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vespa_client.sandbox import Request, Sandbox
from vespa_client.sandbox.holds import Holds
from vespa_client.sandbox.reply import BadRequest, Call, Cue, Part, Say
from vespa_client.sandbox.speech.prompt import Message, Prompt, Tool
from vespa_client.sandbox.speech.script import Script, ScriptError

READ: Any = {"name": "read", "arguments": {"path": "a.txt"}}
SHELL: Any = {"name": "shell", "arguments": {"command": ["cat", "{{result}}"]}}
AGENT = Script(
    [
        {"reasoning": "First I look.", "text": "I look.", "calls": [READ, SHELL]},
        {"steps": [{"text": "Half"}, {"hold": "middle"}, {"pause": 0.5}, {"text": " done."}, {"call": SHELL}]},
        "It says {{result}}, and first it said {{result.0}}; {{result.9}}{{user}}",
    ]
)
TOOLS = [Tool("read", {}), Tool("shell", {})]


def user(text: str = "Go!") -> Message:
    return Message("user", text)


def said(*call_ids: str) -> Message:
    return Message("assistant", "…", call_ids)


def told(text: str) -> Message:
    return Message("tool", text, ("x",))


def turn(*messages: Message, script: Script = AGENT, tools: list[Tool] = TOOLS, choice: str = "auto") -> list[Part] | None:
    return script.parts(Prompt(messages, tools=tools, choice=choice))


def test_the_first_turn() -> None:
    assert turn(Message("system", "Be kind."), user()) == [
        Say("First I look.", "reasoning"),
        Say("I look."),
        Call("read", '{"path": "a.txt"}', "script_0_2"),
        Call("shell", '{"command": ["cat", ""]}', "script_0_3"),
    ]


def test_placeholders_stand_for_what_was_said() -> None:
    second = turn(user(), said(), told("one"), told("two"))
    assert second == [
        Say("Half"),
        Cue("hold", "middle"),
        Cue("pause", seconds=0.5),
        Say(" done."),
        Call("shell", '{"command": ["cat", "two"]}', "script_1_4"),
    ]
    third = turn(user(), said(), told("one"), told("two"), said(), told("three"), user("Now?"))
    assert third == [Say("It says three, and first it said one; Now?")]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([], 0),
        ([said()], 1),
        ([said(), said()], 1),  # one answer, which a translation has made two messages of
        ([said(), told("x"), said()], 2),
        ([said(), user(), said()], 2),
        # Two calls at once, each written down with its result.
        ([said("call_script_0_0"), told("x"), said("call_script_0_1"), told("y")], 1),
        # An agent that has summed up what came before.
        ([said("toolu_script_7_0"), told("x")], 8),
        ([said("toolu_script_7_0"), told("x"), said(), user()], 9),
    ],
)
def test_the_conversation_says_which_turn_it_is(messages: list[Message], expected: int) -> None:
    script = Script([f"turn {number}" for number in range(10)])
    assert turn(user(), *messages, script=script) == [Say(f"turn {expected}")]


def test_what_is_asked_on_the_side_takes_no_turn() -> None:
    assert turn(user("A title, please."), tools=[]) is None
    assert turn(user(), tools=TOOLS[:1]) is None
    assert turn(user(), choice="none") is None
    assert turn(user(), said(), user(), said(), user(), said(), user()) is None
    assert turn(user()) == turn(user())


def test_conversations_are_told_apart_by_the_prompt() -> None:
    script = Script({"conversations": [{"prompt": "(?i)edit", "turns": ["e"]}, {"prompt": "run", "turns": ["r"]}]})
    assert turn(user("Please EDIT it."), script=script) == [Say("e")]
    assert turn(user("run it"), user("thanks"), script=script) == [Say("r")]
    assert turn(user("sing"), script=script) is None
    assert Script({"turns": ["x"]}).parts(Prompt([user()])) == [Say("x")]


def test_arguments_that_are_text_and_that_are_missing() -> None:
    script = Script([{"calls": [{"name": "read", "arguments": '{"broken": {{user}}'}, {"name": "read"}]}])
    tools = [Tool("read", {"type": "object", "properties": {"path": {"type": "string"}}})]
    parts = turn(user("!"), script=script, tools=tools)
    assert [part.arguments for part in parts or [] if isinstance(part, Call)] == ['{"broken": !', '{"path": "sample path"}']
    with pytest.raises(BadRequest, match="needs arguments"):
        turn(user(), script=script, tools=[Tool("read", {"enum": []})])


@pytest.mark.parametrize(("error", "text"), [(429, "error 429"), ({"status": 429, "message": "Slower."}, "Slower.")])
def test_errors(error: Any, text: str) -> None:
    with pytest.raises(BadRequest, match=text) as raised:
        turn(user(), script=Script([{"error": error}]))
    assert raised.value.status == 429


def test_a_file_is_read_or_told_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    with pytest.raises(ScriptError, match="can't be read: No such file"):
        Sandbox(script=path)
    path.write_text("{", "utf-8")
    with pytest.raises(ScriptError, match="is not JSON"):
        Sandbox(script=path)
    path.write_text('[{"txt": 1}]', "utf-8")
    with pytest.raises(ScriptError, match=r"can't be followed: .*turns\[0\]"):
        Sandbox(script=str(path))
    path.write_text('["Hello."]', "utf-8")
    sandbox = Sandbox(script=path)
    assert sandbox.model.script and sandbox.model.script.parts(Prompt([user()])) == [Say("Hello.")]


def test_a_hold_that_is_not_reached() -> None:
    holds = Holds()
    with pytest.raises(TimeoutError, match="'nowhere'"):
        holds.wait_until_reached("nowhere", timeout=0.01)
    holds.release("here")
    holds.hold(Request("POST", "/", [], b""), "here")
    holds.wait_until_reached("here")
    holds.clear()
    with pytest.raises(TimeoutError):
        holds.wait_until_reached("here", timeout=0.01)


@pytest.mark.parametrize(
    ("script", "where"),
    [
        (7, "conversations[0]: "),
        ({"turn": []}, "conversations[0]: "),
        ({"conversations": {}}, "conversations: "),
        ({"turns": [], "more": 1}, "conversations[0]: "),
        ({"turns": [], "prompt": "("}, "conversations[0].prompt: "),
        ([7], "turns[0]: "),
        ([{}], "turns[0]: "),
        ([{"txt": "x"}], "turns[0]: "),
        (["x", {"text": 1}], "turns[1].text: "),
        ([{"calls": {}}], "turns[0]: "),
        ([{"calls": [{"arguments": {}}]}], "turns[0].call: "),
        ([{"calls": [{"name": "a", "arguments": []}]}], "turns[0].call: "),
        ([{"steps": ["x"]}], "turns[0].steps[0]: "),
        ([{"steps": [{"sing": 1}]}], "'sing' is none of reasoning, text, call"),
        ([{"steps": [{"pause": -1}]}], "steps[0].pause: "),
        ([{"steps": [{"break": False}]}], "steps[0].break: "),
        ([{"error": 200}], "turns[0].error: "),
    ],
)
def test_what_is_no_script_says_where(script: Any, where: str) -> None:
    with pytest.raises(ScriptError) as raised:
        Script(json.loads(json.dumps(script)))
    assert where in str(raised.value)
