"""The routes of the REST API, each said once: handlers, description and tests are made of this."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lepton_jlab.grammar import CODECS, GOALS, KINDS, TIERS
from lepton_jlab.server.schemas import (
    ANY,
    FLAG,
    NUMBER,
    PATH,
    Schema,
    either,
    listed,
    maybe,
    record,
    text,
    whole,
)
from lepton_jlab.server.views import about, clusters, datasets, labelling, models, runs

BASE = "lepton/api"
EVENTS = f"{BASE}/events"
DASK = f"{BASE}/dask"


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path.

    Attributes
    ----------
    method, path
        As in ``GET clusters/{name}``, below `BASE`.
    call
        Given the lab, and path, query and body by keyword; returns the document.
    summary
        What it does, in a line.
    returns
        The component that describes the document; "" for an answer without one.
    pool, limit
        In which threads it is done, and how many seconds it may take.
    keyed
        Whether few calls of the same ``name`` may be under way at a time.
    query, body
        Schemas of what it takes; a body is closed.
    needed
        Fields of the query that must be there.
    """

    method: str
    path: str
    call: Callable[..., Any]
    summary: str
    returns: str = ""
    status: int = 200
    pool: str = "records"
    limit: float = 10.0
    keyed: bool = False
    query: Mapping[str, Schema] = field(default_factory=dict)
    needed: tuple[str, ...] = ()
    body: Schema | None = None

    @property
    def arguments(self) -> list[str]:
        """The names in braces in its path."""
        return re.findall(r"{(\w+)}", self.path)

    @property
    def pattern(self) -> str:
        """The path as a regular expression with named groups."""
        literal = f"{BASE}/{self.path}".replace(".", r"\.")
        return re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", literal)


