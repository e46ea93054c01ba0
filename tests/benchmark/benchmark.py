"""The benchmark: rounds, in each of which every measure is made of every target, one after the other."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from ..support.programs import ROOT
from .certificate import make_certificate
from .far import ROUND_TRIP, UNSEEN_WORKERS, Places
from .figures import Measure
from .machine import about, yardstick
from .measured import Effort, Failed, Measured
from .programs import Helper, run_job
from .proxy import Proxy
from .results import Results
from .start import measure_start
from .targets import Checkout, Command, Direct, Running, Startable, Surroundings
from .way import Way

__all__ = ["Benchmark", "Target"]

Target = Direct | Checkout | Command | Running

_SHOWN = 4
_BUSY = 0.7


class Benchmark:
    """One run. ``results`` grow while it runs, and are good for as far as it came."""

    def __init__(
        self,
        targets: Sequence[Target],
        measures: Sequence[Measure],
        effort: Effort,
        say: Callable[[str], None],
        *,
        upstream_port: int = 0,
    ) -> None:
        """``say`` is told how it goes; ``upstream_port`` is where the stand-in listens, 0 for any free port."""
        self.results = Results({**about(ROOT), "effort": effort.name}, {target.name: target.about for target in targets})
        self._targets = targets
        self._measures = measures
        self._effort = effort
        self._say = say
        self._upstream_port = upstream_port

    def run(self, rounds: int, after_round: Callable[[], None] = lambda: None) -> None:
        """Run it to the end. Nothing that it started runs on, however it ends. Raises :class:`Failed` if it can't begin."""
        with contextlib.ExitStack() as stack:
            self._directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
            self._certificate = make_certificate(self._directory)
            if self._certificate is None and any("tls" in measure.needs for measure in self._measures):
                self._say("There is no openssl command to make a certificate: no measures with TLS.")
            self._upstream = stack.enter_context(
                Helper("upstream", str(self._upstream_port), log=self._directory / "upstream.log"),
            )
            self._direct = Way("127.0.0.1", self._upstream.ports[0], self._upstream.process.pid, is_direct=True)
            if (load := self.results.about["load"]) > _BUSY:
                self._say(f"Other programs keep this machine busy (load {load:.1f}): CPU figures hold, others hardly.")
            self._say(f"The stand-in listens on http://127.0.0.1:{self._upstream.ports[0]}")
            for number in range(rounds):
                self._round(number, f"round {number + 1} of {rounds}")
                after_round()

    def _round(self, number: int, name: str) -> None:
        self.results.begin_round(yardstick())
        # None is always the one that comes behind another.
        turn = number % len(self._targets)
        targets = [*self._targets[turn:], *self._targets[:turn]]
        with contextlib.ExitStack() as stack:
            self._stack = stack
            self._proxies: dict[str, Proxy] = {}
            for measure in self._measures:
                if "tls" in measure.needs and self._certificate is None:
                    continue
                for target in targets:
                    if target.can(measure):
                        self._say(f"{name}: {measure.name}, {target.name}: {self._outcome(measure, target)}")

    def _outcome(self, measure: Measure, target: Target) -> str:
        """Make the measure, keep what it gave, and return it in a few words."""
        try:
            measured = self._measure(measure, target)
            reason = self._death(target)
        except Failed as problem:
            reason = f"{problem}{self._death(target)}"
        if reason:
            self.results.fail(target.name, measure.name, reason)
            return f"FAILED: {reason}"
        self.results.add(target.name, measure.name, measured)
        words = [
            f"{figure.title} {value:.{figure.digits}f}"
            for figure in measure.figures
            if figure.better and (value := measured.figures.get(figure.name)) is not None
        ]
        return ", ".join(words[:_SHOWN]) + (f"; errors: {dict(measured.errors)}" if measured.errors else "")

    def _death(self, target: Target) -> str:
        """How this round's proxy ended, if it did."""
        proxy = self._proxies.get(target.name)
        return "" if proxy is None or proxy.is_running else f" (the proxy {proxy.last_words()})"

    def _measure(self, measure: Measure, target: Target) -> Measured:
        if measure.name == "start":
            assert isinstance(target, Startable)
            log = self._directory / f"{target.name}-start.log"
            return measure_start(target, self._surroundings(target, self._near), self._effort, log)
        if "far" in measure.needs:
            assert not isinstance(target, Running)
            return self._far(measure, target)
        return self._job(measure, self._way(target), None)

    @property
    def _near(self) -> str:
        return f"http://127.0.0.1:{self._upstream.ports[0]}"

    def _surroundings(self, target: Startable, upstream: str, console: str = "", ca_file: str | None = None) -> Surroundings:
        home = self._directory / f"home-{target.name}"
        home.mkdir(exist_ok=True)
        return Surroundings(upstream, console or upstream, ca_file, home)

    def _way(self, target: Target) -> Way:
        """The way through it; its proxy is started if this round has none that runs."""
        if isinstance(target, Direct):
            return self._direct
        if isinstance(target, Running):
            return target.way
        proxy = self._proxies.get(target.name)
        if proxy is None or not proxy.is_running:
            log = self._directory / f"{target.name}.log"
            proxy = self._stack.enter_context(Proxy(target, self._surroundings(target, self._near), log))
            self._proxies[target.name] = proxy
        return proxy.way

    def _far(self, measure: Measure, target: Direct | Startable) -> Measured:
        """With a stand-in, a relay and a proxy of its own, so that each starts with no connection made."""
        more = ["--more", str(2 + UNSEEN_WORKERS)]
        certificate = self._certificate if "tls" in measure.needs else None
        if certificate:
            more += ["--certificate", str(certificate.certificate), "--key", str(certificate.key)]
        log = self._directory / f"{target.name}-{measure.name}.log"
        with contextlib.ExitStack() as stack:
            control, *ports = stack.enter_context(Helper("upstream", "0", *more, log=log)).ports
            relay = stack.enter_context(Helper("relay", str(ROUND_TRIP / 2), *map(str, ports), log=log))
            autoscaler, *workers = relay.ports
            places = Places(control, autoscaler, workers, ports[0], str(certificate.certificate) if certificate else None)
            if isinstance(target, Direct):
                way = Way("127.0.0.1", control, None, is_direct=True)
            else:
                upstream, console = places.url(autoscaler), f"http://127.0.0.1:{control}"
                place = self._surroundings(target, upstream, console, places.ca_file)
                way = stack.enter_context(Proxy(target, place, log)).way
            return self._job(measure, way, places)

    def _job(self, measure: Measure, way: Way, places: Places | None) -> Measured:
        job = {
            "measure": measure.name,
            "way": asdict(way),
            "direct": asdict(self._direct),
            "effort": self._effort._asdict(),
            "places": asdict(places) if places else None,
        }
        return Measured.from_json(run_job(job, self._directory / "measuring.log")["measured"])
