"""A value that a JSON schema allows, as a model with structured outputs would write one. Pure."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from fractions import Fraction
from typing import Any
from urllib.parse import unquote

from .pattern_sample import sample_pattern

__all__ = ["SchemaUnsatisfied", "sample_schema"]

_Schema = dict[str, Any]

_FORMATS = {
    "date-time": "2026-01-31T12:30:00Z",
    "date": "2026-01-31",
    "time": "12:30:00Z",
    "duration": "PT1H30M",
    "email": "sample@example.com",
    "idn-email": "sample@example.com",
    "hostname": "example.com",
    "idn-hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "ipvanyaddress": "192.0.2.1",
    "uri": "https://example.com/sample",
    "url": "https://example.com/sample",
    "iri": "https://example.com/sample",
    "uri-reference": "/sample",
    "iri-reference": "/sample",
    "uri-template": "https://example.com/{sample}",
    "uuid": "123e4567-e89b-42d3-a456-426614174000",
    "json-pointer": "/sample",
    "relative-json-pointer": "0/sample",
    "regex": "sample",
    "byte": "c2FtcGxl",
    "base64": "c2FtcGxl",
    "binary": "sample",
    "password": "sample",
}
# The keywords that say which type is meant where no "type" does.
_TYPE_OF = {
    **dict.fromkeys(("properties", "required", "additionalProperties", "patternProperties", "minProperties"), "object"),
    **dict.fromkeys(("items", "prefixItems", "minItems", "maxItems", "uniqueItems"), "array"),
    **dict.fromkeys(("minLength", "maxLength", "pattern", "format"), "string"),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), "number"),
}
_SIMPLE = ("null", "boolean", "integer", "number", "string")
# From here on only what has to be there is written, so that a schema that holds itself comes to an end.
_DEEP = 8
_MANY = 300
_TOO_DEEP = 60
_TOO_MANY = 20_000
_TOO_LONG = 1_000_000


class SchemaUnsatisfied(ValueError):
    """No value was found that the schema allows. The text says where."""


def sample_schema(schema: Any, seed: int | None = None) -> Any:
    """A value that ``schema`` (a JSON schema as pydantic, zod or a person write it) allows.

    Optional members are there too, and the first of several choices is taken; with ``seed``, any of them, the same one
    each time. What is read: type (a list too), const, enum, properties, required, additionalProperties,
    patternProperties, minProperties, items, prefixItems, minItems, maxItems, uniqueItems, minLength, maxLength, pattern,
    format, the bounds of numbers, multipleOf, nullable, $ref within the schema, allOf, anyOf, oneOf. Raises
    :class:`SchemaUnsatisfied` where there is none, or none so simple.
    """
    try:
        return _Sampler(schema, seed).value(schema, "", 0)
    except SchemaUnsatisfied:
        raise
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RecursionError):
        raise SchemaUnsatisfied("a keyword has a value that it can't have") from None


class _Sampler:
    def __init__(self, root: Any, seed: int | None) -> None:
        self._root = root
        self._random = None if seed is None else random.Random(seed)
        self._count = 0

    def value(self, schema: Any, name: str, depth: int) -> Any:
        """A value for the member called ``name``, which lies ``depth`` objects and lists deep."""
        self._count += 1
        if depth > _TOO_DEEP or self._count > _TOO_MANY:
            raise SchemaUnsatisfied(f"{name or 'the schema'}: it has no end")
        schema = self._flat(schema, 0)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._of_enum(schema, name)
        for keyword in ("anyOf", "oneOf"):
            if schema.get(keyword):
                return self._of_variants(schema, keyword, name, depth)
        kind = self._kind(schema, depth)
        if kind == "object":
            return self._object(schema, name, depth)
        if kind == "array":
            return self._array(schema, name, depth)
        if kind == "string":
            return _string(schema, name)
        if kind in ("integer", "number"):
            return _number(schema, kind == "integer", name)
        if kind == "boolean":
            return self._choose([True, False])
        if kind == "null":
            return None
        raise SchemaUnsatisfied(f"{name or 'the schema'}: there is no type {kind!r}")

    def _is_deep(self, depth: int) -> bool:
        return depth >= _DEEP or self._count > _MANY

    def _choose(self, options: list[Any]) -> Any:
        return options[0] if self._random is None else self._random.choice(options)

    def _flat(self, schema: Any, seen: int) -> _Schema:
        """The schema with what it refers to, and all that it asks for at once, put together."""
        if schema is True:
            return {}
        if schema is False or not isinstance(schema, dict):
            raise SchemaUnsatisfied("a schema that allows nothing" if schema is False else "a schema must be an object")
        if seen > _TOO_DEEP:
            raise SchemaUnsatisfied("a $ref that leads in a circle")
        flat = dict(schema)
        parts = list(flat.pop("allOf", None) or [])
        if "$ref" in flat:
            parts.insert(0, self._found(flat.pop("$ref")))
        for part in parts:
            flat = _merged(self._flat(part, seen + 1), flat)
        return flat if "allOf" not in flat else self._flat(flat, seen + 1)

    def _found(self, reference: Any) -> Any:
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise SchemaUnsatisfied(f"$ref {reference!r}: only what is in the schema itself is found")
        found = self._root
        for step in reference[1:].split("/")[1:]:
            step = unquote(step).replace("~1", "/").replace("~0", "~")
            try:
                found = found[int(step)] if isinstance(found, list) else found[step]
            except (KeyError, IndexError, TypeError, ValueError):
                raise SchemaUnsatisfied(f"$ref {reference!r}: there is no such place") from None
        return found

    def _of_enum(self, schema: _Schema, name: str) -> Any:
        kinds = _kinds(schema)
        options = [one for one in schema["enum"] if not kinds or _has_kind(one, kinds)]
        if not options:
            raise SchemaUnsatisfied(f"{name or 'the schema'}: an enum without a choice")
        return self._choose(options)

    def _of_variants(self, schema: _Schema, keyword: str, name: str, depth: int) -> Any:
        rest = {key: value for key, value in schema.items() if key != keyword}
        variants = list(schema[keyword])
        if self._random is not None:
            self._random.shuffle(variants)
        # None is last, so that an optional member is there; where the end is wanted, first.
        variants.sort(key=lambda variant: self._weight(variant, depth))
        problem = SchemaUnsatisfied(f"{name or 'the schema'}: {keyword} without a choice")
        for variant in variants:
            try:
                return self.value(_merged(self._flat(variant, 0), rest), name, depth + 1)
            except SchemaUnsatisfied as found:
                problem = found
        raise problem

    def _weight(self, variant: Any, depth: int) -> int:
        try:
            kinds = _kinds(self._flat(variant, 0))
        except SchemaUnsatisfied:
            return 3
        if self._is_deep(depth):
            return 0 if set(kinds) & set(_SIMPLE) else 1
        return int(kinds == ["null"])

    def _kind(self, schema: _Schema, depth: int) -> str:
        kinds = _kinds(schema) or list(dict.fromkeys(_TYPE_OF[key] for key in schema if key in _TYPE_OF)) or ["string"]
        if self._is_deep(depth):
            kinds.sort(key=lambda kind: _SIMPLE.index(kind) if kind in _SIMPLE else len(_SIMPLE))
            return str(kinds[0])
        return str(self._choose([kind for kind in kinds if kind != "null"] or kinds))

    def _object(self, schema: _Schema, name: str, depth: int) -> dict[str, Any]:
        properties = schema.get("properties") or {}
        required = list(schema.get("required") or [])
        others = schema.get("additionalProperties", True)
        made: dict[str, Any] = {}
        for key in dict.fromkeys([*properties, *required]):
            if key not in required and self._is_deep(depth):
                continue
            try:
                made[key] = self.value(properties.get(key, others), key, depth + 1)
            except SchemaUnsatisfied:
                if key in required:
                    raise
        for key, kind in self._further(schema, others, made, depth):
            made[key] = self.value(kind, key, depth + 1)
        if len(made) < int(schema.get("minProperties", 0)):
            raise SchemaUnsatisfied(f"{name or 'the schema'}: too few members are allowed")
        return made

    def _further(self, schema: _Schema, others: Any, made: dict[str, Any], depth: int) -> Iterator[tuple[str, Any]]:
        """The members that have no name of their own: as many as there must be, and one where there are no others."""
        least = int(schema.get("minProperties", 0)) - len(made)
        wanted = max(least, int(not made and not self._is_deep(depth) and others is not True))
        for pattern, kind in (schema.get("patternProperties") or {}).items():
            if wanted > 0:
                wanted -= 1
                yield _of_pattern(pattern, 0, None), kind
        if others is not False:
            fresh = (key for number in itertools.count(1) if (key := f"key{number}") not in made)
            yield from ((key, others) for key in itertools.islice(fresh, max(wanted, 0)))

    def _array(self, schema: _Schema, name: str, depth: int) -> list[Any]:
        leading = schema.get("prefixItems") or []
        items = schema.get("items", True)
        if isinstance(items, list):  # before draft 2020-12, tuples were written so
            leading, items = items, schema.get("additionalItems", True)
        least, most = int(schema.get("minItems", 0)), schema.get("maxItems")
        usual = 0 if self._is_deep(depth) or (items is True and "items" not in schema) else 1
        length = max(least, usual, 0 if self._is_deep(depth) else len(leading))
        if items is False:
            length = min(length, len(leading))
        if most is not None:
            length = min(length, int(most))
        if length < least:
            raise SchemaUnsatisfied(f"{name or 'the schema'}: too few items are allowed")
        made: list[Any] = []
        for index in range(length):
            kind = leading[index] if index < len(leading) else items
            made.append(self._item(kind, name, depth, made) if schema.get("uniqueItems") else self.value(kind, name, depth + 1))
        return made

    def _item(self, schema: Any, name: str, depth: int, others: list[Any]) -> Any:
        """An item that isn't among the others."""
        flat = self._flat(schema, 0)
        if "enum" in flat:
            options = [one for one in flat["enum"] if one not in others]
            return self._of_enum({**flat, "enum": options}, name)
        value = self.value(flat, name, depth + 1)
        if value not in others:
            return value
        if isinstance(value, str):
            options = [value + str(len(others)), value[:-1] + str(len(others) % 10)]
            fitting = [one for one in options if len(one) <= flat.get("maxLength", math.inf) and one not in others]
            return fitting[0]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return value + len(others) * flat.get("multipleOf", 1)
        for seed in range(50):
            value = _Sampler(self._root, seed).value(flat, f"{name} {seed}", depth + 1)
            if value not in others:
                return value
        raise SchemaUnsatisfied(f"{name or 'the schema'}: no further item differs from the others")


