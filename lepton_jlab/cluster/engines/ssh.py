"""Engine `ssh`: workers on other machines, started and ended through SSH; the scheduler is here."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from lepton_jlab.cluster.backend import Backend, OwnBackend
from lepton_jlab.cluster.plan import Plan
from lepton_jlab.errors import ClusterError

_MODULE = "lepton_jlab.cluster.engines.remote"
_AT_ONCE = 8  # sshd drops new connections when more than 10 have not logged in
_PATIENCE = 60.0  # seconds for a worker to be ready: Dask is imported there, maybe from a cold disk
_LAST_LINES = 5


async def make(plan: Plan, scratch: Path) -> Backend:  # noqa: ARG001 (one protocol for all engines)
    """Start a scheduler here and workers on the hosts of `plan`.

    Raises
    ------
    ClusterError
        When a host cannot be reached, refuses, or has no Lepton; it is named.
    """
    from distributed import Scheduler, Security

    hosts: list[dict[str, Any]] = plan.options["hosts"]
    workers = plan.at_start if plan.at_start is not None else len(hosts)
    login = _Login(plan.options.get("key"))
    here = await _addresses_here(login, hosts)
    security = Security.temporary()
    cluster = _cluster_class()(
        hosts,
        # One address if that is how all hosts see this machine, and 127.0.0.1 never to others.
        scheduler={
            "cls": Scheduler,
            "options": {
                "host": here.pop() if len(here) == 1 else "0.0.0.0",  # noqa: S104 (mutual TLS)
                "protocol": "tls://",
                "security": security,
                "dashboard": False,
                "dashboard_address": "127.0.0.1:0",
            },
        },
        worker={
            "cls": _worker_class(),
            "options": {
                "login": login,
                "python": plan.options.get("python"),
                "document": {
                    "keys": {
                        "ca": security.tls_ca_file,
                        "cert": security.tls_worker_cert,
                        "key": security.tls_worker_key,
                    },
                    "threads": plan.threads,
                    "memory": plan.memory,
                    "share": -(-max(workers, 1) // len(hosts)),
                    "folder": plan.options.get("folder"),
                },
            },
        },
        security=security,
        asynchronous=True,
        silence_logs=False,
    )
    try:
        await cluster  # its scheduler, whose address the workers are told
        cluster.scale(workers)
        await cluster
    except BaseException:
        with suppress(Exception):
            await asyncio.wait_for(cluster.close(), 15)
        raise
    return OwnBackend(cluster, security)


class _Login:
    """How to get into a host; a few at a time."""

    def __init__(self, key: str | None) -> None:
        self._key = key
        self._gate = asyncio.Semaphore(_AT_ONCE)

    async def connect(self, host: dict[str, Any]) -> Any:
        """Return an SSH connection; ClusterError when there can be none."""
        import asyncssh

        name = host["host"]
        given: dict[str, Any] = {key: host[key] for key in ("port",) if host[key] is not None}
        if host["user"] is not None:
            given["username"] = host["user"]
        if self._key is not None:
            given["client_keys"] = [self._key]
        whom = f" for user {host['user']!r}" if host["user"] else ""
        try:
            async with self._gate:
                return await asyncssh.connect(name, keepalive_interval=15, **given)
        except asyncssh.HostKeyNotVerifiable as error:
            raise ClusterError(
                f"SSH to {name}: its host key is not known ({error.reason}). Log in once in a "
                f"terminal, which asks and remembers: ssh {name}"
            ) from error
        except asyncssh.PermissionDenied as error:
            raise ClusterError(
                f"SSH to {name}: permission denied{whom}. It needs a "
                "key that asks for no password: give --key and --user, or use an SSH agent."
            ) from error
        except (asyncssh.Error, OSError, ValueError) as error:
            said = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
            raise ClusterError(f"SSH to {name} failed: {said}. Try: ssh {name}") from error


async def _addresses_here(login: _Login, hosts: list[dict[str, Any]]) -> set[str]:
    """Return this machine's addresses as the hosts see them; each host must let us in."""

    async def address(host: dict[str, Any]) -> str:
        connection = await login.connect(host)
        try:
            return str(connection.get_extra_info("sockname")[0])
        finally:
            connection.close()

    different = {json.dumps(host, sort_keys=True): host for host in hosts}
    return set(await asyncio.gather(*map(address, different.values())))


