"""A web server over a folder, in a process of its own: a slow link, and faults on demand.

It speaks HTTP/1.1 with keep-alive and byte ranges, and lists, writes and deletes as S3 does, each
folder being a bucket. Every request waits `delay` seconds, all bodies share `rate` bytes a second
as they would on one link, and rules make chosen requests go wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import hashlib
import html
import http.client
import json
import re
import socket
import struct
import subprocess
import sys
import urllib.parse
from pathlib import Path
from typing import Any

PIECE = 64 * 1024  # bytes handed to a socket at once, so that connections share the link evenly


class WebServer:
    """Serves a folder until it is closed; use it as a context manager.

    Parameters
    ----------
    folder
        What is served; files may change meanwhile.
    delay
        Seconds before each answer.
    rate
        Bytes a second of all bodies together; None for no limit.
    """

    def __init__(self, folder: Path, delay: float = 0.0, rate: float | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(folder), str(delay), str(rate or 0)],
            stdout=subprocess.PIPE,
            stdin=subprocess.PIPE,
        )
        assert self._process.stdout
        self.port = int(self._process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def fail(self, match: str, kind: str, times: int | None = None, **how: Any) -> None:
        """Let requests whose path matches go wrong: the first `times` of them, or all.

        With ``every=n`` only each n-th of them goes wrong.
        `kind` is ``status`` (with ``status=500``), ``reset`` (in the middle of the body),
        ``truncate`` (the connection ends early), ``stall`` (silence after the headers), ``hang``
        (silence before them) or ``garbage`` (other bytes of the right length).
        """
        self._control("POST", "/_rules", {"match": match, "kind": kind, "times": times, **how})

    def heal(self) -> None:
        """Let nothing go wrong any more, and forget which requests there were."""
        self._control("POST", "/_heal", {})

    def requests(self, match: str = "") -> list[str]:
        """Return the paths asked for since the last `heal`, in order."""
        asked: list[str] = self._control("GET", "/_requests")
        return [path for path in asked if re.search(match, path)]

    def most_at_once(self) -> int:
        """Return the most requests that were under way at the same time."""
        return int(self._control("GET", "/_most"))

    def _control(self, method: str, path: str, what: Any = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body=json.dumps(what))
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def close(self) -> None:
        """End the server's process."""
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> WebServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# ---- what runs in the server's process


