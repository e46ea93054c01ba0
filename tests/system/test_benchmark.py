"""The pieces of scripts/benchmark, and a small round of it: it measures, counts what goes wrong, and judges by its rule."""

from __future__ import annotations

import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..benchmark.benchmark import Benchmark, Target
from ..benchmark.comparison import Comparison, Side
from ..benchmark.figures import MEASURES, SHORT_TABLE
from ..benchmark.judgement import change
from ..benchmark.load import Lane, Load, Outcome
from ..benchmark.measured import Effort, Failed, Measured, quantile
from ..benchmark.messages import BODY, framing_of, unchunked
from ..benchmark.programs import Helper
from ..benchmark.results import DIRECT, OURS, Results
from ..benchmark.streams import measure_one_stream, measure_streams
from ..benchmark.table import markdown, text
from ..benchmark.targets import Checkout, Command, Direct
from ..benchmark.way import Way
from ..support.programs import ROOT
from ..support.raw_worker import CHUNKED, EVENT_STREAM, Peer, RawWorker, answer, background, chunk, connect

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the benchmark needs Linux's /proc and epoll")

LEAST = Effort("least", 20, 0.2, 200, 0.5, 1, 0.1, 0.1, 1, 1)
ABOUT = {"date": "2026-01-02", "cpu": "Z80", "cores": 2, "system": "CP/M", "python": "3", "version": "1", "commit": "c"}


# Judgement


def test_a_quantile_is_a_value_that_was_measured() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert (quantile(values, 0.5), quantile(values, 0.99), quantile([3.0], 0.99), quantile([], 0.5)) == (51.0, 100.0, 3.0, None)


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [
        ([10, 11, 12], [13, 14, 15], "worse"),
        ([13, 14, 15], [10, 11, 12], "better"),
        ([10, 11, 12], [12, 14, 15], "same"),
        ([100, 101, 102], [103, 104, 105], "same"),
        ([10, 11], [20, 21, 22], "too few rounds"),
        ([0, 0, 0], [1, 1, 1], "worse"),
    ],
    ids=["apart", "apart, lower", "overlapping", "apart by less than 5 %", "two rounds", "from nothing"],
)
def test_only_what_is_beyond_noise_is_better_or_worse(before: list[float], now: list[float], verdict: str) -> None:
    found = change(before, now, "lower")
    assert found and found.verdict == verdict


def test_where_more_is_better_less_is_worse() -> None:
    found = change([900, 910, 920], [600, 610, 620], "higher")
    assert found and found.verdict == "worse" and found.factor == pytest.approx(610 / 910)
    assert change([900.0], [], "higher") is None


def results_of(yardstick: float, **figures: list[float]) -> Results:
    """Ours, busy with 32 connections, a round for each value; direct's p99 is always 10 ms."""
    results = Results({**ABOUT, "effort": "full"}, {DIRECT: "", OURS: ""})
    for place in range(len(next(iter(figures.values())))):
        results.begin_round(yardstick)
        results.add(DIRECT, "busy32", Measured({"p99_ms": 10.0, "requests_s": 4000.0}))
        results.add(OURS, "busy32", Measured({name: values[place] for name, values in figures.items()}))
    return results


def compared(before: Results, now: Results) -> Comparison:
    return Comparison(Side(before), Side(now))


def test_a_slower_machine_is_not_a_worse_proxy() -> None:
    fast = results_of(10.0, cpu_ms=[0.50, 0.51, 0.52])
    slow = results_of(20.0, cpu_ms=[1.00, 1.02, 1.04])
    assert not compared(fast, slow).is_worse
    # On that machine, as much CPU as on the fast one is a gain.
    assert "1 better" in str(compared(slow, results_of(20.0, cpu_ms=[0.50, 0.51, 0.52])))
    assert compared(fast, results_of(10.0, cpu_ms=[1.00, 1.02, 1.04])).is_worse


def test_a_difference_below_a_figures_grain_is_none() -> None:
    before = results_of(10.0, p99_ms=[5.0, 5.1, 5.2])
    assert not compared(before, results_of(10.0, p99_ms=[5.8, 5.9, 6.0])).is_worse
    assert compared(before, results_of(10.0, p99_ms=[7.8, 7.9, 8.0])).is_worse


