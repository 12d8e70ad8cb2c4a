"""The words of models and endpoints."""

from __future__ import annotations

from lepton_jlab.grammar.words import (
    CLUSTER,
    EVERYWHERE,
    FORCE,
    OUT,
    Command,
    argument,
    command,
    option,
    switch,
)
from lepton_jlab.readers import positive, whole

EXPORTS = ("litert", "onnx", "savedmodel", "edge")
QUANTIZE = ("none", "dynamic", "int8")
RUNTIMES = ("auto", "savedmodel", "keras", "litert", "onnx")
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
)
