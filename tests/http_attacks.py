"""The attacks that a client can send in one go: bytes, and the answers that are right."""

from __future__ import annotations

import gzip
import os
import zlib
from dataclasses import dataclass

from http_server import GOLDEN, get, post, request

H = b"Host: localhost\r\n"


@dataclass(frozen=True)
class Attack:
    name: str
    said: tuple[bytes, ...]
    answers: frozenset[int]


def attack(name: str, *said: bytes, answers: tuple[int, ...] = (400,)) -> Attack:
    return Attack(name, said, frozenset(answers))


def raw(start: bytes, headers: bytes, body: bytes = b"") -> bytes:
    return start + b" HTTP/1.1\r\n" + H + headers + b"\r\n" + body


def posted(headers: bytes, body: bytes = b"") -> bytes:
    return raw(b"POST /models/tiny/predict", headers, body)


CHUNKED = b"Transfer-Encoding: chunked\r\n"
SMUGGLED = b"GET /large?n=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"

SMUGGLING = [
    attack("slashes that a proxy doesn't see", post("/models%2Ftiny%2Fpredict", b"{}", "Connection: close")),
    attack("length and chunks", posted(b"Content-Length: 4\r\n" + CHUNKED, b"0\r\n\r\n" + SMUGGLED)),
    attack("chunks and length", posted(CHUNKED + b"Content-Length: 4\r\n", b"0\r\n\r\n" + SMUGGLED)),
    attack("two lengths", posted(b"Content-Length: 2\r\nContent-Length: 9\r\n", b"{}" + SMUGGLED)),
    attack("the same length twice", posted(b"Content-Length: 2\r\nContent-Length: 2\r\n", b"{}")),
    attack("a list of lengths", posted(b"Content-Length: 2, 2\r\n", b"{}")),
    attack("a length with a sign", posted(b"Content-Length: +2\r\n", b"{}")),
    attack("an empty length", posted(b"Content-Length: \r\nConnection: close\r\n", b"{}")),
    attack("a length of blanks", posted(b"Content-Length:   \r\nConnection: close\r\n", b"")),
    attack("a negative length", posted(b"Content-Length: -2\r\n", b"{}")),
    attack("a length in hexadecimal", posted(b"Content-Length: 0x2\r\n", b"{}")),
    attack("a length beyond 64 bits", posted(b"Content-Length: 99999999999999999999999\r\n")),
    attack("a header over two lines", raw(b"GET /models/a", b"X-A: a\r\n b: c\r\n")),
    attack("lines that end in LF", b"GET /models/a HTTP/1.1\nHost: localhost\n\n"),
    attack("one line that ends in LF", b"GET /models/a HTTP/1.1\r\nHost: localhost\nX-A: b\r\n\r\n"),
    attack("a lone CR", raw(b"GET /models/a", b"X-A: b\rX-C: d\r\n")),
    attack("NUL in a header", raw(b"GET /models/a", b"X-A: b\0\r\n")),
    attack("a blank before the colon", posted(b"Content-Length : 2\r\n", b"{}")),
    attack("a header without a name", raw(b"GET /models/a", b": a\r\n")),
    attack(
        "chunks that are packed",
        posted(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"),
        answers=(501,),
    ),
    attack("chunks not last", posted(b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n")),
    attack("nearly chunked", posted(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"), answers=(400, 501)),
    attack("identity", posted(b"Transfer-Encoding: identity\r\n", b"{}"), answers=(400, 501)),
    attack("twice chunked", posted(CHUNKED + CHUNKED, b"0\r\n\r\n"), answers=(400, 501)),
    attack("chunks of HTTP/1.0", b"POST /echo HTTP/1.0\r\n" + H + CHUNKED + b"\r\n0\r\n\r\n", answers=(501,)),
    attack("a chunk's size with 0x", posted(CHUNKED, b"0x2\r\n{}\r\n0\r\n\r\n")),
    attack("a chunk's size with a sign", posted(CHUNKED, b"+2\r\n{}\r\n0\r\n\r\n")),
    attack("chunks that end in LF", posted(CHUNKED, b"2\n{}\n0\n\n")),
    attack("a chunk beyond 64 bits", posted(CHUNKED, b"fffffffffffffffff\r\n{}")),
    attack("a chunk that is longer than it says", posted(CHUNKED, b"2\r\n{}}\r\n0\r\n\r\n")),
    attack("two hosts", b"GET /models/a HTTP/1.1\r\n" + H + b"Host: other\r\n\r\n"),
    attack("no host", b"GET /models/a HTTP/1.1\r\nConnection: close\r\n\r\n"),
    attack("another host in the target", raw(b"GET http://other/models/a", b"Connection: close\r\n")),
    attack(
        "another protocol, length and chunks",
        posted(b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n" + CHUNKED, b"{}"),
    ),
    attack(
        "a length too large over another protocol",
        posted(b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 90000000\r\n"),
        answers=(413,),
    ),
    attack(
        "another request over another protocol",
        posted(b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 8\r\n", b'{"x": 1}\0' + SMUGGLED),
        answers=(200, 400),
    ),
]

BOMB = gzip.compress(bytes(200 * 2**20), 9)
SIZES = [
    attack("too long by its length", post("/echo", b"x" * (2**20 + 1)), answers=(413,)),
    attack("far too long by its length", posted(b"Content-Length: 9000000000\r\n", b"x" * 70_000), answers=(413,)),
    attack("too long in chunks", posted(CHUNKED, (b"10000\r\n" + b"x" * 2**16 + b"\r\n") * 20), answers=(413,)),
    attack("a gzip bomb", post("/echo", BOMB, "Content-Encoding: gzip", "Connection: close"), answers=(413,)),
    attack("a bomb in chunks",
           posted(b"Connection: close\r\nContent-Encoding: gzip\r\n" + CHUNKED,
                  b"%x\r\n%b\r\n0\r\n\r\n" % (len(BOMB), BOMB)), answers=(413,)),
    attack("a deflate bomb",
           post("/echo", zlib.compress(bytes(2**24)), "Content-Encoding: deflate", "Connection: close"), answers=(413,)),
    attack("a raw deflate bomb",
           post("/echo", zlib.compress(bytes(2**24), wbits=-15), "Content-Encoding: deflate", "Connection: close"), answers=(413,)),
    attack("packed twice",
           post("/echo", gzip.compress(gzip.compress(b"{}")), "Content-Encoding: gzip, gzip", "Connection: close"), answers=(415,)),
    attack("packed in an unknown way", post("/echo", b"{}", "Content-Encoding: br", "Connection: close"), answers=(415,)),
    attack("gzip that is cut off", post("/echo", gzip.compress(b"{}")[:-4], "Content-Encoding: gzip", "Connection: close")),
    attack("gzip that is damaged",
           post("/echo", gzip.compress(b"x" * 500)[:-8] + bytes(8), "Content-Encoding: gzip", "Connection: close")),
    attack("no gzip at all", post("/echo", b"{}", "Content-Encoding: gzip", "Connection: close")),
    attack("an empty body as gzip", post("/models/tiny/predict", b"", "Content-Encoding: gzip", "Connection: close")),
    attack("gzip with more behind it",
           post("/echo", gzip.compress(b"{}") + b"{}", "Content-Encoding: gzip", "Connection: close")),
    attack("gzip in 20,000 members", post("/echo", gzip.compress(b"") * 20_000, "Content-Encoding: gzip", "Connection: close")),
]  # fmt: skip

FLOODS = [
    attack("tiny chunks", posted(CHUNKED, b"1\r\n1\r\n" * 100_000)),
    attack("a chunk's endless extension", posted(CHUNKED, b"2;" + b"a" * 10**6 + b"\r\n{}\r\n0\r\n\r\n")),
    attack("an extension to each chunk", posted(CHUNKED, (b"1;" + b"a" * 100 + b"\r\n1\r\n") * 10_000)),
    attack("endless trailers", posted(CHUNKED, b"2\r\n{}\r\n0\r\n" + b"X: y\r\n" * 100_000 + b"\r\n"), answers=(400, 431)),
    attack("one endless trailer", posted(CHUNKED, b"2\r\n{}\r\n0\r\nX: " + b"y" * 10**6), answers=(400, 431)),
    attack("headers that are a little too large", raw(b"GET /models/a", b"X: y\r\n" * 1500), answers=(431,)),
    attack("many headers", raw(b"GET /models/a", b"X: y\r\n" * 100_000), answers=(431,)),
    attack("one endless header", raw(b"GET /models/a", b"X: " + b"y" * 10**6), answers=(431,)),
    attack("one endless name of a header", raw(b"GET /models/a", b"x" * 10**6), answers=(431,)),
    attack("an endless address", b"GET /" + b"a" * 10**6, answers=(414, 431)),
    attack("a long address", get("/" + "a" * 9000), answers=(414,)),
    attack("a query of many fields", get("/models/a?" + "&".join(f"a{i}=" for i in range(500)), "Connection: close")),
    attack("empty lines", b"\r\n" * 500_000, answers=(400, 431)),
]  # fmt: skip

JSON = [
    attack(name, post("/models/tiny/predict", body, "Connection: close"))
    for name, body in {
        "101 arrays": b"[" * 101 + b"]" * 101,
        "101 objects": b'{"x":' * 101 + b"1" + b"}" * 101,
        "500,000 arrays": b"[" * 500_000,
        "500,000 arrays that end": b"[" * 500_000 + b"]" * 500_000,
        "100,000 objects": b'{"x":' * 100_000,
        "NaN": b'{"x":NaN}',
        "Infinity": b'{"x":-Infinity}',
        "1e999": b'{"x":1e999}',
        "a name twice": b'{"x":1,"x":2}',
        "a name twice, once escaped": b'{"x":1,"\\u0078":2}',
        "a lone surrogate": b'{"x":"\\ud800"}',
        "not UTF-8": b'{"x":"\xff\xfe"}',
        "a surrogate in UTF-8": b'{"x":"\xed\xa0\x80"}',
        "UTF-16": '{"x":1}'.encode("utf-16"),
        "a byte order mark": b'\xef\xbb\xbf{"x":1}',
        "two values": b'{"x":1}{"x":2}',
        "nothing": b"",
        "cut off": b'{"x":',
        "a comma too many": b'{"x":1,}',
        "NUL at the end": b'{"x":1}\0',
    }.items()
]

PATHS = [
    attack(f"{target[:40]!r}", b"GET " + target + b" HTTP/1.1\r\nConnection: close\r\n" + H + b"\r\n", answers=(400, 404))
    for target in (
        b"/models/../secret", b"/models/%2e%2e/secret", b"/models/%2E%2E%2Fsecret", b"/models/..%2fsecret", b"/models/..%5csecret",
        b"/models/..\\secret", b"/models/%252e%252e%252fsecret", b"/models/a%00b",
        b"/models/a%0ab", b"/models/a%0d%0aX:%20y", b"/models/.",
        b"/models/%2e", b"//etc/passwd", b"/models//a", b"/models/", b"/models/a/", b"/models/%c0%ae%c0%ae/secret", b"/models/%ff",
        b"/models/\xe2\x80\xa5/x", "/models/．．/x".encode(), b"/models/%ef%bc%8e%ef%bc%8e%ef%bc%8fsecret", b"/models/a?x=1&x=2",
        b"/models/a?%ff=1", b"/v2/models/a/versions/../../b", b"/v2/models/a/versions/1%2f..", b"*", b"models/a", b"file:///etc/passwd",
        b"/models/a%", b"/.%2e/x", b"/models/%1b[2Ja",
    )
]  # fmt: skip

OTHER = [
    attack("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(100)),
    attack("TLS", bytes.fromhex("16030100c8010000c40303") + os.urandom(190), answers=(400,)),
    attack("HTTP/0.9", b"GET /models/a\r\n\r\n", answers=(400, 505)),
    attack("HTTP/2.0 in words", b"GET /models/a HTTP/2.0\r\n" + H + b"\r\n", answers=(400, 505)),
    attack("HTTP/9.9", b"GET /models/a HTTP/9.9\r\n" + H + b"\r\n", answers=(400, 505)),
    attack("RTSP", b"PLAY /models/a RTSP/1.0\r\n" + H + b"\r\n", answers=(400, 405, 505)),
    attack("CONNECT", b"CONNECT 169.254.169.254:80 HTTP/1.1\r\n" + H + b"\r\n", answers=(400, 405)),
    attack("TRACE", request("TRACE", "/models/a", "Connection: close"), answers=(405,)),
    attack("a method that no one knows", request("BREW", "/models/a")),
    attack("a method in small letters", b"get /models/a HTTP/1.1\r\n" + H + b"\r\n"),
    attack("bytes of any kind", bytes(range(256)) * 100),
    attack("another host", request("GET", "/models/a", "Connection: close", host="evil.example"), answers=(421,)),
    attack("another host with the name in it",
           request("GET", "/models/a", "Connection: close", host="localhost.evil.example"), answers=(421,)),
    attack("an address with a user",
           request("GET", "/models/a", "Connection: close", host="localhost@evil.example"), answers=(421,)),
    attack("another origin", get("/models/a", "Origin: https://evil.example", "Connection: close"), answers=(403,)),
    attack("no origin", post("/models/tiny/predict", GOLDEN, "Origin: null", "Connection: close"), answers=(403,)),
    attack("a form of another site",
           post("/models/tiny/predict", GOLDEN, "Content-Type: text/plain",
                "Origin: http://evil.example", "Connection: close"), answers=(403,)),
    attack("another site without an origin",
           post("/models/tiny/predict", GOLDEN, "Sec-Fetch-Site: cross-site", "Connection: close"), answers=(403,)),
    attack("another port of this machine",
           post("/models/tiny/predict", GOLDEN, "Sec-Fetch-Site: same-site",
                "Origin: http://localhost:1", "Connection: close"), answers=(403,)),
    attack("a preflight of another site",
           request("OPTIONS", "/models/tiny/predict", "Origin: http://evil.example",
                   "Access-Control-Request-Method: POST", "Connection: close"), answers=(403,)),
]  # fmt: skip

ATTACKS = [*SMUGGLING, *SIZES, *FLOODS, *JSON, *PATHS, *OTHER]
