"""The verbs of `cluster`."""

from __future__ import annotations

from argparse import Namespace
from html import escape
from typing import TYPE_CHECKING, Any

import lepton_jlab as lepton
from lepton_jlab.cluster.options import known
from lepton_jlab.commands.result import Context, Result, action, bound, spoken
from lepton_jlab.errors import ClusterError, UsageError

if TYPE_CHECKING:
    from lepton_jlab.cluster import Cluster
    from lepton_jlab.runs.views.table import Table


@action("cluster start")
def start(args: Namespace, context: Context) -> Result:
    """Start a cluster."""
    cluster = lepton.start_cluster(
        args.name,
        engine=args.engine,
        workers=args.workers,
        threads=args.threads,
        memory=args.memory,
        idle_timeout=args.idle_timeout,
        tls_ca=args.tls_ca,
        tls_cert=args.tls_cert,
        tls_key=args.tls_key,
        adapt=args.adapt,
        place=args.place,
        kernel=args.kernel,
        **{name: given for name, given in vars(args).items() if name in known()},
        progress=context.progress,
    )
    return _one(cluster, args)


@action("cluster kernel")
def kernel(args: Namespace, _context: Context) -> Result:
    """Offer a cluster in Jupyter's launcher, or do so no longer."""
    from lepton_jlab.kernels import specs

    specs.clear_stale()
    cluster = lepton.get_cluster(args.name)
    offered = cluster.offer_kernel(args.worker, remove=args.remove)
    names = ", ".join(repr(one["display_name"]) for one in offered)
    text = f"No kernel of cluster {cluster.name!r} is offered in Jupyter's launcher."
    if offered:
        text = f"In Jupyter's launcher: {names}. For an open notebook: Kernel > Change Kernel."
    return Result(lambda: offered, text)


@action("cluster list")
def list_(_args: Namespace, context: Context) -> Result:
    """List the clusters that run."""
    from lepton_jlab.kernels import specs
    from lepton_jlab.runs.views import page
    from lepton_jlab.runs.views.table import Cell, Table

    specs.clear_stale()
    infos = [cluster.info() for cluster in lepton.clusters()]
    if not infos:
        hint = "No cluster runs. Start one: %lepton cluster start"
        return Result(lambda: infos, spoken(hint, context.place))
    table = Table(["cluster", "engine", "workers", "busy"], frozenset({2, 3}))
    for info in infos:
        busy = sum(1 for worker in info["workers"] if worker["run"])
        row = (info["name"], info["engine"], len(info["workers"]), busy)
        table.rows.append([Cell(str(value)) for value in row])
    return Result(lambda: infos, table.text(), page.frame(table.html()))


@action("cluster use")
def use(args: Namespace, _context: Context) -> Result:
    """Make a cluster this notebook's own."""
    return _one(lepton.use_cluster(args.name), args)


@action("cluster info")
def info(args: Namespace, _context: Context) -> Result:
    """Show a cluster."""
    return _one(lepton.get_cluster(args.name), args)


@action("cluster scale")
def scale(args: Namespace, _context: Context) -> Result:
    """Give a cluster another number of workers."""
    cluster = lepton.get_cluster(args.cluster)
    cluster.scale(args.n, force=args.force)
    return _one(cluster, args)


@action("cluster stop")
def stop(args: Namespace, context: Context) -> Result:
    """Stop one cluster, or all of them; one that refuses does not keep the others."""
    clusters = lepton.clusters() if args.all else [lepton.get_cluster(args.name)]
    stopped: list[str] = []
    refused: list[str] = []
    for cluster in clusters:
        try:
            cluster.stop(force=args.force)
        except ClusterError as error:
            refused.append(str(error))
        else:
            stopped.append(cluster.name)
            if args.all:
                context.progress(f"stopped {cluster.name}")
    if refused:
        raise ClusterError(" ".join(refused))
    text = f"Stopped: {', '.join(stopped)}." if stopped else "No cluster runs."
    return Result(lambda: {"stopped": stopped}, text)


@action("cluster idle")
def idle(args: Namespace, context: Context) -> Result:
    """List the GPUs that are held and not used, and free them."""
    from lepton_jlab.runs.idle import free, idle_devices
    from lepton_jlab.runs.views import page

    if args.force and not args.free:
        raise UsageError("cluster idle -f goes with --free: it says what may be ended.")
    found = idle_devices()
    ended = free(found, force=args.force, say=context.progress) if args.free else []
    document = {"devices": found, "ended": ended}
    if not found:
        text = "No GPU of this machine is held without being used."
        return Result(lambda: document, text)
    table = _held(found, {one["pid"] for one in ended})
    kinds = {one["kind"] for device in found for one in device["holders"] if one not in ended}
    notes = [note for kind, note in _FREEING.items() if kind in kinds]
    notes = [spoken(note, context.place) for note in notes]
    return Result(
        lambda: document,
        "\n".join([table.text(), *notes]),
        page.frame(table.html(), *map(page.note, notes)),
    )


_FREEING = {
    "kept": "Kept processes end by %lepton cluster idle --free; the next run of that --keep begins "
    "anew.",
    "kernel": "Your kernels are shut down by %lepton cluster idle --free -f; their variables are "
    "lost, and Jupyter starts them again. Not the one that asks: restart that yourself.",
    "process": "Other processes are not Lepton's to end: ask whose they are, or end them yourself.",
}


def _held(found: list[dict[str, Any]], ended: set[int]) -> Table:
    from lepton_jlab.runs import words
    from lepton_jlab.runs.views.table import Cell, Table

    table = Table(["GPU", "name", "use", "held by", "pid", "user", "memory", ""], frozenset({2, 6}))
    for device in found:
        head = [str(device["index"]), device["name"], f"{device['use'] or 0:.0f} %"]
        for one in device["holders"]:
            memory = "" if one["memory"] is None else words.size(one["memory"])
            told = [one["name"], str(one["pid"]), one["user"] or "", memory]
            told.append("ended" if one["pid"] in ended else "")
            table.rows.append([Cell(text) for text in (*head, *told)])
    return table


def _one(cluster: Cluster, args: Namespace) -> Result:
    info = cluster.info()
    text, html = views(info)
    return Result(lambda: info, text, html, bindings=bound(args, cluster))


def views(info: dict[str, Any]) -> tuple[str, str]:
    """Write what `Cluster.info` says, as text and as HTML."""
    from lepton_jlab.runs import words
    from lepton_jlab.runs.views import page
    from lepton_jlab.runs.views.table import Cell, Table

    count = len(info["workers"])
    about = f"{info['engine']}, {count} worker{'s' * (count != 1)}"
    if info.get("wanted", 0) > count:
        about += f" of {info['wanted']}, the rest still to come"
    if info.get("adapt"):
        about += ", {} to {} as runs need them".format(*info["adapt"])
    table = Table(["worker", "host", "devices", "threads", "memory", "run"], frozenset({3, 4}))
    for worker in info["workers"]:
        devices = ", ".join(map(str, worker["devices"]))
        memory = words.size(worker["memory"]) if worker.get("memory") else ""
        known = (worker["id"], worker["host"], devices, worker.get("threads") or "", memory)
        doing = worker["fault"] or ", ".join(worker["runs"]) or "free"
        table.rows.append([Cell(str(value)) for value in (*known, doing)])
    head = f"cluster {info['name']}: {about}, {info['address']}"
    text = "\n".join(filter(None, [head, table.text()]))
    title = f"<p><b>cluster {escape(info['name'])}</b> <i>{escape(about)}</i></p>"
    return text, page.frame(title, table.html())