def test_more_errors_are_worse() -> None:
    before, now = results_of(10.0, p99_ms=[5.0] * 3), results_of(10.0, p99_ms=[5.0] * 3)
    now.errors[OURS]["busy32"][1]["HTTP 503"] = 2
    assert compared(before, now).is_worse
    assert not compared(now, before).is_worse
    assert "rounds with errors 0% → 33%" in str(compared(before, now))


# What is shown and kept


def test_a_file_holds_all_that_the_table_shows(tmp_path: Path) -> None:
    results = results_of(10.0, requests_s=[1000, 1500, 2000], p99_ms=[8.0, 9.0, 10.0])
    results.add(OURS, "unary1", Measured({"cpu_ms": 0.9, "p50_ms": None}, {"p50_ms": 0.6}, Counter({"reset": 3})))
    results.fail(OURS, "upload", "HTTP 413: too large")
    file = tmp_path / "new" / "results.json"
    results.save(file)
    table = text(results)
    assert text(Results.load(file)) == table
    lines = {line.strip().partition("  ")[0]: line for line in table.splitlines()}
    assert "1500 (1000-2000) met" in lines["requests a second"]
    assert "0.90 MISSED [1 of 3 rounds]" in lines["CPU a request, ms"]
    assert "! ours failed in 1 of 3 rounds: HTTP 413: too large" in table
    assert "! ours had errors: 3 x reset" in table


def test_the_short_table_has_medians_and_names_the_machine() -> None:
    shown = markdown(results_of(10.0, requests_s=[1000, 1500, 2000]))
    assert "| requests a second: 32, 256 connections, a new one each | 4,000, -, - | 1,500, -, - |" in shown
    assert shown.endswith("Medians of 3 rounds on 2 x Z80 (CP/M, Python 3), 2026-01-02, vespa_client 1 at c.")


def test_the_short_table_names_figures_that_there_are() -> None:
    for _, places in SHORT_TABLE:
        for measure, figure in places:
            assert MEASURES[measure].figure(figure)


def test_only_a_file_of_the_benchmark_is_read(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"format": 0}')
    with pytest.raises(ValueError, match=r"other\.json is no result of this benchmark"):
        Results.load(tmp_path / "other.json")


# The client's side


@pytest.fixture
def worker() -> Iterator[RawWorker]:
    """In a proxy's place."""
    with RawWorker() as raw:
        yield raw


def way_to(worker: RawWorker) -> Way:
    return Way("127.0.0.1", int(worker.address.rpartition(":")[2]), None)


def one_lane(worker: RawWorker) -> Load:
    way = way_to(worker)
    return Load([Lane([(0, step) for step in way.chat()])], lambda _: way.dial(), patience=1.0)


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (answer(b"busy", "503 Service Unavailable"), "HTTP 503"),
        (answer(b"whole")[:-1], "an answer was cut short"),
        (CHUNKED + chunk(b"no end"), "an answer was cut short"),
        (b"", "hung up instead of answering"),
        (b"SSH-2.0-x\r\n\r\n", "no HTTP: 'SSH-2.0-x'"),
    ],
)
def test_what_is_no_whole_200_is_an_error_by_its_kind(worker: RawWorker, sent: bytes, kind: str) -> None:
    with one_lane(worker) as load, background(load.once) as running:
        peer, message = worker.request()
        assert message.body == BODY
        with peer:
            peer.send(sent)
    outcome: Outcome = running.result()
    assert outcome.errors == {kind: 1}
    assert outcome.latencies == []


def test_whoever_does_not_answer_is_not_waited_for_for_ever(worker: RawWorker) -> None:
    with one_lane(worker) as load, background(load.once) as running:
        worker.request()
    assert running.result().errors == {"no answer within 1 s": 1}


