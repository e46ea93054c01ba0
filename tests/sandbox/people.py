"""What the libraries are asked for: a model with a pattern, bounds, a list and an optional member."""

from __future__ import annotations

import pydantic

__all__ = ["Address", "Person"]


class Address(pydantic.BaseModel):
    """Where somebody lives."""

    street: str
    number: int = pydantic.Field(ge=1, le=999)


class Person(pydantic.BaseModel):
    """Somebody."""

    name: str = pydantic.Field(pattern=r"^[A-Z][a-z]+$")
    addresses: list[Address]
    nickname: str | None = None
