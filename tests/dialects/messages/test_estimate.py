"""What is counted without a model."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vespa_client.dialects.messages import count_tokens
from vespa_client.errors import Untranslatable


def counted(**request: Any) -> int:
    asked = {"model": "m", "messages": [{"role": "user", "content": "Hello, you."}], **request}
    answer = json.loads(count_tokens(json.dumps(asked).encode()))
    assert set(answer) == {"input_tokens"}
    return answer["input_tokens"]


def test_what_is_counted() -> None:
    plain = counted()
    assert plain == 7  # 11 characters, and 4 for the message
    assert counted(system="Be brief, please") == plain + 8
    assert counted(messages=[{"role": "user", "content": "漢" * 100}]) == 104
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 10_000}}
    assert counted(messages=[{"role": "user", "content": [image]}]) == 1604
    tool = {"name": "weather", "description": "x" * 400, "input_schema": {"type": "object"}}
    assert counted(tools=[tool]) > plain + 100
    assert counted(tools=[tool, {"type": "web_search_20250305", "name": "web_search"}]) == counted(tools=[tool])
    call = {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "b", "input": {"c": "d" * 400}}]}
    assert counted(messages=[{"role": "user", "content": "x"}, call]) > 100


@given(st.text())
def test_any_text_can_be_counted(text: str) -> None:
    assert counted(messages=[{"role": "user", "content": text}]) >= 4


def test_who_counts_nothing_is_told() -> None:
    with pytest.raises(Untranslatable):
        count_tokens(b'{"model": "m", "messages": []}')
