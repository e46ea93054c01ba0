"""What a hint says to the shell that its reader sits in: on Windows there are no single quotes, no ``~`` and no ``chmod``."""

from __future__ import annotations

import os
import re
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["KEY_FILE", "command_line", "how_to_protect", "how_to_write_key", "is_windows", "quoted"]


def is_windows() -> bool:
    """Whether hints are for cmd.exe and PowerShell."""
    return sys.platform == "win32"


KEY_FILE = r"%USERPROFILE%\.vast_api_key" if is_windows() else "~/.vast_api_key"
"""The key file, as people here write it."""


def quoted(word: str) -> str:
    """The word as one argument of a command line."""
    # PowerShell takes a comma for a list, and an "@" for a table of arguments.
    if re.fullmatch(r"[A-Za-z0-9_+=:./\\~-]+" if is_windows() else r"[A-Za-z0-9_@%+=:,./-]+", word):
        return word
    if is_windows():
        return '"' + word.replace('"', '""') + '"'
    return "'" + word.replace("'", "'\"'\"'") + "'"


def command_line(words: Sequence[str]) -> str:
    """The words as somebody types them."""
    return " ".join(map(quoted, words))


def how_to_write_key(path: str | os.PathLike[str]) -> str:
    """What to type for a key file that holds the key alone."""
    shown = quoted(os.fspath(path))
    write = f"echo your-account-key > {shown}"
    return write if is_windows() else f"{write}; chmod 600 {shown}"


def how_to_protect(path: str | os.PathLike[str]) -> str:
    """What to type so that nobody else reads the file; empty on Windows, where a home is its user's own."""
    return "" if is_windows() else f"chmod 600 {quoted(os.fspath(path))}"
