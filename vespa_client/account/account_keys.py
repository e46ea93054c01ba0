"""Where account keys come from: flags and the environment (both in the settings), then key files.

protocol.md, "Where account keys live", says why ``VAST_API_KEY`` is tried as an account key too.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..errors import KeyFileUnusable
from ..journal.log import log
from ..outbound.private_files import write_private
from ..settings.shells import how_to_protect, how_to_write_key
from ..settings.table import Settings
from ..settings.user_files import decoded, home_directory, read_file
from ..settings.values import without_quotes

__all__ = ["AccountKey", "account_keys", "keep_key", "key_files"]


class AccountKey(NamedTuple):
    """A key that may be an account's. ``certain`` is False where it is more likely an endpoint's."""

    key: str
    source: str
    certain: bool = True

    def __repr__(self) -> str:
        return f"AccountKey(source={self.source!r})"


def key_files() -> list[Path]:
    """The files in which account keys are looked for, first one first; none for a user without a home."""
    home, config = home_directory(), os.environ.get("XDG_CONFIG_HOME")
    found = [home / ".vast_api_key"] if home else []
    if config or home:
        found.append(Path(config or f"{home}/.config") / "vastai" / "vast_api_key")
    return found


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


def keep_key(key: str) -> Path:
    """Write the key into the first of the files, for this user's eyes alone. Returns that file. Raises OSError."""
    path = next(iter(key_files()), None)
    if path is None:
        raise FileNotFoundError("there is no home to keep it in")
    write_private(path, f"{key}\n".encode())
    return path


def _read(path: Path, warn: bool) -> str | None:
    try:
        text = decoded(read_file(path))
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError:
        raise KeyFileUnusable(f"The key file {path} is not plain text.", hint=_recreate(path)) from None
    except OSError as problem:
        if _is_out_of_sight(path):
            log.debug("The key file %s can't be looked for: %s.", path, problem.strerror)
            return None
        protect = how_to_protect(path)
        raise KeyFileUnusable(
            f"The key file {path} can't be read: {problem.strerror}.",
            hint=f"Make it yours and readable{f' ({protect})' if protect else ''}, or give the key in another way.",
        ) from None
    if warn and os.name == "posix" and stat.S_ISREG(mode) and mode & 0o077:
        log.warning("%s can be read by others on this machine. Secure it: %s", path, how_to_protect(path))
    words = text.split()
    if len(words) > 1:
        raise KeyFileUnusable(f"The key file {path} holds more than one word.", hint=_recreate(path))
    if not words:
        if warn:
            log.warning("The key file %s is empty.", path)
        return None
    word = without_quotes(words[0])
    if not re.fullmatch(r"[!-~]+", word):
        raise KeyFileUnusable(f"The key file {path} is not plain text.", hint=_recreate(path))
    return word


def _is_out_of_sight(path: Path) -> bool:
    """Whether the file is in a directory that this user can't look into, such as the home of the one who started it."""
    return not os.access(path.parent, os.X_OK)


def _recreate(path: Path) -> str:
    return f"It takes the account key alone, in one line. Write it anew: {how_to_write_key(path)}"
