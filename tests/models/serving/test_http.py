"""The HTTP server: what clients may do wrong, and that it harms nobody else."""

from __future__ import annotations

import gzip
import json
import time
import zlib

import pytest

from lepton_jlab.models.serving.http import Answer, Server, refuse

from .wire import SMALL, Wire, listening, post


def look(request):
    if request.path == "/secret":
        return refuse(401, "No.")
    return None


def serve(request):
    """Answer with what came."""
    if request.path == "/later":
        later.append(request)
        return None
    return Answer(200, request.body or request.method.encode())


later = []


@pytest.fixture(scope="module")
def server():
    with listening(lambda: Server(look, serve, SMALL)) as (port, server):
        yield port, server


@pytest.fixture
def wire(server):
    connections = []

    def connect():
        connections.append(Wire(server[0]))
        return connections[-1]

    yield connect
    for connection in connections:
        connection.close()


def test_requests_follow_each_other_on_one_connection(wire):
    one = wire()
    for text in (b"first", b"second"):
        one.send(post("/", text))
        status, headers, body = one.answer()
        assert (status, body) == (200, text)
        assert "connection" not in headers


def test_pipelined_requests_are_answered_in_their_order(wire, server):
    one = wire()
    later.clear()
    one.send(post("/later", b"slow") + post("/", b"quick"))
    while not later:
        time.sleep(0.01)
    loop = server[1]._loop
    loop.call_soon_threadsafe(later[0].respond, Answer(200, b"done"))
    assert [one.answer()[2], one.answer()[2]] == [b"done", b"quick"]


def test_a_body_may_come_in_chunks_and_in_pieces(wire):
    one = wire()
    head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    one.send(head, b"5\r\nhel", b"lo\r\n", b"1\r\n!\r\n0\r\n\r\n")
    assert one.answer()[2] == b"hello!"
    one.send(*(bytes([byte]) for byte in post("/", b"byte by byte")))
    assert one.answer()[2] == b"byte by byte"


def test_who_asks_whether_to_go_on_is_told_so(wire):
    one = wire()
    one.send(post("/", b"", expect="100-continue", content_length=4))
    assert one.answer()[0] == 100
    one.send(b"body")
    assert one.answer()[2] == b"body"


def test_who_asks_whether_to_go_on_with_too_much_is_told_no(wire):
    one = wire()
    one.send(post("/", b"", expect="100-continue", content_length=1001))
    assert one.answer()[0] == 413


def test_head_has_no_body(wire):
    one = wire()
    one.send(b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n")
    received = one.socket.recv(1000)
    assert b"content-length: 4" in received
    assert received.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(("name", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_packed_bodies_are_unpacked(wire, name, pack):
    one = wire()
    one.send(post("/", pack(b"x" * 500), content_encoding=name))
    assert one.answer()[2] == b"x" * 500


def test_a_client_that_closes_after_its_answer_is_let_go(wire):
    one = wire()
    one.send(post("/", b"x", connection="close"))
    status, headers, _ = one.answer()
    assert (status, headers["connection"]) == (200, "close")
    assert one.is_closed()


CHUNKED = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
BAD = {
    "not HTTP": (b"hello there\r\n\r\n", 400),
    "HTTP/2 in the clear": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "a length that is no number": (post("/", b"x", content_length="many"), 400),
    "a negative length": (post("/", b"x", content_length=-1), 400),
    "two ways to say the length": (post("/", b"0\r\n\r\n", transfer_encoding="chunked"), 400),
    "a chunk without a length": (CHUNKED + b"zz\r\n", 400),
    "a large head": (b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 2000, 431),
    "an endless address": (b"GET /" + b"y" * 2000, 431),
    "a large body": (post("/", b"x" * 1001), 413),
    "a large body in chunks": (CHUNKED + (b"1f4\r\n" + b"x" * 500 + b"\r\n") * 3, 413),
    "a small body that unpacks to a large one": (
        post("/", gzip.compress(b"x" * 100_000), content_encoding="gzip"),
        413,
    ),
    "a body that is not gzip": (post("/", b"no", content_encoding="gzip"), 400),
    "a gzip body cut short": (
        post("/", gzip.compress(bytes(range(200)))[:-9], content_encoding="gzip"),
        400,
    ),
    "refused by its head": (post("/secret", b"x" * 100), 401),
    "a head that never ends": (b"GET / HTTP/1.1\r\n", 408),
    "a body that never ends": (post("/", b"begun", content_length=100), 408),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_gets_its_status_and_others_notice_nothing(wire, server, what):
    request, expected = BAD[what]
    one, other = wire(), wire()
    one.send(request)
    status, headers, body = one.answer()
    assert status == expected, body
    assert list(json.loads(body)) == ["error"]
    if headers.get("connection") == "close":
        one.socket.shutdown(1)
        assert one.is_closed()
    other.send(post("/", b"fine"))
    assert other.answer()[::2] == (200, b"fine")
    assert server[1].held == 0


def test_a_client_that_drips_its_body_does_not_hold_its_place(wire):
    one = wire()
    one.send(post("/", b"", content_length=500))
    with pytest.raises((EOFError, OSError, TimeoutError)):
        for _ in range(500):
            one.send(b"x")
            time.sleep(0.01)
            one.socket.settimeout(0.001)
            try:
                status = one.answer()[0]
            except TimeoutError:
                continue
            assert status == 408
            raise EOFError
    other = wire()
    other.send(post("/", b"fine"))
    assert other.answer()[0] == 200


def test_a_refused_client_that_sends_on_gets_to_read_its_answer(wire):
    one = wire()
    one.send(post("/", b"", content_length=50_000_000))
    for _ in range(200):
        one.send(b"x" * 50_000)
    assert one.answer()[0] == 413


def test_what_is_in_memory_at_one_time_is_bounded(wire, server):
    holders = [wire() for _ in range(2)]
    for one in holders:
        later.clear()
        one.send(post("/later", b"x" * 1000))
        while not later:
            time.sleep(0.01)
    other = wire()
    other.send(post("/", b"x" * 900))
    status, headers, _ = other.answer()
    assert (status, headers["retry-after"]) == (503, "1")
    for one in holders:
        one.close()
    while server[1].held:
        time.sleep(0.01)


def test_too_many_connections_are_sent_away(wire):
    full = [wire() for _ in range(8)]
    for one in full:
        one.send(post("/", b"x"))
        assert one.answer()[0] == 200
    more = wire()
    assert more.answer()[0] == 503
    assert more.is_closed()


def test_an_upgrade_that_is_not_offered_is_ignored(wire):
    one = wire()
    one.send(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n")
    assert one.answer()[0] == 200
