"""``python -m vespa_client``."""

from .command.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
