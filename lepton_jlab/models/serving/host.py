"""The endpoint: a detached process that listens, and changes what it serves without a pause."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import uvloop

from lepton_jlab.config import private_folder
from lepton_jlab.errors import LeptonError, UsageError
from lepton_jlab.granted import granted
from lepton_jlab.models.serving.app import App
from lepton_jlab.models.serving.choosing import Choice, choose
from lepton_jlab.models.serving.connection import ENDPOINTS
from lepton_jlab.models.serving.crew import Crew
from lepton_jlab.models.serving.desk import Desk
from lepton_jlab.models.serving.http import Limits, Server
from lepton_jlab.models.serving.metrics import Metrics
from lepton_jlab.models.serving.plan import Plan, Work
from lepton_jlab.models.serving.runtimes import runtime_of
from lepton_jlab.models.serving.spending import Spending
from lepton_jlab.models.serving.tensors import Signature, Tensor
from lepton_jlab.models.serving.versions import signature_of

log = logging.getLogger("lepton.endpoint")

_LOOK = 1.0  # s between two looks at the promoted version and the idle time

Tell = Callable[[str], None]


class Host:
    """One endpoint, from its start to its end."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.name = plan.name
        self._pid = os.getpid()
        self._created = psutil.Process().create_time()
        self._started = time.time()
        self._token = secrets.token_urlsafe(32)
        self._scratch = _scratch_folder(plan.name, self._pid)
        self._changing = asyncio.Lock()
        self._stop = asyncio.Event()
        self._work = Work(plan.name)
        self._refused: int | None = None  # a promoted version that could not be served
        self._choices: dict[Any, Choice] = {}
        self._choice = Choice()
        self._signature: Signature | None = None
        self._functions: list[dict[str, Any]] = []

    async def run(self, tell: Tell, ready: Callable[[], None]) -> None:
        """Serve until stopped, or unused for too long."""
        loop = asyncio.get_running_loop()
        starting = asyncio.current_task()
        assert starting is not None
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, starting.cancel)
        ENDPOINTS.claim(self.name, self._file("starting"))
        control: asyncio.Server | None = None
        try:
            private_folder(self._scratch)
            metrics = Metrics(self.name)
            self._desk = Desk(self.plan.queue, self.plan.timeout, metrics)
            self._app = App(self.name, self._token, self._desk, metrics)
            self._http = Server(self._app.look, self._app.serve, Limits(body=self.plan.body))
            self._spending = Spending(metrics)
            self._watch(metrics)
            self._port = await self._listen()
            await self.change(self.plan, tell)
            control = await asyncio.start_unix_server(self._control, self._socket)
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._stop.set)
            ENDPOINTS.write(self.name, self._file("running"))
            ready()
            await self._until_stopped()
            log.info("stopping")
        finally:
            ENDPOINTS.remove(self.name)
            if control is not None:
                control.close()
            await self._close()

    async def change(self, plan: Plan, tell: Tell) -> None:
        """Serve what `plan` says; until all of it is warm, what was served goes on.

        Raises
        ------
        LeptonError
            When it cannot be; then nothing has changed.
        """
        async with self._changing:
            if plan.port not in (0, self._port) or plan.host != self.plan.host:
                raise UsageError(
                    f"Endpoint {self.name!r} listens on {self.plan.host}:{self._port}. To change "
                    f"that, stop it first: %lepton model stop {self.name}"
                )
            count = plan.workers or self.plan.workers or 1
            # One core is for this process: workers that take it, too, wait for each other.
            threads = max(1, (granted().threads - 1) // count)
            choice = await choose(plan, threads, self._choices, tell)
            work = dataclasses.replace(choice.work(plan, threads), **self._payloads(plan))
            with_ = f" with {choice.candidate}" if choice.candidate else ""
            tell(f"loading {choice.title}{with_} in {count} worker{'s' * (count != 1)}")
            desk = self._desk
            crew = Crew(work, count, desk.on_free, desk.on_done, desk.on_lost)
            await crew.start()
            signature = None
            if choice.version is not None:
                runtime = runtime_of(choice.candidate)
                signature = signature_of(choice.version, runtime, plan.allow_nan)
            self._signature, self._functions = signature, crew.facts.get("functions", [])
            self._app.show(signature, self._functions)
            before, self._choice, self._work = desk.crew, choice, work
            self.plan = dataclasses.replace(plan, workers=count, port=self._port)
            self._refused = None
            self._http.limits = Limits(body=plan.body)
            desk.adjust(plan.queue, plan.timeout)
            desk.serve(crew)
            if before is not None:
                tell("ending the workers of before, once they have answered")
                await before.retire()
                desk.crews.discard(before)
                ENDPOINTS.write(self.name, self._file("running"))
            log.info("serving %s%s, %d workers", choice.title, with_, count)

    def _payloads(self, plan: Plan) -> dict[str, Any]:
        """Keep the values that a cell brought along as long as workers may have to load them."""
        if plan.cell is None:
            return {}
        kept = []
        for given in plan.cell["payloads"]:
            own = self._scratch / Path(given).name
            if not own.exists():
                shutil.copyfile(given, own)
            kept.append(str(own))
        return {"payloads": kept}

    async def _listen(self) -> int:
        try:
            return await self._http.listen(self.plan.host, self.plan.port)
        except (OSError, OverflowError) as error:
            where = f"{self.plan.host}:{self.plan.port}"
            reason = getattr(error, "strerror", None) or str(error)
            raise UsageError(
                f"Endpoint {self.name!r} cannot listen on {where}: {reason}. Choose another "
                "--port, or leave it out."
            ) from None

    def _watch(self, metrics: Metrics) -> None:
        desk = self._desk
        metrics.watch("queue", "Requests that wait.", lambda: len(desk))
        metrics.watch(
            "workers", "Workers at work.", lambda: sum(len(c.workers) for c in desk.crews)
        )
        metrics.watch(
            "worker_deaths", "Workers that died.", lambda: sum(c.deaths for c in desk.crews)
        )
        cost = self._spending.document
        metrics.watch("energy_wh", "Energy used since the start.", lambda: cost()["energy_wh"])
        metrics.watch("money", "What it has cost since the start.", lambda: cost()["money"])
        metrics.watch("connections", "Open connections.", lambda: len(self._http.connections))

    # ---- what others see

    @property
    def _socket(self) -> str:
        return str(self._scratch / "control")

    def _file(self, state: str) -> dict[str, Any]:
        known: dict[str, Any] = {}
        if state == "running":
            signature = self._signature
            host = "127.0.0.1" if self.plan.host in ("0.0.0.0", "") else self.plan.host  # noqa: S104
            host = f"[{host}]" if ":" in host else host
            known = {
                "url": f"http://{host}:{self._port}",
                "token": self._token,
                "model": self.plan.model,
                "model_version": self._work.version or None,
                "runtime": self._choice.candidate or None,
                "why": self._choice.why,
                "race": [dataclasses.asdict(lap) for lap in self._choice.laps],
                "workers": self.plan.workers,
                "host": self.plan.host,
                "timeout": self.plan.timeout,
                "worker_pids": [w.pid for w in self._desk.crew.workers] if self._desk.crew else [],
                "inputs": described(signature.inputs) if signature else [],
                "outputs": described(signature.outputs) if signature else [],
                "classes": signature.classes if signature else None,
                "functions": self._functions,
                "follows": self.plan.model is not None and self.plan.version is None,
                "control": self._socket,
            }
        return {
            "version": 1,
            "name": self.name,
            "state": state,
            "pid": self._pid,
            "created": self._created,
            "started": self._started,
            "scratch": str(self._scratch),
            "log": str(ENDPOINTS.log_of(self.name)),
            **known,
        }

    async def _control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Do what the owner asks, over a socket that only the owner can open."""

        def say(**line: Any) -> None:
            with contextlib.suppress(OSError, RuntimeError):
                writer.write(json.dumps(line).encode() + b"\n")

        try:
            asked = json.loads(await reader.readline())
            if asked["do"] == "stop":
                self._stop.set()
                say(ready=True)
            elif asked["do"] == "info":
                info = self._file("running")
                say(ready=True, info={**info, "cost": self._spending.document()})
            else:
                await self.change(Plan(**asked["plan"]), lambda text: say(progress=text))
                say(ready=True)
        except LeptonError as error:
            say(error=str(error), kind=type(error).__name__)
        except Exception as error:
            log.exception("a request of the owner failed")
            say(error=f"{type(error).__name__}: {error}", kind="LeptonError")
        with contextlib.suppress(OSError):
            await writer.drain()
        writer.close()

    # ---- its life

    async def _until_stopped(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), _LOOK)
            idle = self.plan.idle_timeout
            if idle is not None and time.monotonic() - self._desk.last > idle:
                log.info("unused for %g s", idle)
                return
            await self._follow()

    async def _follow(self) -> None:
        """Change to another version when that was promoted."""
        if self.plan.model is None or self.plan.version is not None:
            return
        from lepton_jlab.models import promotion

        try:
            promoted = promotion.promoted(self.plan.model)
            if promoted not in (self._work.version, self._refused):
                log.info("version %d was promoted", promoted)
                await self.change(self.plan, log.info)
        except LeptonError as error:
            with contextlib.suppress(LeptonError):
                self._refused = promotion.promoted(self.plan.model)
            log.warning("going on with version %d: %s", self._work.version, error)

    async def _close(self) -> None:
        """Answer what is under way, then end everything."""
        if hasattr(self, "_app"):
            self._app.leave()
        if hasattr(self, "_port"):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._desk.empty(), self.plan.timeout)
            await self._http.close(2.0)
        if hasattr(self, "_desk"):
            crews = list(self._desk.crews)
            await asyncio.gather(*(crew.retire() for crew in crews))
            self._desk.close()
        shutil.rmtree(self._scratch, ignore_errors=True)


def described(tensors: tuple[Tensor, ...]) -> list[dict[str, Any]]:
    """Return inputs or outputs as plain values."""
    return [dataclasses.asdict(tensor) for tensor in tensors]


def _scratch_folder(name: str, pid: int) -> Path:
    # Short, because a Unix socket in it may have 107 characters at most.
    return Path(tempfile.gettempdir()) / f"lepton-{os.getuid()}-serve-{name[:16]}-{pid}"


def main() -> None:
    """Read a plan from standard input; report on the descriptor given, one JSON line each."""
    os.umask(0o077)
    logging.basicConfig(format="%(asctime)s %(name)s %(levelname)s %(message)s", level="INFO")
    plan = Plan(**json.load(sys.stdin))
    report = os.fdopen(int(sys.argv[1]), "w", buffering=1)
    os.set_inheritable(report.fileno(), False)

    def tell(**line: Any) -> None:
        # Who started us may be gone; the endpoint lives on.
        with contextlib.suppress(OSError, ValueError):
            report.write(json.dumps(line) + "\n")
            if "ready" in line:
                report.close()

    async def serve() -> None:
        await Host(plan).run(lambda text: tell(progress=text), lambda: tell(ready=True))

    try:
        uvloop.run(serve())
    except LeptonError as error:
        tell(error=str(error), kind=type(error).__name__)
        raise SystemExit(1) from None
    except asyncio.CancelledError:  # ended while it was starting
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
