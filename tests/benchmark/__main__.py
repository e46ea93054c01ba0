"""``python -m tests.benchmark``: see scripts/benchmark."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import itertools
import signal
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

from ..support.programs import ROOT
from .benchmark import Benchmark, Target
from .comparison import Comparison, Side
from .figures import MEASURES
from .judgement import RULE
from .measured import FULL, QUICK, Effort, Failed
from .results import OURS, Results
from .table import markdown, text
from .targets import Checkout, Command, Direct, Running

_FILES = Path("build/benchmark")
_INTERRUPTED = 130

_DESCRIPTION = "What the proxy costs, beside the direct path and beside other proxies (Linux)."

_EPILOG = f"""\
measures:
  {", ".join(MEASURES)}

paths start at the project's directory.

other proxies: all targets take turns in the same rounds, so that they can be compared even where the machine is noisy.
  --against-checkout ../before
      This proxy as it is in another clone or worktree. At the end it is told what is better or worse now, beyond noise.
  --against-command litellm 'litellm --config litellm.yaml --port {{port}}' --upstream-port 9100
      A program that is started for each round, in your environment. Places in the command: {{port}}, where it has to listen on
      127.0.0.1; {{upstream}}, the URL of the stand-in for Vast.ai, or of the relay before it; {{ca_file}}, the root of the far
      stand-in's certificates; {{python}}, this interpreter. A program that has the stand-in's URL in a file needs it to be on
      a fixed port. Without {{upstream}} in it, the far-away measures are left out; without {{ca_file}}, those with TLS.
  --against http://127.0.0.1:8010 --against-pid PID --upstream-port 9100
      One that runs already, in front of http://127.0.0.1:9100. Measures that need a start of their own are left out, and
      without the PID, CPU and memory.
  The stand-in is an autoscaler (POST /route/), and a worker that takes a chat in an envelope or without one
  (POST /v1/chat/completions, model "lab", with "stream": true as well) and has GET /bytes/N to download. What a proxy
  can't do is shown as an error.

