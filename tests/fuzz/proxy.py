"""The proxy under test: the soak's process, and what more there is to see of it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..soak.proxy import Footprint
from ..soak.proxy import Proxy as SoakProxy

__all__ = ["Footprint", "Proxy"]

_LISTENING = "0A"
_BEGINS = re.compile(rb"[0-9]{2}:[0-9]{2}:[0-9]{2} ")
_COMPLAINT = re.compile(rb"Traceback|please report|Warning|Error:|Exception")


class Proxy(SoakProxy):
    """One running proxy, with keys that are given and settings that keep its waits short."""

    def __init__(self, home: Path, account_key: str, *arguments: str) -> None:
        super().__init__(home, account_key, *arguments)
        self._read_to = 0

    def client_sockets(self) -> int:
        """How many sockets it has towards its clients, in whichever state."""
        inodes = self._sockets()
        count = 0
        for table in ("tcp", "tcp6"):
            for line in (self._proc / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                port = int(fields[1].rpartition(":")[2], 16)
                count += port == self.port and fields[3] != _LISTENING and fields[9] in inodes
        return count

    def new_complaints(self) -> list[str]:
        """What the log has had of failures of the proxy's own since the last call. The log is emptied."""
        with self.log.open("rb") as log:
            log.seek(self._read_to)
            text = log.read()
        end = text.rfind(b"\n") + 1
        self._read_to += end
        # The writer goes on where it was, so that the file has a hole there instead of hours of lines.
        os.truncate(self.log, 0)
        records: list[bytes] = []
        for line in text[:end].split(b"\n"):
            if _BEGINS.match(line) or not records:
                records.append(line)
            else:
                records[-1] += b"\n" + line
        return [record.decode("utf-8", "replace") for record in records if _COMPLAINT.search(record)]

    @property
    def has_ended(self) -> bool:
        """Whether the process is no more."""
        return self._process.poll() is not None
