"""An HTTP/1.1 server on asyncio and httptools: limits, deadlines, keep-alive, graceful end.

It knows no routes. Whoever serves gives it two functions: one that looks at the head of a request
and may refuse it before its body is read, and one that takes a whole request and answers it, at
once or later.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

import httptools

_HEAD = {status.value: f"HTTP/1.1 {status} {status.phrase}".encode() for status in HTTPStatus}
_PIPELINED = 16  # requests of one connection that may wait before reading pauses
_LOOK = 0.5  # s between two looks at all deadlines
_LINGER = 2.0  # s in which a refused client may go on sending


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may take of the server.

    Attributes
    ----------
    head, body, held
        Bytes: of a request's line and headers, of its body (unpacked, too), and of all bodies that
        are in memory at one time.
    connections
        Open at one time.
    head_time, idle_time
        Seconds for sending a head, and that an unused connection stays open.
    body_time, body_rate
        Seconds for sending a body, and bytes that give one second more.
    write_time
        Seconds without progress after which a client that does not read its answer is let go.
    """

    head: int = 64 * 1024
    body: int = 64 * 2**20
    held: int = 2**30
    connections: int = 4096
    head_time: float = 10.0
    body_time: float = 20.0
    body_rate: int = 64 * 1024
    idle_time: float = 75.0
    write_time: float = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; `body` is written as it is."""

    status: int
    body: bytes = b""
    kind: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()


def refuse(status: int, message: str, *headers: tuple[bytes, bytes]) -> Answer:
    """Make the error form that both protocols have: ``{"error": message}``."""
    return Answer(status, json.dumps({"error": message}).encode(), headers=headers)


@dataclass(slots=True, eq=False)
class Request:
    """One request.

    Attributes
    ----------
    path
        Without the query, not unquoted.
    headers
        By lower-case name; the last one counts.
    body
        Complete, unpacked.
    route
        Whatever the look at its head found, for whoever answers.
    respond
        To be called once, with the answer.
    gone
        The client has closed the connection: nobody waits for an answer.
    """

    method: str
    path: str
    headers: dict[bytes, bytes]
    respond: Callable[[Answer], None]
    keep_alive: bool = True
    body: bytes = b""
    route: Any = None
    refused: Answer | None = None
    gone: bool = False
    pieces: list[bytes] = field(default_factory=list)
    length: int = 0


Look = Callable[[Request], Answer | None]
Serve = Callable[[Request], Answer | None]


class Server:
    """Listens, keeps the connections, and looks at their deadlines.

    Parameters
    ----------
    look
        Given a request without its body; returns a refusal or None.
    serve
        Given a whole request; returns the answer, or None when it calls ``request.respond`` later.
    """

    def __init__(self, look: Look, serve: Serve, limits: Limits) -> None:
        self.look = look
        self.serve = serve
        self.limits = limits
        self.connections: set[Connection] = set()
        self.held = 0
        self.closing = False
        self.date = b""
        self._empty = asyncio.Event()

    async def listen(self, host: str, port: int) -> int:
        """Begin to listen and return the port.

        Raises
        ------
        OSError
            When the address cannot be had.
        """
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._tick()
        self._server = await loop.create_server(
            lambda: Connection(self, loop), host, port, backlog=1024, reuse_address=True
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self, grace: float) -> None:
        """Take no new connection, let what was begun be answered, then end all."""
        self.closing = True
        self._server.close()
        for connection in list(self.connections):
            connection.close_if_idle()
        if self.connections:
            try:
                await asyncio.wait_for(self._empty.wait(), grace)
            except TimeoutError:
                for connection in list(self.connections):
                    connection.abort()
        self._timer.cancel()

    def gone(self, connection: Connection) -> None:
        """Forget a connection that is closed."""
        self.connections.discard(connection)
        if self.closing and not self.connections:
            self._empty.set()

    def _tick(self) -> None:
        self.date = b"\r\ndate: " + formatdate(usegmt=True).encode() + b"\r\n"
        now = self._loop.time()
        for connection in [c for c in self.connections if c.deadline < now]:
            connection.overdue()
        self._timer = self._loop.call_later(_LOOK, self._tick)


_NEVER = float("inf")


class Connection(asyncio.Protocol):
    """One client's connection: parses, keeps the order of answers, and holds the limits."""

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self._waiting: deque[Request] = deque()
        self._request: Request | None = None  # the one being received
        self._working: Request | None = None  # the one being answered
        self._head_bytes = 0
        self._in_head = False
        self._deaf = False
        self._closing = False
        self._paused = False
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self.deadline = loop.time() + server.limits.idle_time

    @property
    def _limits(self) -> Limits:
        return self._server.limits  # which a change of what is served may replace

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)
        server = self._server
        server.connections.add(self)
        if len(server.connections) > self._limits.connections:
            self._fail(
                refuse(503, "Too many connections. Try again later.", (b"retry-after", b"1"))
            )

    def connection_lost(self, _error: Exception | None) -> None:
        for request in (*self._waiting, self._working, self._request):
            if request is not None:
                request.gone = True
                self._let_go(request)
        self._waiting.clear()
        self._closing = True
        self._server.gone(self)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return  # the rest of what was refused
        if self._in_head or self._request is None:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # not done; the request was answered as it is
            self._deaf = True
        except httptools.HttpParserCallbackError as error:
            if not isinstance(error.__context__, _RefusedError):
                raise
        except httptools.HttpParserError as error:
            self._fail(refuse(400, f"This is not an HTTP/1.1 request: {error}."))
            return
        if self._in_head and self._head_bytes > self._limits.head:
            self._fail(refuse(431, f"The head is over {self._limits.head} bytes."))

    # ---- the parser's callbacks

    def on_message_begin(self) -> None:
        self._in_head = True
        self._url = b""
        self._headers = {}
        if self._working is None:
            self.deadline = self._loop.time() + self._limits.head_time

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_bytes = 0
        parser = self._parser
        request = Request(
            parser.get_method().decode(),
            self._url.partition(b"?")[0].decode("ascii", "replace"),
            self._headers,
            self._respond,
            parser.should_keep_alive(),
        )
        self._request = request
        refused = self._server.look(request) or self._too_large(request)
        if refused is not None:
            # Answered at once; what is still sent of it is not kept.
            request.refused = refused
            if request.method != "GET":
                self._stop_reading(request)
        elif request.headers.get(b"expect", b"").lower() == b"100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._working is None:
            self.deadline = self._loop.time() + self._limits.body_time

    def on_body(self, piece: bytes) -> None:
        request = self._request
        assert request is not None
        request.length += len(piece)
        self._server.held += len(piece)
        request.pieces.append(piece)
        self.deadline += len(piece) / self._limits.body_rate
        if request.length > self._limits.body:
            request.refused = self._over()
            self._stop_reading(request)

    def on_message_complete(self) -> None:
        request = self._request
        assert request is not None
        pieces = request.pieces
        request.body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        request.pieces = []
        packing = request.headers.get(b"content-encoding", b"identity").lower()
        if packing != b"identity" and request.refused is None:
            request.refused = self._unpack(request, packing)
        self._finish(request)

    def _stop_reading(self, request: Request) -> None:
        request.keep_alive = False
        self._deaf = True
        self._finish(request)
        raise _RefusedError

    # ---- one after the other

    def _finish(self, request: Request) -> None:
        self._request = None
        self._waiting.append(request)
        if self._working is None:
            self._next()
        elif len(self._waiting) > _PIPELINED and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def _next(self) -> None:
        while self._waiting and self._working is None and not self._closing:
            request = self._working = self._waiting.popleft()
            self.deadline = _NEVER
            answer = request.refused or self._server.serve(request)
            if answer is not None:
                self._write(request, answer)
        if self._paused and len(self._waiting) <= _PIPELINED and not self._closing:
            self._paused = False
            self._transport.resume_reading()

    def _respond(self, answer: Answer) -> None:
        request = self._working
        if request is not None and not self._closing:
            self._write(request, answer)
            self._next()

    def _write(self, request: Request, answer: Answer) -> None:
        self._working = None
        self._let_go(request)
        last = not request.keep_alive or self._server.closing
        parts = [
            _HEAD[answer.status],
            self._server.date,
            b"content-type: ",
            answer.kind,
            b"\r\ncontent-length: ",
            str(len(answer.body)).encode(),
            b"\r\n",
        ]
        for name, value in answer.headers:
            parts += (name, b": ", value, b"\r\n")
        parts.append(b"connection: close\r\n\r\n" if last else b"\r\n")
        if request.method != "HEAD":
            parts.append(answer.body)
        self.deadline = self._loop.time() + self._limits.idle_time
        self._transport.write(b"".join(parts))
        if last:
            self._closing = True
            if self._deaf and self._transport.can_write_eof():
                # Who still sends gets to read the answer: closing now would reset the connection.
                self._transport.write_eof()
                self.deadline = self._loop.time() + _LINGER
            else:
                self._transport.close()

    def _fail(self, answer: Answer) -> None:
        """Answer what is not a request, and close."""
        if self._closing:
            return
        self._deaf = True
        if self._working is None:
            self._write(Request("GET", "", {}, self._respond, keep_alive=False), answer)
        else:
            self.abort()

    # ---- limits

    def _too_large(self, request: Request) -> Answer | None:
        length = request.headers.get(b"content-length", b"0")
        size = int(length) if length.isdigit() else 0
        if size > self._limits.body:
            return self._over()
        if size + self._server.held > self._limits.held:
            message = "The server holds as many requests as its memory allows. Try again later."
            return refuse(503, message, (b"retry-after", b"1"))
        return None

    def _over(self) -> Answer:
        mib = self._limits.body / 2**20
        return refuse(413, f"The request is over the limit of {mib:g} MiB. Send smaller batches.")

    def _unpack(self, request: Request, packing: bytes) -> Answer | None:
        bits = {b"gzip": 31, b"deflate": 15}[packing]  # others were refused by their head
        unpacker = zlib.decompressobj(bits)
        try:
            body = unpacker.decompress(request.body, self._limits.body + 1)
        except zlib.error as error:
            return refuse(400, f"The body is not {packing.decode()}: {error}.")
        if len(body) > self._limits.body:
            return self._over()
        if not unpacker.eof:
            return refuse(400, f"The {packing.decode()} body ends too early.")
        request.body = body
        return None

    def _let_go(self, request: Request) -> None:
        self._server.held -= request.length
        request.length = 0

    def overdue(self) -> None:
        """Answer 408 to who is too slow, and close what is unused."""
        if self._closing or self._transport.is_closing():
            self.abort()
        elif self._in_head or self._request is not None:
            self._in_head = False
            if self._request is not None:
                self._let_go(self._request)
                self._request = None
            self._fail(refuse(408, "The request was not sent in time."))
        else:
            self._transport.close()

    def pause_writing(self) -> None:
        self._transport.pause_reading()
        self.deadline = self._loop.time() + self._limits.write_time

    def resume_writing(self) -> None:
        self.deadline = self._loop.time() + self._limits.idle_time
        if not self._paused and not self._closing:
            self._transport.resume_reading()

    def close_if_idle(self) -> None:
        """Close unless a request is being received or answered."""
        if self._working is None and self._request is None and not self._in_head:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()


class _RefusedError(Exception):
    """Ends the parsing of a request that is answered already."""
