"""A user's files, as they are found: in a home that may not be there, in the encodings of other systems, readable only once."""

from __future__ import annotations

import codecs
import stat
import threading
from pathlib import Path

__all__ = ["decoded", "home_directory", "read_file"]

# UTF-32's little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# A block's rest, and the end of a file under DOS, which cmd's copy still writes.
_FILLERS = "\0\x1a"

_reading = threading.Lock()  # guards what is below
_read_once: dict[tuple[int, int], bytes] = {}
"""What came out of pipes, by device and inode: a second look would find nothing, or wait for a writer without an end."""


def home_directory() -> Path | None:
    """This user's home; None for one that has none, as in containers with a numeric user, where HOME may be missing too."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def read_file(path: Path) -> bytes:
    """The file's bytes. What can be read only once, such as a shell's ``<(…)``, is remembered. Raises OSError."""
    found = path.stat()
    if not stat.S_ISFIFO(found.st_mode):
        return _read(path)
    place = found.st_dev, found.st_ino
    with _reading:
        if place not in _read_once:
            _read_once[place] = _read(path)
        return _read_once[place]


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read()


def decoded(data: bytes) -> str:
    """Text as editors and shells write it: UTF-8, or what its mark says. Notepad and PowerShell 5 write one.

    ``cmd /u`` writes UTF-16 without one. What only fills a file up at its end is left out. Raises UnicodeDecodeError.
    """
    mark, encoding = next((pair for pair in _MARKS if data.startswith(pair[0])), (b"", _unmarked(data)))
    return data[len(mark) :].decode(encoding).rstrip(_FILLERS)


def _unmarked(data: bytes) -> str:
    """The encoding of a text without a mark, by its first character, which is ASCII in all files that are read here."""
    if data[:1] == b"\0" != data[1:2]:
        return "utf-16-be"
    return "utf-16-le" if data[1:2] == b"\0" != data[:1] else "utf-8"
