"""Multipart bodies that have hurt other parsers, and bodies that look like them and are legal.

``B`` is the boundary in each, and stands in the Content-Type unless the case brings its own.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["CONTENT_TYPE", "LEGAL", "REFUSED", "Legal", "Refused"]

CONTENT_TYPE = "multipart/form-data; boundary=B"
DISPOSITION = b'Content-Disposition: form-data; name="a"'


class Refused(NamedTuple):
    """A body that has to be refused, with this in the error's message."""

    name: str
    body: bytes
    says: str
    content_type: str = CONTENT_TYPE


class Legal(NamedTuple):
    """A body that has to be read, and its parts: name, filename and content."""

    name: str
    body: bytes
    parts: list[tuple[str, str | None, bytes]]
    content_type: str = CONTENT_TYPE


def part(content: bytes = b"1", *fields: bytes) -> bytes:
    """A part, its delimiter before it, its last line end excepted."""
    return b"\r\n".join([b"--B", *(fields or [DISPOSITION]), b"", content])


def body(*parts: bytes, end: bytes = b"--B--\r\n") -> bytes:
    return b"".join(one + b"\r\n" for one in parts) + end


def named(disposition: bytes) -> bytes:
    """A body of one part with that Content-Disposition."""
    return body(part(b"1", b"Content-Disposition: " + disposition))


def headed(*fields: bytes) -> bytes:
    """A body of one part with these header lines behind its Content-Disposition."""
    return body(part(b"1", DISPOSITION, *fields))


ONE = body(part())
WHOLE: list[tuple[str, str | None, bytes]] = [("a", None, b"1")]
NEXT = b"--B\r\n" + DISPOSITION + b"\r\n\r\n2"

