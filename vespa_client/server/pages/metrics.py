"""``/_vespa/metrics``: the sums as metrics, with Prometheus' conventions of names and units.

Each label has a few values, whatever clients ask for and workers answer; no worker's address is one.
"""

from __future__ import annotations

import platform

from ...journal.record import PHASES, RETRY_KINDS
from ...journal.totals import Totals
from ...routing.endpoint_view import EndpointView
from ...settings.table import Settings
from ...version import __version__
from .exposition import Family, counter, gauge, histogram, info
from .process_stats import process_stats

__all__ = ["families_of"]

_LABELS = ("method", "route", "status", "outcome")
_HISTOGRAMS = {
    "wait": ("wait_seconds", "Seconds that a request waited for a worker, of those that had to."),
    "route": ("route_seconds", "Seconds in which the autoscaler was asked for a worker, of one request."),
    "connect": ("connect_seconds", "Seconds to connect to a worker, where there was no kept connection."),
    "first_byte": ("first_byte_seconds", "Seconds from a request's head to the head of a worker's answer."),
    "between_events": ("between_events_seconds", "Seconds between two pieces of an event stream."),
    "duration": ("request_duration_seconds", "Seconds from a request's head to the end of its answer."),
}


def families_of(totals: Totals, endpoint: EndpointView, settings: Settings, connections: int) -> list[Family]:
    """All metrics, now."""
    return [*_of_exchanges(totals), *_of_the_proxy(totals, endpoint, settings, connections), *_of_the_process(totals)]


def _of_exchanges(totals: Totals) -> list[Family]:
    with totals.settled():
        requests = {tuple(zip(_LABELS, labels, strict=True)): count for labels, count in totals.requests.items()}
        retries = dict(totals.retries)
        histograms = {name: counted.copy() for name, counted in totals.histograms.items()}
        tokens_in, tokens_out = totals.tokens_in, totals.tokens_out
        bytes_in, bytes_out = totals.bytes_in, totals.bytes_out
        workers = len(totals.workers)
    phases = dict.fromkeys(PHASES, 0)
    for record in totals.running():
        phase = record.now[0]
        if phase in phases:
            phases[phase] += 1
    return [
        counter("vespa_client_requests", "Requests that are over.", requests),
        gauge(
            "vespa_client_requests_in_progress",
            "Requests in progress, by what they wait for.",
            {(("phase", phase),): count for phase, count in phases.items()},
        ),
        *(histogram(f"vespa_client_{name}", help, histograms[key]) for key, (name, help) in _HISTOGRAMS.items()),
        counter(
            "vespa_client_tokens",
            "Tokens of prompts (in) and of answers (out), as far as answers tell.",
            {(("direction", "in"),): tokens_in, (("direction", "out"),): tokens_out},
        ),
        counter("vespa_client_received_bytes", "Bytes of clients' bodies.", bytes_in, "bytes"),
        counter("vespa_client_sent_bytes", "Bytes of answers' bodies.", bytes_out, "bytes"),
        counter(
            "vespa_client_retries",
            "Workers that did not take a request, after which another was asked for.",
            {(("reason", kind),): retries.get(kind, 0) for kind in RETRY_KINDS},
        ),
        gauge("vespa_client_workers_known", "Workers met, of which the last 256 are known.", workers),
    ]


def _of_the_proxy(totals: Totals, endpoint: EndpointView, settings: Settings, connections: int) -> list[Family]:
    key, autoscaler = endpoint.key, endpoint.autoscaler
    return [
        gauge("vespa_client_workers_dead", "Workers that could not be reached a moment ago.", len(endpoint.dead_workers)),
        counter("vespa_client_key_fetches", "Endpoint keys that the console has given.", key.fetches),
        gauge(
            "vespa_client_key_good", "Whether the endpoint key is good: 0 once the autoscaler has refused it.", int(key.good)
        ),
        gauge("vespa_client_autoscaler_reached", "Whether the autoscaler was reached.", int(autoscaler.reached is True)),
        gauge("vespa_client_connections", "Clients' connections that are open.", connections),
        gauge("vespa_client_connections_limit", "How many may be open.", settings.max_connections),
        gauge("vespa_client_event_readers", "Readers of /_vespa/events.", totals.followers),
        info(
            "vespa_client_build",
            "Which program this is.",
            {"version": __version__, "python": platform.python_version(), "endpoint": endpoint.name},
        ),
    ]


def _of_the_process(totals: Totals) -> list[Family]:
    stats = process_stats()
    known = [
        ("process_resident_memory_bytes", "Resident memory size in bytes.", stats.resident, "bytes"),
        ("process_virtual_memory_bytes", "Virtual memory size in bytes.", stats.virtual, "bytes"),
        ("process_open_fds", "Number of open file descriptors.", stats.open_files, ""),
        ("process_max_fds", "Maximum number of open file descriptors.", stats.most_files, ""),
        ("process_threads", "Number of threads.", stats.threads, ""),
        ("process_start_time_seconds", "Start of the proxy in seconds since 1970.", totals.started_at, "seconds"),
    ]
    return [
        counter("process_cpu_seconds", "User and system CPU time spent in seconds.", stats.cpu, "seconds"),
        *(gauge(name, help, value, unit) for name, help, value, unit in known if value is not None),
    ]