def test_an_answer_counts_when_all_of_it_has_come(worker: RawWorker) -> None:
    answers = (answer(b"whole"), CHUNKED + chunk(b"whole") + chunk(b""), answer(b"", "200 OK", "Connection: close"))
    peers: list[Peer] = []
    with one_lane(worker) as load:
        for sent in answers:
            with background(load.once) as running:
                peers = peers or [worker.accept()]
                peers[0].message()
                peers[0].send(sent[:20])
                assert not running.done()
                peers[0].send(sent[20:])
            assert len(running.result().latencies) == 1 and not running.result().errors
        # The last one said that the connection ends.
        peers[0].wait_gone()


def test_a_connection_for_each_request(worker: RawWorker) -> None:
    way = way_to(worker)
    with Load([Lane([(0, step) for step in way.chat(closes=True)])], lambda _: way.dial(), renews=True) as load:
        for _ in range(2):
            with background(load.once) as running:
                peer, message = worker.request()
                assert message.one("Connection") == "close"
                peer.send(answer())
            assert len(running.result().latencies) == 1
            peer.wait_gone()


def event(number: int, sent_at: float) -> bytes:
    return b'data: {"i":%d,"t":%.6f,"x":1}\n\n' % (number, sent_at)


DONE = chunk(b"data: [DONE]\n\n") + chunk(b"")


@pytest.mark.parametrize(
    ("pieces", "finished", "errors"),
    [
        ([b"<0>", b"<1>", DONE], 1, {}),
        ([b"<0>", DONE], 0, {"events were missing": 1}),
        ([b"<0>", b"<1>", chunk(b"")], 0, {"events were missing": 1}),
        ([b"<0>", b"<1>", chunk(b"data: [DONE]\n\n")], 0, {"a stream was cut short": 1}),
    ],
    ids=["whole", "an event short", "no last event", "no last chunk"],
)
def test_a_stream_has_finished_if_nothing_is_missing(
    worker: RawWorker, pieces: list[bytes], finished: int, errors: dict[str, int]
) -> None:
    with background(lambda: measure_streams(way_to(worker), 1, 2.0, 1.0)) as running:
        peer = worker.request()[0]
        late = time.monotonic() - 0.5
        sent = EVENT_STREAM + b"".join(pieces)
        for number in (0, 1):
            sent = sent.replace(b"<%d>" % number, chunk(event(number, late)))
        # Cut inside an event, and inside its time.
        for place in range(0, len(sent), 50):
            peer.send(sent[place : place + 50])
        peer.end_of_sending()
    measured: Measured = running.result()
    assert measured.figures["finished"] == finished
    assert measured.errors == errors
    assert 500 <= (measured.figures["late_p99_ms"] or 0) < 5000


def test_the_stream_at_full_speed_has_to_be_whole(worker: RawWorker) -> None:
    def serve(peer: Peer, events: int) -> None:
        peer.send(EVENT_STREAM + b"".join(chunk(event(number, 0.0)) for number in range(events)) + DONE)

    way = way_to(worker)
    with background(lambda: measure_one_stream(way, way, LEAST)) as running:
        for _ in range(2):
            serve(worker.request()[0], LEAST.stream_events)
    assert (running.result().figures["share"] or 0) > 0
    with pytest.raises(Failed, match="199 of 200 events came"), background(lambda: measure_one_stream(way, way, LEAST)):
        serve(worker.request()[0], LEAST.stream_events - 1)


def test_chunks_are_taken_apart() -> None:
    assert unchunked(chunk(b"a\r\nb") + chunk(b"c") + chunk(b"")) == b"a\r\nbc"
    with pytest.raises(ValueError):
        unchunked(chunk(b"abc")[:-3])


def test_a_head_tells_how_the_body_ends() -> None:
    assert framing_of(b"HTTP/1.1 200 OK\r\nContent-length: 5") == (200, 5, False, False)
    assert framing_of(b"HTTP/1.1 404 \r\nTransfer-Encoding: Chunked") == (404, None, True, False)
    assert framing_of(b"HTTP/1.1 200 OK\r\nX: y") == (200, None, False, True)


# What is started