REFUSED = (
    # The boundary in the Content-Type
    Refused("no boundary", ONE, "names no boundary", "multipart/form-data"),
    Refused("an empty boundary", ONE, "boundary is none", 'multipart/form-data; boundary=""'),
    Refused("an empty boundary without quotes", ONE, "can't be read", "multipart/form-data; boundary="),
    Refused("two boundaries", ONE, "can't be read", "multipart/form-data; boundary=B; boundary=C"),
    Refused("two boundaries in two cases", ONE, "can't be read", "multipart/form-data; boundary=B; BOUNDARY=B"),
    Refused("a boundary of 71 characters", ONE, "boundary is none", f"multipart/form-data; boundary={'B' * 71}"),
    Refused("a boundary of 10,000 characters", ONE, "boundary is none", f"multipart/form-data; boundary={'B' * 10_000}"),
    Refused("a boundary that ends in a space", ONE, "boundary is none", 'multipart/form-data; boundary="B "'),
    Refused("a boundary with a line end", ONE, "boundary is none", 'multipart/form-data; boundary="B\r\nX"'),
    Refused("a boundary with a NUL", ONE, "boundary is none", 'multipart/form-data; boundary="B\0"'),
    Refused("a boundary that isn't ASCII", ONE, "boundary is none", 'multipart/form-data; boundary="Bé"'),
    Refused("a boundary with a quote in it", ONE, "boundary is none", r'multipart/form-data; boundary="B\"C"'),
    Refused("a boundary without its last quote", ONE, "can't be read", 'multipart/form-data; boundary="B'),
    Refused("something behind the boundary", ONE, "can't be read", 'multipart/form-data; boundary="B"C'),
    Refused("a comma behind the boundary", ONE, "can't be read", "multipart/form-data; boundary=B, text/plain"),
    Refused("a parameter without a value", ONE, "can't be read", "multipart/form-data; boundary"),
    Refused("the extended form of a boundary", ONE, "names no boundary", "multipart/form-data; boundary*=utf-8''B"),
    Refused("another boundary", ONE, "doesn't begin with the boundary", "multipart/form-data; boundary=C"),
    Refused("a boundary in another case", ONE, "doesn't begin with the boundary", "multipart/form-data; boundary=b"),
    Refused(
        "a boundary that is the beginning of the one used",
        body(b"--BC\r\n" + DISPOSITION + b"\r\n\r\n1"),
        "beginning of a line",
    ),
    # Where the body begins and ends
    Refused("nothing at all", b"", "doesn't begin with the boundary"),
    Refused("a preamble", b"Hello\r\n" + ONE, "doesn't begin with the boundary"),
    Refused("a preamble of a part", DISPOSITION + b"\r\n\r\n1\r\n" + ONE, "doesn't begin with the boundary"),
    Refused("two empty lines before the first boundary", b"\r\n\r\n" + ONE, "doesn't begin with the boundary"),
    Refused("a line feed before the first boundary", b"\n" + ONE, "doesn't begin with the boundary"),
    Refused("a space before the first boundary", b" " + ONE, "doesn't begin with the boundary"),
    Refused("a byte order mark before it", b"\xef\xbb\xbf" + ONE, "doesn't begin with the boundary"),
    Refused(
        "a boundary without its dashes", b"B\r\n" + DISPOSITION + b"\r\n\r\n1\r\nB--\r\n", "doesn't begin with the boundary"
    ),
    Refused("an epilogue", ONE + b"Bye", "goes on behind its last"),
    Refused("an epilogue of one line end", ONE + b"\r\n", "goes on behind its last"),
    Refused("an epilogue of a part", ONE + ONE, "goes on behind its last"),
    Refused("a NUL behind the end", ONE + b"\0", "goes on behind its last"),
    Refused("a line feed alone behind the end", body(part(), end=b"--B--\n"), "beginning of a line"),
    Refused("no last boundary", body(part(), end=b""), "ends without its last boundary"),
    Refused("no last boundary and no line end", part(), "ends without its last boundary"),
    Refused("a last boundary with one dash", body(part(), end=b"--B-"), "beginning of a line"),
    Refused("a last boundary without its dashes", body(part(), end=b"--B"), "ends without its last boundary"),
    Refused("a last boundary that is an ordinary one", body(part(), end=b"--B\r\n"), "ends without its last boundary"),
    Refused("a boundary cut short", body(part(), end=b"--"), "ends without its last boundary"),
    Refused("the first boundary alone", b"--B", "ends without its last boundary"),
    Refused("something behind the last dashes", body(part(), end=b"--B--x"), "beginning of a line"),
    # The boundary in the data, and line ends
    Refused("the boundary as the beginning of a line of data", body(part(b"x\r\n--Bx")), "beginning of a line"),
    Refused("a boundary with something behind it", body(part(b"x\r\n--B x")), "beginning of a line"),
    Refused("a boundary behind a line feed", body(part(b"x\n" + NEXT)), "doesn't end in CRLF"),
    Refused("a boundary behind a carriage return", body(part(b"x\r" + NEXT)), "doesn't end in CRLF"),
    Refused("a last boundary behind a line feed", part() + b"\n--B--\r\n", "doesn't end in CRLF"),
    Refused("line feeds alone", ONE.replace(b"\r\n", b"\n"), "beginning of a line"),
    Refused("carriage returns alone", ONE.replace(b"\r\n", b"\r"), "beginning of a line"),
    Refused("a line feed behind a boundary", ONE.replace(b"--B\r\n", b"--B\n", 1), "beginning of a line"),
    Refused("line feeds in the head", b"--B\r\n" + DISPOSITION + b"\nX: y\r\n\r\n1\r\n--B--\r\n", "no 'Name: value'"),
    Refused("a blank line of line feeds", b"--B\r\n" + DISPOSITION + b"\n\n1\r\n--B--\r\n", "no blank line"),
    # Heads
    Refused("no head", b"--B\r\n\r\n1\r\n--B--\r\n", "no blank line"),
    Refused("no head, and one in the content", body(b"--B\r\n\r\n" + DISPOSITION + b"\r\n\r\n1"), "no 'Name: value'"),
    Refused("no head and no content", b"--B\r\n--B--\r\n", "no blank line"),
    Refused("a head alone", body(b"--B\r\n" + DISPOSITION), "no blank line"),
    Refused("a head whose blank line is the boundary's", b"--B\r\n" + DISPOSITION + b"\r\n\r\n--B--\r\n", "no blank line"),
    Refused("a head of 8 KiB and more", headed(b"X: " + b"y" * 8192), "no blank line"),
    Refused("a head without end", b"--B\r\n" + b"X: y\r\n" * 100_000 + b"--B--\r\n", "no blank line"),
    Refused("a folded field", headed(b"Content-Type: text/plain;", b" charset=utf-8"), "no 'Name: value'"),
    Refused("a field with a space before its colon", headed(b"Content-Type : text/plain"), "no 'Name: value'"),
    Refused("a field without a name", headed(b": text/plain"), "no 'Name: value'"),
    Refused("a field without a colon", headed(b"Content-Type"), "no 'Name: value'"),
    Refused("a field with a space before it", body(part(b"1", b" " + DISPOSITION)), "no 'Name: value'"),
    Refused("a NUL in the head", headed(b"X: y\0z"), "no 'Name: value'"),
    Refused("a control character in the head", headed(b"X: \x1b[31m"), "no 'Name: value'"),
    Refused("a carriage return in the head", headed(b"X: y\rContent-Type: a/b"), "no 'Name: value'"),
    Refused("a head that isn't UTF-8", named(b'form-data; name="\xe9"'), "not UTF-8"),
    Refused("an overlong line end in a head", named(b'form-data; name="a\xc0\x8a"'), "not UTF-8"),
    Refused("two Content-Dispositions", headed(b'Content-Disposition: form-data; name="b"'), "a field twice"),
    Refused("two Content-Types", headed(b"Content-Type: text/plain", b"content-type: image/png"), "a field twice"),
    # Content-Disposition
    Refused("no Content-Disposition", body(part(b"1", b"Content-Type: text/plain")), "not form-data"),
    Refused("an empty Content-Disposition", named(b""), "not form-data"),
    Refused("an attachment", named(b'attachment; name="a"'), "not form-data"),
    Refused("no name", named(b"form-data"), "has no name"),
    Refused("an empty name", named(b'form-data; name=""'), "has no name"),
    Refused("a filename without a name", named(b'form-data; filename="a.png"'), "has no name"),
    Refused("two names", named(b'form-data; name="a"; name="b"'), "can't be read"),
    Refused("two filenames", named(b'form-data; name="a"; filename="b"; FileName="c"'), "can't be read"),
    Refused("a name without its last quote", named(b'form-data; name="a'), "can't be read"),
    Refused("a name without its first quote", named(b'form-data; name=a"'), "can't be read"),
    Refused("a bare quote in a name", named(b'form-data; name="a"b"'), "can't be read"),
    Refused("no semicolon between the two", named(b'form-data; name="a" filename="b"'), "can't be read"),
    Refused("two semicolons", named(b'form-data;; name="a"'), "can't be read"),
    Refused("spaces around the equals sign", named(b'form-data; name = "a"'), "can't be read"),
    Refused("backslashes without end", named(b'form-data; name="' + b"\\" * 4001), "can't be read"),
    Refused("quotes without end", named(b'form-data; name="' + b'\\"' * 2000 + b"x"), "can't be read"),
    Refused("an extended filename in Latin-1", named(b"form-data; name=a; filename*=iso-8859-1''%e9"), "by RFC 8187"),
    Refused("an extended filename without a charset", named(b"form-data; name=a; filename*=a.png"), "by RFC 8187"),
    Refused("an extended filename that isn't UTF-8", named(b"form-data; name=a; filename*=utf-8''%ff"), "by RFC 8187"),
    Refused("an extended filename with a bare percent sign", named(b"form-data; name=a; filename*=utf-8''100%"), "by RFC 8187"),
    # What a part says of its content
    Refused("nested", headed(b"Content-Type: multipart/mixed; boundary=C"), "a multipart of its own"),
    Refused("nested by its own boundary", headed(b'Content-Type: MultiPart/Form-Data; boundary="B"'), "a multipart of its own"),
    Refused("base64", headed(b"Content-Transfer-Encoding: base64"), "Transfer-Encoding is 'base64'"),
    Refused("quoted-printable", headed(b"Content-Transfer-Encoding: Quoted-Printable"), "Transfer-Encoding is"),
    Refused("two encodings", headed(b"Content-Transfer-Encoding: 8bit, base64"), "Transfer-Encoding is"),
    Refused("a text in UTF-16", headed(b"Content-Type: text/plain; charset=utf-16"), "charset is 'utf-16'"),
    Refused("a text in UTF-7", headed(b'Content-Type: text/plain; charset="utf-7"'), "charset is 'utf-7'"),
    Refused("two charsets", headed(b"Content-Type: text/plain; charset=utf-8; charset=utf-7"), "can't be read"),
    Refused("no type before the parameters", headed(b"Content-Type: ; charset=utf-8"), "can't be read"),
    # Too many
    Refused("513 parts", body(*[part()] * 513), "more than 512 parts"),
)

