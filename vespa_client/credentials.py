"""Where account keys come from: flags and the environment (both in the settings), then key files.

protocol.md, "Where account keys live", says why ``VAST_API_KEY`` is tried as an account key too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .console import Console, Endpoint
from .errors import AuthenticationError, ConfigurationError, KeyFileUnusable
from .log import log
from .settings import Settings

__all__ = ["AccountKey", "account_keys", "find_account", "key_files"]


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


def find_account(settings: Settings, console: Console) -> tuple[AccountKey, list[Endpoint]]:
    """The account key that works, and the account's endpoints.

    Raises :class:`ConfigurationError` where there is no key at all, :class:`KeyFileUnusable`,
    :class:`AuthenticationError` where none is an account's, and what else :meth:`Console.endpoints` raises.
    """
    refused: AuthenticationError | None = None
    for candidate in account_keys(settings, warn=True):
        try:
            return candidate, console.endpoints(candidate.key)
        except AuthenticationError as problem:
            refused = problem
    if refused is not None:
        raise refused
    raise ConfigurationError(
        "No account API key was given.",
        hint="Give one with --account-key, VAST_ACCOUNT_KEY or the file ~/.vast_api_key "
        "(get it from https://console.vast.ai/account).",
    )


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
