"""The words of clusters."""

from __future__ import annotations

from lepton_jlab.cluster.options import ENGINES
from lepton_jlab.grammar.devices import CUDA
from lepton_jlab.grammar.words import (
    CLUSTER,
    FORCE,
    OUT,
    Command,
    argument,
    command,
    option,
    switch,
)
from lepton_jlab.readers import count_or_span, engine, positive, span

COMMANDS: tuple[Command, ...] = (
    command(
        "cluster start",
        "Start a cluster that outlives the kernel: GPUs if there are any, else the CPU cores.",
        option("--name", help="what to call it (default: after its engine)"),
        option(
            "--engine",
            help=f"{', '.join(ENGINES)}, or the address of a scheduler that runs already",
            metavar="|".join((*ENGINES, "ADDRESS")),
            read=engine,
            default="auto",
            choices=ENGINES,
        ),
        option("--workers", metavar="N", help="how many (default: one per device)", read=positive),
        option("--threads", metavar="N", help="threads of each worker", read=positive),
        option("--memory", metavar="SIZE", help="memory of each worker: 4GiB"),
        option(
            "--idle-timeout",
            metavar="T",
            help="it stops by itself after this time without a run (default: 1h)",
        ),
        option(
            "--adapt",
            metavar="MIN..MAX",
            help="as many workers as runs wait for, within these: 0..8",
            read=span,
        ),
        option("--place", metavar="LABEL", help="where its workers are: edge, cloud, any word"),
        option("--hosts", metavar="A,B", help="ssh: the machines; name, user@name, name:port"),
        option("--user", help="ssh: whom to log in as (default: as ~/.ssh/config says)"),
        option("--port", metavar="N", help="ssh: the port (default: 22)", read=positive),
        option("--key", metavar="FILE", help="ssh: the private key", completes="file"),
        option("--partition", help="slurm: which partition (queue)"),
        option("--walltime", metavar="T", help="slurm: how long a job may take: 30, 4:00:00"),
        option("--account", help="slurm: whose account"),
        option(
            "--directives", metavar="A,B", help="slurm: more of its directives: --gres=gpu:1,-x=n1"
        ),
        option("--setup", metavar="LINE", help="slurm: a shell line before each worker"),
        option("--interface", metavar="NAME", help="slurm: the network of the nodes: ib0"),
        option("--gateway", metavar="URL", help="gateway: its address: https://host"),
        option(
            "--auth", help="gateway: how to log in", choices=("basic", "kerberos", "jupyterhub")
        ),
        option("--settings", metavar="A=1,B=2", help="gateway: what it lets its users choose"),
        option("--image", help="kubernetes, gateway: the container image, with Lepton in it"),
        option("--namespace", help="kubernetes: which (default: the current one)"),
        option(
            "--limits", metavar="A=1", help="kubernetes: more for each worker: nvidia.com/gpu=1"
        ),
        option("--pull-secrets", metavar="A,B", help="kubernetes: what the image is pulled with"),
        option("--python", metavar="PATH", help="ssh, slurm: the Python that has Lepton there"),
        option("--folder", metavar="PATH", help="ssh: for temporary files; slurm: a shared one"),
        *CUDA,
        option("--tls-ca", metavar="FILE", help="authority for ADDRESS", completes="file"),
        option("--tls-cert", metavar="FILE", help="certificate for ADDRESS", completes="file"),
        option("--tls-key", metavar="FILE", help="key for ADDRESS", completes="file"),
        switch("--kernel", help="offer it in Jupyter's launcher, for kernels on its workers"),
        OUT,
    ),
    command("cluster list", "List the clusters that run."),
    command(
        "cluster use",
        "Make a cluster the one that this notebook uses.",
        argument("NAME", help="which cluster", completes="cluster"),
        OUT,
        places=("line",),
        elsewhere="each call in a terminal stands alone; give --cluster NAME where it is needed",
    ),
    command(
        "cluster info",
        "Show a cluster: its workers, their devices, what each is doing.",
        argument("NAME", help="which (default: the one in use)", count="?", completes="cluster"),
        OUT,
    ),
    command(
        "cluster scale",
        "Give a cluster another number of workers, or let it follow the runs: 0..8.",
        argument(
            "N", help="how many workers; MIN..MAX: as many as runs wait for", read=count_or_span
        ),
        CLUSTER,
        FORCE,
    ),
    command(
        "cluster stop",
        "Stop a cluster; with -f also when runs are active or queued.",
        argument(
            "NAME",
            help="which (default: the one in use)",
            count="?",
            completes="cluster",
            excludes="which",
        ),
        switch("--all", help="every cluster of yours", excludes="which"),
        FORCE,
    ),
    command(
        "cluster idle",
        "List the GPUs of this machine that are held and not used, and who holds them.",
        switch("--free", help="end the kept processes (--keep) that hold them"),
        switch(
            "-f",
            "--force",
            help="with --free: shut your notebooks' kernels down, too; their variables are lost",
        ),
    ),
    command(
        "cluster kernel",
        "Offer a cluster in Jupyter's launcher: the kernel of a notebook then lives on a worker.",
        argument(
            "NAME",
            help="which cluster (default: the one in use)",
            count="?",
            completes="cluster",
        ),
        option("--worker", metavar="ID", help="on this worker (default: any that is free)"),
        switch("--remove", help="do not offer it any longer"),
    ),
)
