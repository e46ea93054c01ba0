"""Samples of JSON schemas, judged by another program: ``jsonschema``, and by the models that pydantic makes of them."""

from __future__ import annotations

import contextlib
import datetime
import enum
import json
import re
import uuid
from typing import Annotated, Any, Literal

import jsonschema
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vespa_client.sandbox.speech.pattern_sample import sample_pattern
from vespa_client.sandbox.speech.schema_sample import SchemaUnsatisfied, sample_schema


def check(schema: Any, seed: int | None = None) -> Any:
    value = sample_schema(schema, seed)
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    validator.validate(value)
    return value


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, "sample"),
        (True, "sample"),
        ({"type": "string"}, "sample"),
        ({"type": "string", "minLength": 20}, "sample sample sample"),
        ({"type": "string", "maxLength": 3}, "sam"),
        ({"type": "integer"}, 1),
        ({"type": "integer", "minimum": 3.5}, 4),
        ({"type": "integer", "exclusiveMinimum": 4}, 5),
        ({"type": "integer", "maximum": -3}, -3),
        ({"type": "integer", "minimum": 10, "multipleOf": 7}, 14),
        ({"type": "integer", "minimum": 2, "multipleOf": 1.5}, 3),
        ({"type": "number", "exclusiveMinimum": 1.5, "exclusiveMaximum": 1.75}, 1.625),
        ({"type": "number", "minimum": 0.3, "maximum": 0.5, "multipleOf": 0.125}, 0.375),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"const": {"a": 1}}, {"a": 1}),
        ({"enum": ["x", "y"]}, "x"),
        ({"type": "integer", "enum": ["x", 7]}, 7),
        ({"type": ["null", "string"]}, "sample"),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, 1),
        ({"type": "string", "oneOf": [{"maxLength": 2}, {"minLength": 20}]}, "sa"),
        ({"allOf": [{"type": "integer", "minimum": 2}, {"type": "number", "minimum": 5}]}, 5),
        ({"type": "array", "items": {"type": "integer"}}, [1]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 3, "uniqueItems": True}, [1, 2, 3]),
        ({"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 2, "uniqueItems": True}, ["a", "b"]),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 2, "uniqueItems": True}, [True, False]),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "null"}], "items": False}, [1, None]),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 0}, []),
        ({"type": "object"}, {}),
        ({"type": "object", "properties": {"city": {"type": "string"}}}, {"city": "sample city"}),
        ({"type": "object", "required": ["a"]}, {"a": "sample a"}),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, {"key1": 1}),
        ({"type": "object", "minProperties": 2}, {"key1": "sample key1", "key2": "sample key2"}),
        ({"type": "object", "patternProperties": {"^x-": {"type": "integer"}}, "additionalProperties": False}, {"x-": 1}),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "integer"}}}, 1),
        ({"properties": {"a": {"type": "object", "required": ["b"]}}}, {"a": {"b": "sample b"}}),
    ],
)
def test_samples(schema: Any, expected: Any) -> None:
    assert check(schema) == expected


@pytest.mark.parametrize("name", ["date-time", "date", "time", "email", "hostname", "ipv4", "ipv6", "uri", "uuid", "regex"])
def test_formats(name: str) -> None:
    check({"type": "string", "format": name})


def test_draft_4_and_openapi() -> None:
    assert sample_schema({"type": "integer", "minimum": 3, "exclusiveMinimum": True}) == 4
    assert sample_schema({"type": "string", "nullable": True}) == "sample"
    assert sample_schema({"type": "array", "items": [{"type": "integer"}, {"type": "null"}]}) == [1, None]


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (False, "allows nothing"),
        ({"enum": []}, "without a choice"),
        ({"type": "integer", "minimum": 1.2, "maximum": 1.8}, "within its bounds"),
        ({"type": "thing"}, "no type 'thing'"),
        ({"allOf": [{"type": "string"}, {"type": "null"}]}, "nothing is both"),
        ({"$ref": "#/$defs/none"}, "no such place"),
        ({"$ref": "https://example.com/schema"}, "in the schema itself"),
        ({"$ref": "#"}, "circle"),
        ({"properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "no end"),
        ({"type": "string", "pattern": r"(a)\1{3}b"}, "refers back"),
        ({"type": "string", "pattern": "("}, "no regular expression"),
        ({"type": "string", "minLength": 3, "maxLength": 2}, "3 to 2"),
        ({"type": "array", "minItems": 2, "items": False}, "too few"),
        (7, "must be an object"),
    ],
)
def test_what_cannot_be_satisfied_says_why(schema: Any, why: str) -> None:
    with pytest.raises(SchemaUnsatisfied, match=re.escape(why)):
        sample_schema(schema)


def test_a_schema_that_holds_itself_comes_to_an_end() -> None:
    node: Any = {"type": "object", "properties": {}, "required": ["name", "next", "children"]}
    node["properties"] = {
        "name": {"type": "string"},
        "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
        "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
        **{f"more{number}": {"$ref": "#/$defs/node"} for number in range(20)},
    }
    assert check({"$ref": "#/$defs/node", "$defs": {"node": node}})["next"]["name"] == "sample name"


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Cat(pydantic.BaseModel):
    kind: Literal["cat"]
    lives: Annotated[int, pydantic.Field(ge=1, le=9)]


class Dog(pydantic.BaseModel):
    kind: Literal["dog"]
    name: Annotated[str, pydantic.Field(pattern=r"^[A-Z][a-z]{2,8}$")]


