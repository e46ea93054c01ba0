"""Whether traces are wanted: the environment says it, by OpenTelemetry's own variables."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping

from ..journal.log import log
from ..journal.totals import Totals
from ..settings.shells import command_line

__all__ = ["collector_variable", "trace_exchanges"]

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"
_EXPORTERS = {"otlp", "otlp_proto_http"}


def trace_exchanges(totals: Totals, endpoint: str, port: int) -> Callable[[], None]:
    """Trace the exchanges from now on, if that is wanted and can be. Returns what ends that, and sends what is left.

    ``endpoint`` is what they are for, ``port`` the proxy's own, to which no trace may go. What is in the way of traces is told
    in the log, and stops nothing else.
    """
    variable = collector_variable(os.environ)
    if variable is None:
        return _nothing
    try:
        from .export import Export

        export = Export(totals, endpoint, port)
    except ModuleNotFoundError:
        log.warning("%s asks for traces, and OpenTelemetry isn't installed: there are none. HINT: %s", variable, _install())
    except Exception as problem:  # noqa: BLE001 - whatever another release of theirs has changed costs traces alone
        said = "%s asks for traces, and OpenTelemetry doesn't start (%s): there are none. HINT: %s"
        log.warning(said, variable, type(problem).__name__, _install())
        log.debug("What OpenTelemetry said: %s", problem)
    else:
        export.start()
        log.info("Each request is traced, as %s says.", variable)
        # No context manager: a forked child drops what is its parent's, and a generator's end would run there.
        return export.close
    return _nothing


def collector_variable(environ: Mapping[str, str]) -> str | None:
    """The variable that says where traces go; None where none are wanted. An empty one counts as none, as in OpenTelemetry."""
    endpoint = _first(environ, _ENDPOINTS)
    exporters = {name.strip() for name in (environ.get("OTEL_TRACES_EXPORTER") or "otlp").split(",")}
    if endpoint is None or environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or not exporters & _EXPORTERS:
        return None
    protocol = _first(environ, _PROTOCOLS)
    if protocol is not None and environ[protocol].strip().lower() != _PROTOCOL:
        said = "%s is %r, and traces go out by %s alone: there are none. HINT: %s=%s, and %s with the collector's port for it."
        log.warning(said, protocol, environ[protocol], _PROTOCOL, _PROTOCOLS[0], _PROTOCOL, endpoint)
        return None
    return endpoint


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if environ.get(name)), None)


def _nothing() -> None:
    pass


def _install() -> str:
    return command_line([sys.executable or "python", "-m", "pip", "install", "vespa-client[otel]"])
