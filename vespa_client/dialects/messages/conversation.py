"""The turns of Anthropic's Messages as the messages of a chat completion.

Chat templates are strict where Anthropic is not: a system message first or never, user and assistant in turns, the results of
tools right behind their calls. So neighbours of one side become one message, which is what Anthropic makes of them as well, and
a system message in mid-conversation becomes a reminder in the user's turn, in the form that Claude Code's instructions explain.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import dropwhile, groupby, takewhile

from ..chat_request import ChatRequest, Part, text_part
from ..json_text import dump
from ..request_fields import Fields
from .blocks import blocks, parts_of, texts

__all__ = ["add_conversation"]

Turn = tuple[str, Fields]

_ROLES = ("user", "assistant", "system")
# Claude Code's bookkeeping: no word for a model, and another one each time where a prompt's cache needs the same beginning.
_BILLING = "x-anthropic-billing-header:"


def add_conversation(chat: ChatRequest, request: Fields) -> None:
    """Say in ``chat`` what ``system`` and ``messages`` say. Raises :class:`Untranslatable` where a block has no place there."""
    turns = _turns(request)
    instructions = [text for text in texts(request, "system") if not text.startswith(_BILLING)]
    for _, message in takewhile(_is_system, turns):
        instructions += texts(message)
    for text in filter(None, instructions):
        chat.add_system(text)
    is_begun = False
    for is_assistant, turn in groupby(dropwhile(_is_system, turns), key=lambda one: one[0] == "assistant"):
        add = _add_assistant if is_assistant else _add_user
        is_begun = add(chat, turn)
    if is_begun:
        # An answer that the request begins is to be continued: vLLM and SGLang have to be told, llama.cpp does it anyway.
        chat.put("continue_final_message", True)
        chat.put("add_generation_prompt", False)


def _turns(request: Fields) -> list[Turn]:
    """The messages with their roles, without those of the system that were for an earlier turn alone."""
    turns = [(_role(message), message) for message in request.objects("messages")]
    if not turns:
        raise request.refused("messages", "has no message in it.")
    last = max((index for index, (role, _) in enumerate(turns) if role == "user"), default=-1)
    return [turn for index, turn in enumerate(turns) if index > last or turn[1].any("clear_at") != "next_user_message"]


def _role(message: Fields) -> str:
    role = message.needed_text("role")
    if role not in _ROLES:
        raise message.refused("role", f"is {role!r}: it has to be one of {', '.join(_ROLES)}.")
    return role


def _is_system(turn: Turn) -> bool:
    return turn[0] == "system"


def _add_user(chat: ChatRequest, turn: Iterable[Turn]) -> bool:
    """The results of tools first, as a chat completion wants them right behind their calls; then what else was said.

    Returns False: no answer is begun.
    """
    parts: list[Part] = []
    results = 0
    for role, message in turn:
        if role == "system":
            parts += _reminder(message)
            continue
        for kind, block in blocks(message):
            if kind == "tool_result":
                _add_result(chat, block)
                results += 1
            else:
                parts += parts_of(kind, block)
    if parts or not results:
        chat.add_user(parts)
    return False


def _reminder(message: Fields) -> list[Part]:
    text = "\n\n".join(filter(None, texts(message)))
    return [text_part(f"<system-reminder>\n{text}\n</system-reminder>")] if text else []


def _add_result(chat: ChatRequest, block: Fields) -> None:
    parts = [part for kind, inner in blocks(block) for part in parts_of(kind, inner)]
    said = [part["text"] for part in parts if part["type"] == "text"]
    if block.flag("is_error"):
        said.insert(0, "The tool failed:" if said else "The tool failed.")
    images = [part for part in parts if part["type"] != "text"]
    chat.add_result(block.needed_text("tool_use_id"), "\n".join(said), images)


def _add_assistant(chat: ChatRequest, turn: Iterable[Turn]) -> bool:
    """What the assistant thought, said and called, as one message. Returns whether it may be the beginning of the answer."""
    said: list[str] = []
    calls: list[Fields] = []
    for _, message in turn:
        for kind, block in blocks(message):
            if kind == "text":
                said.append(block.needed_text("text"))
            elif kind == "thinking":
                chat.add_reasoning(block.needed_text("thinking"))
            elif kind == "tool_use":
                calls.append(block)
            elif kind != "redacted_thinking":  # which none but Anthropic can read
                why = f"is {kind!r}, which none but Anthropic's own servers can go on with."
                raise block.refused("type", why, hint="Leave the block out.")
    if any(said) or not calls:
        chat.add_text("\n".join(filter(None, said)))
    for call in calls:
        chat.add_call(call.needed_text("id"), call.needed_text("name"), _arguments(call))
    return any(said) and not calls


def _arguments(call: Fields) -> str:
    try:
        return dump(call.needed_object("input").members).decode()
    except ValueError as wrong:
        raise call.refused("input", f"can't be translated: {wrong}.") from None
