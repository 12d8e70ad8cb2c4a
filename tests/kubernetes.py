"""An API server with the Dask operator's effects, for machines without Kubernetes.

It keeps objects as they are sent. For a DaskCluster it starts what the operator would have pods
start: the real commands of the manifest, with the secret's files where their volume is. So what is
not real here is Kubernetes, and what is real is all that Lepton sends it and all that comes of it.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conditions import wait_until
from sshd import free_port

DASK = {"scheduler": "distributed.cli.dask_scheduler", "worker": "distributed.cli.dask_worker"}
_VERSION = {"gitVersion": "v1.30.0", "major": "1", "minor": "30"}
_POD = {"name": "pods", "singularName": "pod", "kind": "Pod", "namespaced": True, "verbs": ["get"]}
_ABOUT = {  # what clients ask to learn which kinds there are
    "api": {"versions": ["v1"]},
    "api/v1": {"groupVersion": "v1", "resources": [_POD]},
    "apis": {"groups": []},
}


class Double:
    """The objects by (plural, name), and the processes of the pods."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.port = free_port()  # of the scheduler, in place of 8786
        self._count = 0

    # -- what Kubernetes does

    async def answer(self, request: Any) -> Any:
        from aiohttp import web

        parts = [part for part in request.path.split("/") if part]
        if "namespaces" not in parts:
            return web.json_response(_ABOUT.get("/".join(parts), _VERSION))
        plural, *name = parts[parts.index("namespaces") + 2 :]
        if name[1:] == ["portforward"]:
            return await self.forward(request)
        if request.method == "POST":
            return web.json_response(self.create(plural, await request.json()))
        selected = request.query.get("fieldSelector", "").rpartition("=")[2]
        wanted = name[0] if name else selected
        found = [o for (p, n), o in self.objects.items() if p == plural and wanted in ("", n)]
        if request.method == "GET" and not name:
            items = [o for o in found if self.labelled(o, request.query.get("labelSelector", ""))]
            return web.json_response({"kind": "List", "metadata": {}, "items": items})
        if not found:
            return web.json_response({"message": f"no {plural} {wanted}"}, status=404)
        if request.method == "PATCH":
            found[0]["spec"]["worker"] |= (await request.json())["spec"]["worker"]
            self.operate(found[0])
        if request.method == "DELETE":
            del self.objects[plural, wanted]
            self.clear(plural, wanted)
        return web.json_response(found[0])

    @staticmethod
    def labelled(found: dict[str, Any], selector: str) -> bool:
        labels = found["metadata"].get("labels", {})
        return all(
            labels.get(key) == value
            for key, _, value in (part.partition("=") for part in selector.split(",") if part)
        )

    async def forward(self, request: Any) -> Any:
        from aiohttp import WSMsgType, web

        socket = web.WebSocketResponse(protocols=("v4.channel.k8s.io",))
        await socket.prepare(request)
        for channel in (b"\x00", b"\x01"):
            await socket.send_bytes(channel + b"\x12\x22")
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)

        async def back() -> None:
            while data := await reader.read(65536):
                await socket.send_bytes(b"\x00" + data)

        task = asyncio.create_task(back())
        async for message in socket:
            if message.type == WSMsgType.BINARY:
                writer.write(message.data[1:])
        task.cancel()
        writer.close()
        return socket

    # -- what the operator does

    def create(self, plural: str, new: dict[str, Any]) -> dict[str, Any]:
        name = new["metadata"]["name"]
        new["metadata"] |= {"uid": f"uid-{name}", "resourceVersion": "1"}
        self.objects[plural, name] = new
        if plural == "secrets":  # volumes are there, so pods start
            self.volume.mkdir(mode=0o700)
            for file, text in new["stringData"].items():
                (self.volume / file).write_text(text)
            self.start(self.objects["daskclusters", name])
        return new

    @property
    def volume(self) -> Path:
        return self.folder / "keys"

    def start(self, cluster: dict[str, Any]) -> None:
        name, spec = cluster["metadata"]["name"], cluster["spec"]
        self.run(f"{name}-scheduler", spec["scheduler"]["spec"]["containers"][0])
        service = {"metadata": {"name": f"{name}-scheduler", "namespace": "ours"}}
        self.objects["services", f"{name}-scheduler"] = service | {
            "kind": "Service", "apiVersion": "v1", "spec": spec["scheduler"]["service"],
        }  # fmt: skip
        ready = [{"type": t, "status": "True"} for t in ("Ready", "ContainersReady")]
        labels = spec["scheduler"]["service"]["selector"]
        self.objects["pods", f"{name}-scheduler-0"] = {
            "kind": "Pod", "apiVersion": "v1", "spec": {},
            "metadata": {"name": f"{name}-scheduler-0", "namespace": "ours", "labels": labels},
            "status": {"phase": "Running", "conditions": ready},
        }  # fmt: skip
        group = {
            "kind": "DaskWorkerGroup", "apiVersion": "kubernetes.dask.org/v1",
            "metadata": {"name": f"{name}-default", "namespace": "ours"},
            "spec": {"cluster": name, "worker": spec["worker"]},
        }  # fmt: skip
        self.objects["daskworkergroups", f"{name}-default"] = group
        self.operate(group)

    def operate(self, group: dict[str, Any]) -> None:
        """Start workers; the operator would close some of its own choice, which must not be."""
        here = [name for (plural, name) in self.objects if plural == "deployments"]
        missing = group["spec"]["worker"]["replicas"] - len(here)
        assert missing >= 0, "the operator would choose which workers to close"
        for _ in range(missing):
            self._count += 1
            name = f"{group['metadata']['name']}-worker-{self._count}"
            self.objects["deployments", name] = {
                "kind": "Deployment", "apiVersion": "apps/v1",
                "metadata": {"name": name, "namespace": "ours"}, "spec": {"replicas": 1},
            }  # fmt: skip
            self.run(name, group["spec"]["worker"]["spec"]["containers"][0])

    def run(self, name: str, container: dict[str, Any]) -> None:
        """Start a container's command, with this machine's names in place of Kubernetes'."""
        args = [
            argument.replace("/lepton-keys", str(self.volume)) for argument in container["args"]
        ]
        args = [argument.replace("$(DASK_WORKER_NAME)", name) for argument in args]
        dask, kind, *rest = args
        assert dask == "dask"
        if kind == "worker":
            rest[0] = f"tls://127.0.0.1:{self.port}"
        rest = [f"--port={self.port}" if a.startswith("--port=") else a for a in rest]
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", DASK[kind], *rest], stdout=log, stderr=log, cwd=self.folder
            )

    def clear(self, plural: str, name: str) -> None:
        """End the processes of an object, and all of a cluster."""
        for process in [name] if plural == "deployments" else list(self.processes):
            self.processes.pop(process).terminate()


@contextmanager
def running_double(folder: Path) -> Iterator[tuple[Path, Double]]:
    """Run one; give the kubeconfig that leads to it, and itself."""
    from aiohttp import web

    double, port = Double(folder), free_port()
    loop = asyncio.new_event_loop()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", double.answer)
    runner = web.AppRunner(app)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def serve() -> None:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()

    asyncio.run_coroutine_threadsafe(serve(), loop).result(10)
    config = folder / "kubeconfig"
    config.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "double",
                "clusters": [{"name": "double", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                "users": [{"name": "me", "user": {"token": "x"}}],
                "contexts": [
                    {
                        "name": "double",
                        "context": {"cluster": "double", "user": "me", "namespace": "ours"},
                    }
                ],
            }
        )
    )
    try:
        yield config, double
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        for process in double.processes.values():
            process.kill()
        wait_until(lambda: all(p.poll() is not None for p in double.processes.values()))
