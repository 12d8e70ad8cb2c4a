"""The one definition of subcommands, options, defaults, help, and what completes each value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from lepton_jlab.readers import (
    ENGINES,
    engine,
    identifier,
    names,
    positive,
    pushed,
    sweep,
    whole,
    words,
)

Place = Literal["line", "cell", "terminal"]
Kind = Literal[
    "", "cluster", "endpoint", "run", "dataset", "source", "file", "variable", "model", "words"
]

EVERYWHERE: tuple[Place, ...] = ("line", "cell", "terminal")
CODECS = (
    *("auto", "none", "blosc-lz4", "blosc-lz4-bitshuffle", "blosc-lz4hc", "blosc-zstd"),
    *("blosc-zstd-bitshuffle", "blosc-zstd-9", "zstd", "zstd-19", "gzip", "delta-zstd"),
)
GOALS = ("balanced", "speed", "size")
EXPORTS = ("litert", "onnx", "savedmodel", "edge")
QUANTIZE = ("none", "dynamic", "int8")
RUNTIMES = ("auto", "savedmodel", "keras", "litert", "onnx")
CHECKS = (
    *("label", "duplicate", "near-duplicate", "leakage", "nonfinite", "constant", "broken"),
    *("outlier", "schema"),
)
CONFLICTS = ("first", "last", "majority", "drop", "keep", "error")
TIERS = ("auto", "hot", "warm", "cold")
KINDS = ("image", "boxes", "text", "plot", "row")
POLICIES = ("majority", "unanimous", "latest")
VIEWS = ("clusters", "runs", "data", "resources")
STATES = ("queued", "running", "done", "failed", "cancelled", "lost")


@dataclass(frozen=True, slots=True)
class Option:
    """An option, a switch (it takes no value), or an argument (its one flag has no dash).

    Parameters
    ----------
    flags : tuple of str
        As typed; the last one gives the attribute its name.
    read : callable or None
        Turns a word into the value; None for a switch.
    count : {"", "?", "*", "+"}
        How many words an argument takes, as in argparse; an option with ``+`` may be repeated.
    sets : tuple of str
        For a switch that sets another attribute: its name and the value.
    excludes : str
        Options with the same word here exclude each other.
    required : bool
        For an option: it cannot be left out.
    places : tuple of str
        Where it can be used; elsewhere `elsewhere` is what the user is told.
    """

    flags: tuple[str, ...]
    help: str
    metavar: str = ""
    read: Callable[[str], Any] | None = str
    count: Literal["", "?", "*", "+"] = ""
    default: Any = None
    choices: tuple[str, ...] = ()
    completes: Kind = ""
    sets: tuple[str, str] | None = None
    excludes: str = ""
    required: bool = False
    places: tuple[Place, ...] = EVERYWHERE
    elsewhere: str = ""

    @property
    def is_argument(self) -> bool:
        return not self.flags[0].startswith("-")

    @property
    def attribute(self) -> str:
        return self.flags[-1].lstrip("-").replace("-", "_").lower()


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand: its words, what it does, what it takes, and where it can be used."""

    words: tuple[str, ...]
    help: str
    options: tuple[Option, ...] = ()
    places: tuple[Place, ...] = ("line", "terminal")
    elsewhere: str = "it takes no cell; write it with one %"

    @property
    def name(self) -> str:
        return " ".join(self.words)


def switch(*flags: str, help: str, **more: Any) -> Option:  # noqa: A002 - argparse's own word
    return Option(flags, help, read=None, default=False, **more)


def option(*flags: str, help: str, metavar: str = "", **more: Any) -> Option:  # noqa: A002
    return Option(flags, help, metavar=metavar or flags[-1].lstrip("-").upper(), **more)


def argument(name: str, *, help: str, **more: Any) -> Option:  # noqa: A002
    return Option((name,), help, **{"metavar": name, **more})


