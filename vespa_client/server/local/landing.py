"""What is at ``/``: for a person in a browser, one page; for a program, the same as JSON."""

from __future__ import annotations

import html

from ...http1.fields import Fields, field_value
from .answer import LocalAnswer, json_answer

__all__ = ["landing"]

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>vespa_client</title>
<style>
  :root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }}
  body {{ max-width: 42rem; margin: 3rem auto; padding: 0 1rem; }}
  code, pre {{ font-family: ui-monospace, monospace; }}
  pre {{ padding: 1rem; border: 1px solid; border-radius: .5rem; overflow-x: auto; }}
</style>
</head>
<body>
<h1>vespa_client</h1>
<p>This is a local proxy for the Vast.ai serverless endpoint <strong>{endpoint}</strong>. It runs, and it has woken no worker
for this page.</p>
<p>Give your app this base URL, and any text as the API key{key}:</p>
<pre>http://{host}/v1</pre>
<p>Anthropic's SDK, Claude Code and Ollama's clients take it without <code>/v1</code>:</p>
<pre>http://{host}</pre>
<p>The model is known as <code>{model}</code>. What the proxy is doing is shown at <a href="/_vespa/">/_vespa/</a>.</p>
</body>
</html>
"""
_STYLE_POLICY = (
    "Content-Security-Policy",
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
)


def landing(asked: Fields, endpoint_name: str, model: str, *, wants_key: bool) -> LocalAnswer:
    """The answer to ``GET /``. Ollama's clients look for their own greeting."""
    if field_value(asked, "user-agent").lower().startswith("ollama"):
        return LocalAnswer("ollama", 200, "text/plain; charset=utf-8", b"Ollama is running")
    host = field_value(asked, "host") or "localhost"
    if "text/html" not in field_value(asked, "accept").lower():
        told = {"name": "vespa_client", "endpoint": endpoint_name, "base_url": f"http://{host}/v1", "model": model}
        return json_answer("landing", told)
    page = _PAGE.format(
        endpoint=html.escape(endpoint_name),
        host=html.escape(host),
        model=html.escape(model),
        key=" (this proxy asks for its own key)" if wants_key else "",
    )
    return LocalAnswer("landing", 200, "text/html; charset=utf-8", page.encode(), (_STYLE_POLICY,))