def _kinds(schema: _Schema) -> list[str]:
    kind = schema.get("type")
    kinds = list(kind) if isinstance(kind, list) else [kind] if kind is not None else []
    return [*kinds, "null"] if kinds and schema.get("nullable") is True else kinds


def _has_kind(value: Any, kinds: list[str]) -> bool:
    if isinstance(value, bool) or value is None:
        return ("null" if value is None else "boolean") in kinds
    if isinstance(value, (int, float)):
        return "number" in kinds or ("integer" in kinds and float(value).is_integer())
    return ("string" if isinstance(value, str) else "array" if isinstance(value, list) else "object") in kinds


def _merged(one: _Schema, other: _Schema) -> _Schema:
    """A schema that allows what both allow."""
    merged = {**one, **other}
    for key in set(one) & set(other):
        mine, theirs = one[key], other[key]
        if key in ("properties", "patternProperties"):
            both = {name: {"allOf": [mine[name], theirs[name]]} for name in set(mine) & set(theirs)}
            merged[key] = {**mine, **theirs, **both}
        elif key == "required":
            merged[key] = list(dict.fromkeys([*mine, *theirs]))
        elif key == "enum":
            merged[key] = [value for value in mine if value in theirs]
        elif key == "type":
            merged[key] = _common_kinds(_kinds(one), _kinds(other))
        elif key in ("anyOf", "oneOf"):
            merged[key] = [{"allOf": [a, b]} for a in mine for b in theirs]
        elif key in ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"):
            merged[key] = max(mine, theirs)
        elif key in ("maximum", "exclusiveMaximum", "maxLength", "maxItems"):
            merged[key] = min(mine, theirs)
        elif key in ("additionalProperties", "items") and False in (mine, theirs):
            merged[key] = False
        elif key == "items" and mine != theirs:
            merged[key] = {"allOf": [mine, theirs]}
    return merged


