"""Dask's dashboard of a cluster, for who is logged in: ``lepton/api/dask/NAME/status``."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any

from jupyter_server.auth.decorator import authorized, ws_authenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado.httpclient import HTTPRequest, HTTPResponse
from tornado.netutil import Resolver
from tornado.simple_httpclient import SimpleAsyncHTTPClient
from tornado.tcpclient import TCPClient
from tornado.web import HTTPError
from tornado.websocket import (
    WebSocketClientConnection,
    WebSocketClosedError,
    WebSocketHandler,
    websocket_connect,
)

from lepton_jlab.errors import LeptonError
from lepton_jlab.server.errors import status_of
from lepton_jlab.server.handlers import RESOURCE
from lepton_jlab.server.lab import Lab

_LIMIT = 15.0  # seconds for a page; the first waits until bokeh is imported
_LARGEST = 64 * 2**20  # bytes of an answer or a message
_PASSED_ON = ("Content-Type", "Location", "Cache-Control", "Etag", "Last-Modified")


class DaskHandler(WebSocketMixin, WebSocketHandler, JupyterHandler):
    """Passes requests and websockets on to the socket file of a cluster's host."""

    auth_resource = RESOURCE

    def initialize(self, lab: Lab) -> None:
        """Take what all handlers share."""
        self.lab = lab
        self._there: WebSocketClientConnection | None = None
        self._file = self._base = ""

    @ws_authenticated  # type: ignore[untyped-decorator]
    @authorized("read", RESOURCE)  # type: ignore[untyped-decorator]
    async def get(self, name: str, path: str) -> None:
        """Answer with what the dashboard answers."""
        if not self.check_origin():
            raise HTTPError(404)
        try:
            self._file = await self.lab.pools.call("clusters", _LIMIT, lambda: _file(name), name)
        except LeptonError as error:
            raise HTTPError(status_of(error), str(error), reason="See the message") from error
        self._base = self.request.path.removesuffix(path)
        query = f"?{self.request.query}" if self.request.query else ""
        self._url = f"//dashboard/{path}{query}"
        if self.request.headers.get("Upgrade", "").lower() == "websocket":
            await super().get(name, path)
        else:
            await self._pass_on()

    async def _pass_on(self) -> None:
        answer = await _fetch(self._file, f"http:{self._url}")
        self.set_status(answer.code)
        for header in _PASSED_ON:
            if header in answer.headers:
                self.set_header(header, answer.headers[header])
        if (place := answer.headers.get("Location", "")).startswith("/"):
            self.set_header("Location", f"{self._base}{place.lstrip('/')}")
        # Its scripts are drawn inline; they may speak to this server alone, and be framed by it.
        self.set_header("Content-Security-Policy", "frame-ancestors 'self'; connect-src 'self'")
        self.finish(answer.body)

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """Accept what the page offers: bokeh's name, and its session token behind it."""
        self._protocols = subprotocols
        return subprotocols[0] if subprotocols else None

    async def open(self, *_args: Any, **_named: Any) -> None:
        """Connect to the host, and pass on what it says."""
        request = HTTPRequest(f"ws:{self._url}", connect_timeout=_LIMIT)
        self._there = await websocket_connect(
            request,
            on_message_callback=self._heard,
            max_message_size=_LARGEST,
            subprotocols=getattr(self, "_protocols", []),
            resolver=_ToFile(self._file),
        )

    async def on_message(self, message: str | bytes) -> None:
        """Pass on what the page says."""
        if self._there is not None:
            with suppress(WebSocketClosedError):
                await self._there.write_message(message, binary=isinstance(message, bytes))

    def on_close(self) -> None:
        """Close the other side, too."""
        if self._there is not None:
            self._there.close()

    def get_compression_options(self) -> None:
        """Leave messages as they are."""
        return

    def _heard(self, message: str | bytes | None) -> None:
        if message is None:
            self.close()
            return
        with suppress(WebSocketClosedError):
            told = self.write_message(message, binary=isinstance(message, bytes))
            asyncio.ensure_future(told).add_done_callback(lambda done: done.exception())


class _ToFile(Resolver):
    """Finds every host at a socket file."""

    def initialize(self, file: str) -> None:
        self._file = file

    async def resolve(self, *_args: Any, **_named: Any) -> list[tuple[int, Any]]:
        return [(socket.AF_UNIX, self._file)]


async def _fetch(file: str, url: str) -> HTTPResponse:
    client = SimpleAsyncHTTPClient(force_instance=True, max_body_size=_LARGEST)
    client.tcp_client = TCPClient(resolver=_ToFile(file))
    try:
        request = HTTPRequest(url, follow_redirects=False, request_timeout=_LIMIT)
        answer: HTTPResponse = await client.fetch(request, raise_error=False)
    except OSError as error:
        raise HTTPError(504, "The dashboard does not answer.") from error
    finally:
        client.close()
    return answer


def _file(name: str) -> str:
    """Return where the dashboard of a cluster answers; its host begins to serve it now."""
    from lepton_jlab.cluster import get_cluster

    file: str = get_cluster(name).channel.call("dashboard")
    return file
