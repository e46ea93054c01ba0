"""This process's own line in the system's list of processes, which every user of the machine can read."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

__all__ = ["blot_out"]

# proc(5), /proc/pid/stat: fields 48 and 49, arg_start and arg_end, counted from the field behind the process's name.
_ARGUMENTS_START, _ARGUMENTS_END = 45, 46


def blot_out(secrets: Iterable[str]) -> bool:
    """Overwrite the secrets in the arguments that this process was started with. Returns whether that could be done.

    Linux alone shows a process where its arguments are. What read the list before, and a shell's history, have them still.
    """
    if sys.platform != "linux":
        return False
    import ctypes

    try:
        shown = Path("/proc/self/cmdline").read_bytes()
        numbers = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
        start, end = int(numbers[_ARGUMENTS_START]), int(numbers[_ARGUMENTS_END])
    except (OSError, ValueError, IndexError):
        return False
    # Some sandboxes tell neither place.
    if not start or end - start != len(shown):
        return False
    for secret in map(os.fsencode, secrets):
        # A whole argument, or all of one behind its flag.
        for found in re.finditer(rb"(?<=[\0=])" + re.escape(secret) + rb"(?=\0)", shown):
            ctypes.memset(start + found.start(), ord("x"), len(secret))
    return True
