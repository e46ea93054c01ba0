"""A certificate for loopback, which is its own root.

Made with the openssl command, which nearly every machine has: the benchmark then needs nothing from PyPI but what the proxy
needs itself, and no private key lies in the repository.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

__all__ = ["Certificate", "make_certificate"]


class Certificate(NamedTuple):
    """The files, as PEM."""

    certificate: Path
    key: Path


def make_certificate(directory: Path) -> Certificate | None:
    """A new one in that directory; None where there is no openssl that can."""
    made = Certificate(directory / "root.pem", directory / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(made.key), "-out", str(made.certificate)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return made
