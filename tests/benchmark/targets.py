"""What is measured: the direct path, checkouts of this proxy, and other proxies."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from .figures import Measure
from .machine import commit_of
from .programs import clean_environment
from .results import DIRECT
from .way import Way

__all__ = ["Checkout", "Command", "Direct", "Running", "Startable", "Surroundings"]


class Surroundings(NamedTuple):
    """What a proxy is started in front of."""

    upstream: str
    console: str
    ca_file: str | None
    home: Path
    """A directory of its own."""


@dataclass(frozen=True)
class Direct:
    """No proxy: the client routes, and sends the worker its envelope."""

    name: str = DIRECT
    about: str = "POST /route/, then POST to the worker, connections kept"

    def can(self, measure: Measure) -> bool:
        """Whether it is measured by itself; else it is beside each proxy."""
        return not measure.is_paired and measure.name != "start"


@dataclass(frozen=True)
class Startable:
    """A proxy that is started by the benchmark."""

    name: str

    @property
    def about(self) -> str:
        """What it is, in words."""
        raise NotImplementedError

    def can(self, measure: Measure) -> bool:
        """Whether it has what the measure needs."""
        return True

    def command(self, port: int, place: Surroundings) -> list[str]:
        """Has it listen on that port."""
        raise NotImplementedError

    def help_command(self) -> list[str] | None:
        """Has it show its help; None where nobody knows how."""
        return None

    def environment(self, home: Path) -> Mapping[str, str]:
        """What it is started with."""
        raise NotImplementedError


@dataclass(frozen=True)
class Checkout(Startable):
    """``python -m vespa_client`` of a clone of this repository, without its user's files and settings."""

    root: Path

    @property
    def about(self) -> str:
        return f"python -m vespa_client at {commit_of(self.root)}"

    def command(self, port: int, place: Surroundings) -> list[str]:
        command = [*self._program(), "--endpoint", "lab", "--api-key", "k", "--port", str(port)]
        # The console as well: for workers with TLS, a proxy asks it for their root.
        command += ["--autoscaler-url", place.upstream, "--console-url", place.console]
        return command + (["--ca-file", place.ca_file] if place.ca_file else [])

    def help_command(self) -> list[str] | None:
        return [*self._program(), "--help"]

    def environment(self, home: Path) -> Mapping[str, str]:
        return clean_environment(PYTHONPATH=str(self.root), HOME=str(home))

    @staticmethod
    def _program() -> list[str]:
        # This interpreter itself: a version manager's shim in front of it would be measured too.
        return [sys.executable, "-m", "vespa_client"]


@dataclass(frozen=True)
class Command(Startable):
    """Any program, by a command with places in it for what it has to know. It gets its caller's environment."""

    template: str

    @property
    def about(self) -> str:
        return self.template

    def can(self, measure: Measure) -> bool:
        places = {"far": "{upstream}", "tls": "{ca_file}"}
        return all(place in self.template for need, place in places.items() if need in measure.needs)

    def command(self, port: int, place: Surroundings) -> list[str]:
        places = {
            "{port}": str(port),
            "{upstream}": place.upstream,
            "{ca_file}": place.ca_file or "",
            "{python}": sys.executable,
        }
        words = shlex.split(self.template)
        for name, value in places.items():
            words = [word.replace(name, value) for word in words]
        return words

    def environment(self, home: Path) -> Mapping[str, str]:
        return os.environ


@dataclass(frozen=True)
class Running:
    """A proxy that somebody has started in front of the stand-in's address. Its process is known if they tell."""

    url: str
    pid: int | None

    @property
    def name(self) -> str:
        """Its address."""
        return urlsplit(self.url).netloc

    @property
    def about(self) -> str:
        """Its URL."""
        return self.url

    @property
    def way(self) -> Way:
        """The way through it."""
        parts = urlsplit(self.url)
        return Way(parts.hostname or "", parts.port or 80, self.pid)

    def can(self, measure: Measure) -> bool:
        """Whether it needs no start of its own."""
        return not measure.needs