comparing:
{textwrap.indent(textwrap.fill(RULE, 124), "  ")}
"""


def main() -> int:
    """Measure, or show what was measured. Returns the exit code."""
    arguments = _arguments()
    if arguments.show:
        results, is_whole = arguments.show, True
    else:
        results, is_whole = _measured(arguments)
    if results.is_empty:
        return _INTERRUPTED
    print(markdown(results) if arguments.markdown else text(results), flush=True)
    comparisons = list(_comparisons(results, arguments))
    for title, comparison in comparisons:
        print(f"\n{title}\n{comparison}", flush=True)
    if arguments.fail_on_worse and any(comparison.is_worse for _, comparison in comparisons):
        return 1
    return 0 if is_whole else _INTERRUPTED


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/benchmark", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--rounds", type=int, default=5, metavar="N", help="how often each measure is made (default: 5)")
    add("--only", type=_names, default=list(MEASURES), metavar="NAME,NAME", help="these measures alone")
    add("--quick", action="store_true", help="shorter measures, less steady; compare them with such alone")
    add("--against", action="append", default=[], metavar="URL", help="measure that running proxy too (repeatable)")
    add("--against-pid", action="append", type=int, default=[], metavar="PID", help="its process, in the order of the URLs")
    add("--against-command", action="append", default=[], nargs=2, metavar=("NAME", "CMD"), help="start that proxy too")
    add("--against-checkout", action="append", type=_checkout, default=[], metavar="DIR", help="this proxy, of another clone")
    add("--upstream-port", type=int, default=0, metavar="PORT", help="where the stand-in listens (default: any free port)")
    add("--json", type=Path, metavar="FILE", help=f"where every value is kept (default: {_FILES}/DATE.json)")
    add("--show", type=_results, metavar="FILE", help="measure nothing, but show this file of an earlier run")
    add("--compare", type=_results, metavar="FILE", help="tell what got better or worse since that run")
    add("--fail-on-worse", action="store_true", help="exit with 1 if something got worse")
    add("--markdown", action="store_true", help="print the short table of the README instead")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("there has to be a round")
    if arguments.against and not arguments.upstream_port:
        parser.error("--against needs --upstream-port, where the stand-in is that the proxy has behind it")
    if arguments.fail_on_worse and not (arguments.compare or arguments.against_checkout):
        parser.error("--fail-on-worse needs --compare or --against-checkout")
    effort = arguments.show.about["effort"] if arguments.show else _effort(arguments).name
    if arguments.compare and arguments.compare.about["effort"] != effort:
        parser.error(f"a run of effort {effort!r} can't be compared with one of {arguments.compare.about['effort']!r}")
    if not arguments.show and not Path("/proc/self/stat").exists():
        parser.error("it needs Linux, whose /proc tells what a process uses")
    return arguments


def _effort(arguments: argparse.Namespace) -> Effort:
    return QUICK if arguments.quick else FULL


def _names(value: str) -> list[str]:
    names = value.split(",")
    if unknown := [name for name in names if name not in MEASURES]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: there are {', '.join(MEASURES)}")
    return [name for name in MEASURES if name in names]


def _checkout(value: str) -> Path:
    root = Path(value).resolve()
    if not (root / "vespa_client" / "__main__.py").exists():
        raise argparse.ArgumentTypeError(f"{value} is no clone of this repository")
    return root


def _results(value: str) -> Results:
    try:
        return Results.load(Path(value))
    except (OSError, ValueError) as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def _measured(arguments: argparse.Namespace) -> tuple[Results, bool]:
    """What was measured, and whether that is all of it."""
    measures = [MEASURES[name] for name in arguments.only]
    benchmark = Benchmark(_targets(arguments), measures, _effort(arguments), _say, upstream_port=arguments.upstream_port)
    results = benchmark.results
    file = arguments.json or ROOT / _FILES / f"{datetime.datetime.now():%Y-%m-%d-%H%M%S}.json"
    is_whole = False
    try:
        with _signals_interrupt():
            benchmark.run(arguments.rounds, lambda: results.save(file))
        is_whole = True
    except Failed as problem:
        sys.exit(f"scripts/benchmark: {problem}")
    except KeyboardInterrupt:
        _say("Interrupted.")
        if results.is_empty:
            return results, False
        results.save(file)
    _say(f"Every value is in {file}\n")
    return results, is_whole


def _targets(arguments: argparse.Namespace) -> list[Target]:
    targets: list[Target] = [Direct(), Checkout(OURS, ROOT)]
    targets += [Checkout(root.name, root) for root in arguments.against_checkout]
    targets += [Command(name, template) for name, template in arguments.against_command]
    pids = itertools.chain(arguments.against_pid, itertools.repeat(None))
    targets += [Running(url, pid) for url, pid in zip(arguments.against, pids, strict=False)]
    names = [target.name for target in targets]
    if len(set(names)) < len(names):
        sys.exit(f"scripts/benchmark: two targets have the same name: {', '.join(names)}")
    return targets


def _comparisons(results: Results, arguments: argparse.Namespace) -> Iterator[tuple[str, Comparison]]:
    if earlier := arguments.compare:
        yield f"Since {_run(earlier)}:", Comparison(Side(earlier), Side(results))
    for root in arguments.against_checkout:
        yield f"{OURS}, beside {root.name} in the same rounds:", Comparison(Side(results, root.name), Side(results))


def _run(results: Results) -> str:
    about = results.about
    machine = f"{about['cores']} x {about['cpu']}, Python {about['python']}"
    return f"{about['date']} ({about['commit']}, {machine}, effort: {about['effort']})"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def _signals_interrupt() -> Iterator[None]:
    """What asks a process to end does what Ctrl-C does, so that nothing is left running."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
