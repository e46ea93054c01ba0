"""``python -m tests.soak``: see scripts/soak."""

from __future__ import annotations

import argparse
import secrets
import sys
from pathlib import Path

from .soak import Soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/soak", description="Mixed traffic, while all behind the proxy fails.")
    parser.add_argument("--minutes", type=float, default=5.0, metavar="N", help="how long (default: 5)")
    parser.add_argument("--seconds", type=float, metavar="N", help="how long, in seconds")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32), metavar="S", help="draw what another run drew")
    parser.add_argument("--clients", type=int, default=24, metavar="N", help="how many at a time (default: 24)")
    arguments = parser.parse_args()
    if not Path("/proc/self/net/tcp").exists():
        parser.error("it needs Linux, whose /proc tells what a process holds")
    seconds = arguments.minutes * 60 if arguments.seconds is None else arguments.seconds
    print(f"seed {arguments.seed}, {seconds:g} s", flush=True)
    table = Soak(seconds, arguments.seed, arguments.clients, lambda line: print(line, flush=True)).run()
    print(f"\n{table}\n")
    for breach in table.breaches:
        print(breach, file=sys.stderr)
    print(f"{len(table.breaches)} breaches" if table.breaches else "Nothing was lost.")
    return 1 if table.breaches else 0


if __name__ == "__main__":
    sys.exit(main())
