"""What a process uses, with the processes that it has started (Linux's proc(5))."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

__all__ = ["Footprint"]

_FORGET_PEAK = "5"


class Footprint:
    """One process and its descendants. Without a ``pid``, nothing is known, and every answer is None."""

    def __init__(self, pid: int | None) -> None:
        self._pid = pid

    def cpu_seconds(self) -> float | None:
        """The processor time of its threads so far, in the program and in the system."""
        if self._pid is None:
            return None
        fields = [_fields(pid) for pid in self._family()]
        return sum(int(of_one[11]) + int(of_one[12]) for of_one in fields if of_one) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float | None:
        """What is in memory now, in MB (of 2**20 bytes)."""
        return self._read("VmRSS")

    def forget_peak(self) -> None:
        """The peak counts from here, where the system can do that; else it is that of the process's life."""
        for pid in self._family():
            with contextlib.suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text(_FORGET_PEAK)

    def peak(self) -> float | None:
        """The most that was in memory, in MB. Of several processes, the sum of what each had."""
        return self._read("VmHWM")

    def _read(self, name: str) -> float | None:
        if self._pid is None:
            return None
        total = 0
        for pid in self._family():
            with contextlib.suppress(OSError):
                found = re.search(rf"^{name}:\s+([0-9]+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
                total += int(found[1]) if found else 0
        return total / 1024

    def _family(self) -> list[int]:
        if self._pid is None:
            return []
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").glob("[0-9]*"):
            if fields := _fields(int(entry.name)):
                children.setdefault(int(fields[1]), []).append(int(entry.name))
        family = [self._pid]
        for pid in family:
            family += children.get(pid, [])
        return family


def _fields(pid: int) -> list[str]:
    """The fields of its stat from the state on; none where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
