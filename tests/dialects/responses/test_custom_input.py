"""The input of a custom tool comes out of its function's arguments while they come in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vespa_client.dialects.responses.custom_input import CustomInput


def read(parts: Sequence[str]) -> tuple[str, bool]:
    custom = CustomInput()
    so_far = "".join(custom.feed(part) for part in parts)
    last, was_whole = custom.end()
    return so_far + last, was_whole


@settings(max_examples=300)
@given(st.text(), st.booleans(), st.lists(st.integers(0, 200)))
def test_any_text_comes_out_as_it_was_however_it_is_cut(text: str, ascii_only: bool, places: list[int]) -> None:
    arguments = json.dumps({"input": text}, ensure_ascii=ascii_only)
    edges = [0, *sorted(min(place, len(arguments)) for place in places), len(arguments)]
    parts = [arguments[start:end] for start, end in pairwise(edges)]
    assert read(parts) == read(list(arguments)) == (text, True)


def test_the_text_goes_out_as_it_comes() -> None:
    custom = CustomInput()
    assert [custom.feed(part) for part in ('{ "inp', 'ut" : "ab', "c\\", "n", "\\ud83d", "\\ude00", '"', "}")] == [
        *("", "ab", "c", "\n", "", "\U0001f600", "", "")
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"patch": "x"}', ("x", True)),
        ('"x"', ("x", True)),
        ("", ("", False)),
        ("*** Begin", ("*** Begin", False)),
        ('{"a": 1, "b": 2}', ('{"a": 1, "b": 2}', True)),
        ('{"input": 5}', ('{"input": 5}', True)),
        ('{"input": "half', ("half", False)),
        ('{"input": "half\\', ("half\\", False)),
        ('{"input": "half\\u12', ("half\\u12", False)),
        ('{"input": "odd \\x"}', ("odd \\x", True)),
        ('{"input": "\\ud83d"}', ("\ud83d", True)),
        ('{"input": "a", "input": "b"}', ("a", True)),
        ("  " * 400 + '{"input": "late"}', ("late", True)),
    ],
)
def test_what_a_model_says_instead_is_made_the_best_of(arguments: str, expected: tuple[str, bool]) -> None:
    assert read([arguments]) == read(list(arguments)) == expected
