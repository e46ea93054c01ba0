"""Host programs that fork while the proxy runs in them, and programs whose threads aren't the system's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.support.collector import Collector
from tests.support.programs import environment
from tests.support.waiting import LONG

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

# PROGRAM forks while a stream is under way, of which the second piece comes when it says so.
PARENT = """
import atexit, json, os, socket, sys, threading, time
from vespa_client import VastClient
from vespa_client.sandbox import Answer, Sandbox

go_on, gone = threading.Event(), threading.Event()

def pieces():
    yield b"data: 1\\n\\n"
    go_on.wait(30)
    yield b"data: 2\\n\\n"

def stream(request):
    return Answer(200, pieces(), [("Content-Type", "text/event-stream")])

def fork(then):
    child = os.fork()
    if not child:
        then()
        os._exit(9)
    return child

def live_on():
    os.close(until)
    os.read(alive, 1)
    os._exit(0)

alive, until = os.pipe()
sandbox = Sandbox(token_delay=0.0, worker_kind="vespa").start()
client = VastClient(
    "sandbox-llm",
    account_key=sandbox.account_key,
    port=0,
    console_url=sandbox.console_url,
    autoscaler_url=sandbox.autoscaler_url,
    pass_route=("/",),
)
client.start()

def ask(path="/v1/models", version="1.1", **headers):
    sock = socket.create_connection(("127.0.0.1", int(client.url.rpartition(":")[2])), timeout=20)
    lines = "".join(f"{name}: {value}\\r\\n" for name, value in headers.items())
    sock.sendall(f"GET {path} HTTP/{version}\\r\\nHost: localhost\\r\\n{lines}\\r\\n".encode())
    return sock

def rest(sock):
    text = b""
    while piece := sock.recv(65536):
        text += piece
    return text.decode()

def said(**what):
    print(json.dumps(what), flush=True)

PROGRAM
"""


# Newer Pythons warn of a fork beside threads, which is what these programs are for; and eventlet's own DNS can't be imported
# beside trio, which some SDKs bring.
QUIET = {"PYTHONWARNINGS": "ignore", "EVENTLET_NO_GREENDNS": "yes"}


def run(program: str, *, code: int = 0) -> dict[str, object]:
    """What the program said, in which PARENT stands already."""
    done = subprocess.run(
        [sys.executable, "-c", PARENT.replace("PROGRAM", program)],
        env=environment(**QUIET),
        capture_output=True,
        text=True,
        timeout=2 * LONG,
        check=False,
    )
    assert (done.returncode, done.stderr) == (code, "")
    found: dict[str, object] = json.loads(done.stdout)
    return found


@forks
@pytest.mark.parametrize(
    "leave",
    [
        "client.stop(); os._exit(0)",
        "client.stop(drain=5); client.stop(); os._exit(0)",
        "client.__exit__(None, None, None); os._exit(0)",
        "sandbox.stop(); os._exit(0)",
        "atexit.register(client.stop); sys.exit(0)",
        "sys.exit(0)",
        "client.start(); os._exit(0 if client.is_running and client.stop() == 0 else 5)",
        "os.kill(os.getpid(), 9)",
    ],
)
def test_a_child_that_leaves_takes_nothing_of_its_parent_along(leave: str) -> None:
    found = run(f"""
sandbox.worker.answer_by(stream)
sock = ask()
head = sock.recv(65536)
while b"data: 1" not in head:
    head += sock.recv(65536)
idle = ask()
while not idle.recv(65536).endswith(b"}}"):
    pass
child = os.fork()
if not child:
    {leave}
ended = os.waitpid(child, 0)[1]
go_on.set()
whole = ""
while not whole.endswith("0\\r\\n\\r\\n"):
    piece = sock.recv(65536).decode()
    assert piece, whole
    whole += piece
