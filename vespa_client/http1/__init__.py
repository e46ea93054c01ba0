"""HTTP/1.1 messages as bytes (RFC 9110, RFC 9112). Pure; the clients' side and the workers' side share it.

Open :mod:`.heads` first. :mod:`.fields` are the headers, :mod:`.framing` says how a body ends, :mod:`.chunks` is the chunked
coding, :mod:`.forwarding` says which headers cross the proxy, :mod:`.key_headers` which of them are keys, :mod:`.codings`
undoes a content coding, and :mod:`.malformed` is what is no message.

Strict by RFC 9112 where leniency has let one message be read as two: lines end in CRLF alone, a field's name touches its
colon, nothing is folded, lengths are digits, and a message has one way to end.
"""

from __future__ import annotations

__all__: list[str] = []
