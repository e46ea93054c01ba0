"""Routes that a worker doesn't have: when its answer says no more than that, and what is to be said instead. Pure.

People meet such an answer as "Error code: 404", and mostly the base URL of their app is a little off.
"""

from __future__ import annotations

import json
import re

from ..errors import WorkerFailed
from ..http1.fields import Fields, field_value

__all__ = ["LONGEST_BARE", "is_about_a_route", "is_bare", "may_be_bare", "no_such_route"]

LONGEST_BARE = 4096
"""A page that says no more than its status isn't longer than this, in bytes."""

_LONGEST_SAID = 400
# Of OpenAI's and Anthropic's APIs, and what vLLM, SGLang, llama.cpp, TGI, Ollama and ComfyUI's workers have beside those.
_VERSIONED = (
    r"(?:chat/completions|completions|responses|messages|embeddings|models|moderations|files|batches|rerank|score|videos"
    r"|audio/(?:speech|transcriptions|translations)|images/(?:generations|edits|variations))"
)
_OTHERS = r"(?:tokenize|detokenize|generate|generate_stream|generate/sync|api/(?:chat|generate|embed|embeddings|tags|show))"
_SDK_ROUTE = re.compile(rf"/v[0-9][a-z0-9]*(?:/|\Z)|/(?:{_VERSIONED}|{_OTHERS})/?\Z", re.IGNORECASE)

_MARKUP = re.compile(r"<!--.*?-->|<(style|script|head)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_SAYS_SO = re.compile(
    r"\b40[45]\b|not found|not allowed|cannot (?:get|post|put|patch|delete|head)|no (?:such )?route", re.IGNORECASE
)
_WORD = re.compile(r"[^\W\d_]+")
# All that such pages say, in any order: of aiohttp, nginx, Apache, Starlette (uvicorn), Werkzeug, Express, Go, Django and more.
_VOCABULARY = """
    a again allowed an and any apache at be but caddy cannot check code could debian delete does doesn either endpoint
    entered error exist explanation failed file for found from get given go gone gunicorn has have head here http https if
    in invalid is it its known lighttpd manually match matched matches message method methods missing must nginx no not
    nothing of on oops openresty or page patch path please port post put request requested resource response route s server
    sorry spelling status such supported t tengine that the there this to tornado try type ubuntu unix unknown unsupported
    uri url use used uvicorn valid was we were werkzeug with you your
"""
_WORDS = frozenset(_VOCABULARY.split())


def is_about_a_route(status: int, path: str) -> bool:
    """Whether an error of that status is about a route that SDKs ask for: people see it as an error of theirs."""
    return status in (404, 405) and bool(_SDK_ROUTE.search(path))


def may_be_bare(status: int, fields: Fields, path: str) -> bool:
    """Whether an answer with that head may be one for which :func:`is_bare` is to be asked. ``path`` is without the query."""
    return is_about_a_route(status, path) and "json" not in field_value(fields, "content-type").lower()


def is_bare(text: str, path: str) -> bool:
    """Whether the body of a 404 or 405 says no more than its status: short, no JSON, and without a word of its own."""
    if len(text) > LONGEST_BARE or _is_json(text):
        return False
    said = " ".join(_MARKUP.sub(" ", text).replace(path, " ").split())
    if not said:
        return True
    if len(said) > _LONGEST_SAID or not _SAYS_SO.search(said):
        return False
    return all(word.lower() in _WORDS for word in _WORD.findall(re.sub(r"[/(][0-9.]+\S*|\bport [0-9]+", " ", said)))


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list | str)
    except (ValueError, RecursionError):
        return False


def no_such_route(status: int, method: str, path: str, *, retried: bool) -> WorkerFailed:
    """The error for it, with what is off about the path. ``path`` is without the query."""
    shown = path if len(path) <= 200 else f"{path[:200]}…"
    mistake, advice = _mistake(path)
    if mistake:
        message = f"The worker has no route {method} {shown} ({status}): {mistake}."
        return WorkerFailed(message, hint=advice, status=status, retried=retried)
    message = f"The worker has no route {method} {shown}, and answered {status}."
    if status == 405 and method != "POST":
        message = f"The worker takes no {method} at {shown} ({status})."
    return WorkerFailed(message, hint=_usual(method, path), status=status, retried=retried)


def _mistake(path: str) -> tuple[str, str]:
    """What is off about the path, as a clause, and what to do; both empty where nothing is seen."""
    for pattern, mistake, advice in _MISTAKES:
        match = pattern.search(path)
        if match:
            named = {name: value for name, value in match.groupdict().items() if value}
            return mistake.format_map(named), advice.format_map(named)
    return "", ""


_MISTAKES = [
    (re.compile(pattern, re.IGNORECASE), mistake, advice)
    for pattern, mistake, advice in (
        (
            r"/(?P<version>v[0-9]+)/+(?P=version)(?:/|\Z)",
            "/{version} stands in it twice",
            "The base URL of your app ends in /{version}, and the app adds /{version} itself: take it off the base URL.",
        ),
        (
            rf"(?P<route>(?:/v[0-9]+)?/{_VERSIONED})/*(?P<added>(?:/v[0-9]+)?/(?:{_VERSIONED}))(?:/|\Z)",
            "a route stands behind another one",
            "The base URL of your app is that of a route, {route}, and the app adds {added} to it: end the base URL with the "
            "port and /v1, or with the port alone where the app adds /v1 itself.",
        ),
        (
            rf"\A/+{_VERSIONED}(?:/|\Z)",
            "/v1 is missing in front",
            "Have the base URL of your app end with /v1 behind the port, as in http://localhost:8010/v1.",
        ),
        (
            r"//",
            "there are two slashes in a row",
            "The base URL of your app ends in a slash, and the app adds one: take it off the base URL.",
        ),
        (
            r"/openai/deployments/",
            "that is how Azure's SDK asks",
            "Use the plain OpenAI client of your SDK, with a base URL that ends in /v1.",
        ),
        (
            rf"\A(?P<before>/.+?)(?P<route>/v[0-9]+/{_VERSIONED})/?\Z",
            "{before} stands in front of {route}",
            "Have the base URL of your app begin its path with /v1, right behind the port.",
        ),
        (
            rf"(?P<route>/v[0-9]+/{_VERSIONED})/\Z",
            "it ends in a slash",
            "Take the slash off: the route is {route}.",
        ),
    )
]


def _usual(method: str, path: str) -> str:
    usual = (
        "Official workers usually have POST /v1/completions and /v1/chat/completions, ComfyUI's have POST /generate/sync, and "
        "their operator may have added others, such as /v1/embeddings"
    )
    if re.search(r"/models(?:/|\Z)", path):
        return f"{usual}; a list of models they have not, so give the model's name in your app yourself."
    if re.search(r"/(?:messages|responses)(?:/|\Z)", path):
        return f"{usual}; this one they have only where it was added, so use chat completions, or add it to the worker."
    if method != "POST":
        return f"{usual}. They know POST alone."
    return f"{usual}. Which paths there are is decided by the worker's own configuration."
