"""A session of requests that can be ended, has ports that it doesn't talk to, and says why it failed."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest
import requests
import trustme

from vespa_client.net.lifeline import ClientGone
from vespa_client.outbound.failures import ConnectFailed
from vespa_client.outbound.session import Session

from ..support.outbound_proxy import OutboundProxy
from ..support.raw_worker import RawWorker, answer, background
from ..support.waiting import LONG

KEY = "sk-0123456789"


@pytest.fixture
def shunned() -> set[int]:
    return set()


@pytest.fixture
def session(shunned: set[int]) -> Iterator[Session]:
    with Session(shunned) as made:
        yield made


@pytest.fixture
def far() -> Iterator[RawWorker]:
    with RawWorker() as listening:
        yield listening


def send(session: Session, url: str, **more: object) -> int:
    return session.post(url, data=b"x", timeout=LONG, **more).status_code  # type: ignore[arg-type]


def test_it_keeps_its_connection_and_says_what_was_wrong(session: Session, far: RawWorker) -> None:
    with background(lambda: [send(session, far.url) for _ in range(2)]) as sent:
        peer, _ = far.request()
        with peer:
            peer.send(answer())
            peer.message()
            peer.send(answer(b"", "404 Not Found"))
            assert sent.result(LONG) == [200, 404]
    assert session.trouble == "it answered 404"


def test_a_success_is_no_trouble(session: Session, far: RawWorker) -> None:
    session.trouble = "it answered 404"
    with background(lambda: send(session, far.url)):
        far.request()[0].send(answer())
    assert session.trouble == ""


def test_a_cut_ends_what_it_waits_for_and_all_that_comes(session: Session, far: RawWorker) -> None:
    def sent() -> None:
        with pytest.raises(requests.ConnectionError):
            send(session, far.url)

    with background(sent):
        far.request()
        session.cut()
    with pytest.raises(ClientGone):
        send(session, far.url)
    assert far.was_left_alone()


def test_a_cut_ends_a_handshake_that_the_far_side_never_answers(session: Session, far: RawWorker) -> None:
    def sent() -> None:
        with pytest.raises(requests.ConnectionError):
            send(session, far.url.replace("http:", "https:"))

    with background(sent):
        far.accept().exactly(1)
        session.cut()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_port_that_is_shunned(session: Session, shunned: set[int], far: RawWorker, host: str) -> None:
    port = far.url.rpartition(":")[2]
    shunned.add(int(port))
    with pytest.raises(ConnectFailed, match="it is the proxy itself"):
        send(session, f"http://{host}:{port}/")
    assert session.trouble == "it is the proxy itself"


@pytest.mark.parametrize(("scheme", "trouble"), [("http", "connection refused"), ("gopher", "InvalidSchema")])
def test_its_words_quote_nothing(session: Session, scheme: str, trouble: str) -> None:
    with RawWorker() as gone:
        url = f"{scheme}://{gone.address}/{KEY}"
    with pytest.raises(requests.RequestException):
        send(session, url)
    assert session.trouble == trouble


def test_tls_is_verified_and_works(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with OutboundProxy(lambda host, port: "403 Forbidden", tls=context) as far:
        url = f"https://127.0.0.1:{far.port}/"
        with pytest.raises(requests.exceptions.SSLError):
            session.get(url, timeout=LONG)
        assert session.trouble == "TLS failed: CERTIFICATE_VERIFY_FAILED"
        with authority.cert_pem.tempfile() as root:
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", root)
            session.get(url, timeout=LONG)
    assert session.trouble == "it answered 403"


def test_it_goes_by_the_outbound_proxy_of_the_environment(
    session: Session, far: RawWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with OutboundProxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        with background(lambda: send(session, f"http://collector.example:{far.url.rpartition(':')[2]}/v1/traces")):
            far.request()[0].send(answer())
        [asked] = proxy.asked
        assert asked.target.startswith("http://collector.example:")
