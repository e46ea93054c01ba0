"""Files that are this user's alone: nobody else reads, plants or redirects them."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from pathlib import Path

__all__ = ["read_private", "write_private"]

# Windows has neither.
_AS_IT_IS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def read_private(path: Path) -> bytes:
    """The file's bytes.

    Raises OSError where there is none, and PermissionError where the file, or the directory it is in, is a link, isn't this
    user's own, or can be written by others: what it says may be somebody else's word.
    """
    _check_directory(path.parent)
    with os.fdopen(os.open(path, os.O_RDONLY | _AS_IT_IS), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or not _is_ours(found):
            raise PermissionError(f"{path} is not a file of this user's alone")
        return file.read()


def write_private(path: Path, data: bytes) -> None:
    """Have the file hold these bytes, all at once and under mode 0600; directories that are missing get 0700.

    A link in the file's place is replaced, not followed. Raises OSError, and PermissionError for a directory as in
    :func:`read_private`.
    """
    _make_directory(path.parent)
    _check_directory(path.parent)
    # 0600 from its first moment on, under a name that nobody can foresee.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _make_directory(path: Path) -> None:
    # mkdir(parents=True) would give the mode to the last one alone.
    if not path.parent.exists():
        _make_directory(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)


def _check_directory(path: Path) -> None:
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or not _is_ours(found):
        raise PermissionError(f"{path} is not a directory of this user's alone")


def _is_ours(found: os.stat_result) -> bool:
    # On Windows, what lies below a user's profile is the user's own.
    return sys.platform == "win32" or (found.st_uid == os.geteuid() and not found.st_mode & _OTHERS_MAY_WRITE)
