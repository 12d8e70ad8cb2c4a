"""The `jupyter_client` kernel provisioner ``lepton``: a kernel that lives on a cluster's worker."""

from __future__ import annotations

import asyncio
import signal
import weakref
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase
from traitlets import Unicode

from lepton_jlab.cluster.channel import submit
from lepton_jlab.kernels.tunnel import Tunnel

if TYPE_CHECKING:
    from jupyter_client.connect import KernelConnectionInfo

T = TypeVar("T")


class LeptonProvisioner(KernelProvisionerBase):
    """Starts and ends a notebook's kernel on a worker, as the local one does on this machine."""

    cluster = Unicode(help="The name of the cluster.").tag(config=True)
    worker = Unicode(
        None, allow_none=True, help="The name of a worker; by default any that is free."
    ).tag(config=True)

    _tunnel: Tunnel | None = None
    _limit: int | None = None  # of automatic restarts, while there are to be none
    _env: dict[str, str]
    _cwd: str | None = None

    @property
    def has_process(self) -> bool:
        """Whether there is a kernel, alive or not waited for."""
        return self._tunnel is not None

    async def poll(self) -> int | None:
        """Return None while the kernel lives, else its exit status."""
        tunnel = self._tunnel
        if tunnel is None:
            return 0
        if tunnel.status is not None and tunnel.final:
            self._let_restart(False)  # where its cluster is gone, none could succeed
        return tunnel.status

    async def wait(self) -> int | None:
        """Wait for the end of the kernel."""
        return 0 if self._tunnel is None else await _there(self._tunnel.ended())

    async def send_signal(self, signum: int) -> None:
        """Send a signal to the kernel, and to what it has started."""
        if self._tunnel is not None:
            await _there(_call(self._tunnel.signal, signum))

    async def kill(self, restart: bool = False) -> None:  # noqa: ARG002 (the protocol's)
        """Kill the kernel."""
        await self.send_signal(signal.SIGKILL)

    async def terminate(self, restart: bool = False) -> None:  # noqa: ARG002
        """Ask the kernel to end."""
        await self.send_signal(signal.SIGTERM)

    async def shutdown_requested(self, restart: bool = False) -> None:  # noqa: ARG002
        """Note that Jupyter has asked the kernel to end."""
        if self._tunnel is not None:
            await _there(_call(self._tunnel.expect_end))

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Take what the kernel's environment gets from here: the kernelspec's variables alone.

        The rest is the worker's, which has its own PATH, devices and secrets.
        """
        kwargs = await super().pre_launch(cmd=[], **kwargs)
        names = {*self.kernel_spec.env, "JPY_SESSION_NAME"}
        self._env = {name: kwargs["env"][name] for name in names if name in kwargs["env"]}
        self._cwd = str(Path(kwargs.get("cwd") or Path.cwd()).resolve())
        return kwargs

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:  # noqa: ARG002
        """Start the kernel and return where clients connect to."""
        if self._tunnel is None:
            self._tunnel = await _there(self._open())
            # A Jupyter server forgets a dead kernel without a word to its provisioner.
            weakref.finalize(self, _forsake, self._tunnel).atexit = False
        try:
            await _there(self._tunnel.launch(self._env, self._cwd))
        except BaseException:
            if self._tunnel.status is None:  # it was the first
                tunnel, self._tunnel = self._tunnel, None
                await _there(tunnel.leave())
            self._forget_start()
            self._let_restart(False)  # or Jupyter would try again and again, every 3 s
            raise
        self._let_restart(True)
        self.connection_info = cast("KernelConnectionInfo", self._tunnel.connection)
        return self.connection_info

    async def cleanup(self, restart: bool = False) -> None:
        """Give the worker back, unless the kernel is about to be started again."""
        if self._tunnel is not None and not restart:
            tunnel, self._tunnel = self._tunnel, None
            await _there(tunnel.leave())

    def resolve_path(self, path: str) -> str | None:
        """Return a path as the kernel sees it, where the disk is shared."""
        found = Path(self._cwd or Path.cwd(), Path(path).expanduser()).resolve()
        return found.as_posix() if found.exists() else None

    async def _open(self) -> Tunnel:
        session = self.parent.session
        notebook = self._env.get("JPY_SESSION_NAME", "")
        label = Path(notebook).name or f"kernel {(self.kernel_id or '')[:8]}"
        return Tunnel(self.cluster, self.worker, label, session.key, session.signature_scheme)

    def _forget_start(self) -> None:
        """Take a start that failed off Jupyter's list.

        jupyter_client (8.10) keeps those for ever, and then its server does not end on SIGTERM:
        it tries to shut them down and finds no such kernel.
        """
        starting = getattr(getattr(self.parent, "parent", None), "_pending_kernels", {})
        starting.pop(self.kernel_id, None)

    def _let_restart(self, may: bool) -> None:
        """Have Jupyter restart a kernel that died, or declare it dead at its next look."""
        if (restarter := getattr(self.parent, "_restarter", None)) is None:
            return
        if may and self._limit is not None:
            restarter.restart_limit, self._limit = self._limit, None
        elif not may and self._limit is None:
            self._limit, restarter.restart_limit = restarter.restart_limit, 0


async def _there(work: Coroutine[Any, Any, T]) -> T:
    """Do something in the loop of Lepton's channels, which runs while Jupyter's may not.

    A blocking `KernelManager` runs a loop for the time of each call alone.
    """
    return await asyncio.wrap_future(submit(work))


def _forsake(tunnel: Tunnel) -> None:
    submit(tunnel.leave())


async def _call(function: Any, *arguments: Any) -> Any:
    return function(*arguments)
