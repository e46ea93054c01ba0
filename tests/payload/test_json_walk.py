"""Bodies that are large and dense: told from what is no JSON as the standard library does it, and holding nobody up."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vespa_client import VastClient
from vespa_client.errors import BadRequest
from vespa_client.payload import json_body
from vespa_client.payload.json_walk import MAX_DEPTH, walk
from vespa_client.sandbox import Sandbox

from ..support.raw_worker import connect, get, post
from ..support.waiting import LONG

NONE = "no JSON"

SCALARS = ["true", "false", "null", "0", "-0", "17", "-1.50e-7", "1E+2", "1e400", "7" * 5000, '""', '"text"']
STRINGS = [
    '"stream"',
    '"str\\u0065am"',
    '"STREAM"',
    '"stream "',
    '"\\"stream"',
    '"\\ud83d"',
    '"caf\xc3\xa9"',
    '"\x7f"',
    '"\\\\"',
]
WRONG = [
    "NaN",
    "Infinity",
    "-Infinity",
    "01",
    "1.",
    ".5",
    "+1",
    "-",
    "1e",
    "True",
    "tru",
    "'a'",
    '"',
    '"\\x"',
    '"\x01"',
    "\xa0",
    "\x0b",
]
SIGNS = ["[", "]", "{", "}", ",", ":", " ", "\t\r\n"]
TOKENS = st.sampled_from([*SCALARS, *STRINGS, *WRONG, *SIGNS])
SPACE = st.sampled_from(["", "", " ", "\n\t", " \r\n "])


def spaced(parts: list[str], spaces: list[str]) -> str:
    return "".join(space + part for space, part in zip(spaces * len(parts), parts, strict=False)) + spaces[0]


def array(items: list[str], spaces: list[str]) -> str:
    parts = [part for item in items for part in (item, ",")]
    return spaced(["[", *parts[:-1], "]"], spaces)


def object_(members: list[tuple[str, str]], spaces: list[str]) -> str:
    parts = [part for name, value in members for part in (name, ":", value, ",")]
    return spaced(["{", *parts[:-1], "}"], spaces)


SPACES = st.lists(SPACE, min_size=1, max_size=4)
NAMES = st.sampled_from([*STRINGS, '"stream"', '""', '"a"'])
VALUES = st.recursive(
    st.sampled_from([*SCALARS, *STRINGS, "true"]),
    lambda inner: (
        st.builds(array, st.lists(inner, max_size=5), SPACES)
        | st.builds(object_, st.lists(st.tuples(NAMES, inner), max_size=5), SPACES)
    ),
    max_leaves=12,
)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A text that was JSON, with something else in one place."""
    text = draw(VALUES)
    start = draw(st.integers(0, len(text)))
    return text[:start] + draw(TOKENS) + text[start + draw(st.integers(0, 2)) :]


def walked(text: str) -> bool | str:
    """Whether the text says that it streams, or that it is no JSON."""
    try:
        return walk(text)
    except json.JSONDecodeError as problem:
        assert 0 <= problem.pos <= len(text)
        return NONE


def decoded(text: str) -> bool | str:
    """The same by the standard library's decoder, as smaller bodies are checked."""
    try:
        parsed = json_body._DECODER.decode(text)
    except (json.JSONDecodeError, BadRequest):
        return NONE
    return isinstance(parsed, dict) and parsed.get("stream") is True


@settings(max_examples=300)
@given(VALUES | damaged() | st.lists(TOKENS, max_size=12).map("".join))
@example('{"stream": true, "stream": false}')
@example('{"stream": false, "stream": true}')
@example('{"str\\u0065am": true}')
@example('{"a": {"stream": true}}')
@example('{"stream": {"stream": true}}')
@example('{"stream": true, "a": {"stream": false}}')
@example('[{"stream": true}]')
@example('{"stream": "true"}')
@example('{"stream": truer}')
@example('{"a": 1, "stream": true,}')
@example("[1, 2,]")
@example("[1 2]")
@example("\xa0[]")
@example("[1,\x0b2]")
@example("[[1\x0c, 2]]")
@example('{"a":\x85{"b":\xa01, "c": 2}}')
@example("[" + "1," * 500 + "NaN]")
@example("[[" + "1," * 500 + "[Infinity]]]")
@example('{"a": {' + '"b": 1,' * 500 + '"c": -Infinity}}')
def test_it_takes_and_refuses_what_the_standard_library_does(text: str) -> None:
    assert walked(text) == decoded(text)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a": -Infinity}', '{"stream": NaN}'])
def test_what_is_no_number_is_refused(text: str) -> None:
    assert walked(text) == NONE


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"stream":', "}]")])
def test_how_deep_it_goes_has_a_limit(opening: str, closing: str) -> None:
    levels = MAX_DEPTH // (opening.count("[") + opening.count("{"))
    assert MAX_DEPTH == 900
    assert not walk(opening * levels + "true" + closing * levels)
    with pytest.raises(RecursionError):
        walk(opening * levels + "[]" + closing * levels)
    # Beside each other is not inside each other.
    assert not walk("[" + ",".join(["[[]]"] * (2 * MAX_DEPTH)) + "]")


BRACKETS = b'["' + b"x" * (2 << 20) + b'",' + b"[]," * (2 * json_body._MANY)
"""A body of some megabytes, and more values than are decoded in one go."""


def test_brackets_are_many_values() -> None:
    assert len(BRACKETS) > json_body._LARGE
    assert BRACKETS.count(b"[") > json_body._MANY


def test_others_are_answered_while_a_large_bad_body_is_checked(
    start_proxy: Callable[..., VastClient], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    being_checked = threading.Event()
    has_many = json_body._has_many

    def look(text: str, sign: str) -> bool:
        found = has_many(text, sign)
        if found:
            being_checked.set()
        return found

    monkeypatch.setattr(json_body, "_has_many", look)
    proxy = start_proxy()
    with connect(proxy.url) as other, connect(proxy.url) as bad:
        # Each has its thread, and the way to the worker is open.
        other.send(get("/v1/models"))
        assert other.message().status == 200
        bad.send(post(BRACKETS + b"x]"))
        assert being_checked.wait(LONG)
        for _ in range(2):
            other.send(get("/v1/models"))
            assert other.message().status == 200
            assert bad.is_silent(0.001), "the other one had to wait until the body was checked"
        assert not bad.is_silent(3 * LONG)
        got = bad.message()
        assert (got.status, got.error["code"]) == (400, "bad_request")
        assert f"at byte {len(BRACKETS)} " in got.error["message"]
    assert len(sandbox.autoscaler.routes) == 3
