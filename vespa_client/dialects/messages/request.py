"""A request for Anthropic's Messages as a request for a chat completion."""

from __future__ import annotations

from ..chat_request import ChatRequest
from ..request_fields import Fields
from .conversation import add_conversation
from .tools import add_tools

__all__ = ["chat_request", "shows_thinking"]

# What Anthropic has no field for, and a program gives with its SDK's extra_body. It was asked for, and goes on as it is.
_EXTRAS = (
    "chat_template_kwargs",
    "frequency_penalty",
    "logit_bias",
    "min_p",
    "presence_penalty",
    "repetition_penalty",
    "seed",
)
_REFUSED = {
    "compaction": "asks for a summary that Anthropic's servers make.",
    "container": "is a machine of Anthropic's, and there is none here.",
    "thread": "asks for a conversation that the server remembers, and nothing is kept here: the messages have to be all there.",
}
# "high" is what Anthropic has where nothing is said, and some models' templates refuse it: it is not said here either.
_EFFORTS = ("low", "medium", "high", "xhigh", "max")


def chat_request(request: Fields, *, drop_hosted_tools: bool = False) -> ChatRequest:
    """The chat completion that a request for Messages asks for.

    Without effect, as they concern Anthropic's own servers or the account there: ``betas``, ``cache_control``,
    ``context_management``, ``diagnostics``, ``fallbacks``, ``inference_geo``, ``metadata`` (it may say who the user is, and the
    worker is a stranger's machine), ``service_tier``, ``speed``, the budget of ``thinking``, and whatever isn't known. Raises
    :class:`Untranslatable` for what is malformed and for what can't be carried over.
    """
    for name, why in _REFUSED.items():
        if request.any(name):
            raise request.refused(name, why, hint="Leave it out.")
    chat = ChatRequest()
    chat.put("model", request.needed_text("model"))
    add_conversation(chat, request)
    add_tools(chat, request, drop_hosted_tools=drop_hosted_tools)
    _add_sampling(chat, request)
    _add_output(chat, request)
    if request.flag("stream"):
        chat.put("stream", True)
        chat.put("stream_options", {"include_usage": True})
    return chat


def shows_thinking(request: Fields) -> bool:
    """Whether the answer may hold what the model thinks: as with Anthropic, where it was asked for."""
    thinking = request.object("thinking")
    return thinking is not None and not _is_disabled(thinking) and thinking.text("display") != "omitted"


def _is_disabled(thinking: Fields) -> bool:
    return thinking.needed_text("type") == "disabled"


def _add_sampling(chat: ChatRequest, request: Fields) -> None:
    limit = request.integer("max_tokens")
    if limit is not None and limit < 1:
        raise request.refused("max_tokens", f"is {limit}: it has to be at least 1.")
    chat.put("max_tokens", limit)
    chat.put("stop", request.texts("stop_sequences") or None)
    chat.put("top_k", request.integer("top_k"))
    for name in ("temperature", "top_p"):
        chat.put(name, request.number(name))
    for name in _EXTRAS:
        chat.put(name, request.any(name))
    thinking = request.object("thinking")
    if thinking and _is_disabled(thinking):
        chat.forbid_thinking()


def _add_output(chat: ChatRequest, request: Fields) -> None:
    """Structured outputs, and effort. ``output_format`` is what ``output_config.format`` was called in its beta."""
    config = request.object("output_config")
    wanted = (config.object("format") if config else None) or request.object("output_format")
    if wanted:
        if wanted.needed_text("type") != "json_schema":
            raise wanted.refused("type", f"is {wanted.text('type')!r}: it has to be json_schema.")
        schema = {"name": "output", "schema": wanted.needed_object("schema").members, "strict": True}
        chat.put("response_format", {"type": "json_schema", "json_schema": schema})
    effort = config.text("effort") if config else None
    if config and effort:
        if effort not in _EFFORTS:
            raise config.refused("effort", f"is {effort!r}: it has to be one of {', '.join(_EFFORTS)}.")
        chat.put("reasoning_effort", effort if effort != "high" else None)
