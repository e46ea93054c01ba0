"""The proxy: ``python -m vespa_client`` as a process of its own, and what it holds (Linux's proc(5))."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

from ..support.programs import environment

__all__ = ["Footprint", "Proxy"]

_ESTABLISHED = "01"
_ADDRESS = re.compile(r"Listening on: http://127\.0\.0\.1:([0-9]+)")
_RECORD = re.compile(r"[0-9]{2}:[0-9]{2}:[0-9]{2} ")
_COMPLAINTS = ("Traceback", "please report", "Warning")
_END_SECONDS = 20.0
_LARGE_BLOCK = 1 << 18


class Footprint(NamedTuple):
    """What the process holds at a moment. ``memory`` is in bytes; ``ended`` are sockets that are over on their far end."""

    memory: int
    threads: int
    sockets: int
    ended: int


class Proxy:
    """One running proxy; its log is in ``log``."""

    def __init__(self, home: Path, account_key: str, *arguments: str) -> None:
        """Started, and listening when this returns. Raises RuntimeError with what it said where it doesn't."""
        self.log = home / "proxy.log"
        env = environment(HOME=str(home), XDG_CACHE_HOME=str(home), VAST_ACCOUNT_KEY=account_key)
        mine = ("VAST_ACCOUNT_KEY",)
        for name in list(env):
            if name.upper().endswith("_PROXY") or (name.startswith(("VAST_", "VESPA_")) and name not in mine):
                del env[name]
        # glibc keeps freed large blocks, now more, now less: told not to, memory is what is in use, and a leak shows early.
        env["MALLOC_MMAP_THRESHOLD_"] = str(_LARGE_BLOCK)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "vespa_client", "--port", "0", *arguments],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        said = b""
        while not (found := _ADDRESS.search(said.decode())):
            line = self._process.stdout.readline()
            if not line:
                self._process.wait()
                self._process.stdout.close()
                raise RuntimeError(f"The proxy did not start: {self.log.read_text()}")
            said += line
        self.port = int(found[1])
        # Read to the end, or the proxy might one day wait for somebody to.
        self._reader = threading.Thread(target=self._process.stdout.read, name="soak-output")
        self._reader.start()
        self._own_sockets = self._sockets() - self._connected()

    def footprint(self) -> Footprint:
        """What it holds now."""
        status = (self._proc / "status").read_text()
        memory, threads = (int(re.findall(rf"^{name}:\s+([0-9]+)", status, re.MULTILINE)[0]) for name in ("VmRSS", "Threads"))
        sockets = self._sockets()
        ended = sockets - self._connected() - self._own_sockets
        return Footprint(memory * 1024, threads, len(sockets), len(ended))

    def cpu_seconds(self) -> float:
        """The processor time it has used."""
        fields = (self._proc / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def wait_for_threads(self, count: int, seconds: float) -> None:
        """Wait until it has no more threads than that, or the time is over."""
        deadline = time.monotonic() + seconds
        while self.footprint().threads > count and time.monotonic() < deadline:
            time.sleep(0.02)

    def end(self) -> int:
        """Ask it to end. Returns its exit code; it is killed where it doesn't."""
        self._process.terminate()
        try:
            return self._process.wait(_END_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
            self._reader.join()
            assert self._process.stdout is not None
            self._process.stdout.close()

    def log_lines(self, word: str) -> list[str]:
        """The log's lines with that word."""
        return [line for line in self.log.read_text("utf-8", "replace").splitlines() if word in line]

    def complaints(self) -> list[str]:
        """What the log has of failures of the proxy's own, with all their lines."""
        records: list[str] = []
        for line in self.log.read_text("utf-8", "replace").splitlines():
            if _RECORD.match(line) or not records:
                records.append(line)
            else:
                records[-1] += "\n" + line
        return [record for record in records if any(word in record for word in _COMPLAINTS)]

    @property
    def _proc(self) -> Path:
        return Path(f"/proc/{self._process.pid}")

    def _sockets(self) -> set[str]:
        """Inodes."""
        found = set()
        for entry in (self._proc / "fd").iterdir():
            try:
                target = str(entry.readlink())
            except OSError:
                continue  # closed meanwhile
            if target.startswith("socket:["):
                found.add(target[8:-1])
        return found

    def _connected(self) -> set[str]:
        """Inodes of TCP sockets whose other end is there."""
        connected = set()
        for table in ("tcp", "tcp6"):
            for line in (self._proc / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _ESTABLISHED:
                    connected.add(fields[9])
        return connected