class _Link:
    """Lets bytes pass at a rate, whoever sends them."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._free = 0.0

    async def take(self, count: int) -> None:
        if not self._rate:
            return
        now = asyncio.get_running_loop().time()
        self._free = max(now, self._free) + count / self._rate
        if self._free > now:
            await asyncio.sleep(self._free - now)


class _Site:
    def __init__(self, folder: Path, delay: float, rate: float) -> None:
        self.folder = folder
        self.delay = delay
        self.link = _Link(rate)
        self.rules: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.active = 0
        self.most = 0
        self.kept: dict[str, tuple[tuple[int, int], bytes]] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                method, path, _ = head.split(" ", 2)
                path = urllib.parse.unquote(path)
                headers = dict(re.findall(r"(?m)^([\w-]+): *(.*?)\r$", head.lower()))
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                if path.startswith("/_"):
                    said = json.dumps(self.control(path, json.loads(body or b"null"))).encode()
                    writer.write(_head("200 OK", len(said)) + said)
                    continue
                self.asked.append(path)
                self.active += 1
                self.most = max(self.most, self.active)
                try:
                    await self.answer(writer, method, path, headers, body)
                finally:
                    self.active -= 1
        writer.close()

    def control(self, path: str, what: Any) -> Any:
        if path == "/_rules":
            self.rules.append(what)
        elif path == "/_heal":
            self.rules.clear()
            self.asked.clear()
        return {"/_requests": self.asked, "/_most": self.most}.get(path)

    def rule(self, path: str) -> dict[str, Any]:
        for rule in self.rules:
            if rule["times"] != 0 and re.search(rule["match"], path):
                rule["seen"] = rule.get("seen", 0) + 1
                if rule["seen"] % rule.get("every", 1):
                    continue
                if rule["times"]:
                    rule["times"] -= 1
                return rule
        return {"kind": None}

    def file(self, path: str) -> tuple[bytes, str, float] | None:
        found = self.folder / path.lstrip("/").partition("?")[0]
        try:
            stat = found.stat()
            mark = (stat.st_mtime_ns, stat.st_size)
            if self.kept.get(path, (None,))[0] != mark:
                self.kept[path] = (mark, found.read_bytes())
        except OSError:
            return None
        return self.kept[path][1], f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"', stat.st_mtime

    def listing(self, path: str) -> tuple[bytes, str, float]:
        """Return what S3 says is below a prefix of a bucket, by its delimiter or all."""
        bucket, _, query = path.lstrip("/").partition("?")
        asked = dict(urllib.parse.parse_qsl(query))
        prefix = asked.get("prefix", "")
        below = sorted(p for p in (self.folder / bucket / prefix).rglob("*") if p.is_file())
        names = {str(p.relative_to(self.folder / bucket)): p.stat().st_size for p in below}
        folders = set()
        if asked.get("delimiter"):
            folders = {prefix + n[len(prefix) :].partition("/")[0] for n in names}
            folders = {f"{name}/" for name in folders - set(names)}
            names = {n: size for n, size in names.items() if "/" not in n[len(prefix) :]}
        said = "".join(
            f"<Contents><Key>{name}</Key><Size>{size}</Size>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            for name, size in names.items()
        ) + "".join(f"<CommonPrefixes><Prefix>{f}</Prefix></CommonPrefixes>" for f in folders)
        text = f"<ListBucketResult><IsTruncated>false</IsTruncated>{said}</ListBucketResult>"
        return text.encode(), '"list"', 0.0

    def change(self, method: str, path: str, body: bytes) -> bytes:
        """Write an object, or delete one or those that a request lists; return the answer."""
        where, _, query = path.lstrip("/").partition("?")
        if method == "PUT":
            (self.folder / where).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / where).write_bytes(body)
        elif query == "delete":
            keys = re.findall(r"<Key>(.*?)</Key>", body.decode())
            for key in keys:
                (self.folder / where / html.unescape(key)).unlink(missing_ok=True)
            gone = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
            return f"<DeleteResult>{gone}</DeleteResult>".encode()
        else:
            (self.folder / where).unlink(missing_ok=True)
        return b""

    async def answer(
        self,
        writer: asyncio.StreamWriter,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
    ) -> None:
        rule = self.rule(path)
        if self.delay:
            await asyncio.sleep(self.delay)
        if rule["kind"] == "hang":
            await asyncio.sleep(rule.get("seconds", 3600))
        if rule["kind"] == "status":
            extra = "".join(f"{k}: {v}\r\n" for k, v in rule.get("headers", {}).items())
            writer.write(_head(f"{rule['status']} As told", 0, extra))
            return
        if headers.get("if-none-match") == "*" and self.file(path):
            writer.write(_head("412 Precondition Failed", 0))
            return
        if method in ("PUT", "DELETE", "POST"):
            said = self.change(method, path, body)
            writer.write(_head("200 OK", len(said), 'ETag: "as sent"\r\n') + said)
            return
        found = self.listing(path) if "list-type=2" in path else self.file(path)
        if found is None:
            said = b"<Error><Code>NoSuchKey</Code></Error>"
            writer.write(_head("404 Not Found", len(said)) + (b"" if method == "HEAD" else said))
            return
        data, tag, modified = found
        about = f"ETag: {tag}\r\nLast-Modified: {email.utils.formatdate(modified, usegmt=True)}\r\n"
        status, part = _part(data, headers.get("range"))
        if status.startswith("206"):
            start, stop = part
            about += f"Content-Range: bytes {start}-{stop - 1}/{len(data)}\r\n"
            data = data[start:stop]
        elif status.startswith("416"):
            data = b""
        if rule["kind"] == "garbage":
            data = hashlib.shake_256(data).digest(len(data))
        writer.write(_head(status, len(data), about))
        if method != "HEAD":
            await self.send(writer, data, rule)

    async def send(self, writer: asyncio.StreamWriter, data: bytes, rule: dict[str, Any]) -> None:
        kind = rule["kind"]
        whole = len(data)
        if kind in ("reset", "truncate", "stall"):
            data = data[: whole // 2]
        view = memoryview(data)
        for start in range(0, len(data), PIECE):
            piece = view[start : start + PIECE]
            await self.link.take(len(piece))
            writer.write(piece)
            await writer.drain()
        if kind == "stall":
            await asyncio.sleep(rule.get("seconds", 3600))
        if kind == "reset":
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        if kind in ("reset", "truncate", "stall"):
            raise ConnectionError(kind)


def _head(status: str, length: int, more: str = "") -> bytes:
    text = f"HTTP/1.1 {status}\r\nContent-Length: {length}\r\nAccept-Ranges: bytes\r\n{more}\r\n"
    return text.encode("latin-1")


def _part(data: bytes, asked: str | None) -> tuple[str, tuple[int, int]]:
    """Return the status and the part of `data` that a Range header asks for."""
    wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", asked or "")
    if not wanted:
        return "200 OK", (0, len(data))
    first, last = wanted.groups()
    start = int(first) if first else max(0, len(data) - int(last))
    stop = min(len(data), int(last) + 1) if first and last else len(data)
    if start >= stop:
        return "416 Range Not Satisfiable", (0, 0)
    return "206 Partial Content", (start, stop)


async def _main(folder: Path, delay: float, rate: float) -> None:
    site = _Site(folder, delay, rate)
    server = await asyncio.start_server(site.serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    closed = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await closed  # whoever started this has gone


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
