"""``python -m tests.fuzz``: see scripts/fuzz."""

from __future__ import annotations

import argparse
import re
import secrets
import sys
from pathlib import Path

from .fuzz import Fuzz


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description="Odd requests and odd answers, by the thousand.")
    parser.add_argument("--minutes", type=float, default=5.0, metavar="N", help="how long (default: 5)")
    parser.add_argument("--seconds", type=float, metavar="N", help="how long, in seconds")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32), metavar="S", help="draw what another run drew")
    parser.add_argument("--only", choices=("requests", "answers", "translations"), help="one of the fuzzers alone")
    parser.add_argument("--case", metavar="CASE", help="one case of that seed alone, such as r123, a45 or t6")
    parser.add_argument("--times", type=int, default=1, metavar="N", help="how often that case (default: 1)")
    parser.add_argument("--clients", type=int, default=8, metavar="N", help="how many at a time (default: 8)")
    arguments = parser.parse_args()
    if not Path("/proc/self/net/tcp").exists():
        parser.error("it needs Linux, whose /proc tells what a process holds")
    case = re.fullmatch(r"([rat])([0-9]{1,9})", arguments.case or "r0")
    if not case:
        parser.error("a case is r, a or t, and its number")
    fuzz = Fuzz(arguments.seed, arguments.clients, lambda line: print(line, flush=True))
    if arguments.case:
        report = fuzz.run_one(case[1], int(case[2]), arguments.times)
    else:
        seconds = arguments.minutes * 60 if arguments.seconds is None else arguments.seconds
        print(f"seed {arguments.seed}, {seconds:g} s", flush=True)
        report = fuzz.run(seconds, {None: "rat", "requests": "r", "answers": "a", "translations": "t"}[arguments.only])
    print(f"\n{report}\n")
    print(f"{report.found} findings, {len(report.findings)} shown" if report.found else "Nothing was found.")
    return 1 if report.found else 0


if __name__ == "__main__":
    sys.exit(main())
