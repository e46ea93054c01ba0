"""The content blocks of Anthropic's Messages as the parts of a chat message: text and images."""

from __future__ import annotations

from collections.abc import Iterator

from ..chat_request import Part, image_part, text_part
from ..request_fields import Fields

__all__ = ["blocks", "parts_of", "texts"]


_NO_STORE = "refers to a file that Anthropic keeps, and nothing is kept here."


def blocks(holder: Fields, name: str = "content") -> Iterator[tuple[str, Fields]]:
    """The blocks of a message's or a tool result's content, each with its type. A string is one block of text."""
    content = holder.any(name)
    if isinstance(content, str):
        yield "text", Fields({"type": "text", "text": content}, holder.where(name))
        return
    if content is not None and not isinstance(content, list):
        raise holder.wrong(name, "a text or a list of blocks")
    for block in holder.objects(name):
        yield block.needed_text("type"), block


def texts(holder: Fields, name: str = "content") -> list[str]:
    """The texts of content in which nothing but text may stand."""
    found = []
    for kind, block in blocks(holder, name):
        if kind != "text":
            raise block.refused("type", f"is {kind!r}, and only text can stand here.")
        found.append(block.needed_text("text"))
    return found


def parts_of(kind: str, block: Fields) -> list[Part]:
    """What a block that a user or a tool may send says. One without a word has no part."""
    if kind == "text":
        return _text(block.needed_text("text"))
    if kind == "image":
        return [image_part(_image_url(block))]
    if kind == "document":
        return _document(block)
    if kind == "search_result":
        return _text("\n".join([block.needed_text("title"), block.needed_text("source"), *texts(block)]))
    if kind == "tool_reference":
        return _text(f"The tool {block.needed_text('tool_name')} is available.")
    raise block.refused("type", f"is {kind!r}, and a chat completion has no place for it.", hint="Leave the block out.")


def _text(text: str) -> list[Part]:
    return [text_part(text)] if text else []


def _image_url(block: Fields) -> str:
    source = block.needed_object("source")
    kind = source.needed_text("type")
    if kind == "base64":
        return f"data:{source.needed_text('media_type')};base64,{source.needed_text('data')}"
    if kind == "url":
        return source.needed_text("url")
    why = _NO_STORE if kind == "file" else f"has the type {kind!r}."
    raise block.refused("source", why, hint="Send the image as base64, or its URL.")


def _document(block: Fields) -> list[Part]:
    """A document of text, with its title, between marks that say where it begins and ends."""
    source = block.needed_object("source")
    kind = source.needed_text("type")
    if kind == "text":
        inner = _text(source.needed_text("data"))
    elif kind == "content":
        inner = [part for inner_kind, one in blocks(source) for part in parts_of(inner_kind, one)]
    else:
        why = _NO_STORE if kind == "file" else "is no text, and a chat completion has no place for anything else."
        raise block.refused("source", why, hint="Send the document's text, or its pages as images.")
    about = [f"{name}: {block.needed_text(name)}" for name in ("title", "context") if block.text(name)]
    return [text_part("\n".join(["<document>", *about])), *inner, text_part("</document>")]
