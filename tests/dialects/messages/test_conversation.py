"""What the turns of Anthropic's Messages become in a chat completion."""

from __future__ import annotations

from typing import Any

import pytest

from .asking import HELLO, PNG, WEATHER, assistant, chat_messages, image, image_part, result, text, translated, use, user


def test_a_question_is_a_question() -> None:
    assert translated() == {"model": "m", "max_tokens": 100, "messages": HELLO}


@pytest.mark.parametrize(
    "system", ["Be brief.", [text("Be brief.")], [text("Be brief.") | {"cache_control": {"type": "ephemeral"}}]]
)
def test_a_system_prompt_is_the_first_message(system: Any) -> None:
    assert translated(system=system)["messages"] == [{"role": "system", "content": "Be brief."}, *HELLO]


def test_claude_codes_bookkeeping_is_no_instruction() -> None:
    system = [text("x-anthropic-billing-header: cc_version=2; cch=123;"), text("One."), text("Two.")]
    assert translated(system=system)["messages"][0] == {"role": "system", "content": "One.\n\nTwo."}
    assert translated(system=system[:1])["messages"] == HELLO


def test_a_system_message_at_the_beginning_joins_the_system_prompt() -> None:
    said = chat_messages({"role": "system", "content": "Two."}, *HELLO, system="One.")
    assert said == [{"role": "system", "content": "One.\n\nTwo."}, *HELLO]


def test_a_system_message_in_mid_conversation_is_a_reminder() -> None:
    said = chat_messages(user("Hello!"), {"role": "system", "content": [text("Be brief.")]}, user("And now?"))
    reminder = "<system-reminder>\nBe brief.\n</system-reminder>"
    assert said == [{"role": "user", "content": f"Hello!\n{reminder}\nAnd now?"}]


def test_a_system_message_may_be_for_one_turn_alone() -> None:
    once = {"role": "system", "content": "Be brief.", "clear_at": "next_user_message"}
    assert chat_messages(user("a"), once, assistant("b"), user("c"), assistant("d"))[0] == {"role": "user", "content": "a"}
    assert "Be brief." in chat_messages(user("a"), once, {**once, "clear_at": "never"})[0]["content"]


def test_neighbours_of_one_side_become_one_message() -> None:
    said = chat_messages(user("a"), user("b", "c"), assistant("d"), assistant("e"), user("f"))
    assert said == [
        {"role": "user", "content": "a\nb\nc"},
        {"role": "assistant", "content": "d\ne"},
        {"role": "user", "content": "f"},
    ]


def test_images_stay_in_their_place() -> None:
    by_url = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    said = chat_messages(user("This", image(), "or that?", by_url))
    assert said[0]["content"] == [
        text("This"),
        image_part(f"data:image/png;base64,{PNG}"),
        text("or that?"),
        image_part("https://example.com/a.png"),
    ]


def test_documents_of_text_are_text() -> None:
    source = {"type": "text", "media_type": "text/plain", "data": "Once."}
    plain = {"type": "document", "source": source, "title": "A tale", "context": "old"}
    mixed = {"type": "document", "source": {"type": "content", "content": [text("Twice."), image()]}}
    found = {"type": "search_result", "title": "A title", "source": "https://example.com", "content": [text("Found.")]}
    assert chat_messages(user(plain, found))[0]["content"] == (
        "<document>\ntitle: A tale\ncontext: old\nOnce.\n</document>\nA title\nhttps://example.com\nFound."
    )
    assert chat_messages(user(mixed))[0]["content"] == [
        text("<document>"),
        text("Twice."),
        image_part(f"data:image/png;base64,{PNG}"),
        text("</document>"),
    ]


def test_calls_and_results_keep_their_order() -> None:
    said = chat_messages(
        user("Compare."),
        assistant("I look.", use("a", city="Ulm"), use("b", city="Köln")),
        user("Go on.", result("a", "sunny"), result("b", [text("rain"), text("wind")])),
        tools=[WEATHER],
    )
    assert said[1:] == [
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Ulm"}'}},
                {"id": "b", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Köln"}'}},
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": "sunny"},
        {"role": "tool", "tool_call_id": "b", "content": "rain\nwind"},
        {"role": "user", "content": "Go on."},
    ]


def test_a_call_without_a_word_has_no_content() -> None:
    said = chat_messages(user("Go."), assistant(use("a")), user(result("a")))
    assert said[1]["content"] is None
    assert said[2] == {"role": "tool", "tool_call_id": "a", "content": ""}


def test_a_failed_tool_says_so() -> None:
    said = chat_messages(
        user("Go."), assistant(use("a"), use("b")), user(result("a", "no disk", is_error=True), result("b", is_error=True))
    )
    assert [one["content"] for one in said[2:]] == ["The tool failed:\nno disk", "The tool failed."]


def test_a_tools_images_follow_in_the_users_message() -> None:
    reference = {"type": "tool_reference", "tool_name": "weather"}
    said = chat_messages(user("Go."), assistant(use("a")), user(result("a", [text("shot"), image(), reference]), "Well?"))
    assert said[2]["role"] == "tool"
    assert said[2]["content"].startswith("shot\nThe tool weather is available.\n")
    assert said[3]["role"] == "user"
    assert said[3]["content"][1:] == [image_part(f"data:image/png;base64,{PNG}"), text("Well?")]
    assert "a" in said[3]["content"][0]["text"]
    assert len(said) == 4


def test_thinking_goes_back_as_reasoning() -> None:
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
    redacted = {"type": "redacted_thinking", "data": "xyz"}
    said = chat_messages(user("Go."), assistant(thinking, redacted, use("a")), user(result("a", "b")))
    assert said[1]["reasoning_content"] == "Hm."
    assert chat_messages(user("Go."), assistant(redacted), user("Now?"))[1] == {"role": "assistant", "content": ""}


def test_an_answer_that_is_begun_is_to_be_continued() -> None:
    begun = translated([*HELLO, assistant("The best answer is (")])
    assert begun["messages"][-1] == {"role": "assistant", "content": "The best answer is ("}
    assert (begun["continue_final_message"], begun["add_generation_prompt"]) == (True, False)
    for last in (user("x"), assistant(use("a")), assistant("")):
        assert "continue_final_message" not in translated([*HELLO, assistant("y"), user("z"), last])
