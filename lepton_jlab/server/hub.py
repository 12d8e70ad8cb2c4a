"""Follows clusters, runs and the rest once for all pages, while somebody looks at them."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Protocol

from lepton_jlab.server import feeds
from lepton_jlab.server.frames import Frame, join_of
from lepton_jlab.server.pools import Pool
from lepton_jlab.server.watch import RunsWatch

if TYPE_CHECKING:
    from lepton_jlab.server.feeds import Feed
    from lepton_jlab.server.lab import Lab

_TOPIC = re.compile(r"clusters|runs|resources|tasks|models|endpoints|idle|run/r\d{1,15}")
_MOST = 64  # topics of one page


class Socket(Protocol):
    """A page's end of the websocket."""

    async def send(self, text: str) -> None:
        """Return when the text is on its way; raises when the page is gone."""


class Client:
    """One page: what it has subscribed to, and what waits to be sent to it."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._waiting: dict[str, list[Frame]] = {}
        self._wake = asyncio.Event()
        self.topics: set[str] = set()

    def put(self, frame: Frame) -> bool:
        """Queue a frame; False when too much waits, and the topic must be told anew."""
        waiting = join_of(frame.topic)(self._waiting.get(frame.topic, []), frame)
        if waiting is None:
            self._waiting.pop(frame.topic)
            return False
        self._waiting[frame.topic] = waiting
        self._wake.set()
        return True

    def drop(self, topic: str) -> None:
        """Forget a topic."""
        self.topics.discard(topic)
        self._waiting.pop(topic, None)

    async def pump(self) -> None:
        """Send what waits, as fast as the page takes it, until it is gone."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                topic = next(iter(self._waiting))
                for frame in self._waiting.pop(topic):
                    await self._socket.send(frame.text)


class Hub:
    """Connects pages with feeds. All but `publish` happens on the event loop."""

    lab: Lab
    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        self._clients: set[Client] = set()
        self._feeds: dict[str, Feed] = {}
        self._subscribers: defaultdict[str, set[Client]] = defaultdict(set)
        self.pool = Pool("feeds", 4)
        self.runs = RunsWatch()

    def join(self, client: Client) -> None:
        """Take a page in."""
        self._clients.add(client)

    def leave(self, client: Client) -> None:
        """Let a page go."""
        self._clients.discard(client)
        for topic in list(client.topics):
            self.unsubscribe(client, topic)

    def subscribe(self, client: Client, topic: str) -> None:
        """Have a topic's state, and then its changes, sent to a page."""
        if not isinstance(topic, str) or not _TOPIC.fullmatch(topic):
            client.put(_problem(f"There is no topic {str(topic)[:100]!r}."))
        elif topic not in client.topics and len(client.topics) >= _MOST:
            client.put(_problem(f"A page may subscribe to {_MOST} topics at most."))
        else:
            client.topics.add(topic)
            self._feed(topic).tell(lambda frame: self._begin(client, topic, frame))

    def unsubscribe(self, client: Client, topic: str) -> None:
        """Send nothing more of a topic; the last one to leave ends its feed."""
        client.drop(topic)
        self._subscribers[topic].discard(client)
        if not self._wanted(topic):
            self._subscribers.pop(topic, None)
            if (feed := self._feeds.pop(topic, None)) is not None:
                feed.close()

    def publish(self, frame: Frame) -> None:
        """Send a frame to all who have subscribed to its topic; from any thread."""
        self.soon(self._publish, frame)

    def soon(self, do: Any, *args: Any) -> None:
        """Call something on the event loop, if that still runs."""
        loop = getattr(self, "loop", None)
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(do, *args)

    def tasks_changed(self) -> None:
        """Tell pages of long operations; from any thread."""
        self.poke("tasks")

    def poke(self, topic: str) -> None:
        """Have a topic looked at now; from any thread."""
        if (feed := self._feeds.get(topic)) is not None:
            feed.poke()

    def close(self) -> None:
        """End all feeds."""
        for feed in self._feeds.values():
            feed.close()
        self._feeds.clear()

    def _feed(self, topic: str) -> Feed:
        if topic not in self._feeds:
            self._feeds[topic] = feeds.make(topic, self)
        return self._feeds[topic]

    def _wanted(self, topic: str) -> bool:
        return any(topic in client.topics for client in self._clients)

    def _begin(self, client: Client, topic: str, frame: Frame) -> None:
        """Send the first frame; from here on the page hears of changes."""
        if topic in client.topics and client in self._clients:
            client.put(frame)
            if frame.topic == topic:
                self._subscribers[topic].add(client)

    def _publish(self, frame: Frame) -> None:
        for client in list(self._subscribers.get(frame.topic, ())):
            if not client.put(frame):
                self._subscribers[frame.topic].discard(client)
                self.subscribe(client, frame.topic)


def _problem(message: str) -> Frame:
    return Frame("error", {"message": message})