def _common_kinds(one: list[str], other: list[str]) -> list[str]:
    common = [kind for kind in one if kind in other]
    if "integer" not in common and {"integer", "number"} <= {*one, *other}:
        common.append("integer")
    if not common:
        raise SchemaUnsatisfied(f"nothing is both {' or '.join(one)} and {' or '.join(other)}")
    return common


def _string(schema: _Schema, name: str) -> str:
    least, most = int(schema.get("minLength", 0)), schema.get("maxLength")
    if schema.get("pattern"):
        return _of_pattern(schema["pattern"], least, most)
    text = _FORMATS.get(schema.get("format", "")) or f"sample {name}".rstrip()
    if least > _TOO_LONG or (most is not None and most < least):
        raise SchemaUnsatisfied(f"{name or 'the schema'}: a text of {least} to {most} letters")
    while len(text) < least:
        text += f" {text}"[: least - len(text)]
    return text if most is None else text[: int(most)]


def _of_pattern(pattern: Any, least: int, most: int | None) -> str:
    try:
        return sample_pattern(str(pattern), least, most)
    except (ValueError, RecursionError) as problem:
        raise SchemaUnsatisfied(f"the pattern {pattern!r}: {problem}") from None


def _number(schema: _Schema, whole: bool, name: str) -> int | float:
    low, low_open = _bound(schema, "minimum", "exclusiveMinimum", max)
    high, high_open = _bound(schema, "maximum", "exclusiveMaximum", min)
    step = Fraction(str(schema["multipleOf"])) if schema.get("multipleOf") else None
    if whole:
        step = Fraction(step.numerator if step else 1)

    def fits(number: Fraction) -> bool:
        above = low is None or number > low or (number == low and not low_open)
        below = high is None or number < high or (number == high and not high_open)
        return above and below and (step is None or not number % step)

    wanted = [Fraction(1), *(bound for bound in (low, high) if bound is not None), Fraction(0)]
    if low is not None and high is not None:
        wanted.insert(1, (low + high) / 2)
    for number in wanted:
        near = number if step is None else math.floor(number / step) * step
        stride = step or Fraction(1)
        for candidate in (near, near + stride, near - stride):
            if fits(candidate):
                return int(candidate) if candidate.denominator == 1 else float(candidate)
    raise SchemaUnsatisfied(f"{name or 'the schema'}: no number is within its bounds")


def _bound(schema: _Schema, inclusive: str, exclusive: str, tighter: Any) -> tuple[Fraction | None, bool]:
    """The bound on one side, and whether it itself is left out. Draft 4 has a boolean beside the bound."""
    bound, other = schema.get(inclusive), schema.get(exclusive)
    if isinstance(other, bool):
        bound, other = (None, bound) if other else (bound, None)
    ends = [Fraction(str(one)) for one in (bound, other) if one is not None]
    if not ends:
        return None, False
    end = tighter(ends)
    return end, other is not None and Fraction(str(other)) == end
