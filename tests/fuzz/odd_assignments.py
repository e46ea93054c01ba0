"""What an autoscaler may say instead of an assignment. Pure."""

from __future__ import annotations

import json
from random import Random

from .assignment import as_text, good_assignment

__all__ = ["draw_assignment"]


def draw_assignment(url: str, cost: str, number: int, source: Random) -> tuple[str, bytes]:
    """An assignment with something odd in it, and what that is called."""
    pairs = good_assignment(url, cost, number)
    luck = source.random()
    if luck < 0.4:
        pairs[0] = (pairs[0][0], json.dumps(_odd_url(url, number, source)))
        return "odd url", as_text(pairs).encode()
    if luck < 0.65:
        place = source.randrange(len(pairs))
        pairs[place] = (pairs[place][0], source.choice(_ODD_VALUES))
        return "odd value", as_text(pairs).encode()
    if luck < 0.72:
        del pairs[source.randrange(len(pairs))]
        return "member lost", as_text(pairs).encode()
    if luck < 0.8:
        name, value = source.choice(pairs)
        twin = value if source.random() < 0.5 else source.choice(_ODD_VALUES)
        pairs.insert(source.randrange(len(pairs) + 1), (name, twin))
        return "member twice", as_text(pairs).encode()
    if luck < 0.88:
        text = source.choice((*_WAITING, *_ODD_VALUES))
        return "no worker", text.encode("utf-8", "surrogatepass")
    data = as_text(pairs).encode()
    return "odd JSON", source.choice(_ODD_TEXTS)(data, source)


def _odd_url(url: str, number: int, source: Random) -> str:
    """All of them lead to this machine, or nowhere."""
    port = url.rpartition(":")[2]
    # An address of its own, on which nobody listens: the proxy remembers for a while who can't be reached.
    nobody = f"127.{1 + number % 250}.{number // 250 % 250}.{1 + number // 62500 % 250}:9"
    here = f"127.0.0.1:{port}"
    return source.choice(
        (
            *(f"http://localhost:{port}", f"HTTP://{here}", f"http://{here}/", f"http://{nobody}", f"http://[::1]:{port}"),
            *(f"http://127.1:{port}", f"http://{here.replace('.', '..')}", f"http://localhost.:{port}"),
            *(
                f"http://127.0.0.1:{value}"
                for value in ("0", "99999", "65536", "-1", "+80", "00009", "", "9 ", "a", "9" * 5000)
            ),
            *(
                f"http://[{value}]:{port}"
                for value in ("::::", "1.2.3.4", "", "::1", ":::1", "v1.x", "::1%lo", "g", "::ffff:127.0.0.1")
            ),
            *(f"http://[::1:{port}", f"http://::1]:{port}", f"http://::1:{port}", f"http://[[::1]]:{port}", "http://[::1]x"),
            *(
                f"http://a:b@{here}",
                f"http://@{here}",
                f"http://{here}@127.0.0.1",
                f"http://{here}/path",
                f"http://{here}?x",
                f"http://{here}#",
            ),
            *(
                f"http://{here}//",
                f"http://{here}/..",
                f"http:{here}",
                f"http:/{here}",
                f"http:///{here}",
                f"//{here}",
                here,
                port,
            ),
            *(f"ftp://{here}", f"file:///{here}", f"ws://{here}", f"unix:{here}", f"javascript:{here}", f"https+http://{here}"),
            *(f" http://{here}", f"http://{here} ", f"http://{here}\n", f"http://{here}\r\nX-Injected: 1", f"\nhttp://{here}"),
            *(
                f"http://127.0.0.1\r\nX: y:{port}",
                f"http://{here}\x00",
                f"http://{here}\t",
                f"http://127.0.0.1%00:{port}",
                f"http://{here}\x85",
            ),
            *(
                f"http://\uff11\uff12\uff17.0.0.1:{port}",
                f"http://127。0。0。1:{port}",
                f"http://{here.replace(port, '٩')}",
                f"http://\u202e{here}",
            ),
            *(
                "http://",
                "http://:",
                f"http://:{port}",
                "http://.",
                "http://" + "a" * 300 + ":9",
                "http://" + ".".join("a" * 300),
            ),
            *(
                "x" * 200_000,
                f"http://{here}/" + "x" * 200_000,
                "http://\ud800",
                "http",
                "",
                " ",
                "https://127.0.0.1:9",
                f"http://{here}\\",
            ),
        )
    )


_DEEP = (
    "[" * 20 + "]" * 20,
    "[" * 400 + "]" * 400,
    "[" * 900 + "]" * 900,
    "[" * 5000 + "]" * 5000,
    '{"a":' * 300 + "1" + "}" * 300,
)
_ODD_VALUES = (
    *('""', "null", "true", "false", "[]", "{}", "0", "-1", "1.0", "1e5", "1E+400", "-0", "0.1e-9", "12345678901234567890123"),
    *(
        '"text"',
        '"\\ud800"',
        '"\\u0000"',
        '"\\r\\nX-Injected: 1"',
        '"%0d%0a"',
        '"&serverless_url=x"',
        '"é🦙"',
        '"\\"}"',
        "[1, 2.0]",
    ),
    *(
        '{"a": [1, {"b": null}]}',
        "NaN",
        "Infinity",
        "-Infinity",
        "1" * 5000,
        "0." + "1" * 5000,
        '"' + "x" * 100_000 + '"',
        *_DEEP,
    ),
)
_WAITING = (
    *(
        '{"status": "0 of 1 workers ready", "request_idx": 5}',
        '{"status": ["odd"], "request_idx": "text"}',
        "{}",
        '{"url": null}',
    ),
    *(
        '{"status": "\\u0000\\u202e\\r\\nforged"}',
        '{"status": {"a": 1e5}, "request_idx": [1]}',
        '{"request_idx": {"a": "\\ud800"}}',
    ),
    *('{"url": "", "status": "' + "x" * 5000 + '"}', '{"request_idx": NaN}', '{"request_idx": ' + "[" * 500 + "]" * 500 + "}"),
)
_ODD_TEXTS = (
    lambda data, source: b"",
    lambda data, source: data[: source.randrange(len(data))],
    lambda data, source: data + b"}",
    lambda data, source: data + data,
    lambda data, source: b"[" + data + b"]",
    lambda data, source: b"\xef\xbb\xbf" + data,
    lambda data, source: data.decode().encode("utf-16"),
    lambda data, source: b"\x1f\x8b\x08\x00" + data,
    lambda data, source: data.replace(b'"', b"'"),
    lambda data, source: data.replace(b'"x"', b'"\xff"'),
    lambda data, source: data.replace(b'"x"', b'"\x01"'),
    lambda data, source: b" " * 2_000_000 + data,
    lambda data, source: b"[" * 100_000,
    lambda data, source: b"<html>" + data,
    lambda data, source: b"\r\n " + data.replace(b", ", b",\n\t") + b"\r\n",
    lambda data, source: data.replace(b"}", b', "extra": ' + b"[" * 200 + b"]" * 200 + b"}"),
)
