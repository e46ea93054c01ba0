"""The status page's files: HTML, CSS and JavaScript, as they lie in ``web/``. There is nothing secret in them."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

from .answer import PageAnswer

__all__ = ["PAGE", "asset", "asset_names"]

PAGE = "page.html"
"""The file that is the page itself."""

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
# All that the page needs is here, and nothing that it is told can become a script: no markup is ever made of text.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_FOLDER = files(__package__).joinpath("web")
_FIELDS = [("Cross-Origin-Opener-Policy", "same-origin"), ("Cross-Origin-Resource-Policy", "same-origin")]


@lru_cache(maxsize=1)
def asset_names() -> frozenset[str]:
    """The files' names, such as ``style/page.css``. A request's path is compared with them, and never made into a file's."""
    found = []
    for entry in _FOLDER.iterdir():
        found += [f"{entry.name}/{inner.name}" for inner in entry.iterdir()] if entry.is_dir() else [entry.name]
    return frozenset(name for name in found if name.rpartition(".")[2] in _TYPES)


@lru_cache(maxsize=64)
def asset(name: str) -> PageAnswer:
    """The file of that name, one of :func:`asset_names`."""
    body = _FOLDER.joinpath(name).read_bytes()
    return PageAnswer(body, _TYPES[name.rpartition(".")[2]], policy=_POLICY, fields=_FIELDS)
