"""What turns traces on, and what is said where they can't be. Off, nothing of them is even loaded."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from vespa_client.settings.shells import command_line
from vespa_client.tracing.switch import collector_variable

from ..support.programs import environment
from ..support.waiting import LONG

ENDPOINT, OF_TRACES = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
COLLECTOR = "http://127.0.0.1:9"
INSTALL = command_line([sys.executable, "-m", "pip", "install", "vespa-client[otel]"])

# Whether a proxy serves, and what is loaded by then. BEFORE is what a program has done to itself.
PROGRAM = """
import json, logging, sys, urllib.request
BEFORE
from vespa_client import VastClient
logging.basicConfig(format="%(message)s", level=logging.WARNING)
with VastClient(sandbox=True, port=0) as client:
    answered = urllib.request.urlopen(f"{client.url}/v1/models").status
print(answered, sorted(name for name in sys.modules if name.startswith(("opentelemetry", "google.protobuf"))))
"""
WITHOUT_THE_EXTRA = """
class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Nowhere())
"""
ANOTHER_RELEASE = """
import opentelemetry.sdk.resources
del opentelemetry.sdk.resources.OTELResourceDetector
"""
ONE_THAT_DOES_NOT_START = """
import opentelemetry.sdk.trace
def refuse(*args, **kwargs): raise TypeError("got an unexpected keyword argument 'shutdown_on_exit'")
opentelemetry.sdk.trace.TracerProvider.__init__ = refuse
"""


def run(before: str = "", **variables: str) -> tuple[str, list[str]]:
    """What the program printed, and the lines that it logged."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("BEFORE", before)],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=2 * LONG,
        check=True,
    )
    return done.stdout.strip(), [line for line in done.stderr.splitlines() if "vast_api_key" not in line]


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {ENDPOINT: ""},
        {ENDPOINT: COLLECTOR, "OTEL_SDK_DISABLED": "true"},
        {ENDPOINT: COLLECTOR, "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_off_it_loads_nothing(variables: dict[str, str]) -> None:
    assert run(**variables) == ("200 []", [])


def test_on_it_does() -> None:
    said, logged = run(**{ENDPOINT: COLLECTOR, "OTEL_EXPORTER_OTLP_TIMEOUT": "1"})
    assert said.startswith("200 ['google.protobuf'")
    assert len(logged) == 1 and "doesn't get all traces" in logged[0]


def test_without_the_extra_it_says_what_to_install() -> None:
    said, logged = run(WITHOUT_THE_EXTRA, **{ENDPOINT: COLLECTOR})
    assert said == "200 []"
    assert logged == [f"{ENDPOINT} asks for traces, and OpenTelemetry isn't installed: there are none. HINT: {INSTALL}"]


@pytest.mark.parametrize(
    ("before", "problem"), [(ANOTHER_RELEASE, "ImportError"), (ONE_THAT_DOES_NOT_START, "TypeError")], ids=["import", "start"]
)
def test_a_release_that_does_not_fit_costs_traces_alone(before: str, problem: str) -> None:
    said, logged = run(before, **{OF_TRACES: f"{COLLECTOR}/v1/traces"})
    assert said.startswith("200 ")
    assert logged == [
        f"{OF_TRACES} asks for traces, and OpenTelemetry doesn't start ({problem}): there are none. HINT: {INSTALL}"
    ]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({ENDPOINT: COLLECTOR}, ENDPOINT),
        ({OF_TRACES: COLLECTOR}, OF_TRACES),
        ({ENDPOINT: COLLECTOR, OF_TRACES: COLLECTOR}, OF_TRACES),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": COLLECTOR}, None),
        ({ENDPOINT: COLLECTOR, "OTEL_SDK_DISABLED": "false"}, ENDPOINT),
        ({ENDPOINT: COLLECTOR, "OTEL_SDK_DISABLED": "TRUE"}, None),
        ({ENDPOINT: COLLECTOR, "OTEL_TRACES_EXPORTER": ""}, ENDPOINT),
        ({ENDPOINT: COLLECTOR, "OTEL_TRACES_EXPORTER": "console, otlp"}, ENDPOINT),
        ({ENDPOINT: COLLECTOR, "OTEL_TRACES_EXPORTER": "console"}, None),
        ({ENDPOINT: COLLECTOR, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, ENDPOINT),
        ({ENDPOINT: COLLECTOR, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, None),
        (
            {
                ENDPOINT: COLLECTOR,
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
            },
            ENDPOINT,
        ),
    ],
)
def test_the_variables(environ: dict[str, str], expected: str | None) -> None:
    assert collector_variable(environ) == expected


def test_a_protocol_that_is_not_spoken_is_told(caplog: pytest.LogCaptureFixture) -> None:
    collector_variable({ENDPOINT: COLLECTOR, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc'" in record.getMessage()
    assert "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf" in record.getMessage()
