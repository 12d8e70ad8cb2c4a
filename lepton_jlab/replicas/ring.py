"""Sums over a ring of processes: what each sends to the next while it hears the one before."""

from __future__ import annotations

import select
import socket
import ssl
import struct
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.errors import RunError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HEADER = struct.Struct("<QQ112s")  # number and bytes of the call, and its name
_PIECE = 1 << 20  # bytes to send at a time
_GLANCE = 250  # milliseconds between two thoughts about a neighbour that says nothing
_RDHUP = getattr(select, "POLLRDHUP", 0)
_BUSY = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

Waiting = Callable[[str, float], None]


class PeerLost(RunError):  # noqa: N818 (what happened is its name)
    """Another process of the run has gone; the host knows why."""

    kind = "peer"


class Ring:
    """The place of this process between its two neighbours.

    Parameters
    ----------
    rank, world : int
        Its number among so many.
    right, left : socket
        To the next rank, and from the one before; not blocking.
    waiting : callable
        Called with the name of a call and the seconds it has waited for the rank before, every
        second of a wait, and with 0 when that is over.
    """

    def __init__(
        self, rank: int, world: int, right: socket.socket, left: socket.socket, waiting: Waiting
    ) -> None:
        self._rank, self._world = rank, world
        self._right, self._left = right, left
        self._waiting = waiting
        self._number = 0
        self._failure: RunError | None = None
        self._scratch: NDArray[np.uint8] = np.empty(0, np.uint8)

    @property
    def failure(self) -> RunError | None:
        """Why it can be used no more, or None."""
        return self._failure

    def reduce(self, values: NDArray[Any], combine: Any, name: str) -> None:
        """Combine a contiguous, flat array with those of all ranks, in place.

        Every rank gets the same bits: each sum is made once, in one order, or by two ranks that add
        the same two numbers.

        Parameters
        ----------
        values : ndarray of shape ``(n,)``
            Of the same `n` and dtype on each rank.
        combine : ufunc
            ``numpy.add``, ``minimum`` or ``maximum``.
        name : str
            What is being done, for messages.
        """
        head = self._header(values.nbytes, name)
        got = self._room(values.nbytes).view(values.dtype)
        if self._world == 2:
            self._exchange([head, _bytes(values)], [_bytes(got)], name)
            combine(values, got, out=values)
            return
        cuts = np.linspace(0, len(values), self._world + 1).astype(int)
        parts = [values[a:b] for a, b in pairwise(cuts)]
        heads = [head]
        for step in range(self._world - 1):  # after these, rank r has the whole sum of part r + 1
            out, into = (parts[(self._rank - step - k) % self._world] for k in (0, 1))
            room = got[: len(into)]
            self._exchange([*heads, _bytes(out)], [_bytes(room)], name, bool(heads))
            combine(into, room, out=into)
            heads = []
        for step in range(self._world - 1):
            out, into = (parts[(self._rank + 1 - step - k) % self._world] for k in (0, 1))
            self._exchange([_bytes(out)], [_bytes(into)], name, False)

    def broadcast(self, values: NDArray[np.uint8], name: str) -> None:
        """Copy the bytes of rank 0 into those of all others, of the same number, in place."""
        head = self._header(values.nbytes, name)
        self._exchange([head], [], name)
        data = [_bytes(values)]
        if self._rank > 0:
            self._exchange([], data, name, False)
        if self._rank < self._world - 1:
            self._exchange(data, [], name, False)

    def close(self) -> None:
        """Let the neighbours go."""
        for connection in (self._right, self._left):
            connection.close()

    def _room(self, size: int) -> NDArray[np.uint8]:
        if len(self._scratch) < size:
            self._scratch = np.empty(size, np.uint8)
        return self._scratch[:size]

    def _header(self, size: int, name: str) -> memoryview:
        self._number += 1
        return memoryview(_HEADER.pack(self._number, size, name.encode()[:112]))

    def _exchange(
        self,
        out: Sequence[memoryview],
        into: Sequence[memoryview],
        name: str,
        headed: bool = True,
    ) -> None:
        """Send `out` to the right and fill `into` from the left at the same time.

        If it is `headed`, the left sends a header first, which must be like ours.
        """
        if self._failure is not None:
            raise self._failure
        sending = [part for part in out if len(part)]
        header = memoryview(bytearray(_HEADER.size))
        receiving = [*([header] if headed else []), *(part for part in into if len(part))]
        try:
            self._flow(sending, receiving, header if headed else None, out, name)
        except RunError as error:
            self._failure = error
            self.close()  # so that the others learn it at once
            raise

    def _flow(
        self,
        sending: list[memoryview],
        receiving: list[memoryview],
        header: memoryview | None,
        out: Sequence[memoryview],
        name: str,
    ) -> None:
        since = said = time.monotonic()
        while sending or receiving:
            moved = False
            if sending:
                sent = self._sent(sending[0][:_PIECE])
                moved = sent > 0
                sending[0] = sending[0][sent:]
                if not sending[0]:
                    del sending[0]
            if receiving:
                got = self._got(receiving[0])
                moved = moved or got > 0
                receiving[0] = receiving[0][got:]
                if not receiving[0]:
                    del receiving[0]
                    if header is not None:
                        self._compare(header, out[0])
                        header = None
            if not moved:
                self._rest(bool(sending), bool(receiving))
                now = time.monotonic()
                if now - said >= 1:
                    said = now
                    self._waiting(name, now - since)
        if said > since:
            self._waiting(name, 0.0)

    def _sent(self, data: memoryview) -> int:
        try:
            return self._right.send(data)
        except _BUSY:
            return 0
        except OSError:
            raise self._lost(self._rank + 1) from None

    def _got(self, room: memoryview) -> int:
        try:
            got = self._left.recv_into(room)
        except _BUSY:
            return 0
        except OSError:
            got = 0
        if not got:
            raise self._lost(self._rank - 1)
        return got

    def _rest(self, sending: bool, receiving: bool) -> None:
        """Wait until something can go on; that a neighbour has left wakes it, too."""
        poll = select.poll()
        if sending:
            poll.register(self._right, select.POLLOUT | _RDHUP)
        if receiving:
            poll.register(self._left, select.POLLIN)
        poll.poll(_GLANCE)

    def _lost(self, rank: int) -> PeerLost:
        return PeerLost(f"Rank {rank % self._world} of this run has gone.")

    def _compare(self, theirs: memoryview, own: memoryview) -> None:
        if theirs == own:
            return
        (_, size, name), (_, own_size, own_name) = map(_HEADER.unpack, (theirs, own))
        left = (self._rank - 1) % self._world
        words = [text.rstrip(b"\0").decode(errors="replace") for text in (name, own_name)]
        if words[0] == words[1]:
            words = [f"{words[0]} ({n:,} bytes)" for n in (size, own_size)]
        raise RunError(
            f"The ranks do different things: rank {left} is at {words[0]}, and rank {self._rank} "
            f"at {words[1]}. Every rank must make the same calls on models of the same shapes, as "
            "often: let no rank skip fit, evaluate or all_reduce."
        )


def _bytes(values: NDArray[Any]) -> memoryview:
    return values.view(np.uint8).data if values.size else memoryview(b"")
