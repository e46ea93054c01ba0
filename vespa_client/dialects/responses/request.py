"""A request to ``/v1/responses``, made one to ``/v1/chat/completions``."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..chat_request import ChatRequest
from ..request_fields import Fields, read_request
from .conversation import Conversation
from .echo import echo
from .toolbox import Toolbox

__all__ = ["Asked", "read"]

_HINT_NO_STORE = "Nothing is stored: send the whole conversation in input."
_REFUSED = {
    "previous_response_id": ("names a response, and there is no store to find it in.", _HINT_NO_STORE),
    "conversation": ("names a conversation, and there is no store to find it in.", _HINT_NO_STORE),
    "background": ("needs a server that works on without its client.", "Leave it out, and stream the answer."),
    "prompt": ("names a prompt, and there is no store to find it in.", "Send its text in instructions or input."),
    "moderation": ("needs OpenAI's moderation models.", "Leave it out."),
}
_READ_HERE = frozenset(
    {
        "input",
        "instructions",
        "max_output_tokens",
        "model",
        "parallel_tool_calls",
        "reasoning",
        "service_tier",
        "stream",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
    }
)
# They say something about OpenAI's service, or about the client to it: a model server has no use for them.
_WITHOUT_EFFECT = frozenset(
    {
        "access_programs",
        "background_options",
        "client_metadata",
        "context_management",
        "generate",
        "image",
        "include",
        "max_tool_calls",
        "metadata",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "store",
        "stream_options",
        "truncation",
    }
)
# Chat completions' own, which would say otherwise what is said here already.
_OF_CHAT = frozenset({"function_call", "functions", "messages", "n"})
# What most model servers know are low, medium and high.
_EFFORTS = {"minimal": "low", "xhigh": "high", "max": "high"}


class Asked(NamedTuple):
    """What a request was found to ask for: the chat completion, and what its answer has to be told back with."""

    body: bytes
    model: str
    streams: bool
    toolbox: Toolbox
    echo: dict[str, Any]
    wants_summary: bool
    wants_encrypted: bool
    wants_logprobs: bool
    service_tier: str | None


def read(body: bytes | bytearray, *, drop_hosted: bool) -> Asked:
    """Raises :class:`Untranslatable`, which names the field."""
    request = read_request(body)
    for name, (why, hint) in _REFUSED.items():
        if request.any(name):
            raise request.refused(name, why, hint)
    include = request.texts("include")
    reasoning = request.object("reasoning")
    is_of_codex = _is_of_codex(request)
    drop_hosted = drop_hosted or is_of_codex
    chat, toolbox = ChatRequest(), Toolbox(drop_hosted=drop_hosted)
    toolbox.add(request.objects("tools"))
    instructions = request.text("instructions")
    if instructions:
        chat.add_system(instructions)
    Conversation(chat, toolbox, drop_hosted=drop_hosted).read(request)
    if not is_of_codex:
        toolbox.check()
    streams = bool(request.flag("stream"))
    top_logprobs = request.integer("top_logprobs") or 0
    wants_logprobs = top_logprobs > 0 or "message.output_text.logprobs" in include
    tier = request.text("service_tier")

    _put_what_chat_knows(chat, request)
    chat.put("model", request.text("model"))
    chat.put("max_tokens", request.integer("max_output_tokens"))
    chat.put("temperature", request.number("temperature"))
    chat.put("top_p", request.number("top_p"))
    chat.put("user", request.text("user"))
    chat.put("service_tier", tier if tier != "auto" else None)
    _put_tools(chat, request, toolbox)
    _put_text(chat, request)
    if reasoning:
        _put_effort(chat, reasoning.text("effort"))
    if wants_logprobs:
        chat.put("logprobs", True)
        chat.put("top_logprobs", top_logprobs)
    if streams:
        chat.put("stream", True)
        chat.put("stream_options", {"include_usage": True})
    return Asked(
        chat.body(),
        request.text("model") or "",
        streams,
        toolbox,
        echo(request),
        bool(reasoning and (reasoning.text("summary") or reasoning.text("generate_summary"))),
        "reasoning.encrypted_content" in include,
        wants_logprobs,
        tier,
    )


def _is_of_codex(request: Fields) -> bool:
    """Whether Codex asks, which puts a web search into every request, whatever its user wants and its model's server has."""
    told = request.any("client_metadata")
    return isinstance(told, dict) and any(name.startswith("x-codex-") for name in told)


def _put_what_chat_knows(chat: ChatRequest, request: Fields) -> None:
    """What Responses has no word for, and SDKs send all the same if they are told to: ``stop``, ``seed``, ``top_k`` …"""
    known = _READ_HERE | _WITHOUT_EFFECT | _OF_CHAT | _REFUSED.keys()
    for name, value in request.members.items():
        if name not in known:
            chat.put(name, value)


def _put_effort(chat: ChatRequest, effort: str | None) -> None:
    if effort == "none":
        chat.forbid_thinking()
    elif effort:
        chat.put("reasoning_effort", _EFFORTS.get(effort, effort))


def _put_tools(chat: ChatRequest, request: Fields, toolbox: Toolbox) -> None:
    choice = toolbox.choice(request)
    functions = toolbox.functions()
    if functions:
        chat.put("tools", functions)
        chat.put("tool_choice", choice)
        chat.put("parallel_tool_calls", request.flag("parallel_tool_calls"))


def _put_text(chat: ChatRequest, request: Fields) -> None:
    text = request.object("text")
    if text is None:
        return
    chat.put("verbosity", text.text("verbosity"))
    form = text.object("format")
    if form is None:
        return
    kind = form.needed_text("type")
    if kind == "json_object":
        chat.put("response_format", {"type": kind})
    elif kind == "json_schema":
        schema = form.object("schema")
        if schema is None:
            raise form.missing("schema")
        wanted = {"name": form.text("name") or "answer", "schema": schema.members}
        for name in ("description", "strict"):
            if name in form:
                wanted[name] = form.any(name)
        chat.put("response_format", {"type": kind, "json_schema": wanted})
    elif kind != "text":
        raise form.refused("type", f"is {kind!r}: it has to be text, json_object or json_schema.")
