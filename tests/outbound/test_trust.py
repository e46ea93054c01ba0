"""Which certificates are trusted, over real TLS: good root, other root, wrong name, expired; Vast.ai's root and its cache."""

from __future__ import annotations

import base64
import contextlib
import errno
import logging
import os
import ssl
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests

from tests.support.raw_worker import connect, get
from tests.support.tls_material import Authority
from tests.support.waiting import LONG
from vespa_client import ConfigurationError, VastClient, fetch_endpoint_key, list_endpoints
from vespa_client.errors import ConsoleError, NetworkError
from vespa_client.net.lifeline import ClientGone, Lifeline
from vespa_client.outbound.trust import ROOT_PATH, Trust, cache_directory
from vespa_client.sandbox import Answer, Request, Sandbox
from vespa_client.settings.table import settings_table

MODELS = "/v1/models"


posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no modes of files")


@pytest.fixture(scope="module")
def vast() -> Authority:
    """The root that plays Vast.ai's."""
    return Authority("Vast.ai's root, played")


@pytest.fixture(scope="module")
def stranger() -> Authority:
    """A root that nobody was told of."""
    return Authority("somebody else's root")


@contextlib.contextmanager
def secure_sandbox(worker: ssl.SSLContext, root: bytes | None, services: ssl.SSLContext | None = None) -> Iterator[Sandbox]:
    """A sandbox whose worker speaks TLS; with ``services``, console and autoscaler do too."""
    sandbox = Sandbox(token_delay=0.0, worker_tls=worker, worker_kind="vespa")
    sandbox.console.root_certificate = root
    sandbox.console.tls = sandbox.autoscaler.tls = services
    with sandbox:
        yield sandbox


def client_for(sandbox: Sandbox, **settings: object) -> VastClient:
    """A proxy in front of that sandbox, not started."""
    given: dict[str, object] = {
        "endpoint": sandbox.endpoints[0].name,
        "account_key": sandbox.account_key,
        "console_url": sandbox.console_url,
        "autoscaler_url": sandbox.autoscaler_url,
        "port": 0,
        "pass_route": ("/",),
        **settings,
    }
    return VastClient(**given)  # type: ignore[arg-type]


def ask(client: VastClient) -> requests.Response:
    return requests.get(client.url + MODELS, timeout=LONG)


def root_requests(sandbox: Sandbox) -> list[Request]:
    return [request for request in sandbox.console.requests if request.path == ROOT_PATH]


def cached_roots() -> list[Path]:
    return sorted(cache_directory().glob("*")) if cache_directory().exists() else []


