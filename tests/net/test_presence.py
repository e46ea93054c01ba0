"""What is known of a peer that has ended its sending."""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterator

import pytest

from vespa_client.net import presence
from vespa_client.net.presence import has_closed, is_reset

from ..support.waiting import LONG, wait_until

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems' sockets can't be looked up")

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture(params=["IPv4", "IPv6", "IPv4 inside IPv6"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """A peer, and our end of the connection with it."""
    if request.param == "IPv4":
        listener, host = socket.create_server(("127.0.0.1", 0)), "127.0.0.1"
    elif not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    elif request.param == "IPv6":
        listener, host = socket.create_server(("::1", 0), family=socket.AF_INET6), "::1"
    else:
        listener, host = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True), "127.0.0.1"
    with listener, socket.create_connection((host, listener.getsockname()[1]), LONG) as peer:
        own, _ = listener.accept()
        with own:
            yield peer, own


@on_linux
def test_one_that_closes_is_known_to_have(pair: Pair) -> None:
    peer, own = pair
    assert not has_closed(own)
    peer.shutdown(socket.SHUT_WR)
    assert own.recv(1) == b""
    assert not has_closed(own)
    peer.close()
    assert has_closed(own)
    assert not is_reset(own)


@on_linux
def test_one_that_another_process_holds_too_has_not_closed(pair: Pair) -> None:
    peer, own = pair
    other = os.dup(peer.fileno())
    peer.close()
    assert not has_closed(own)
    os.close(other)
    assert has_closed(own)


def test_one_that_answers_with_a_reset_is_reset_whoever_has_heard_it_first(pair: Pair) -> None:
    peer, own = pair
    assert not is_reset(own)
    peer.close()
    own.send(b"are you there?")
    if sys.platform == "linux":
        wait_until(lambda: own.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == b"\x07")
        own.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    wait_until(lambda: is_reset(own))


def test_a_reset_of_an_open_connection_is_one(pair: Pair) -> None:
    peer, own = pair
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    wait_until(lambda: is_reset(own))


def test_what_can_not_be_looked_up_is_not_known_to_have_closed(monkeypatch: pytest.MonkeyPatch, pair: Pair) -> None:
    near, far = socket.socketpair()
    with near, far:
        near.close()
        assert not has_closed(far)
        assert not is_reset(far)
    peer, own = pair
    peer.close()
    monkeypatch.setattr(presence.sys, "platform", "another")  # type: ignore[attr-defined]
    assert not has_closed(own)
    monkeypatch.undo()
    own.close()
    assert not has_closed(own)


@on_linux
def test_a_system_that_does_not_let_us_ask_is_not_asked(monkeypatch: pytest.MonkeyPatch, pair: Pair) -> None:
    def refused(*arguments: object) -> socket.socket:
        raise PermissionError("no netlink here")

    peer, own = pair
    peer.close()
    monkeypatch.setattr(presence.socket, "socket", refused)  # type: ignore[attr-defined]
    assert not has_closed(own)