idle.sendall(b"GET /v1/models HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
again = idle.recv(65536)
said(ended=ended, again=again[:15].decode(), new=rest(ask(Connection="close"))[:15], cut=client.stop())
sandbox.stop()
""")
    assert found == {
        "ended": 9 if "kill" in leave else 0,
        "again": "HTTP/1.1 200 OK",
        "new": "HTTP/1.1 200 OK",
        "cut": 0,
    }


@forks
def test_stop_does_not_wait_for_children() -> None:
    found = run("""
child = fork(live_on)
began = time.monotonic()
cut = client.stop()
sandbox.stop()
took = time.monotonic() - began
os.close(until)
said(cut=cut, quick=took < 5, ended=os.waitpid(child, 0)[1], threads=threading.active_count())
""")
    assert found == {"cut": 0, "quick": True, "ended": 0, "threads": 1}


@forks
def test_what_the_parent_closes_is_closed_though_a_child_lives() -> None:
    found = run("""
sandbox.worker.answer_by(stream)
# An answer whose end is the connection's, and one that the proxy ends behind its answer.
old = ask(path="/stream", version="1.0")
old.recv(1)
kept = ask()
while not kept.recv(65536).endswith(b"}"):
    pass
child = fork(live_on)
go_on.set()
old_ended = rest(old).endswith("data: 2\\n\\n")
kept.sendall(b"GET /v1/models HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n")
ended = rest(kept).endswith("}")
# A client that leaves is heard by the worker.
def on_and_on():
    while not gone.wait(0.01):
        yield b"data: on\\n\\n"
sandbox.worker.answer_by(lambda request: Answer(200, on_and_on(), [("Content-Type", "text/event-stream")]))
leaving = ask(path="/leave")
leaving.recv(1)
leaving.close()
cancelled = bool(sandbox.worker.wait_for(lambda seen: [r for r in seen if r.path == "/leave" and r.outcome == "cancelled"], 20))
cut = client.stop()
sandbox.stop()
os.close(until)
said(ended=ended, old_ended=old_ended, cancelled=cancelled, child=os.waitpid(child, 0)[1])
""")
    assert found == {"ended": True, "old_ended": True, "cancelled": True, "child": 0}


@forks
def test_the_port_is_free_once_the_parent_has_stopped() -> None:
    found = run("""
port = int(client.url.rpartition(":")[2])
child = fork(live_on)
client.stop()
with socket.create_server(("127.0.0.1", port)):
    free = True
sandbox.stop()
os.close(until)
said(free=free, child=os.waitpid(child, 0)[1])
""")
    assert found == {"free": True, "child": 0}


@forks
def test_a_child_uses_its_parents_proxy_by_its_address() -> None:
    found = run("""
def ask_it():
    answered = rest(ask(Connection="close")).startswith("HTTP/1.1 200")
    os._exit(0 if answered and not client.is_running else 5)

said(child=os.waitpid(fork(ask_it), 0)[1], cut=client.stop())
sandbox.stop()
""")
    assert found == {"child": 0, "cut": 0}


@forks
def test_a_child_of_multiprocessing_changes_nothing() -> None:
    found = run("""
import multiprocessing
context = multiprocessing.get_context("fork")
with context.Pool(2) as pool:
    sums = pool.map(sum, [[1, 2], [3, 4]])
    answered = rest(ask(Connection="close"))[:15]
    cut = client.stop()
sandbox.stop()
said(sums=sums, answered=answered, cut=cut)
""")
    assert found == {"sums": [3, 7], "answered": "HTTP/1.1 200 OK", "cut": 0}


@forks
def test_a_child_has_no_part_in_its_parent_s_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    with Collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")
        found = run("""
import contextlib, stat
port = int(os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"].rpartition(":")[2])
def is_to_collector(number):
    with contextlib.suppress(OSError):
        if stat.S_ISSOCK(os.fstat(number).st_mode):
            with socket.socket(fileno=os.dup(number)) as copy:
                return copy.family == socket.AF_INET and copy.getpeername()[1] == port
    return False
def connected():
    return sum(map(is_to_collector, range(3, 200)))
rest(ask(Connection="close"))
while not connected():
    time.sleep(0.005)
read, written = os.pipe()
def look():
    os.write(written, f"{threading.active_count()} {connected()}".encode())
    live_on()
child = fork(look)
threads, connections = os.read(read, 99).decode().split()
rest(ask(Connection="close"))
client.stop()
sandbox.stop()
os.close(until)
said(threads=threads, connections=connections, left=threading.active_count(), child=os.waitpid(child, 0)[1])
""")
    assert found == {"threads": "1", "connections": "0", "left": 1, "child": 0}
    assert len(collector.roots) == 2


class TestRealThreads:
    @pytest.mark.parametrize(
        "patch",
        [
            "import gevent.monkey; gevent.monkey.patch_all()",
            "import gevent.monkey; gevent.monkey.patch_socket()",
            "import gevent.monkey; gevent.monkey.patch_all(socket=False, ssl=False, select=False)",
            "import eventlet; eventlet.monkey_patch()",
            "import eventlet; eventlet.monkey_patch(socket=True)",
        ],
    )
    @pytest.mark.parametrize(
        "use",
        [
            "VastClient(sandbox=True, port=0).start()",
            "list_endpoints('key-of-an-account', console_url='http://127.0.0.1:9')",
            "fetch_endpoint_key('key-of-an-account', 'lab', console_url='http://127.0.0.1:9')",
            "asyncio.run(AsyncVastClient('lab', 'key', port=0).start())",
        ],
    )
    def test_a_patched_program_is_told(self, patch: str, use: str) -> None:
        package = patch.split()[1].rstrip(";").partition(".")[0]
        if "asyncio" in use and package == "eventlet":
            pytest.skip("asyncio itself doesn't work there")
        if not find_spec(package):
            pytest.skip(f"{package} isn't here")
        program = f"""
{patch}
import asyncio
from vespa_client import *
try:
    {use}
except VespaError as problem:
    print(problem.code, problem.message, problem.hint, sep="\\n")
"""
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment(**QUIET),
            capture_output=True,
            text=True,
            timeout=LONG,
            check=False,
        )
        code, message, hint = done.stdout.splitlines()
        assert code == "configuration_error"
        assert message.startswith(f"{package} has patched this program") and "threads" in message
        assert "python -m vespa_client" in hint

    @pytest.mark.parametrize(
        "program", ["import gevent, eventlet", "import gevent.monkey; gevent.monkey.patch_time(); gevent.monkey.patch_signal()"]
    )
    def test_one_that_only_has_them_is_served(self, program: str) -> None:
        if not (find_spec("gevent") and find_spec("eventlet")):
            pytest.skip("gevent and eventlet aren't here")
        found = run(f"{program}\nsaid(answered=rest(ask(Connection='close'))[:15], cut=client.stop())\nsandbox.stop()")
        assert found == {"answered": "HTTP/1.1 200 OK", "cut": 0}
