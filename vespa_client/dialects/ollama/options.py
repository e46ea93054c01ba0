"""What requests for ``/api/chat`` and ``/api/generate`` have alike: the model, its options, format and thinking."""

from __future__ import annotations

from typing import Any

from ..chat_request import ChatRequest, Part, image_part
from ..request_fields import Fields

__all__ = ["add_options", "images_of", "is_to_unload", "model_of", "shows_thinking", "streams"]

# Ollama's name, and that of a chat completion.
_NUMBERS = {
    "frequency_penalty": "frequency_penalty",
    "min_p": "min_p",
    "presence_penalty": "presence_penalty",
    "repeat_penalty": "repetition_penalty",
    "temperature": "temperature",
    "top_p": "top_p",
}
_IMAGES = {"/9j/": "jpeg", "R0lGOD": "gif", "UklGR": "webp", "iVBOR": "png"}


def add_options(chat: ChatRequest, request: Fields) -> None:
    """Say in ``chat`` what the request says beside its messages.

    Without effect, as the worker's model is loaded already: ``keep_alive``, and the options on how to load it (``num_ctx``,
    ``num_gpu`` …), as well as samplers that only llama.cpp has. Raises :class:`Untranslatable`.
    """
    chat.put("model", model_of(request))
    options = request.object("options") or Fields({})
    for name, said in _NUMBERS.items():
        chat.put(said, options.number(name))
    for name in ("seed", "top_k"):
        chat.put(name, options.integer(name))
    limit = options.integer("num_predict")
    chat.put("max_tokens", limit if limit is not None and limit > 0 else None)  # below, it is "no limit"
    stop = options.any("stop")
    chat.put("stop", ([stop] if isinstance(stop, str) else options.texts("stop")) or None)
    chat.put("response_format", _format(request))
    chat.put("logprobs", request.flag("logprobs") or None)
    chat.put("top_logprobs", request.integer("top_logprobs"))
    think = request.any("think")
    if isinstance(think, str):
        chat.put("reasoning_effort", think)
    elif request.flag("think") is False:
        chat.forbid_thinking()
    if streams(request):
        chat.put("stream", True)
        chat.put("stream_options", {"include_usage": True})


def model_of(request: Fields) -> str:
    """The model's name, without the tag that Ollama's clients add to names that have none."""
    return request.needed_text("model").removesuffix(":latest")


def shows_thinking(request: Fields) -> bool:
    """Whether the answer may hold what the model thinks: unless it was told not to think, as with Ollama."""
    return request.any("think") is not False


def streams(request: Fields) -> bool:
    """Whether the answer is a stream, as it is where nothing is said."""
    return request.flag("stream") is not False


def is_to_unload(request: Fields) -> bool:
    """Whether ``keep_alive`` says that the model is to go at once: 0, "0", "0s"."""
    kept = request.any("keep_alive")
    return kept == 0 if isinstance(kept, int | float) else isinstance(kept, str) and kept.rstrip("hms") == "0"


def images_of(holder: Fields) -> list[Part]:
    """The images that a message or a prompt has: base64 without a word on what they are, which their first bytes say."""
    return [image_part(_image_url(image)) for image in holder.texts("images")]


def _image_url(image: str) -> str:
    if image.startswith(("data:", "http://", "https://")):
        return image
    kind = next((kind for beginning, kind in _IMAGES.items() if image.startswith(beginning)), "jpeg")
    return f"data:image/{kind};base64,{image}"


def _format(request: Fields) -> dict[str, Any] | None:
    wanted = request.any("format")
    if wanted is None or wanted == "":
        return None
    if wanted == "json":
        return {"type": "json_object"}
    if not isinstance(wanted, dict):
        raise request.wrong("format", 'the text "json" or a JSON schema')
    return {"type": "json_schema", "json_schema": {"name": "output", "schema": wanted, "strict": True}}
