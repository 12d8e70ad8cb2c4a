"""`Cluster`: what a person holds of a cluster that runs in a host process."""

from __future__ import annotations

import html
import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lepton_jlab.cluster import connection
from lepton_jlab.cluster.channel import Channel, security_of
from lepton_jlab.cluster.plan import Plan, make_plan, parse_span
from lepton_jlab.cluster.start import log_of, start_host
from lepton_jlab.errors import ClusterError, NotFoundError

if TYPE_CHECKING:
    from distributed import Client

OWN_CLUSTER = "LEPTON_CLUSTER"  # names, in a kernel on a worker, that worker's cluster
_in_use: str | None = None
_open: dict[str, Cluster] = {}


class Cluster:
    """A running cluster. It outlives this kernel; get one by `start_cluster` or `get_cluster`.

    Parameters
    ----------
    info : dict
        The content of its connection file.
    """

    def __init__(self, info: dict[str, Any]) -> None:
        self.name: str = info["name"]
        self.channel = Channel(info)
        self.file = info

    @property
    def on_gpus(self) -> bool:
        """Whether its workers have GPUs."""
        return bool(self.file.get("engine") == "cuda")

    def info(self, timeout: float = 60.0) -> dict[str, Any]:
        """Return name, engine, address, workers (id, host, devices, run), host_pid and more.

        Parameters
        ----------
        timeout : float
            Seconds for the host to answer in; a ClusterError after that.
        """
        answer: dict[str, Any] = self.channel.call("info", timeout=timeout)
        return answer

    def scale(self, workers: int | str | Sequence[int], force: bool = False) -> dict[str, Any]:
        """Change the number of workers and return `info()`.

        Parameters
        ----------
        workers : int or str or (int, int)
            How many. ``"0..8"`` or ``(0, 8)``: from now on as many as runs wait for, within these.
        force : bool
            End running runs, if that is needed.

        Raises
        ------
        ClusterError
            When running runs would be ended by it and `force` is not given, or the engine cannot.
        """
        number = workers if isinstance(workers, int) else list(parse_span(workers, "scale"))
        answer: dict[str, Any] = self.channel.call("scale", workers=number, force=force)
        return answer

    def stop(self, force: bool = False) -> None:
        """End the cluster and return when its host is gone.

        Raises
        ------
        ClusterError
            When runs are queued or running and `force` is not given.
        """
        self.channel.call("stop", force=force)
        self.channel.close()
        pid, created = self.file["pid"], self.file["created"]
        end = time.monotonic() + 30
        while connection.process_lives(pid, created):
            if time.monotonic() > end:
                raise ClusterError(
                    f"The host of {self.name!r} (process {pid}) has not ended in 30 s; its log is "
                    f"{log_of(self.name)}."
                )
            time.sleep(0.02)
        log_of(self.name).unlink(missing_ok=True)

    def offer_kernel(
        self, worker: str | None = None, *, remove: bool = False
    ) -> list[dict[str, Any]]:
        """Offer a kernel on this cluster in Jupyter's launcher, until the cluster stops.

        Parameters
        ----------
        worker : str, optional
            On which worker it will live; by default on any that is free.
        remove : bool
            Do not offer it any longer; notebooks that have one keep it.

        Returns
        -------
        list of dict
            ``name`` (of the kernelspec), ``cluster``, ``worker`` and ``display_name`` of all that
            this cluster offers now.

        Raises
        ------
        NotFoundError
            When there is no such worker.
        """
        offered: list[dict[str, Any]] = self.channel.call(
            "offer_kernel", worker=worker, remove=remove
        )
        return offered

    def client(self) -> Client:
        """Return a new `distributed.Client` of this cluster, for Dask work of your own."""
        from distributed import Client

        if self.file["address"].startswith("gateway://"):
            import dask_gateway  # noqa: F401 (it knows such addresses)
        return Client(self.file["address"], security=security_of(self.file["security"]))

    def __repr__(self) -> str:
        try:
            info = self.info()
        except ClusterError:
            return f"<Cluster {self.name!r}: gone>"
        workers = len(info["workers"])
        return f"<Cluster {self.name!r}: {info['engine']}, {workers} worker{'s' * (workers != 1)}>"

    def _repr_html_(self) -> str:
        return f"<code>{html.escape(repr(self))}</code>"


