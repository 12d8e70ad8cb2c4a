"""The sockets that a notebook's front ends connect to, on this machine, in place of its kernel's.

They are Unix sockets in a private folder, so no one else of this machine can reach them, and they
outlive kernels: clients stay connected through a restart. Since requests pass through here, those
that a dead kernel left unanswered are known, and are answered with what has become of it.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import zmq
import zmq.asyncio
from jupyter_client.session import DELIM, Session

from lepton_jlab.kernels.wire import CHANNELS, Parts

PORTS = {"shell": 1, "iopub": 2, "stdin": 3, "control": 4, "hb": 5}
Header = dict[str, Any]

_KEPT = 100  # requests


def connection_of(folder: Path, key: bytes, scheme: str) -> dict[str, Any]:
    """Return what a Jupyter connection file says of sockets in `folder`."""
    ports = {f"{channel}_port": port for channel, port in PORTS.items()}
    own = {"transport": "ipc", "ip": str(folder / "z"), "key": key, "signature_scheme": scheme}
    return own | ports


def address_of(folder: Path, channel: str) -> str:
    """Return the ZMQ address of a channel in `folder`."""
    return f"ipc://{folder / 'z'}-{PORTS[channel]}"


class Front:
    """Five bound sockets; must be made, used and closed in one event loop.

    Parameters
    ----------
    folder : Path
        Private to this user; its path has 90 bytes at most.
    key, scheme
        Sign the messages that are made here.
    forward : callable
        Takes ``(channel, parts)`` of what the front ends send.
    """

    def __init__(
        self,
        folder: Path,
        key: bytes,
        scheme: str,
        forward: Callable[[str, Parts], Awaitable[None]],
    ) -> None:
        self._folder = folder
        self._forward = forward
        self._session = Session(key=key, signature_scheme=scheme, username="kernel")
        self._context = zmq.asyncio.Context()
        self._unanswered: dict[str, tuple[Parts, Header]] = {}
        self._busy: dict[str, Header] = {}
        self._notice: str | None = None  # to be shown with the next cell
        self._death: tuple[str, str] | None = None
        self._open = asyncio.Event()  # a kernel is there, or a death to tell of
        self._kept: list[tuple[str, Parts]] = []  # asked of a dead kernel, for the next one
        self._sockets: dict[str, Any] = {}
        for channel in CHANNELS:
            kind = zmq.XPUB if channel == "iopub" else zmq.ROUTER
            self._sockets[channel] = socket = self._context.socket(kind)
            socket.linger = 500
            if kind == zmq.ROUTER:
                socket.router_handover = True
        self.bind()
        self._readers = [asyncio.create_task(self._read(channel)) for channel in CHANNELS]

    @property
    def busy(self) -> bool:
        """Whether a cell is being executed."""
        return bool(self._unanswered or self._busy)

    def bind(self) -> None:
        """Make the sockets reachable where `connection_of` says.

        Jupyter removes those files when it restarts a kernel, so they are links.
        """
        for channel, port in PORTS.items():
            own = self._folder / f"s-{port}"
            if not own.exists():
                self._sockets[channel].bind(f"ipc://{own}")
            with suppress(FileExistsError):
                os.link(own, self._folder / f"z-{port}")

    async def deliver(self, channel: str, parts: Parts) -> None:
        """Hand a message of the kernel to the front ends."""
        kind, _, parent = _headers(parts) if channel in ("shell", "iopub") else ("", {}, {})
        await self._sockets[channel].send_multipart(parts)
        asked = parent.get("msg_id", "")
        if channel == "shell":
            self._unanswered.pop(asked, None)
        elif kind == "status" and _content(parts).get("execution_state") == "idle":
            self._busy.pop(asked, None)

    async def bury(self, name: str, reason: str) -> None:
        """Answer all that the dead kernel was asked, and whatever is asked from now on.

        Parameters
        ----------
        name, reason
            Shown as the cell's error is: ``name: reason``.
        """
        self._death = name, reason
        self._open.set()
        for idents, header in list(self._unanswered.values()):
            await self._fail(idents, header)
        for header in list(self._busy.values()):
            await self._publish("status", {"execution_state": "idle"}, header)
        self._unanswered.clear()
        self._busy.clear()

    def hold(self) -> None:
        """Let requests wait until `go_on`: the kernel lives, but cannot be reached."""
        self._open.clear()

    def go_on(self) -> None:
        """Forward them again."""
        self._open.set()

    def pause(self) -> None:
        """Let requests wait for the next kernel, as they do while a local one restarts."""
        self._open.clear()
        self._unanswered.clear()
        self._busy.clear()

    async def revive(self, notice: str | None = None) -> None:
        """Forward requests to a new kernel; `notice` is shown above its first cell's output."""
        self._death = None
        self._notice = notice
        self._unanswered.clear()
        self._busy.clear()
        kept, self._kept = self._kept, []
        for channel, parts in kept:
            await self._forward(channel, parts)
        self._open.set()

    def close(self) -> None:
        """Close the sockets and remove their folder."""
        for reader in self._readers:
            reader.cancel()
        self._context.destroy(linger=500)
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _read(self, channel: str) -> None:
        socket = self._sockets[channel]
        while True:
            parts = await socket.recv_multipart()
            if channel == "iopub":
                continue  # a subscription; the kernel's own is to everything
            await self._open.wait()
            if channel == "shell":
                kind, header, _ = _headers(parts)
                if kind == "execute_request" and not await self._note(parts, header):
                    continue
            if self._death is None:
                await self._forward(channel, parts)
            elif channel == "shell" and len(self._kept) < _KEPT:
                self._kept.append((channel, parts))

    async def _note(self, parts: Parts, header: Header) -> bool:
        """Remember a request; tell whether a kernel is there to take it."""
        idents = parts[: parts.index(DELIM)]
        if self._death is not None:
            await self._publish("status", {"execution_state": "busy"}, header)
            await self._fail(idents, header)
            return False
        self._unanswered[header["msg_id"]] = idents, header
        self._busy[header["msg_id"]] = header
        if self._notice is not None:
            text, self._notice = f"{self._notice}\n", None
            await self._publish("stream", {"name": "stderr", "text": text}, header)
        return True

    async def _fail(self, idents: Parts, header: Header) -> None:
        assert self._death is not None
        name, reason = self._death
        error = {"ename": name, "evalue": reason, "traceback": [f"{name}: {reason}"]}
        await self._publish("error", error, header)
        reply = {"status": "error", "execution_count": 0, **error}
        message = self._session.msg("execute_reply", reply, parent=header)
        await self._sockets["shell"].send_multipart(self._session.serialize(message, idents))
        await self._publish("status", {"execution_state": "idle"}, header)

    async def _publish(self, kind: str, content: dict[str, Any], header: Header) -> None:
        message = self._session.msg(kind, content, parent=header)
        topic = f"kernel.lepton.{kind}".encode()
        await self._sockets["iopub"].send_multipart(self._session.serialize(message, topic))


def _headers(parts: Parts) -> tuple[str, Header, Header]:
    """Return the type, the header and the parent's header of a message; empty if it is none."""
    try:
        start = parts.index(DELIM) + 2
        header, parent = json.loads(parts[start]), json.loads(parts[start + 1])
        return header["msg_type"], header, parent
    except (ValueError, IndexError, KeyError):
        return "", {}, {}


def _content(parts: Parts) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(parts[parts.index(DELIM) + 5])
    return content