LEGAL = (
    Legal("one part", ONE, WHOLE),
    Legal("no part", b"--B--\r\n", []),
    Legal("no line end behind the end", body(part(), end=b"--B--"), WHOLE),
    Legal("an empty line before the first boundary", b"\r\n" + ONE, WHOLE),
    Legal("spaces behind the boundaries", ONE.replace(b"--B\r\n", b"--B \t\r\n").replace(b"--B--", b"--B-- "), WHOLE),
    Legal("an empty part", body(part(b"")), [("a", None, b"")]),
    Legal("the same name twice", body(part(b"1"), part(b"2")), [("a", None, b"1"), ("a", None, b"2")]),
    Legal("line ends at the edges of the content", body(part(b"\r\n1\r\n")), [("a", None, b"\r\n1\r\n")]),
    Legal("line feeds in the content", body(part(b"\n1\n")), [("a", None, b"\n1\n")]),
    Legal("a head in the content", body(part(DISPOSITION + b"\r\n\r\n2")), [("a", None, DISPOSITION + b"\r\n\r\n2")]),
    Legal("the boundary in the midst of a line", body(part(b"x--B\r\nx --B--\r\n")), [("a", None, b"x--B\r\nx --B--\r\n")]),
    Legal("almost the boundary", body(part(b"\r\n--b\r\n-B\r\n--")), [("a", None, b"\r\n--b\r\n-B\r\n--")]),
    Legal("another multipart as content", body(part(ONE.replace(b"--B", b"--C"))), [("a", None, ONE.replace(b"--B", b"--C"))]),
    Legal("every byte", body(part(bytes(range(256)))), [("a", None, bytes(range(256)))]),
    Legal("512 parts", body(*[part()] * 512), WHOLE * 512),
    Legal("a head of 8 KiB", headed(b"X: " + b"y" * (8192 - len(DISPOSITION) - 5)), WHOLE),
    Legal("names in other cases", ONE.replace(b"Content-Disposition", b"CONTENT-disposition"), WHOLE),
    Legal("form-data in capitals", named(b'FORM-DATA; NAME="a"'), WHOLE),
    Legal("a name without quotes", named(b"form-data; name=include[]"), [("include[]", None, b"1")]),
    Legal("no spaces", named(b'form-data;name="a";filename="b"'), [("a", "b", b"1")]),
    Legal("a semicolon at the end", named(b'form-data; name="a"; filename="b";'), [("a", "b", b"1")]),
    Legal("a semicolon in a name", named(b'form-data; name="a; filename=b"'), [("a; filename=b", None, b"1")]),
    Legal("an empty filename", named(b'form-data; name="a"; filename=""'), [("a", "", b"1")]),
    Legal("the filename first", named(b'form-data; filename="b"; name="a"'), [("a", "b", b"1")]),
    Legal("other parameters", named(b'form-data; name="a"; size=1; creation-date="x"'), WHOLE),
    Legal("UTF-8", named('form-data; name="größe"; filename="😀.png"'.encode()), [("größe", "😀.png", b"1")]),
    Legal("a quote as browsers write it", named(b'form-data; name="a%22b"'), [('a"b', None, b"1")]),
    Legal("a line end as browsers write it", named(b'form-data; name="a%0D%0Ab"'), [("a\r\nb", None, b"1")]),
    Legal("another percent sign", named(b'form-data; name="100%25 %2e %0a"'), [("100%25 %2e %0a", None, b"1")]),
    Legal("a quote as Go writes it", named(b'form-data; name="a\\"b"; filename="\\""'), [('a"b', '"', b"1")]),
    Legal("a backslash as Go writes it", named(b'form-data; name="a"; filename="C:\\\\b\\\\"'), [("a", "C:\\b\\", b"1")]),
    Legal("a backslash as browsers write it", named(b'form-data; name="a"; filename="C:\\b\\"'), [("a", "C:\\b\\", b"1")]),
    Legal("a backslash before a quote that ends", named(b'form-data; name="a\\"; filename="b"'), [("a\\", "b", b"1")]),
    Legal("a path", named(b'form-data; name="a"; filename="../../etc/passwd"'), [("a", "../../etc/passwd", b"1")]),
    Legal("an extended filename", named(b"form-data; name=a; filename*=UTF-8'en'%e2%82%ac.png"), [("a", "€.png", b"1")]),
    Legal("both filenames", named(b"form-data; name=a; filename=\"x\"; filename*=utf-8''%e2%82%ac"), [("a", "€", b"1")]),
    Legal("an extended name", named(b"form-data; name*=utf-8''%e2%82%ac"), [("€", None, b"1")]),
    Legal("a charset", headed(b"Content-Type: text/plain; charset=UTF-8"), WHOLE),
    Legal(
        "a file's charset",
        body(part(b"1", DISPOSITION + b"; filename=b", b"Content-Type: a/b; charset=x")),
        [("a", "b", b"1")],
    ),
    Legal("8bit", headed(b"Content-Transfer-Encoding: 8BIT"), WHOLE),
    Legal("binary", headed(b"Content-Transfer-Encoding: binary"), WHOLE),
    Legal("other fields", headed(b"Content-Length: 99", b"X-Y: Content-Disposition: form-data; name=b"), WHOLE),
    Legal("a quoted boundary", ONE.replace(b"--B", b"--=_B :1"), WHOLE, 'multipart/form-data; boundary="=_B :1"'),
    Legal("a boundary unquoted that should be", ONE.replace(b"--B", b"--=_B:1"), WHOLE, "multipart/form-data; boundary==_B:1"),
    Legal(
        "a boundary of 70 characters",
        ONE.replace(b"--B", b"--" + b"B" * 70),
        WHOLE,
        f"multipart/form-data; boundary={'B' * 70}",
    ),
    Legal("a boundary of dashes", ONE.replace(b"--B", b"------"), WHOLE, "multipart/form-data; boundary=----"),
    Legal("a charset beside the boundary", ONE, WHOLE, "multipart/form-data; charset=utf-8; boundary=B;"),
)
