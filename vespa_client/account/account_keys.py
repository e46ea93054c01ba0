"""Where account keys come from: flags and the environment (both in the settings), then key files.

protocol.md, "Where account keys live", says why ``VAST_API_KEY`` is tried as an account key too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..errors import KeyFileUnusable
from ..journal.log import log
from ..settings.table import Settings

__all__ = ["AccountKey", "account_keys", "key_files"]


class AccountKey(NamedTuple):
    """A key that may be an account's. ``certain`` is False where it is more likely an endpoint's."""

    key: str
    source: str
    certain: bool = True

    def __repr__(self) -> str:
        return f"AccountKey(source={self.source!r})"


def key_files() -> list[Path]:
    """The files in which account keys are looked for, first one first."""
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return [Path.home() / ".vast_api_key", Path(config) / "vastai" / "vast_api_key"]


def account_keys(settings: Settings, *, warn: bool = False) -> Iterator[AccountKey]:
    """Every key that may be the account's, best first. Raises :class:`KeyFileUnusable`.

    With ``warn``, the log says what is unwise about the key files that are read.
    """
    if settings.account_key:
        yield AccountKey(settings.account_key, "--account-key or VAST_ACCOUNT_KEY")
        return
    if settings.api_key:
        yield AccountKey(settings.api_key, "--api-key or VAST_API_KEY", certain=False)
    for path in key_files():
        key = _read(path, warn)
        if key:
            yield AccountKey(key, str(path))
            return


def _read(path: Path, warn: bool) -> str | None:
    try:
        text = path.read_text(encoding="ascii")
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError:
        raise KeyFileUnusable(f"The key file {path} is not plain text.", hint=_recreate(path)) from None
    except OSError as problem:
        raise KeyFileUnusable(
            f"The key file {path} can't be read: {problem.strerror}.",
            hint=f"Make it yours and readable (chmod 600 {path}), or give the key in another way.",
        ) from None
    if warn and os.name == "posix" and mode & 0o077:
        log.warning("%s can be read by others on this machine. Secure it: chmod 600 %s", path, path)
    words = text.split()
    if len(words) > 1:
        raise KeyFileUnusable(f"The key file {path} holds more than one word.", hint=_recreate(path))
    if not words:
        if warn:
            log.warning("The key file %s is empty.", path)
        return None
    if not re.fullmatch(r"[!-~]+", words[0]):
        raise KeyFileUnusable(f"The key file {path} is not plain text.", hint=_recreate(path))
    return words[0]


def _recreate(path: Path) -> str:
    return f"It takes the account key alone, in one line. Write it anew: echo your-account-key > {path}; chmod 600 {path}"