def command(words: str, help: str, *options: Option, **more: Any) -> Command:  # noqa: A002
    return Command(tuple(words.split()), help, (*options, JSON), **more)


JSON = switch("--json", help="print one JSON document and nothing else")
FORCE = switch("-f", "--force", help="do it although something is lost by it")
OUT = option(
    "-o",
    "--out",
    metavar="VAR",
    help="put the result into this variable of the notebook",
    read=identifier,
    completes="variable",
    places=("line", "cell"),
    elsewhere="there are no variables in a terminal",
)
CLUSTER = option(
    "--cluster",
    metavar="NAME",
    help="on which cluster (default: the one in use, or the only one)",
    completes="cluster",
)
HERE = switch("--here", help="do it in this process, although a cluster runs")
WHICH = "run or sweep: r17, s3, its name, or a variable that holds it"
RUN = argument("ID", help=WHICH, completes="run")
DATASET = argument("PATH", help="folder of the dataset", completes="dataset")
RUNS = argument("ID", help=WHICH, count="+", completes="run")
MODEL = argument("NAME", help="which model", completes="model")
VERSION = argument("NAME", metavar="NAME[:VERSION]", help="which model", completes="model")

SERVING = (
    option("--workers", metavar="N", help="processes (default: as before, else 1)", read=positive),
    option(
        "--port", metavar="P", help="where it listens (default: a free one)", default=0, read=whole
    ),
    option(
        "--host",
        metavar="H",
        help="another address than 127.0.0.1 is reached by other machines, in plain HTTP",
        default="127.0.0.1",
    ),
    option(
        "--runtime",
        metavar="|".join(RUNTIMES),
        help="auto races those that can serve the model, on its stored samples",
        choices=RUNTIMES,
        default="auto",
    ),
    option("--timeout", metavar="T", help="for each request (default: 30s)", default="30s"),
    option(
        "--queue", metavar="N", help="requests that may wait; then 503", read=positive, default=1024
    ),
    option("--max-request", metavar="SIZE", help="of one request; then 413", default="64MiB"),
    option("--idle-timeout", metavar="T", help="stop when unused for so long (default: never)"),
    switch("--allow-nan", help="let NaN and infinity through to the model"),
)