def _cluster_class() -> Any:
    from distributed import SpecCluster

    class SSHCluster(SpecCluster):
        """Gives each new worker to the host that has fewest."""

        def __init__(self, hosts: list[dict[str, Any]], **more: Any) -> None:
            self._hosts = hosts
            super().__init__(**more)

        def new_worker_spec(self) -> dict[Any, dict[str, Any]]:
            (name,) = super().new_worker_spec()
            have = Counter(spec["options"]["place"] for spec in self.worker_spec.values())
            place = min(range(len(self._hosts)), key=lambda index: have[index])
            options = {**self.new_spec["options"], "place": place, "host": self._hosts[place]}
            return {name: {"cls": self.new_spec["cls"], "options": options}}

    return SSHCluster


def _worker_class() -> Any:
    from distributed.core import Status
    from distributed.deploy.spec import ProcessInterface

    class SSHWorker(ProcessInterface):
        """One worker process on a host, which lives as long as its SSH session."""

        def __init__(
            self,
            scheduler: str,
            *,
            name: int,
            host: dict[str, Any],
            place: int,  # noqa: ARG002 (how the cluster counts)
            login: _Login,
            python: str | None,
            document: dict[str, Any],
        ) -> None:
            super().__init__(scheduler=scheduler, name=name)
            self._name = name
            self._host = host
            self._login = login
            self._python = python
            self._document = document
            self._scheduler = scheduler
            self._connection: Any = None
            self._process: Any = None

        async def start(self) -> None:
            try:
                await self._start()
            except BaseException:
                self.status = Status.failed  # else it is started again whenever it is awaited
                raise
            await super().start()

        async def _start(self) -> None:
            self._connection = await self._login.connect(self._host)
            here, there = (
                self._connection.get_extra_info(end)[0] for end in ("sockname", "peername")
            )
            port = self._scheduler.rpartition(":")[2]
            document = {
                **self._document,
                "name": self._name,
                "scheduler": f"tls://{_bracketed(here)}:{port}",
                "host": there,
            }
            self._process = await self._connection.create_process(_command(self._python))
            self._process.stdin.write(json.dumps(document) + "\n")
            try:
                line = await asyncio.wait_for(self._ready(), _PATIENCE)
            except TimeoutError:
                line = ""
            if not line:
                raise ClusterError(await self._failure())
            self._drain = asyncio.ensure_future(self._read_on())

        async def _ready(self) -> str:
            """Return the line in which the worker says so, past what login scripts print."""
            while line := await self._process.stdout.readline():
                if line.startswith('{"ready"'):
                    return str(line)
            return ""

        async def _read_on(self) -> None:
            """Read what the worker logs, which would block it once the channel is full."""
            while await self._process.stderr.read(65536):
                pass

        async def _failure(self) -> str:
            name = self._host["host"]
            self._process.stdin.write_eof()
            try:
                done = await self._process.wait(check=False, timeout=5)
            except Exception:  # noqa: BLE001 (whatever it is, it is not ready)
                return (
                    f"The worker on {name} was not ready in {_PATIENCE:g} s: it must reach this "
                    "machine by TCP. Look for a firewall between them."
                )
            said = str(done.stderr or "").strip()
            if "No module named" in said and "lepton_jlab" in said.splitlines()[-1]:
                return (
                    f"Lepton is not installed for {self._python or 'python3'} on {name}. Install "
                    "it there: pip install lepton_jlab, or name its Python: --python PATH"
                )
            if done.exit_status in (126, 127):
                return f"There is no Python {self._python or 'python3'} on {name}: --python PATH"
            end = "\n".join(f"    {line}" for line in said.splitlines()[-_LAST_LINES:])
            return f"The worker on {name} did not start. It wrote:\n{end or '    (nothing)'}"

        async def close(self) -> None:
            if self._process is not None:
                with suppress(OSError):
                    self._process.stdin.write_eof()
                try:
                    await asyncio.wait_for(self._process.wait_closed(), 10)
                except TimeoutError:
                    self._process.kill()
            if self._connection is not None:
                self._connection.close()
            await super().close()

    return SSHWorker


def _command(python: str | None) -> str:
    """Return the shell command that starts a worker; it ends with its session."""
    if python is not None:
        return f"exec {shlex.quote(python)} -m {_MODULE}"
    # The same path as here if it is there, as it is where machines are set up alike.
    same = shlex.quote(sys.executable)
    return f'P={same}; [ -x "$P" ] || P=python3; exec "$P" -m {_MODULE}'


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
