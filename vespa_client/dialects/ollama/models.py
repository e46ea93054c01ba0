"""What Ollama's clients ask before they chat: which version, which models, and what one of them can do."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from ...errors import Untranslatable
from ..json_text import dump
from ..request_fields import read_request
from .lines import timestamp

__all__ = ["show", "tags", "version"]

# The first of Ollama's that had all of what is answered here, /v1/responses and /v1/messages included: clients ask for one.
_VERSION = "0.14.0"
_FAMILY = "unknown"
_DETAILS = {
    "parent_model": "",
    "format": "",
    "family": _FAMILY,
    "families": [_FAMILY],
    "parameter_size": "",
    "quantization_level": "",
}

# A model's name, and how many tokens its context holds, where that is known.
_Model = tuple[str, int | None]


def version() -> bytes:
    """The answer to ``GET /api/version``."""
    return dump({"version": _VERSION})


def tags(models: Iterable[_Model], created: int) -> bytes:
    """The answer to ``GET /api/tags``. The models are said to be of ``created``, in seconds since 1970."""
    return dump({"models": [_tag(name, created) for name, _ in models]})


def show(body: bytes | bytearray, models: Iterable[_Model], created: int) -> bytes | None:
    """The answer to ``POST /api/show``, or None where there is no such model: then it is a 404.

    Raises :class:`Untranslatable` where the request names none.
    """
    request = read_request(body)
    name = request.text("model") or request.text("name")
    if not name:
        raise Untranslatable("model is missing.", param="model")
    wanted = name.removesuffix(":latest")
    found = next((model for model in models if model[0] in (name, wanted)), None)
    return _shown(*found, created) if found else None


def _tag(name: str, created: int) -> dict[str, object]:
    return {
        "name": name,
        "model": name,
        "modified_at": timestamp(created),
        "size": 0,
        "digest": sha256(name.encode("utf-8", "replace")).hexdigest(),
        "details": _DETAILS,
    }


def _shown(name: str, context: int | None, created: int) -> bytes:
    info: dict[str, object] = {"general.architecture": _FAMILY, "general.basename": name}
    if context:
        info[f"{_FAMILY}.context_length"] = context
    return dump(
        {
            "modelfile": "",
            "parameters": "",
            "template": "",
            "details": _DETAILS,
            "model_info": info,
            "capabilities": ["completion", "tools"],
            "modified_at": timestamp(created),
        }
    )