COMMANDS: tuple[Command, ...] = (
    command(
        "cluster start",
        "Start a cluster that outlives the kernel: GPUs if there are any, else the CPU cores.",
        option("--name", help="what to call it (default: after its engine)"),
        option(
            "--engine",
            help="auto, local, cuda, or the address of a scheduler that runs already",
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
        option("--tls-ca", metavar="FILE", help="authority for ADDRESS", completes="file"),
        option("--tls-cert", metavar="FILE", help="certificate for ADDRESS", completes="file"),
        option("--tls-key", metavar="FILE", help="key for ADDRESS", completes="file"),
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
        "Give a cluster another number of workers.",
        argument("N", help="how many workers", read=whole),
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
            help="one run per value, or per combination of several sweeps; NAME is set in the cell",
            read=sweep,
            count="+",
        ),
        option("--repeat", metavar="N", help="so many times", read=positive, default=1),
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
    command(
        "data import",
        "Make a compressed Zarr dataset from files or a known collection.",
        argument(
            "SRC",
            help="fashion-mnist, keras:NAME, .npz, .npy, IDX, CSV, Parquet, JSON lines, HDF5, "
            "netCDF, .wav, .txt, COCO, VOC, a folder of images by class; a Zarr dataset, to write "
            "it with another codec",
            completes="source",
        ),
        argument("DEST", help="the new dataset, such as digits.zarr", completes="dataset"),
        option(
            "--codec",
            metavar="NAME",
            help="blosc-zstd by default; auto tries those that fit on a sample of each array",
            choices=CODECS,
        ),
        option(
            "--for",
            metavar="|".join(GOALS),
            help="choose the codec by trial for speed of training, for size, or balanced (as auto)",
            choices=GOALS,
        ),
        option(
            "--chunk",
            metavar="N|SIZE",
            help="samples in a chunk, or its size: 1MiB (default: auto, about 1 MiB)",
            default="auto",
        ),
        option(
            "--shard",
            metavar="N|SIZE",
            help="samples or size of files with several chunks; none: a file a chunk (default: "
            "auto, shards instead of more than 10,000 files)",
            default="auto",
        ),
        option(
            "--max-error",
            metavar="E",
            help="round floats by this much at most, so that they compress better",
            read=float,
        ),
        option("--label", metavar="COLUMN", help="the column of a table that is the label"),
        switch("-f", "--force", help="replace DEST if it is there"),
    ),
    command(
        "data info",
        "Show a dataset: its arrays, how they are cut and compressed, samples, labels.",
        argument("PATH", help="folder or address of the dataset", completes="dataset"),
    ),
    command(
        "data list",
        "List the datasets in a folder.",
        argument("FOLDER", help="where (default: here)", count="?", default=".", completes="file"),
    ),
    command(
        "data clean",
        "Find wrong labels, copies, broken and strange samples; write the dataset without them.",
        DATASET,
        option(
            "--checks",
            metavar="A,B",
            help=f"look only for these: {', '.join(CHECKS)} (default: all)",
            read=words,
        ),
        option(
            "--apply",
            metavar="OUT",
            help="write the dataset without what was found (outliers stay); PATH stays as it is",
            completes="dataset",
        ),
        option(
            "--schema",
            metavar="FILE",
            help='JSON, what values may be: {"x": {"min": 0, "max": 1}, "id": {"unique": true}}',
            completes="file",
        ),
        option("--epochs", metavar="N", help="for the models that find labels", read=positive),
        HERE,
        CLUSTER,
        switch("-f", "--force", help="replace OUT if it is there"),
        OUT,
    ),
    command(
        "data report",
        "Show what the datasets in a folder take: decoded, compressed, deduplicated, and by tier.",
        argument("FOLDER", help="where (default: here)", count="?", default=".", completes="file"),
    ),
    command(
        "data fuse",
        "Make several datasets one, without copying them; count what they have in common.",
        argument("PATH", help="two datasets or more", count="+", completes="dataset"),
        option("--out", metavar="OUT", help="the new dataset", completes="dataset"),
        option(
            "--map",
            metavar="FILE",
            help='JSON, new class names by old: {"sneaker": "shoe", "B.zarr": {"misc": null}}',
            completes="file",
        ),
        option("--on", metavar="KEY", help="join two by an array of keys instead"),
        switch("--dedup", help="leave out samples that an earlier one has"),
        option(
            "--conflicts",
            metavar="|".join(CONFLICTS),
            help="which of equal samples with different labels stays (default: first)",
            choices=CONFLICTS,
            default="first",
        ),
        HERE,
        CLUSTER,
        switch("-f", "--force", help="replace OUT if it is there"),
    ),
    command(
        "data tier",
        "Show in which tiers datasets are and what that costs a month, or move them.",
        argument("PATH", help="one dataset (default: all known)", count="?", completes="dataset"),
        option(
            "--importance",
            metavar="0..5",
            help="how precious it is: 1 is ordinary, 5 five times that, 0 as cheap as can be",
            choices=tuple("012345"),
        ),
        option(
            "--policy",
            metavar="|".join(TIERS),
            help="move it to this tier and keep it there; auto: where it is cheapest, by its score",
            choices=TIERS,
        ),
        switch("--dry-run", help="only show bytes and money that it would save; nothing changes"),
        switch("--undo", help="take back its last move"),
        switch("--keep", help="keep what it was before beside it, so that --undo takes no time"),
        switch("--here", help="move it in this process, although a cluster runs"),
        CLUSTER,
        switch("--wait", help="wait for the end; an interrupt stops only the waiting"),
    ),
    command(
        "data dedup",
        "Share equal chunks with the datasets beside it, as hard links; readers notice nothing.",
        DATASET,
        switch("-f", "--force", help="although nothing keeps programs of root from shared files"),
    ),
    command(
        "data snapshot",
        "Keep a dataset as it is now, under a name; it takes the space of what has changed.",
        DATASET,
        argument("NAME", help="what to call this version"),
        switch(
            "--private",
            help="leave the dataset files of its own, which programs may overwrite in place",
        ),
        switch(
            "--shared",
            help="share its files with the version, though programs of root can write into them",
        ),
    ),
    command("data versions", "List the versions of a dataset, and what each costs.", DATASET),
    command(
        "data diff",
        "Show what has changed: arrays, samples, attributes.",
        DATASET,
        argument("OLD", help="a version"),
        argument("NEW", help="another (default: the dataset as it is now)", count="?"),
    ),
    command(
        "data restore",
        "Make a dataset what it was in a version, in one step.",
        DATASET,
        argument("NAME", help="which version"),
        switch("-f", "--force", help="although the present state is in no version"),
    ),
    command(
        "data drop",
        "Remove a version, and the chunks that nothing else has.",
        DATASET,
        argument("NAME", help="which version"),
    ),
    command(
        "data verify",
        "Check every chunk of a dataset and its versions; exit status 1 if any is broken.",
        argument("PATH", help="folder or address of the dataset", completes="dataset"),
        option(
            "--repair-from",
            metavar="VERSION|PATH",
            help="put what a version or a copy has in the place of what is broken or missing",
            completes="dataset",
        ),
    ),
    command(
        "data label",
        "Label samples by keys, in the notebook; show, export, import or apply the labels.",
        DATASET,
        option(
            "--classes",
            metavar="A,B",
            help="names of the classes (default: those of the dataset); new ones come last",
            read=words,
        ),
        option(
            "--kind",
            metavar="|".join(KINDS),
            help="how samples are shown and what a label is of (default: what they look like)",
            choices=KINDS,
        ),
        option("--annotator", help="who labels (default: you)"),
        option("--name", help="of these labels among others of the dataset", default="labels"),
        option(
            "--order",
            metavar="sequence|random",
            help="which samples come first (a model's doubt: lepton.label(…, model=…))",
            choices=("sequence", "random"),
            default="sequence",
        ),
        option(
            "--export",
            metavar="FILE",
            help="write them: NAME.csv, NAME.json (COCO), or a folder (Pascal VOC)",
            completes="file",
            excludes="what",
        ),
        option(
            "--import",
            metavar="FILE",
            help="add those of such a file or folder",
            completes="file",
            excludes="what",
        ),
        option(
            "--apply",
            metavar="DEST",
            help="write the samples on which annotators decide, with y, as a new dataset",
            completes="dataset",
            excludes="what",
        ),
        option(
            "--policy",
            metavar="|".join(POLICIES),
            help="how annotators decide",
            choices=POLICIES,
            default="majority",
        ),
        FORCE,
        OUT,
    ),
    command(
        "model save",
        "Keep a model: a new version of NAME, with samples, metrics and environment.",
        argument(
            "WHAT",
            help="a run (r17, its name), a variable that holds a run or a Keras model, or a "
            ".keras file",
            completes="run",
        ),
        option("--name", help="what to call it", required=True, completes="model"),
        option("--note", help="a remark to find in listings"),
        option(
            "--samples",
            metavar="DATASET",
            help="where its sample inputs and classes come from (default: made up)",
            completes="dataset",
        ),
        option("--value", help="which of the run's values (default: the only model)"),
        switch("--promote", help="make it the version to use (the first one is)"),
    ),
    command("model list", "List the models."),
    command("model show", "Show a model: its versions, and one of them in full.", VERSION),
    command(
        "model diff",
        "Compare two versions; one alone is compared with the promoted one.",
        argument("OLD", metavar="NAME[:VERSION]", help="a version", completes="model"),
        argument("NEW", metavar="NAME[:VERSION]", help="another", count="?", completes="model"),
    ),
    command(
        "model promote",
        "Make a version (default: the newest) the one to use; endpoints change to it.",
        VERSION,
    ),
    command("model rollback", "Go back to the version that was promoted before.", MODEL),
    command(
        "model drop",
        "Remove a version, or a model; with -f also the promoted one, or all.",
        VERSION,
        FORCE,
    ),
    command(
        "model predict",
        "Send a dataset through a model into a new one, on all workers; a killed one goes on.",
        VERSION,
        argument("SRC", help="the dataset with the samples", completes="dataset"),
        option(
            "--out",
            metavar="DEST",
            help="the new dataset, such as scores.zarr",
            required=True,
            completes="dataset",
        ),
        CLUSTER,
        switch("--here", help="do it in this process, although a cluster runs"),
        option("--batch", metavar="N", help="samples asked at a time", read=positive),
        switch("--allow-nan", help="write answers that are NaN or infinite too"),
        switch("-f", "--force", help="replace DEST if it is there"),
    ),
    command(
        "model export",
        "Export a model, and refuse what answers differently on real samples.",
        VERSION,
        option("--to", help="in which form", choices=EXPORTS, required=True),
        option(
            "--quantize",
            metavar="|".join(QUANTIZE),
            help="for litert and edge: weights as 8-bit integers (dynamic), all of it (int8)",
            choices=QUANTIZE,
            default="none",
        ),
        option(
            "--samples",
            metavar="DATASET",
            help="to check by and to calibrate int8 (default: what the model was saved with)",
            completes="dataset",
        ),
        option(
            "--max-loss",
            metavar="X",
            help="share of accuracy, or of unchanged classes, that may be lost (default: 0.01)",
            read=float,
            default=0.01,
        ),
        option(
            "--max-difference",
            metavar="X",
            help="largest difference, as a share of the largest answer (default: 0.001; quantized, "
            "where classes cannot be told, 0.1 and for int8 0.2)",
            read=float,
        ),
        option(
            "--out",
            metavar="FOLDER",
            help="where to (default: with the model; edge and savedmodel: NAME-edge, …, here)",
            completes="file",
        ),
        FORCE,
    ),
    command(
        "model deploy",
        "Serve a model over HTTP, or change what its endpoint serves without losing a request.",
        VERSION,
        *SERVING,
        OUT,
    ),
    command("model endpoints", "List the endpoints that run, with their addresses and logs."),
    command(
        "model stop",
        "Stop an endpoint, once it has answered what it was asked.",
        argument("NAME", help="which", count="?", completes="endpoint", excludes="which"),
        switch("--all", help="every endpoint of yours", excludes="which"),
    ),
    command(
        "serve",
        "Serve the functions of a cell, or of a file, as typed HTTP handlers, with batching.",
        argument("NAME", help="what to call the endpoint", completes="endpoint"),
        argument(
            "FILE",
            help="a Python file",
            completes="file",
            places=("line", "terminal"),
            elsewhere="the cell itself is what is served",
        ),
        option(
            "--model",
            metavar="NAME[:VERSION]",
            help="a model that the functions know as `model`, served beside",
            completes="model",
        ),
        *SERVING,
        OUT,
        places=EVERYWHERE,
    ),
    command(
        "panel",
        "Show clusters, runs, data and resources, live; in a terminal until Ctrl-C.",
        argument("VIEW", help="one of them (default: all)", count="?", choices=VIEWS),
        option(
            "--cluster",
            metavar="NAME",
            help="only this cluster, its runs and its workers",
            completes="cluster",
        ),
        OUT,
    ),
    Command(
        ("help",),
        "Show the help of everything, or of some words: help runs show.",
        (argument("WORD", help="a command's words", count="*", completes="words"),),
    ),
)