def _body(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    return record(required, optional, closed=True)


NAME = text(minLength=1, maxLength=64)
FORCE = {"force": FLAG}
LATER: dict[str, Any] = {"returns": "Task", "status": 202}
CLUSTER: dict[str, Any] = {"pool": "clusters", "keyed": True}
LABELS = text(pattern="^[A-Za-z_][A-Za-z0-9_]{0,60}$")
SPAN = text(pattern=r"^\d+\.\.\d+$", maxLength=20)
SIZE = {"anyOf": [whole(1), text(minLength=1, maxLength=40)]}

ROUTES: tuple[Route, ...] = (
    Route("GET", "about", about.about, "What there is to choose from.", "About"),
    # ---- clusters
    Route(
        *("GET", "clusters", clusters.list_all, "All clusters.", "Clusters"),
        pool="clusters",
    ),
    Route(
        *("POST", "clusters", clusters.start, "Start a cluster."),
        **LATER,
        body=_body(
            {},
            {
                "name": maybe(NAME),
                "engine": text(maxLength=200),
                "workers": maybe(whole(1, maximum=10_000)),
                "threads": maybe(whole(1, maximum=10_000)),
                "memory": maybe(SIZE),
                "idle_timeout": maybe({"anyOf": [{"type": "number"}, text(maxLength=40)]}),
                "tls_ca": maybe(PATH),
                "tls_cert": maybe(PATH),
                "tls_key": maybe(PATH),
                "adapt": maybe(SPAN),
                "place": maybe(text(minLength=1, maxLength=64)),
                "kernel": {"type": "boolean"},
                "options": {"type": "object", "maxProperties": 40},
            },
        ),
    ),
    Route(
        *("GET", "clusters/{name}", clusters.show, "One cluster.", "Cluster"),
        pool="clusters",
    ),
    Route(
        *("DELETE", "clusters/{name}", clusters.stop, "Stop a cluster."),
        **CLUSTER,
        status=204,
        limit=40,
        query=FORCE,
    ),
    Route(
        *("POST", "clusters/{name}/scale", clusters.scale, "Give it so many workers.", "Cluster"),
        **CLUSTER,
        limit=60,
        body=_body({"workers": {"anyOf": [whole(0, maximum=10_000), SPAN]}}, FORCE),
    ),
    Route(
        *("GET", "clusters/{name}/code", clusters.code, "What a notebook needs to use it.", "Code"),
    ),
    # ---- runs
    Route(
        *("GET", "runs", runs.list_some, "A page of runs, newest first.", "Runs"),
        query={
            "limit": whole(0, maximum=1000),
            "before": text(maxLength=20),
            "state": text(maxLength=100),
            "query": text(maxLength=200),
            "sweep": text(maxLength=20),
        },
    ),
    Route("GET", "runs/{id}", runs.show, "One run.", "Run"),
    Route(
        *("GET", "runs/{id}/history", runs.history, "The course of its metrics.", "Table"),
        query={"full": FLAG},
    ),
    Route(
        *("GET", "runs/{id}/output", runs.output, "A part of what it said.", "Output"),
        query={
            "start": whole(0, maximum=2**53),
            "limit": whole(1, maximum=10_000),
            "tail": whole(1, maximum=64 * 2**20),
        },
    ),
    Route(
        *("POST", "runs/{id}/cancel", runs.cancel, "Cancel it, or a sweep.", "RunOrSweep"),
        pool="runs",
        body=_body({}, FORCE),
    ),
    Route(
        *("POST", "runs/{id}/rerun", runs.rerun, "Submit it, or a sweep, again.", "RunOrSweep"),
        status=201,
        pool="runs",
        limit=30,
        body=_body({}),
    ),
    Route(
        *("POST", "runs/{id}/resume", runs.resume, "Have a search go on.", "RunOrSweep"),
        pool="runs",
        limit=30,
        body=_body({}, {"trials": whole(1)}),
    ),
    Route(
        *("GET", "compare", runs.compare, "Runs side by side.", "Comparison"),
        query={"ids": text(minLength=1, maxLength=2000)},
        needed=("ids",),
    ),
    # ---- datasets
    Route(
        *("GET", "datasets", datasets.list_all, "The datasets below the root.", "Datasets"),
        pool="data",
        limit=30,
    ),
    Route(
        *("POST", "datasets", datasets.import_, "Make a dataset."),
        **LATER,
        body=_body(
            {"source": text(minLength=1, maxLength=2000), "path": PATH},
            {
                "codec": maybe(text(enum=list(CODECS))),
                "for": maybe(text(enum=list(GOALS))),
                "chunk": SIZE,
                "shard": SIZE,
                "max_error": either("number", "null"),
                "label": maybe(text(maxLength=200)),
                **FORCE,
            },
        ),
    ),
    Route(
        *("GET", "datasets/info", datasets.info, "What is stored in a dataset.", "Dataset"),
        pool="data",
        limit=30,
        query={"path": PATH},
        needed=("path",),
    ),
    Route(
        *("GET", "datasets/preview", datasets.preview, "A few samples.", "Preview"),
        pool="data",
        limit=30,
        query={
            "path": PATH,
            "count": whole(1, maximum=100),
            "start": whole(0, maximum=2**53),
        },
        needed=("path",),
    ),
    Route(
        *("GET", "datasets/labels", datasets.labels, "How many samples each label has.", "Labels"),
        pool="data",
        limit=30,
        query={"path": PATH},
        needed=("path",),
    ),
    Route(
        *("GET", "labels", labelling.labels, "How far labelling is, and who agrees.", "Labelling"),
        pool="data",
        limit=30,
        query={"path": PATH, "name": LABELS},
        needed=("path",),
    ),
    Route(
        *("POST", "labels", labelling.answer, "Label a sample, or get the next.", "LabelAnswer"),
        pool="data",
        limit=30,
        body=_body(
            {"path": PATH, "do": text(enum=["open", "give", "boxes", "skip", "undo", "reorder"])},
            {
                "name": LABELS,
                "classes": maybe(listed(text(minLength=1, maxLength=200), maxItems=1000)),
                "kind": maybe(text(enum=list(KINDS))),
                "annotator": maybe(text(minLength=1, maxLength=200)),
                "order": text(enum=["sequence", "random"]),
                "have": listed(whole(0), maxItems=1000),
                "sample": whole(0),
                "label": whole(0),
                "boxes": listed(
                    record(
                        {"label": whole(0), "box": listed(NUMBER, minItems=4, maxItems=4)},
                        closed=True,
                    ),
                    maxItems=10_000,
                ),
            },
        ),
    ),
    Route(
        *("GET", "pages/{page}", labelling.page, "A page's module and look.", "PageScript"),
    ),
    Route(
        *("GET", "datasets/diff", datasets.diff, "What differs between versions.", "Difference"),
        pool="data",
        limit=60,
        query={"path": PATH, "old": NAME, "new": NAME},
        needed=("path", "old"),
    ),
    Route(
        *("GET", "datasets/versions", datasets.versions, "Its versions.", "Versions"),
        pool="data",
        limit=30,
        query={"path": PATH},
        needed=("path",),
    ),
    Route(
        *("POST", "datasets/snapshot", datasets.snapshot, "Keep it as it is."),
        **LATER,
        body=_body({"path": PATH, "name": NAME}),
    ),
    Route(
        *("POST", "datasets/restore", datasets.restore, "Bring a version back."),
        **LATER,
        body=_body({"path": PATH, "name": NAME}, FORCE),
    ),
    Route(
        *("POST", "datasets/verify", datasets.verify, "Check every chunk."),
        **LATER,
        body=_body({"path": PATH}),
    ),
    Route(
        *("POST", "datasets/tier", datasets.tier, "Say how it is to be kept, and move it."),
        **LATER,
        body=_body(
            {"path": PATH},
            {
                "policy": maybe(text(enum=list(TIERS))),
                "importance": maybe(whole(0, maximum=5)),
                "dry_run": FLAG,
            },
        ),
    ),
    # ---- models
    Route("GET", "models", models.list_all, "All models.", "Models", pool="models"),
    Route(
        *("POST", "models", models.save, "Keep what a run holds as a model."),
        **LATER,
        body=_body(
            {"run": text(minLength=1, maxLength=1000), "name": NAME},
            {"note": maybe(text(maxLength=2000))},
        ),
    ),
    Route("GET", "models/{name}", models.show, "One model.", "Model", pool="models"),
    Route(
        *("DELETE", "models/{name}", models.drop, "Remove it, or one version."),
        status=204,
        pool="models",
        query={"version": whole(1, maximum=2**31), **FORCE},
    ),
    Route(
        *("POST", "models/{name}/deploy", models.deploy, "Serve it."),
        **LATER,
        body=_body(
            {},
            {
                "version": maybe(whole(1, maximum=2**31)),
                "workers": maybe(whole(1, maximum=64)),
                "runtime": text(maxLength=40),
            },
        ),
    ),
    Route(
        *("POST", "models/{name}/promote", models.promote, "Make a version the one.", "Model"),
        pool="models",
        body=_body({"version": whole(1, maximum=2**31)}),
    ),
    Route("GET", "endpoints", models.endpoints, "What is served.", "Endpoints", pool="models"),
    Route(
        *("DELETE", "endpoints/{name}", models.stop, "Stop serving."),
        status=204,
        pool="models",
        limit=30,
    ),
    Route(
        *("POST", "endpoints/{name}/predict", models.predict, "Try it.", "Prediction"),
        pool="models",
        limit=30,
        body=_body(
            {},
            {
                "inputs": ANY,
                "sample": {
                    "anyOf": [
                        _body({"path": PATH}, {"index": whole(0, maximum=2**53)}),
                        _body({"stored": whole(0, maximum=2**31)}),
                    ]
                },
            },
        ),
    ),
    # ---- the machine, and long operations
    Route(
        *("GET", "resources", about.resources, "What was used in the last hour.", "History"),
        query={"seconds": {"type": "number", "minimum": 1, "maximum": 3600}},
    ),
    Route("POST", "keep", about.keep, "Count as active: an idle server may be ended.", status=204),
    Route("GET", "tasks", about.tasks, "Long operations.", "Tasks"),
    Route("GET", "tasks/{id}", about.task, "One of them.", "Task"),
    Route("DELETE", "tasks/{id}", about.cancel, "Cancel it.", "Task"),
    Route("GET", "openapi.json", about.description, "This description.", "OpenAPI"),
)
