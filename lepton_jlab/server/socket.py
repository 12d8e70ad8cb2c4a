"""The websocket of a page: subscriptions come in, messages of topics go out."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

from jupyter_server.auth.decorator import authorized, ws_authenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from lepton_jlab.server.frames import Frame
from lepton_jlab.server.handlers import RESOURCE
from lepton_jlab.server.hub import Client
from lepton_jlab.server.lab import Lab

_PING = 20.0  # seconds; proxies close connections on which nothing is said


class EventsHandler(WebSocketMixin, WebSocketHandler, JupyterHandler):
    """``lepton/api/events``, for who is logged in, from the server's own pages."""

    auth_resource = RESOURCE

    def initialize(self, lab: Lab) -> None:
        """Take what all handlers share."""
        self.hub = lab.hub
        self.client: Client | None = None
        self._pumping: asyncio.Task[None] | None = None

    # Tornado itself pings, in seconds; Jupyter's mixin would do so too, in milliseconds.
    ping_interval = _PING
    ping_timeout = _PING

    @ws_authenticated  # type: ignore[untyped-decorator]
    @authorized("read", RESOURCE)  # type: ignore[untyped-decorator]
    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Become a websocket."""
        await super().get(*args, **kwargs)

    def get_compression_options(self) -> None:
        """Leave frames as they are: compressing them for 20 pages costs more than it saves."""
        return

    def open(self) -> None:
        """Take the page in."""
        self.client = Client(self)
        self.hub.join(self.client)
        self._pumping = asyncio.create_task(self._pump(self.client))

    async def send(self, text: str) -> None:
        """Send a message, and return once the connection has taken it."""
        await self.write_message(text)

    def on_message(self, message: str | bytes) -> None:
        """Subscribe and unsubscribe."""
        assert self.client is not None
        try:
            request = json.loads(message)
            wanted, unwanted = (list(request.get(f"{un}subscribe", [])) for un in ("", "un"))
        except (ValueError, TypeError, AttributeError, RecursionError):
            about = 'Send {"subscribe": [topics]} or {"unsubscribe": [topics]}.'
            self.client.put(Frame("error", {"message": about}))
            return
        for topic in unwanted:
            if topic in self.client.topics:
                self.hub.unsubscribe(self.client, topic)
        for topic in wanted:
            self.hub.subscribe(self.client, topic)

    def on_close(self) -> None:
        """Let the page go."""
        if self.client is not None:
            self.hub.leave(self.client)
        if self._pumping is not None:
            self._pumping.cancel()
        super().on_close()

    async def _pump(self, client: Client) -> None:
        with suppress(WebSocketClosedError):
            await client.pump()