def start_cluster(
    name: str | None = None,
    *,
    engine: str = "auto",
    workers: int | None = None,
    threads: int | None = None,
    memory: str | int | None = None,
    idle_timeout: str | float | None = None,
    tls_ca: str | None = None,
    tls_cert: str | None = None,
    tls_key: str | None = None,
    adapt: str | Sequence[int] | None = None,
    place: str | None = None,
    kernel: bool = False,
    progress: Callable[[str], None] | None = None,
    **options: Any,
) -> Cluster:
    """Start a cluster in a process of its own and use it here.

    Without a name, a cluster that was started the same way and still runs is used instead.

    Parameters
    ----------
    name : str, optional
        What to call it; ``"local"`` by default.
    engine : str
        ``"auto"`` (GPUs if NVML sees any, else the CPU cores), ``"local"``, ``"cuda"``, ``"ssh"``,
        ``"slurm"``, ``"kubernetes"``, ``"gateway"`` (docs/engines.md has their options), or the
        address of a running scheduler to adopt, ``tls://host:port`` or ``tcp://host:port``.
    workers, threads : int, optional
        Worker processes, each with one slot for a run, and threads per worker.
    memory : str or int, optional
        Memory per worker, such as ``"4GiB"`` (bytes as int); also the limit of each run there.
    idle_timeout : str or float, optional
        The host stops itself after this time without a run, ``"1h"`` or seconds.
    tls_ca, tls_cert, tls_key : str, optional
        Files for a ``tls://`` address.
    adapt : str or sequence of int, optional
        The fewest and the most workers, ``"0..8"`` or ``(0, 8)``: there are as many as runs wait
        for.
    place : str, optional
        A label for the place where the workers are, such as ``"edge"``.
    kernel : bool
        Offer it in Jupyter's launcher, too, so that a notebook's own kernel can live there.
    progress : callable, optional
        Called with one short line at each step.
    **options
        What belongs to one engine only, such as `hosts` for ``"ssh"``; with engine ``"auto"`` it
        chooses that engine.

    Raises
    ------
    UsageError
        When a value cannot be; nothing was started.
    ClusterError
        When the name is taken or the start failed; nothing is left behind.

    Examples
    --------
    >>> with_two = lepton.start_cluster(workers=2)  # doctest: +SKIP
    """
    plan = make_plan(
        *(name, engine, workers, threads, memory, idle_timeout, (tls_ca, tls_cert, tls_key)),
        adapt=adapt,
        place=place,
        **options,
    )
    tell = progress or (lambda _: None)
    running = connection.read(plan.name)
    if name is None and running is not None and Plan.from_document(running["plan"]) == plan:
        tell(f"cluster {plan.name!r} runs already")  # so a notebook can be run twice
    else:
        connection.refuse_taken(plan.name)  # before a process starts; its claim settles a race
        start_host(plan, tell)
    cluster = use_cluster(plan.name)
    if kernel:
        cluster.offer_kernel()
    return cluster


def clusters() -> list[Cluster]:
    """Return the clusters that run on this machine, oldest first; dead hosts' files are cleared."""
    return [_handle(info) for info in connection.living() if info["state"] == "running"]


def get_cluster(name: str | None = None) -> Cluster:
    """Return the cluster `name`; without a name the one in use here, or the only one.

    In a kernel that lives on a worker, its own cluster is in use from the beginning.

    Raises
    ------
    NotFoundError
        When there is none, or several and none is in use.
    """
    name = name or _in_use or os.environ.get(OWN_CLUSTER)
    if name is not None:
        info = connection.find(name)
        if info["state"] != "running":
            raise ClusterError(f"Cluster {name!r} is still starting. Try again in a moment.")
        return _handle(info)
    running = clusters()
    if len(running) == 1:
        return running[0]
    if not running:
        raise NotFoundError("No cluster runs. Start one: %lepton cluster start")
    listed = ", ".join(repr(c.name) for c in running)
    raise NotFoundError(f"Several clusters run: {listed}. Choose one: %lepton cluster use NAME")


def use_cluster(name: str) -> Cluster:
    """Make `name` the cluster that this process's runs go to, and return it."""
    global _in_use  # one choice per process, as a matplotlib backend
    found = get_cluster(name)
    _in_use = name
    return found


def _handle(info: dict[str, Any]) -> Cluster:
    """Return this process's handle, so that its connections are opened once."""
    known = _open.get(info["name"])
    if known is None or known.file["pid"] != info["pid"]:
        known = _open[info["name"]] = Cluster(info)
    return known
