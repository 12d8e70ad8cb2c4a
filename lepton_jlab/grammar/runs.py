"""The words of runs."""

from __future__ import annotations

from lepton_jlab.grammar import devices
from lepton_jlab.grammar.words import (
    CLUSTER,
    EVERYWHERE,
    OUT,
    Command,
    argument,
    command,
    option,
    switch,
)
from lepton_jlab.readers import label, names, positive, pushed, sweep, whole

SEARCHES = ("tpe", "random")
PRUNERS = ("hyperband", "median", "none")
STATES = ("queued", "running", "done", "failed", "cancelled", "lost")
WHICH = "run or sweep: r17, s3, its name, or a variable that holds it"
RUN = argument("ID", help=WHICH, completes="run")
RUNS = argument("ID", help=WHICH, count="+", completes="run")

COMMANDS: tuple[Command, ...] = (
    command(
        "run",
        "Run a cell, or a file as a cell, on a cluster; the notebook stays free meanwhile.",
        argument(
            "FILE",
            help="a Python file",
            completes="file",
            places=("line", "terminal"),
            elsewhere="the cell itself is what runs",
        ),
        option("--name", help="what to call it"),
        option(
            "--sweep",
            metavar="NAME=V1,V2",
            help="one run per value, or per combination of several sweeps; NAME is set in the "
            "cell; with --trials also NAME=log(1e-4,1e-1), float(0,1), int(16,256), logint(1,64)",
            read=sweep,
            count="+",
        ),
        option("--repeat", metavar="N", help="so many times", read=positive, default=1),
        option(
            "--trials",
            metavar="N",
            help="search: choose so many points of the sweeps, each by what was learned before",
            read=positive,
        ),
        option("--search", help="how they are chosen (default: tpe)", choices=SEARCHES),
        option("--prune", help="how bad ones are ended early (default: none)", choices=PRUNERS),
        option("--metric", metavar="NAME", help="what to search by (default: the loss)"),
        switch("--max", help="more of it is better", sets=("mode", "max"), excludes="mode"),
        switch("--min", help="less of it is better", sets=("mode", "min"), excludes="mode"),
        option("--seed", metavar="N", help="choose the same again, one at a time", read=whole),
        option(
            "--push",
            metavar="A,B",
            help="take these variables along, however large; none: take nothing",
            read=pushed,
            completes="variable",
            choices=("none",),
        ),
        option(
            "--pull",
            metavar="C,D",
            help="bring these variables back when it is done",
            read=names,
            completes="variable",
            default=(),
        ),
        OUT,
        option("--retries", metavar="N", help="so often again if it dies", read=whole, default=0),
        option("--timeout", metavar="T", help="stop after this time: 90s, 10 min"),
        option("--stall", metavar="T", help="stop after this time without a step or output"),
        option("--memory", metavar="SIZE", help="stop when it takes more memory than this: 2GiB"),
        option("--keep", metavar="NAME", help="one lasting process per worker, shared by all NAME"),
        option(
            "--replicas",
            metavar="N",
            help="train one model on N workers: fit averages their gradients",
            read=positive,
            default=1,
        ),
        option(
            "--checkpoint",
            metavar="T",
            help="save what fit needs to go on after a death, so often: 30s; auto with --replicas",
        ),
        *devices.RUN,
        option("--budget", metavar="M", help="stop all of it when it has cost this much: 2.50"),
        option("--energy", metavar="E", help="stop all of it when it has used this much: 100Wh"),
        option(
            "--place",
            metavar="LABEL",
            help="where its worker is: edge, cloud or another label (default: where it ends first)",
            read=label,
            choices=("auto", "edge", "cloud"),
        ),
        switch("--wait", help="wait for the end; an interrupt stops only the waiting"),
        CLUSTER,
        places=EVERYWHERE,
    ),
    command(
        "runs list",
        "List the runs, oldest first, those of earlier days too.",
        option("--limit", metavar="N", help="only the newest N", read=positive),
        option("--state", help="only those in this state", choices=STATES),
    ),
    command(
        "runs show",
        "Show a run: state, parameters, metrics, times, error.",
        RUN,
        switch("--output", help="what it printed"),
    ),
    command(
        "runs wait",
        "Wait until runs have ended; an interrupt stops only the waiting.",
        RUNS,
        option(
            "--timeout",
            metavar="T",
            help="wait no longer than this: 90s, 10 min",
            places=("terminal",),
            elsewhere="interrupt the cell when you do not want to wait any longer",
        ),
    ),
    command(
        "runs cancel",
        "Cancel runs: an interrupt first, a kill if that does not end them.",
        RUNS,
        switch("-f", "--force", help="kill at once"),
    ),
    command(
        "runs rerun",
        "Submit a run or a sweep again: the same code, values, parameters and options.",
        RUN,
        CLUSTER,
        OUT,
        switch("--wait", help="wait for the end; an interrupt stops only the waiting"),
    ),
    command(
        "runs resume",
        "Have a run go on from its last checkpoint, or a search with what it has learned.",
        argument("ID", help=WHICH, completes="run"),
        option(
            "--trials",
            metavar="N",
            help="of a search: so many in all (default: as many as before)",
            read=positive,
        ),
        CLUSTER,
        OUT,
        switch("--wait", help="wait for the end; an interrupt stops only the waiting"),
    ),
    command("runs compare", "Compare runs: a table, the best marked, one plot.", RUNS),
    command(
        "runs best",
        "Find the best run by a metric.",
        argument("METRIC", help="its name, such as accuracy or val_loss"),
        argument("ID", help="among these: a sweep (default: all)", count="?", completes="run"),
        switch("--max", help="the greatest is best", sets=("mode", "max"), excludes="mode"),
        switch("--min", help="the least is best", sets=("mode", "min"), excludes="mode"),
        OUT,
    ),
    command(
        "runs pull",
        "Bring back values that a run kept by --pull.",
        RUN,
        argument("NAME", help="which values (default: all)", count="*"),
        OUT,
    ),
)
