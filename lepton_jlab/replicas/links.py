"""Connections between the processes of one run: each proves that it belongs, both ways.

On one machine they meet at Unix sockets in a folder of this user alone; between machines over TLS
with the cluster's own keys. Either way both ends then show that they know the run's secret.
"""

from __future__ import annotations

import hmac
import os
import secrets
import socket
import ssl
import struct
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lepton_jlab.errors import RunError

_PATIENCE = 60.0  # seconds for all ranks to be there: one may have to fork anew
_NONCE = 32
_BUFFER = 4 << 20  # bytes a socket may hold, where the system allows it
_GONE = 3  # seconds until a machine that has vanished is given up

Address = Mapping[str, Any]


class Listener:
    """Where the process of the rank before this one connects to.

    Parameters
    ----------
    place : mapping
        ``socket`` (a path, or None between machines), ``host`` and ``tls`` (``ca``, ``cert`` and
        ``key`` in PEM, or None where the cluster has no keys).
    """

    def __init__(self, place: Mapping[str, Any]) -> None:
        self._tls = place["tls"]
        self._path: str | None = place["socket"]
        if self._path is not None:
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.bind(self._path)  # the folder is this user's alone
            self.address: Address = {"socket": self._path}
        else:
            family = socket.AF_INET6 if ":" in place["host"] else socket.AF_INET
            self._socket = socket.socket(family)
            self._socket.bind((place["host"], 0))
            self.address = {"tcp": self._socket.getsockname()[:2]}
        self._socket.listen(8)

    def accept(self, rank: int, secret: bytes) -> socket.socket:
        """Return the connection of `rank`; whoever else knocks is turned away."""
        end = time.monotonic() + _PATIENCE
        while True:
            self._socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                raw = self._socket.accept()[0]
            except TimeoutError:
                raise _absent(rank) from None
            with suppress(OSError):
                raw.settimeout(10)
                connection = _server_tls(raw, self._tls) if self._path is None else raw
                if _answer(connection, rank, secret):
                    return _ready(connection)
            raw.close()

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()
        if self._path is not None:
            Path(self._path).unlink(missing_ok=True)


def connect(
    address: Address, tls: Mapping[str, str] | None, own: int, secret: bytes, rank: int
) -> socket.socket:
    """Connect as rank `own` to the listener of `rank`.

    Raises
    ------
    RunError
        It is not there, or does not know the secret.
    """
    try:
        if "socket" in address:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(_PATIENCE)
            connection.connect(address["socket"])
        else:
            connection = socket.create_connection(tuple(address["tcp"]), timeout=_PATIENCE)
            connection = _client_tls(connection, tls)
        if _ask(connection, own, secret):
            return _ready(connection)
    except OSError as error:
        raise _absent(rank, error) from None
    raise _absent(rank)


def ring(
    listener: Listener,
    tls: Mapping[str, str] | None,
    rank: int,
    addresses: list[Address],
    secret: bytes,
) -> tuple[socket.socket, socket.socket]:
    """Return the connections to the next rank and from the one before."""
    world = len(addresses)
    before, after = (rank - 1) % world, (rank + 1) % world
    accepted: list[Any] = []

    def wait() -> None:
        try:
            accepted.append(listener.accept(before, secret))
        except Exception as error:  # noqa: BLE001 (raised below, in the thread that asked)
            accepted.append(error)

    # All ranks connect and accept at once: each would wait for the next, round the ring.
    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    right = connect(addresses[after], tls, rank, secret, after)
    waiting.join()
    if isinstance(accepted[0], Exception):
        raise accepted[0]
    return right, accepted[0]


def _ask(connection: socket.socket, own: int, secret: bytes) -> bool:
    nonce = secrets.token_bytes(_NONCE)
    connection.sendall(struct.pack("<I", own) + nonce)
    theirs, proof = _read(connection, _NONCE), _read(connection, 32)
    if not hmac.compare_digest(proof, _proof(secret, b"listens", own, nonce, theirs)):
        return False
    connection.sendall(_proof(secret, b"connects", own, nonce, theirs))
    return _read(connection, 1) == b"+"


def _answer(connection: socket.socket, rank: int, secret: bytes) -> bool:
    (own,) = struct.unpack("<I", _read(connection, 4))
    theirs, nonce = _read(connection, _NONCE), secrets.token_bytes(_NONCE)
    connection.sendall(nonce + _proof(secret, b"listens", own, theirs, nonce))
    proof = _read(connection, 32)
    if own != rank or not hmac.compare_digest(
        proof, _proof(secret, b"connects", own, theirs, nonce)
    ):
        return False
    connection.sendall(b"+")
    return True


def _proof(secret: bytes, role: bytes, rank: int, first: bytes, second: bytes) -> bytes:
    return hmac.digest(secret, role + struct.pack("<I", rank) + first + second, "sha256")


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ConnectionError
        data += part
    return data


def _ready(connection: socket.socket) -> socket.socket:
    connection.settimeout(0)
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        connection.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
    if connection.family != socket.AF_UNIX:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (
            ("TCP_KEEPIDLE", 1),
            ("TCP_KEEPINTVL", 1),
            ("TCP_KEEPCNT", _GONE),
            ("TCP_USER_TIMEOUT", 1000 * _GONE),
        ):
            if hasattr(socket, name):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return connection


def _server_tls(raw: socket.socket, keys: Mapping[str, str] | None) -> socket.socket:
    if keys is None:
        return raw
    return _context(ssl.PROTOCOL_TLS_SERVER, keys).wrap_socket(raw, server_side=True)


def _client_tls(raw: socket.socket, keys: Mapping[str, str] | None) -> socket.socket:
    if keys is None:
        return raw
    return _context(ssl.PROTOCOL_TLS_CLIENT, keys).wrap_socket(raw)


def _context(protocol: int, keys: Mapping[str, str]) -> ssl.SSLContext:
    """Return a context that accepts only who has a certificate of the cluster's authority."""
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False  # the certificates say who belongs, not where
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=keys["ca"])
    with tempfile.TemporaryDirectory() as folder:  # mode 0700; OpenSSL reads keys from files alone
        names = []
        for name in ("cert", "key"):
            names.append(os.path.join(folder, name))  # noqa: PTH118
            Path(names[-1]).write_text(keys[name])
        context.load_cert_chain(*names)
    return context


def _absent(rank: int, error: OSError | None = None) -> RunError:
    why = f" ({error})" if error is not None else ""
    return RunError(
        f"No connection to rank {rank} of this run{why}. The workers of its cluster must reach one "
        "another, on any port."
    )