class Household(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    id: uuid.UUID
    since: datetime.datetime
    colour: Colour
    pet: Cat | Dog = pydantic.Field(discriminator="kind")
    pets: list[Cat | Dog]
    nickname: str | None
    scores: dict[str, float]
    place: tuple[float, float]
    tags: set[str] = pydantic.Field(min_length=2)
    inner: Household | None = None


@pytest.mark.parametrize("seed", [None, *range(20)])
def test_pydantic_takes_what_is_made_of_its_schemas(seed: int | None) -> None:
    value = check(Household.model_json_schema(), seed)
    assert Household.model_validate(value).id
    assert sample_schema(Household.model_json_schema(), seed) == value


def test_seeds_differ() -> None:
    schema = {"enum": list(range(50))}
    assert sample_schema(schema) == 0
    assert len({sample_schema(schema, seed) for seed in range(20)}) > 5


KEYWORDS = (
    *("type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "properties", "required", "additionalProperties"),
    *("patternProperties", "minProperties", "items", "prefixItems", "minItems", "maxItems", "uniqueItems", "minLength"),
    *("maxLength", "pattern", "format", "minimum", "exclusiveMaximum", "multipleOf", "nullable"),
)
bounds = st.integers(-5, 5)
schemas = st.recursive(
    st.one_of(
        st.just({"type": "null"}),
        st.just({"type": "boolean"}),
        st.builds(lambda low, more: {"type": "integer", "minimum": low, "maximum": low + more}, bounds, st.integers(0, 9)),
        st.builds(
            lambda low, more: {"type": "number", "exclusiveMinimum": low, "exclusiveMaximum": low + more},
            bounds,
            bounds.map(abs).map(lambda more: more + 1),
        ),
        st.builds(
            lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more},
            st.integers(0, 40),
            st.integers(0, 9),
        ),
        st.builds(lambda values: {"enum": values}, st.lists(st.integers() | st.text() | st.none(), min_size=1)),
    ),
    lambda inner: st.one_of(
        st.builds(lambda items, least: {"type": "array", "items": items, "minItems": least}, inner, st.integers(0, 3)),
        st.builds(
            lambda members, names: {"type": "object", "properties": members, "required": [n for n in names if n in members]},
            st.dictionaries(st.text(max_size=3), inner, max_size=4),
            st.lists(st.text(max_size=3), max_size=3),
        ),
        st.builds(lambda one, two: {"anyOf": [one, two]}, inner, inner),
        st.builds(lambda one: {"allOf": [one, {}]}, inner),
    ),
    max_leaves=12,
)


@settings(max_examples=150)
@given(schemas, st.none() | st.integers(0, 99))
def test_any_schema_gets_what_it_allows(schema: Any, seed: int | None) -> None:
    check(schema, seed)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | st.just("#"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=4),
    max_leaves=15,
)


@settings(max_examples=300)
@given(values)
def test_whatever_is_said_to_be_a_schema_is_answered_or_refused(schema: Any) -> None:
    with contextlib.suppress(SchemaUnsatisfied):
        json.dumps(sample_schema(schema))


@pytest.mark.parametrize(
    "schema",
    [
        {"anyOf": [{"$ref": "#"}]},
        {"type": "string", "minLength": 10**12},
        {"type": "string", "minLength": 10**12, "pattern": "^abc$"},
        {"type": "string", "minLength": 10**12, "pattern": "^a*$"},
        {"type": "string", "pattern": "((a{9999}){9999}){9999}"},
        {"type": "array", "minItems": 10**12, "items": {"type": "null"}},
        {"type": "object", "minProperties": 10**12},
        {"type": "array", "minItems": 3, "uniqueItems": True, "items": {"type": "boolean"}},
        {"type": "array", "minItems": 3, "uniqueItems": True, "items": {"type": "string", "maxLength": 0}},
    ],
)
def test_what_would_take_all_memory_or_time_is_refused(schema: Any) -> None:
    with pytest.raises(SchemaUnsatisfied):
        sample_schema(schema)


@pytest.mark.parametrize(
    ("pattern", "least", "expected"),
    [
        ("", 0, ""),
        ("^abc$", 0, "abc"),
        (r"^\d{3}-\d{2,4}$", 0, "000-00"),
        (r"^\d{3}-\d{2,4}$", 8, "000-0000"),
        ("^[A-Z]{2}[0-9]+$", 6, "AA0000"),
        ("^(foo|bar)?x*y$", 4, "xxxy"),
        (r"^\w+@\w+\.com$", 0, "a@a.com"),
        ("^(?:a(?P<n>b))c$", 0, "abc"),
        ("^[^a-z]$", 0, "A"),
        (r"^[\w.-]+$", 3, "aaa"),
        (r"^\u0041\x42\/\$$", 0, "AB/$"),
        ("abc", 6, "abcaaa"),
        ("^a+?b$", 0, "ab"),
        (r"^\S\D\W$", 0, "aa "),
        ("^[]a]$", 0, "a"),
    ],
)
def test_patterns(pattern: str, least: int, expected: str) -> None:
    found = sample_pattern(pattern, least)
    assert re.search(pattern, found)
    assert len(found) >= least
    assert found == expected


@pytest.mark.parametrize("pattern", ["(", "^a{3}$", "a^b", r"(a)\1", r"[^\s\S]"])
def test_patterns_that_no_text_was_found_for(pattern: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        sample_pattern(pattern, 0, 2)
