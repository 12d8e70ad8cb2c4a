"""The documents of the REST API as JSON Schema: checked on the way in, promised on the way out."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def text(**more: Any) -> Schema:
    return {"type": "string", **more}


def whole(least: int | None = None, **more: Any) -> Schema:
    return {"type": "integer", **({} if least is None else {"minimum": least}), **more}


def either(*kinds: str, **more: Any) -> Schema:
    return {"type": list(kinds), **more}


def listed(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


def record(
    required: dict[str, Schema], optional: dict[str, Schema] | None = None, closed: bool = False
) -> Schema:
    """An object; a closed one takes no other fields."""
    schema: Schema = {"type": "object", "properties": {**required, **(optional or {})}}
    if required:
        schema["required"] = list(required)
    if closed:
        schema["additionalProperties"] = False
    return schema


def named(component: str) -> Schema:
    return {"$ref": f"#/components/schemas/{component}"}


def maybe(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


NUMBER: Schema = {"type": "number"}
FLAG: Schema = {"type": "boolean"}
ANY: Schema = {}
PATH = text(minLength=1, maxLength=1000, description="relative to the server's folder")
TIME = {"type": "number", "description": "seconds since the epoch"}
MAYBE_TIME = either("number", "null", description="seconds since the epoch")
MAYBE_TEXT = either("string", "null")
NAMED_NUMBERS: Schema = {"type": "object", "additionalProperties": either("number", "null")}
STATE = text(enum=["queued", "running", "done", "failed", "cancelled", "lost"])
TABLE = record(
    {
        "columns": listed(text()),
        "rows": listed(listed(either("number", "null"))),
    }
)

_RUN: dict[str, Schema] = {
    "id": text(pattern=r"^r\d+$"),
    "name": MAYBE_TEXT,
    "sweep": MAYBE_TEXT,
    "state": STATE,
    "params": {"type": "object"},
    "metrics": NAMED_NUMBERS,
    "values": listed(text()),
    "phases": NAMED_NUMBERS,
    "error": maybe(record({"kind": text(), "message": text()})),
    "cluster": text(),
    "worker": MAYBE_TEXT,
    "devices": listed(text()),
    "cost": either("object", "null"),
    "estimate": either("object", "null"),
    "submitted": TIME,
    "started": MAYBE_TIME,
    "ended": MAYBE_TIME,
    "progress": either("object", "null"),
    "place": either("integer", "null"),
    "attempt": whole(1),
    "trial": either("integer", "null"),
    "pruned": either("integer", "null", description="the step at which its search ended it"),
    "notebook": MAYBE_TEXT,
    "cell": MAYBE_TEXT,
}
_SEARCH = record(
    {
        "trials": whole(1),
        "asked": whole(0),
        "repeat": whole(1),
        "space": {"type": "object"},
        "search": text(),
        "prune": text(),
        "metric": MAYBE_TEXT,
        "mode": MAYBE_TEXT,
        "seed": whole(0),
        "steps": either("integer", "null"),
        "state": text(enum=["running", "done", "cancelled", "failed", "lost"]),
        "error": MAYBE_TEXT,
    }
)
_SPARK = {"spark": listed(either("number", "null"), maxItems=30), "spark_metric": MAYBE_TEXT}
_VERSION = record(
    {"version": whole(1), "created": ANY, "bytes": either("integer", "null")},
    {"note": MAYBE_TEXT, "run": MAYBE_TEXT, "metrics": {"type": "object"}},
)

COMPONENTS: dict[str, Schema] = {
    "Error": record({"error": record({"kind": text(), "message": text(), "forcible": FLAG})}),
    "About": record(
        {
            "version": text(),
            "root": text(),
            "gpus": whole(0),
            "cpus": NUMBER,
            "memory": whole(0),
            "granted": MAYBE_TEXT,
            "tensorflow": FLAG,
            "engines": listed(text()),
            "engine_options": {
                "type": "object",
                "description": "The options that each engine has alone.",
                "additionalProperties": listed(named("EngineOption")),
            },
            "codecs": listed(text()),
            "sources": listed(text()),
        }
    ),
    "EngineOption": record(
        {
            "name": text(),
            "label": text(),
            "help": text(),
            "default": MAYBE_TEXT,
            "kind": text(enum=["text", "number", "choice", "switch"]),
            "choices": listed(text()),
            "required": FLAG,
        }
    ),
    "Cluster": record(
        {
            "name": text(),
            "engine": text(),
            "address": MAYBE_TEXT,
            "workers": listed(
                record(
                    {
                        "id": text(),
                        "host": text(),
                        "devices": listed(text()),
                        "run": MAYBE_TEXT,
                        "runs": listed(text()),
                        "slots": whole(0),
                        "fault": MAYBE_TEXT,
                    }
                )
            ),
            "host_pid": whole(),
            "idle_timeout": NUMBER,
            "state": text(enum=["running", "starting", "stale", "unreachable"]),
        },
        {"wanted": whole(0), "adapt": maybe(listed(whole(0)))},
    ),
    "Clusters": record({"clusters": listed(named("Cluster"))}),
    "Code": record({"code": text()}),
    "RunSummary": record({**_RUN, **_SPARK}),
    "Runs": record(
        {
            "runs": listed(named("RunSummary")),
            "total": whole(0),
            "counts": {"type": "object", "additionalProperties": whole(0)},
        }
    ),
    "Run": record(
        {
            **_RUN,
            **_SPARK,
            "replicas": listed({"type": "object"}),
            "checkpoint": either("object", "null"),
            "code": text(),
            "options": {"type": "object"},
            "environment": either("object", "null"),
            "artifacts": listed(record({"name": text(), "bytes": whole(0)})),
        }
    ),
    "RunOrSweep": {
        "anyOf": [
            named("Run"),
            record({"id": text(pattern=r"^s\d+$"), "search": maybe(_SEARCH), "runs": listed(ANY)}),
        ]
    },
    "Table": TABLE,
    "Output": record(
        {
            "messages": listed(record({"seq": whole(0), "type": text()})),
            "next": whole(0),
            "more": FLAG,
        }
    ),
    "Comparison": record(
        {
            "runs": listed(record(_RUN)),
            "params": listed(text()),
            "metrics": listed(text()),
            "best": {"type": "object", "additionalProperties": text()},
            "histories": {"type": "object", "additionalProperties": TABLE},
        }
    ),
    "DatasetRow": record(
        {
            "name": text(),
            "path": text(),
            "samples": either("integer", "null"),
            "stored_bytes": either("integer", "null"),
            "error": MAYBE_TEXT,
        }
    ),
    "Datasets": record({"datasets": listed(named("DatasetRow"))}),
    "Dataset": record(
        {
            "name": text(),
            "path": text(),
            "samples": whole(0),
            "roles": {"type": "object"},
            "classes": either("array", "null"),
            "arrays": listed(record({"name": text(), "shape": listed(whole(0)), "dtype": text()})),
            "groups": {"type": "object"},
            "original_bytes": whole(0),
            "stored_bytes": either("integer", "null"),
        }
    ),
    "Preview": record(
        {
            "kind": text(enum=["image", "vector", "text", "table", "other"]),
            "samples": listed(
                record(
                    {"index": whole(0), "image": MAYBE_TEXT, "text": text(), "label": MAYBE_TEXT}
                )
            ),
        }
    ),
    "Labelling": record(
        {
            "labels": maybe(
                record(
                    {
                        "dataset": text(),
                        "path": MAYBE_TEXT,
                        "kind": text(),
                        "classes": listed(text()),
                        "samples": whole(0),
                        "labelled": whole(0),
                        "annotators": {"type": "object", "additionalProperties": whole(0)},
                        "counts": {"type": "object", "additionalProperties": whole(0)},
                    }
                )
            )
        }
    ),
    "LabelAnswer": record(
        {"state": {"type": "object"}, "samples": listed({"type": "object"}), "reordered": FLAG}
    ),
    "PageScript": record({"script": text(), "style": text()}),
    "Labels": record(
        {
            "labels": maybe(
                record(
                    {
                        "names": listed(text()),
                        "counts": listed(whole(0)),
                        "samples": whole(0),
                        "of": whole(0),
                    }
                )
            )
        }
    ),
    "Difference": record(
        {
            "old": text(),
            "new": MAYBE_TEXT,
            "same": FLAG,
            "arrays": listed(record({"array": text(), "change": text()})),
            "attributes": listed({"type": "object"}),
        }
    ),
    "Versions": record({"versions": listed(record({"name": text()}))}),
    "Model": record(
        {
            "name": text(),
            "promoted": either("integer", "null"),
            "versions": listed(_VERSION),
            "endpoint": either("object", "null"),
        }
    ),
    "Models": record({"models": listed(named("Model"))}),
    "Endpoints": record({"endpoints": listed(record({"name": text()}))}),
    "Prediction": record(
        {
            "outputs": ANY,
            "classes": either("array", "null"),
            "top": either("array", "null"),
            "milliseconds": NUMBER,
        }
    ),
    "History": record(
        {
            "interval": NUMBER,
            "t": listed(NUMBER),
            "series": {"type": "object"},
            "gpus": listed({"type": "object"}),
            "message": MAYBE_TEXT,
        }
    ),
    "Task": record(
        {
            "id": text(),
            "kind": text(),
            "title": text(),
            "state": text(enum=["running", "done", "failed", "cancelled"]),
            "progress": either("number", "null"),
            "text": text(),
            "result": ANY,
            "error": either("object", "null"),
            "started": TIME,
            "ended": MAYBE_TIME,
        }
    ),
    "Tasks": record({"tasks": listed(named("Task"))}),
    "OpenAPI": record({"openapi": text(), "paths": {"type": "object"}}),
}
