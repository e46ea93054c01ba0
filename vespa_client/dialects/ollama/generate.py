"""A request for ``/api/generate`` as a request for a chat completion."""

from __future__ import annotations

from ..chat_request import ChatRequest, text_part
from ..request_fields import Fields
from .options import add_options, images_of

__all__ = ["generate_request"]

_REFUSED = {
    "context": "holds tokens of an answer before, which the worker's model can't be given.",
    "raw": "asks for no chat template, and a chat completion always has one.",
    "suffix": "asks for what stands between two texts, and a chat completion has no place for it.",
    "template": "is a template of Ollama's own, and the worker's model has its own.",
}


def generate_request(request: Fields) -> ChatRequest:
    """The chat completion that the request asks for: its prompt is a user's message. Raises :class:`Untranslatable`."""
    for name, why in _REFUSED.items():
        if request.any(name):
            raise request.refused(name, why, hint="Leave it out, or ask /api/chat.")
    chat = ChatRequest()
    add_options(chat, request)
    system = request.text("system")
    if system:
        chat.add_system(system)
    prompt = request.text("prompt")
    chat.add_user(([text_part(prompt)] if prompt else []) + images_of(request))
    return chat
