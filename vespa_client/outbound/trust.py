"""Which certificates are trusted (protocol.md, "TLS").

Console and autoscaler: the public roots. Workers: Vast.ai's own root as well, which is in no public bundle; it is fetched
from the console when the first worker with TLS is met. ``ca_file`` adds to both. Chain, signature and host name are
always verified; there is no way to turn that off.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import ssl
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from ..errors import ConfigurationError, VespaError
from ..journal.log import log
from ..net.lifeline import ClientGone, Lifeline
from ..settings.user_files import decoded, home_directory, read_file
from .private_files import read_private, write_private

__all__ = ["ROOT_PATH", "Trust", "cache_directory"]

ROOT_PATH = "/static/jvastai_root.cer"
_PEM = re.compile(r"-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----([^-]*)-----END \1-----")
# A worker with a bad certificate must not have the console asked at each request.
_RENEW_SECONDS = 60.0


class Trust:
    """The TLS contexts of one proxy."""

    def __init__(self, console_url: str, fetch_root: Callable[[Lifeline], bytes], ca_file: str | None = None) -> None:
        """``fetch_root`` returns what the console has under :data:`ROOT_PATH`, or raises :class:`VespaError`."""
        # Read now, so that what is wrong with it is said now, and once: it may be a pipe.
        self._roots = _roots_of(ca_file) if ca_file is not None else None
        # Guards the two below, each made by whoever asks first: with all public roots it takes a tenth of a second.
        self._making = threading.Lock()
        self._public: ssl.SSLContext | None = None
        self._workers: ssl.SSLContext | None = None
        self._fetch_root = fetch_root
        cache = cache_directory()
        self._file = cache / _cache_name(console_url) if cache else None
        self._lock = threading.Lock()  # guards what is below, and that the root is fetched once for all who wait
        self._root: bytes | None = None
        self._renewed_at: float | None = None
        self.trouble = ""
        """Why Vast.ai's root can't be had from the console at present; empty where it can."""

    @property
    def public(self) -> ssl.SSLContext:
        """The context for console and autoscaler."""
        with self._making:
            self._public = self._public or _context(self._roots)
            return self._public

    @property
    def workers(self) -> ssl.SSLContext:
        """The context for workers; :meth:`ready` adds Vast.ai's root."""
        with self._making:
            self._workers = self._workers or _context(self._roots)
            return self._workers

    def ready(self, lifeline: Lifeline) -> None:
        """Have Vast.ai's root trusted for workers, from the cache or else from the console.

        Without one, only workers with a public certificate will do, so a failure is said in the log and tried again.
        Raises :class:`ClientGone` when the lifeline is cut.
        """
        if not self.use_cache():
            with self._lock:
                if self._root is None:
                    self._fetch(lifeline)

    def use_cache(self) -> bool:
        """Have it trusted if that takes no request to the console. Returns whether it is."""
        if self._root is not None:
            return True
        with self._lock:
            return self._root is not None or self._read_cache()

    def renew(self, lifeline: Lifeline) -> bool:
        """A worker's chain failed: fetch the root afresh, at most once a minute. Returns whether another one came.

        Raises :class:`ClientGone` when the lifeline is cut.
        """
        with self._lock:
            before = self._root
            self._fetch(lifeline)
            return self._root != before

    def _read_cache(self) -> bool:
        if self._file is None:
            return False
        try:
            root = read_private(self._file)
            self._trust(root)
        except PermissionError as problem:
            # Without a number it is our own judgement of the file; with one, a home that this user has no part in.
            if problem.errno is None:
                log.warning("Vast.ai's root certificate is not taken from the cache: %s", str(problem))
            return False
        except (OSError, ValueError):
            return False
        return True

    def _fetch(self, lifeline: Lifeline) -> None:
        now, before = time.monotonic(), self._renewed_at
        if before is not None and now - before < _RENEW_SECONDS:
            return
        self._renewed_at = now
        try:
            root = self._fetch_root(lifeline)
            self._trust(root)
        except ClientGone:
            self._renewed_at = before  # the others who wait for it still want it
            raise
        except (VespaError, ValueError) as problem:
            reason = problem.message if isinstance(problem, VespaError) else problem
            self.trouble = f"Vast.ai's root certificate can't be had: {reason}".rstrip(".")
            log.warning("%s", self.trouble)
            return
        self.trouble = ""
        if self._file is not None:
            with contextlib.suppress(OSError):
                write_private(self._file, root)

    def _trust(self, root: bytes) -> None:
        """Raises ValueError for what is no certificate."""
        try:
            # PEM is text that OpenSSL takes as such; a .cer file may be DER as well.
            self.workers.load_verify_locations(cadata=root.decode("ascii") if b"-----BEGIN" in root else root)
        except (ssl.SSLError, UnicodeDecodeError, ValueError) as problem:
            raise ValueError("what the console sent is no certificate") from problem
        self._root = root


def cache_directory() -> Path | None:
    """Where this user's caches are: ``$XDG_CACHE_HOME``, ``~/Library/Caches`` or ``%LOCALAPPDATA%``, by the system.

    None for a user without a home.
    """
    home = home_directory()
    if sys.platform == "win32":
        told, usual = os.environ.get("LOCALAPPDATA"), ("AppData", "Local")
    elif sys.platform == "darwin":
        told, usual = None, ("Library", "Caches")
    else:
        told, usual = os.environ.get("XDG_CACHE_HOME"), (".cache",)
    base = Path(told) if told else home and home.joinpath(*usual)
    return base / "vespa_client" if base else None


def _context(roots: bytes | None) -> ssl.SSLContext:
    # Not create_default_context(), which would write TLS's keys where SSLKEYLOGFILE says, and from Python 3.13 on refuse
    # Vast.ai's root, which has a path length without keyCertSign (VERIFY_X509_STRICT).
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    context.load_verify_locations(cafile=DEFAULT_CA_BUNDLE_PATH)
    if roots is not None:
        context.load_verify_locations(cadata=roots)
    return context


def _roots_of(ca_file: str) -> bytes:
    """The file's certificates, DER, one behind the other. Raises :class:`ConfigurationError`."""
    try:
        roots = _certificates(read_file(Path(os.path.expanduser(ca_file))))  # noqa: PTH111 - Path's raises without a home
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=roots)
    except (OSError, ValueError) as problem:
        is_of_system = isinstance(problem, OSError) and not isinstance(problem, ssl.SSLError)
        reason = problem.strerror if is_of_system else "it holds no PEM certificate"  # type: ignore[union-attr]
        raise ConfigurationError(f"--ca-file {ca_file!r} can't be used: {reason}.") from None
    return roots


def _certificates(data: bytes) -> bytes:
    """What a file of certificates holds, as DER: PEM in any encoding and with any text between, or DER itself.

    Raises ValueError.
    """
    try:
        text = decoded(data)
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    if "-----BEGIN" not in text:
        return data
    return b"".join(_first_value(base64.b64decode(found[2])) for found in _PEM.finditer(text))


def _first_value(der: bytes) -> bytes:
    """The certificate alone: behind it, OpenSSL's TRUSTED ones have what they are trusted for."""
    if len(der) < 2:
        raise ValueError("no certificate")
    count = der[1] & 0x7F if der[1] & 0x80 else 0
    length = int.from_bytes(der[2 : 2 + count], "big") if count else der[1]
    return der[: 2 + count + length]


def _cache_name(console_url: str) -> str:
    # One file a console, so that no other installation's root is trusted for this one's workers.
    return "jvastai_root-" + re.sub(r"[^A-Za-z0-9.-]", "_", urlsplit(console_url).netloc) + ".cer"