def make_default_context_strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Python 3.13 does by itself."""
    create = ssl.create_default_context

    def strict(*args: object, **kwargs: object) -> ssl.SSLContext:
        context = create(*args, **kwargs)  # type: ignore[arg-type]
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)


@pytest.mark.parametrize("form", ["pem", "der"])
def test_a_worker_under_the_consoles_root_is_served_and_the_root_is_cached(vast: Authority, form: str, own_home: Path) -> None:
    root = getattr(vast, form)
    with secure_sandbox(vast.server(), root) as sandbox, client_for(sandbox) as client:
        answer = ask(client)
        assert answer.status_code == 200, answer.text
        assert ask(client).status_code == 200
        assert len(root_requests(sandbox)) == 1
    (cached,) = cached_roots()
    assert own_home in cached.parents
    assert cached.read_bytes() == root
    assert stat.S_IMODE(cached.stat().st_mode) == 0o600


def test_the_strict_check_that_python_3_13_turns_on_is_off(vast: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    make_default_context_strict(monkeypatch)
    with secure_sandbox(vast.server(), vast.pem) as sandbox, client_for(sandbox) as client:
        assert ask(client).status_code == 200


def test_without_the_strict_check_chain_and_name_are_still_verified(vast: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    make_default_context_strict(monkeypatch)
    trust = Trust("https://console.invalid", lambda lifeline: vast.pem)
    for context in (trust.public, trust.workers):
        assert not context.verify_flags & ssl.VERIFY_X509_STRICT
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname


@pytest.mark.parametrize("fault", ["other root", "wrong name", "expired"])
def test_a_bad_certificate_is_refused_before_the_request_is_sent(vast: Authority, stranger: Authority, fault: str) -> None:
    server = {
        "other root": lambda: stranger.server(),
        "wrong name": lambda: vast.server("worker.test"),
        "expired": lambda: vast.server(expired=True),
    }[fault]()
    with secure_sandbox(server, vast.pem) as sandbox, client_for(sandbox, retries=1) as client:
        answer = ask(client)
        assert answer.status_code == 502
        assert answer.headers["X-Vespa-Error"] == "worker_unreachable"
        error = answer.json()["error"]
        said = {"other root": "issuer", "wrong name": "IP address mismatch", "expired": "expired"}[fault]
        assert "certificate" in error["message"]
        assert said in error["message"]
        assert "--ca-file" in error["hint"]
        assert sandbox.worker.requests == []
        assert len(sandbox.autoscaler.routes) == 2


def test_what_the_caller_trusts_elsewhere_is_no_trust_here(
    vast: Authority, stranger: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle = str(stranger.pem_file(tmp_path))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    monkeypatch.setenv("CURL_CA_BUNDLE", bundle)
    with secure_sandbox(stranger.server(), vast.pem) as sandbox, client_for(sandbox, retries=0) as client:
        assert requests.get(client.url + MODELS, timeout=LONG).status_code == 502
        assert sandbox.worker.requests == []


def test_the_keys_of_tls_are_written_nowhere(vast: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    trust = Trust("https://console.invalid", lambda lifeline: vast.pem)
    assert (trust.public.keylog_filename, trust.workers.keylog_filename) == (None, None)
    # Services under TLS as well, so that each way out of the proxy has shaken hands.
    root = vast.pem_file(tmp_path)
    with (
        secure_sandbox(vast.server(), vast.pem, services=vast.server()) as sandbox,
        client_for(sandbox, ca_file=str(root)) as client,
    ):
        assert ask(client).status_code == 200
    assert not keys.exists()


def test_no_setting_turns_verification_off() -> None:
    names = " ".join(settings_table())
    assert not any(word in names for word in ("insecure", "verify", "skip", "unsafe"))


def test_the_root_is_not_asked_for_while_workers_speak_plain_http(sandbox: Sandbox, proxy: VastClient, vast: Authority) -> None:
    sandbox.console.root_certificate = vast.pem
    assert ask(proxy).status_code == 200
    assert root_requests(sandbox) == []
    assert cached_roots() == []


def test_the_root_is_asked_for_with_the_first_worker_that_speaks_tls(vast: Authority) -> None:
    with secure_sandbox(vast.server(), vast.pem) as sandbox, client_for(sandbox) as client:
        assert root_requests(sandbox) == []
        ask(client)
        assert len(root_requests(sandbox)) == 1
        assert root_requests(sandbox)[0].header("authorization") is None


def test_a_cached_root_serves_the_next_start(vast: Authority) -> None:
    with secure_sandbox(vast.server(), vast.pem) as sandbox:
        for _ in range(2):
            with client_for(sandbox) as client:
                assert ask(client).status_code == 200
        assert len(root_requests(sandbox)) == 1


def test_a_changed_root_is_fetched_within_the_request_that_met_it(vast: Authority, stranger: Authority) -> None:
    with secure_sandbox(vast.server(), stranger.pem) as sandbox:
        with client_for(sandbox, retries=0) as client:
            assert ask(client).status_code == 502
        (cached,) = cached_roots()
        assert cached.read_bytes() == stranger.pem
        sandbox.console.root_certificate = vast.pem
        sandbox.autoscaler.clear_requests()
        with client_for(sandbox) as client:
            assert ask(client).status_code == 200
        assert cached.read_bytes() == vast.pem
        # The refused try was routed afresh; nothing of it had reached the worker.
        assert len(sandbox.autoscaler.routes) == 2
        assert len(sandbox.worker.requests) == 1


def test_a_bad_certificate_has_the_console_asked_once_a_minute_at_most(vast: Authority, stranger: Authority) -> None:
    with secure_sandbox(stranger.server(), vast.pem) as sandbox, client_for(sandbox, retries=0) as client:
        for _ in range(5):
            assert ask(client).status_code == 502
        assert len(root_requests(sandbox)) == 1


def test_a_wrong_root_is_asked_for_again_after_a_minute(vast: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("vespa_client.outbound.trust.time", SimpleNamespace(monotonic=lambda: now))
    fetched: list[float] = []

    def fetch(lifeline: Lifeline) -> bytes:
        fetched.append(now)
        return vast.pem

    trust = Trust("https://console.invalid", fetch)
    trust.ready(Lifeline())
    for now in (1001.0, 1059.0, 1061.0, 1062.0, 1120.0, 1122.0):  # noqa: B007 (fetch and the clock read it)
        trust.renew(Lifeline())
    assert fetched == [1000.0, 1061.0, 1122.0]


def test_renew_says_whether_another_root_came(vast: Authority, stranger: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("vespa_client.outbound.trust.time", SimpleNamespace(monotonic=lambda: now))
    roots = iter([vast.pem, vast.pem, stranger.pem])
    trust = Trust("https://console.invalid", lambda lifeline: next(roots))
    trust.ready(Lifeline())
    now = 100.0
    assert not trust.renew(Lifeline())
    now = 200.0
    assert trust.renew(Lifeline())


def test_many_who_meet_the_first_tls_worker_at_once_fetch_the_root_once(vast: Authority) -> None:
    with secure_sandbox(vast.server(), vast.pem) as sandbox, client_for(sandbox) as client:
        together = threading.Barrier(8)
        statuses: list[int] = []

        def run() -> None:
            together.wait()
            statuses.append(ask(client).status_code)

        threads = [threading.Thread(target=run) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [200] * 8
        assert len(root_requests(sandbox)) == 1


def test_a_fetch_that_is_called_off_leaves_the_next_one_to_be_made(vast: Authority) -> None:
    fetched: list[int] = []

    def fetch(lifeline: Lifeline) -> bytes:
        fetched.append(1)
        lifeline.check()
        return vast.pem

    trust = Trust("https://console.invalid", fetch)
    cut = Lifeline()
    cut.cut()
    for wanted in (trust.ready, trust.renew):
        with pytest.raises(ClientGone):
            wanted(cut)
    assert (len(fetched), trust.trouble) == (2, "")
    trust.ready(Lifeline())
    assert len(fetched) == 3
    assert "Vast.ai's root, played" in str(trust.workers.get_ca_certs())


def test_a_client_that_leaves_while_the_root_is_fetched_holds_up_and_spoils_nobody(vast: Authority) -> None:
    arrived, go_on = threading.Event(), threading.Event()

    def slow(request: Request) -> None:
        arrived.set()
        go_on.wait(LONG)

    with secure_sandbox(vast.server(), vast.pem) as sandbox, client_for(sandbox) as client:
        sandbox.console.answer_by(slow, path=ROOT_PATH)
        try:
            with connect(client.url) as leaving:
                leaving.send(get(MODELS))
                assert arrived.wait(LONG)
                leaving.reset()
            assert requests.get(client.url + MODELS, timeout=LONG / 2).status_code == 200
        finally:
            go_on.set()
        assert len(root_requests(sandbox)) == 2


def test_without_a_console_the_error_says_that_the_root_is_missing(vast: Authority, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "vespa_client")
    with secure_sandbox(vast.server(), None) as sandbox, client_for(sandbox, retries=0) as client:
        sandbox.console.stop()
        answer = ask(client)
        assert answer.status_code == 502
        message = answer.json()["error"]["message"]
        assert "root certificate" in message
        assert sandbox.console_url in message
        assert "connection refused" in message
        assert sandbox.worker.requests == []
    assert any("root certificate" in record.getMessage() for record in caplog.records)
    assert cached_roots() == []


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b""),
        (200, b""),
        (200, b"<html>log in</html>"),
        (200, b"-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n"),
    ],
)
def test_a_console_without_a_usable_root_is_said(vast: Authority, status: int, body: bytes) -> None:
    with secure_sandbox(vast.server(), None) as sandbox, client_for(sandbox, retries=0) as client:
        sandbox.console.answer_with(status, body, times=None, path=ROOT_PATH)
        answer = ask(client)
        assert answer.status_code == 502
        assert "root certificate" in answer.json()["error"]["message"]
        assert cached_roots() == []


@pytest.mark.parametrize("rubbish", [b"", b"\x00\x01", b"-----BEGIN CERTIFICATE-----\nrubbish"])
def test_a_broken_cache_file_is_replaced(vast: Authority, rubbish: bytes) -> None:
    with secure_sandbox(vast.server(), vast.pem) as sandbox:
        with client_for(sandbox) as client:
            assert ask(client).status_code == 200
        (cached,) = cached_roots()
        cached.write_bytes(rubbish)
        with client_for(sandbox) as client:
            assert ask(client).status_code == 200
        assert cached.read_bytes() == vast.pem


@posix
def test_a_root_that_somebody_else_could_have_planted_is_not_trusted(
    vast: Authority, stranger: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    with secure_sandbox(vast.server(), vast.pem) as sandbox:
        with client_for(sandbox) as client:
            assert ask(client).status_code == 200
        (cached,) = cached_roots()
        cached.write_bytes(stranger.pem)
        cached.chmod(0o666)
        with client_for(sandbox) as client:
            assert ask(client).status_code == 200
        assert "not taken from the cache" in caplog.text
        assert cached.read_bytes() == vast.pem
        assert stat.S_IMODE(cached.stat().st_mode) == 0o600


def test_a_cache_that_cannot_be_written_is_no_failure(vast: Authority, own_home: Path) -> None:
    (own_home / ".cache").write_text("a file where the directory should be")
    with secure_sandbox(vast.server(), vast.pem) as sandbox, client_for(sandbox) as client:
        assert ask(client).status_code == 200


def test_each_console_has_a_cache_of_its_own(vast: Authority, stranger: Authority) -> None:
    Trust("https://console.vast.ai", lambda lifeline: vast.pem).ready(Lifeline())
    Trust("https://alpha.vast.ai", lambda lifeline: stranger.pem).ready(Lifeline())
    Trust("http://[::1]:8000/x", lambda lifeline: stranger.pem).ready(Lifeline())
    assert len(cached_roots()) == 3
    alpha = Trust("https://alpha.vast.ai", lambda lifeline: pytest.fail("it is cached"))
    alpha.ready(Lifeline())
    assert {item["subject"][0][0][1] for item in alpha.workers.get_ca_certs()} >= {"somebody else's root"}


def test_the_caches_directory_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, vast: Authority) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_directory() == tmp_path / "vespa_client"


@pytest.mark.parametrize(("platform", "place"), [("darwin", "Library/Caches"), ("win32", "AppData/Local"), ("linux", ".cache")])
def test_the_caches_directory_is_the_systems(
    monkeypatch: pytest.MonkeyPatch, own_home: Path, platform: str, place: str
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    assert cache_directory() == own_home / place / "vespa_client"


def test_a_ca_file_adds_a_root_for_workers_console_and_autoscaler(vast: Authority, stranger: Authority, tmp_path: Path) -> None:
    company = stranger.pem_file(tmp_path)
    with (
        secure_sandbox(stranger.server(), vast.pem, services=stranger.server()) as sandbox,
        client_for(sandbox, ca_file=str(company)) as client,
    ):
        assert sandbox.console_url.startswith("https://")
        assert ask(client).status_code == 200
        names = [
            item.name for item in list_endpoints(sandbox.account_key, console_url=sandbox.console_url, ca_file=str(company))
        ]
        assert names == [item.name for item in sandbox.endpoints]
        key = fetch_endpoint_key(sandbox.account_key, names[0], console_url=sandbox.console_url, ca_file=str(company))
        assert key == sandbox.endpoints[0].api_key


def as_der(pem: bytes) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pem.decode())


def as_trusted(pem: bytes) -> bytes:
    """As OpenSSL writes a certificate with what it is trusted for (here: nothing in particular) behind it."""
    text = base64.encodebytes(as_der(pem) + b"\x30\x00").decode()
    return f"-----BEGIN TRUSTED CERTIFICATE-----\n{text}-----END TRUSTED CERTIFICATE-----\n".encode()


@pytest.mark.parametrize(
    "written",
    [
        lambda pem: b"\xef\xbb\xbf" + pem.replace(b"\n", b"\r\n"),
        lambda pem: pem.decode().encode("utf-16"),
        lambda pem: "# Ausgestellt für die Müller GmbH\n".encode() + pem + b"\nand more\n",
        lambda pem: "# Müller\n".encode("latin-1") + pem,
        lambda pem: pem.replace(b"CERTIFICATE", b"X509 CERTIFICATE"),
        as_trusted,
        as_der,
    ],
    ids=["mark and CRLF", "UTF-16", "words between", "Latin-1", "X509", "TRUSTED", "DER"],
)
def test_a_ca_file_may_be_written_in_many_ways(
    stranger: Authority, vast: Authority, tmp_path: Path, written: Callable[[bytes], bytes]
) -> None:
    company = tmp_path / "company.pem"
    company.write_bytes(written(stranger.pem))
    with secure_sandbox(vast.server(), vast.pem, services=stranger.server()) as sandbox:
        assert list_endpoints(sandbox.account_key, console_url=sandbox.console_url, ca_file=str(company))


@pytest.mark.skipif(os.name != "posix", reason="shells of other systems have no such files")
def test_a_ca_file_may_be_readable_only_once(stranger: Authority, vast: Authority) -> None:
    read, write = os.pipe()
    os.write(write, stranger.pem)
    os.close(write)
    try:
        place = f"/dev/fd/{read}"
        with (
            secure_sandbox(vast.server(), vast.pem, services=stranger.server()) as sandbox,
            client_for(sandbox, ca_file=place) as client,
        ):
            assert ask(client).status_code == 200
            assert list_endpoints(sandbox.account_key, console_url=sandbox.console_url, ca_file=place)
    finally:
        os.close(read)


def test_without_a_home_the_root_is_fetched_and_not_cached(vast: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*args: object) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", none)
    assert cache_directory() is None
    with secure_sandbox(vast.server(), vast.pem) as sandbox:
        for _ in range(2):
            with client_for(sandbox) as client:
                assert ask(client).status_code == 200
        assert len(root_requests(sandbox)) == 2


@pytest.mark.skipif(os.name != "posix", reason="homes of other systems are not read-only")
@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EACCES])
def test_a_home_that_takes_nothing_costs_the_cache_alone(
    vast: Authority, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with secure_sandbox(vast.server(), vast.pem) as sandbox, client_for(sandbox) as client:
        assert ask(client).status_code == 200
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.skipif(os.name != "posix", reason="homes of other systems are their users' own")
def test_a_home_that_may_not_be_looked_into_is_no_warning(
    vast: Authority, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "lstat", refuse)
    with secure_sandbox(vast.server(), vast.pem) as sandbox, client_for(sandbox) as client:
        assert ask(client).status_code == 200
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_ca_file_joins_vast_ais_root_and_does_not_replace_it(vast: Authority, stranger: Authority, tmp_path: Path) -> None:
    company = stranger.pem_file(tmp_path)
    with (
        secure_sandbox(vast.server(), vast.pem, services=stranger.server()) as sandbox,
        client_for(sandbox, ca_file=str(company)) as client,
    ):
        assert ask(client).status_code == 200


def test_vast_ais_root_is_trusted_for_workers_alone(vast: Authority) -> None:
    trust = Trust("https://console.invalid", lambda lifeline: vast.pem)
    trust.ready(Lifeline())
    subjects = [[item["subject"] for item in context.get_ca_certs()] for context in (trust.public, trust.workers)]
    assert sum("Vast.ai's root, played" in str(subject) for subject in subjects[0]) == 0
    assert sum("Vast.ai's root, played" in str(subject) for subject in subjects[1]) == 1


def test_a_console_that_cannot_be_trusted_is_told_of_with_the_way_out(stranger: Authority, vast: Authority) -> None:
    with secure_sandbox(vast.server(), vast.pem, services=stranger.server()) as sandbox:
        with pytest.raises(NetworkError) as caught:
            client_for(sandbox).start()
        assert "can't be trusted" in caught.value.message
        assert "--ca-file" in caught.value.hint
        assert sandbox.console.requests == []


def test_an_autoscaler_that_cannot_be_trusted_is_never_asked(stranger: Authority, vast: Authority) -> None:
    with secure_sandbox(vast.server(), vast.pem) as sandbox:
        sandbox.autoscaler.stop()
        sandbox.autoscaler.tls = stranger.server()
        sandbox.autoscaler.start()
        with client_for(sandbox) as client:
            answer = ask(client)
        assert answer.status_code == 502
        error = answer.json()["error"]
        assert "certificate" in error["message"]
        assert "--ca-file" in error["hint"]
        assert sandbox.autoscaler.requests == []


@pytest.mark.parametrize("kind", ["missing", "directory", "empty", "rubbish", "key only"])
def test_a_broken_ca_file_is_a_configuration_error(kind: str, tmp_path: Path, sandbox: Sandbox) -> None:
    path = tmp_path / "company.pem"
    if kind == "directory":
        path.mkdir()
    elif kind != "missing":
        texts = {"empty": "", "rubbish": "no certificate at all", "key only": "-----BEGIN PRIVATE KEY-----\nAA==\n"}
        path.write_text(texts[kind])
    with pytest.raises(ConfigurationError) as caught:
        client_for(sandbox, ca_file=str(path)).start()
    assert "--ca-file" in caught.value.message
    assert str(path) in caught.value.message


def test_a_ca_file_may_begin_with_the_home(stranger: Authority, own_home: Path) -> None:
    stranger.pem_file(own_home)
    trust = Trust("https://console.invalid", lambda lifeline: b"", "~/root.pem")
    for context in (trust.public, trust.workers):
        assert "somebody else's root" in str(context.get_ca_certs())


def test_the_public_roots_are_trusted_for_workers_too(vast: Authority) -> None:
    trust = Trust("https://console.invalid", lambda lifeline: vast.pem)
    assert len(trust.workers.get_ca_certs()) > 50


def test_a_failure_to_fetch_is_not_repeated_at_each_request() -> None:
    calls: list[int] = []

    def fetch(lifeline: Lifeline) -> bytes:
        calls.append(1)
        raise ConsoleError("the console is away")

    trust = Trust("https://console.invalid", fetch)
    for _ in range(5):
        trust.ready(Lifeline())
    assert len(calls) == 1
    assert "the console is away" in trust.trouble


def test_answers_over_tls_that_end_without_a_goodbye_are_not_whole(vast: Authority) -> None:
    """An end of TLS without close_notify could be anybody's doing (RFC 9112, 9.8)."""

    def pieces(request: Request) -> Iterator[bytes]:
        yield b"first"

    answers: Callable[[Request], Answer] = lambda request: Answer(200, pieces(request), until_close=True)  # noqa: E731
    with secure_sandbox(vast.server(), vast.pem) as sandbox, client_for(sandbox) as client:
        sandbox.worker.answer_by(answers)
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            ask(client)
