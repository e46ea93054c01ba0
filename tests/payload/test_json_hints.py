"""Hints for bodies that a shell has changed on their way."""

from __future__ import annotations

import pytest

from vespa_client.errors import BadRequest
from vespa_client.payload.json_body import check_body


@pytest.mark.parametrize(
    ("body", "said"),
    [
        # cmd.exe: curl -d '{"model": "m"}', which arrives with or without its blanks.
        (b"'{model: m, prompt: Hello}'", "cmd.exe knows none"),
        (b"'{model:", "cmd.exe knows none"),
        # PowerShell 5: curl.exe -d '{"model": "m"}'; bash: curl -d "{"model": "m"}".
        (b"{model: m, prompt: Hello}", "taken the double quotes away"),
        (b"{model:m}", "taken the double quotes away"),
        (b'{"model": m}', "taken the double quotes away"),
        (b"[a, b]", "taken the double quotes away"),
        # bash: curl -d '{\"model\": \"m\"}'.
        (b'{\\"model\\": \\"m\\"}', "a backslash before them"),
        ("{“model”: “m”}".encode(), "typographic"),
        ("{\u2018model\u2019: \u2018m\u2019}".encode(), "typographic"),
        (b"{'model': 'm'}", "single quotes, and JSON takes double"),
        (b"@body.json", "-d @body.json"),
        (b'{"stream": True}', "null, true and false"),
        (b'{"stop": None}', "null, true and false"),
        (b"model=m&prompt=Hello", "This is a form"),
        (b'{"model": "m",}', "Check quotes and commas"),
        (b'{"model" "m"}', "Check quotes and commas"),
        (b"{", "Check quotes and commas"),
    ],
)
def test_what_may_have_happened_is_said(body: bytes, said: str) -> None:
    with pytest.raises(BadRequest) as caught:
        check_body(body, "")
    assert caught.value.hint.startswith("Workers take JSON alone. ")
    assert said in caught.value.hint
    # cmd.exe has no single quotes to put something into.
    assert "in single quotes" not in caught.value.hint