def test_the_relay_keeps_bytes_back_and_loses_none(worker: RawWorker, tmp_path: Path) -> None:
    delay = 0.05
    with Helper("relay", str(delay), worker.address.rpartition(":")[2], log=tmp_path / "log") as relay:
        begin = time.monotonic()
        with connect(f"http://127.0.0.1:{relay.ports[0]}") as client, background(worker.accept) as accepted:
            client.send(b"there" * 100_000)
            client.end_of_sending()
            peer: Peer = accepted.result()
            assert time.monotonic() - begin >= 2 * delay
            assert peer.rest() == b"there" * 100_000
            assert time.monotonic() - begin >= 3 * delay
            peer.send(b"back")
            peer.close()
            assert client.rest() == b"back"
            assert time.monotonic() - begin >= 4 * delay


def run(targets: list[Target], *measures: str) -> Results:
    said: list[str] = []
    benchmark = Benchmark(targets, [MEASURES[name] for name in measures], LEAST, said.append)
    benchmark.run(1)
    return benchmark.results


@pytest.mark.timeout(180)
def test_a_small_round_measures_what_is_near() -> None:
    near = ("start", "unary1", "busy32", "connect64", "stream1", "streams50", "upload", "download")
    results = run([Direct(), Checkout(OURS, ROOT)], *near)
    assert not any(any(reasons) for reasons in results.failures[OURS].values()), results.failures
    assert not any(any(kinds) for kinds in results.errors[OURS].values()), results.errors
    for name in near:
        assert results.figures(OURS, name) == list(MEASURES[name].figures)
        if name != "start":
            assert results.figures(DIRECT, name)
    assert results.values(OURS, "streams50", "finished") == [50]
    assert results.values(OURS, "busy32", "requests_s")[0] > 0


@pytest.mark.timeout(180)
@pytest.mark.skipif(not shutil.which("openssl"), reason="without the openssl command there is no TLS to measure")
def test_far_away_every_request_is_routed_once_and_connections_are_kept() -> None:
    results = run([Checkout(OURS, ROOT)], "far-tls")
    assert not any(results.failures[OURS]["far-tls"]), results.failures
    assert not any(results.errors[OURS]["far-tls"]), results.errors

    def value(figure: str) -> float:
        return results.values(OURS, "far-tls", figure)[0]

    assert (value("routes_a_request"), value("early_routes")) == (1, 0)
    # 32 to each of the two, one to each of the unseen workers, and nearly none for each request.
    assert value("connections") <= 2 * 32 + 2 + 3
    # 4 round trips: the assignment, the worker's handshakes for TCP and TLS, and the request.
    assert value("first_ms") >= 4 * 80
    assert value("second_ms") >= 2 * 80
    assert value("new_worker_over_ms") >= 0


# Answers without a worker; every third request it drops, and every other third it refuses.
UNRELIABLE = """
import itertools, socket, sys
count = itertools.count()
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    client = listener.accept()[0]
    while b"\\r\\n\\r\\n" in client.recv(65536):
        fate = next(count) % 3
        if not fate:
            break
        client.sendall(b"HTTP/1.1 %d x\\r\\nContent-Length: 0\\r\\n\\r\\n" % (200 if fate == 1 else 503))
    client.close()
"""


def test_a_proxy_that_loses_requests_shows_it(tmp_path: Path) -> None:
    (tmp_path / "unreliable.py").write_text(UNRELIABLE)
    results = run([Command("unreliable", f"{{python}} {tmp_path / 'unreliable.py'} {{port}}")], "connect64", "stream1")
    (errors,) = results.errors["unreliable"]["connect64"]
    assert errors["HTTP 503"] and errors["hung up instead of answering"]
    assert results.values("unreliable", "connect64", "requests_s")
    table = text(results)
    assert "! unreliable had errors: " in table and "! unreliable failed in 1 of 1 rounds: " in table


def test_a_proxy_that_does_not_start_is_a_failure_in_words() -> None:
    broken = Command("broken", "{python} -c \"import sys; sys.exit('no {port}, no proxy')\"")
    missing = Command("missing", "/no/such/program --port {port}")
    results = run([broken, missing], "busy32")
    assert "no proxy" in results.failures["broken"]["busy32"][0]
    assert "ended with code 1" in results.failures["broken"]["busy32"][0]
    assert results.failures["missing"]["busy32"] == ["/no/such/program can't be started: No such file or directory"]
    assert "! missing failed in 1 of 1 rounds" in text(results)
