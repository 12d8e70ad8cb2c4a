"""How models show: listings, one model with its versions, the difference of two versions."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from lepton_jlab.models.version import tensor_text
from lepton_jlab.runs import words
from lepton_jlab.runs.views import page
from lepton_jlab.runs.views.table import Cell, Table

Document = Mapping[str, Any]

_MEASURED = 3  # metrics shown in a table
_CLASSES = 12  # names of classes written out


def listing(documents: Sequence[Document]) -> Table:
    """Return one row a model: its promoted version, and how many there are."""
    table = Table(
        ["model", "version", "of", "input", "metrics", "size", "saved"], frozenset({1, 5})
    )
    for document in documents:
        one = promoted_of(document)
        told = (
            document["name"],
            str(document["promoted"]),
            str(len(document["versions"])),
            ", ".join(map(tensor_text, one["raw_inputs"] or one["inputs"])),
            _metrics(one["metrics"]),
            words.size(one["bytes"]),
            words.moment(one["created"], time.time()),
        )
        table.rows.append([Cell(text) for text in told])
    return table


def promoted_of(document: Document) -> Document:
    """Return the promoted version of a model's document."""
    rows = document["versions"]
    return next((v for v in rows if v["version"] == document["promoted"]), rows[-1])


def versions(document: Document) -> Table:
    """Return one row a version; the promoted one is marked."""
    header = ["version", "saved", "from", "metrics", "size", "exports", "note"]
    table = Table(header, frozenset({0, 4}))
    for one in document["versions"]:
        told = (
            words.moment(one["created"], time.time()),
            one["run"] or words.shortened(one["source"], 32),
            _metrics(one["metrics"]),
            words.size(one["bytes"]),
            ", ".join(one["exports"]),
            words.shortened(one["note"] or "", 40),
        )
        number = Cell(str(one["version"]), best=one["version"] == document["promoted"])
        table.rows.append([number, *(Cell(text) for text in told)])
    return table


def facts(one: Document) -> list[str]:
    """Write what a version is, a line a fact."""
    taken = ", ".join(map(tensor_text, one["raw_inputs"] or one["inputs"]))
    lines = [f"takes {taken}; answers {', '.join(map(tensor_text, one['outputs']))}"]
    if one["preprocessing"]:
        lines.append(f"prepared by: {'; '.join(one['preprocessing'])}")
    if names := one["classes"]:
        more = ", …" if len(names) > _CLASSES else ""
        lines.append(f"{len(names)} classes: {', '.join(names[:_CLASSES])}{more}")
    samples = one["samples"]
    made_up = " (made up: none were given)" if samples["made_up"] else ""
    lines.append(f"{one['parameters']:,} parameters; {samples['count']} sample inputs{made_up}")
    if one["params"]:
        lines.append(f"parameters of the run: {page.params_text(one['params'])}")
    environment = one["environment"]
    if ran := environment.get("run"):
        rest = {name: ran[name] for name in ran if name not in ("python", "host")}
        lines.append(f"ran on {ran['host']} with Python {ran['python']}, {_packages(rest)}")
    lines.append(f"saved with Python {environment['python']}, {_packages(environment['packages'])}")
    lines.append(f"in {one['folder']}")
    return lines


def _packages(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))


def model_text(document: Document, number: int | None = None) -> str:
    """Write a model with all versions, and one of them (the promoted one) in full."""
    return f"{_headline(document)}\n{versions(document).text()}\n\n" + "\n".join(
        [f"{document['name']}:{_chosen(document, number)['version']}"]
        + [f"  {line}" for line in facts(_chosen(document, number))]
    )


def model_html(document: Document, number: int | None = None) -> str:
    """Draw a model with all versions, and one of them (the promoted one) in full."""
    one = _chosen(document, number)
    lines = "".join(page.note(line) for line in facts(one))
    return page.frame(
        f"<p><b>{escape(document['name'])}</b> {escape(_counted(document))}</p>",
        versions(document).html(),
        f"<p><b>{escape(document['name'])}:{one['version']}</b></p>{lines}",
    )


def export_lines(export: Document) -> list[str]:
    """Write what was exported, and how far it is from the model."""
    check = export["check"]
    lines = [
        f"{export['model']}:{export['version']} as {export['name']}, {words.size(export['bytes'])}",
        f"checked on {check['samples']:,} samples ({export['samples']}): largest difference "
        f"{check['difference']:.2g} of the largest answer",
    ]
    if check["accuracy"] is not None:
        lines.append(f"accuracy {check['accuracy']:.2%} → {check['accuracy_export']:.2%}")
    if check["changed"] is not None:
        lines.append(f"{check['changed']:.2%} of the samples get another class")
    place = "folder" if export["to"] in ("edge", "savedmodel") else "file"
    return [*lines, f"in {export[place]}"]


def difference(old: Document, new: Document) -> list[dict[str, Any]]:
    """Return what differs between two versions: rows of what, old and new."""
    rows = []

    def compare(what: str, before: Any, after: Any) -> None:
        if before != after:
            rows.append({"what": what, "old": before, "new": after})

    for key in ("inputs", "outputs", "preprocessing", "classes", "parameters", "bytes", "run"):
        compare(key, old[key], new[key])
    for group in ("metrics", "params"):
        for name in dict.fromkeys([*old[group], *new[group]]):
            compare(f"{group}.{name}", old[group].get(name), new[group].get(name))
    before, after = old["environment"], new["environment"]
    ran, runs = before.get("run") or {}, after.get("run") or {}
    for name in dict.fromkeys([*ran, *runs]):
        compare(f"run's {name}", ran.get(name), runs.get(name))
    compare("python", before["python"], after["python"])
    for name in dict.fromkeys([*before["packages"], *after["packages"]]):
        compare(name, before["packages"].get(name), after["packages"].get(name))
    return rows


def difference_table(rows: Sequence[Document], old: str, new: str) -> Table:
    """Return those rows as a table."""
    table = Table(["", old, new])
    for row in rows:
        told = (_value(row["what"], row[side]) for side in ("old", "new"))
        table.rows.append([Cell(row["what"]), *(Cell(text) for text in told)])
    return table


def _value(what: str, value: Any) -> str:
    if value is None:
        return "-"
    if what in ("inputs", "outputs"):
        return ", ".join(map(tensor_text, value))
    if what == "bytes":
        return words.size(value)
    if isinstance(value, list):
        return words.shortened(", ".join(map(str, value)), 60)
    return words.number(value)


def _chosen(document: Document, number: int | None) -> Document:
    if number is None:
        return promoted_of(document)
    return next(v for v in document["versions"] if v["version"] == number)


def _headline(document: Document) -> str:
    return f"{document['name']} {_counted(document)}"


def _counted(document: Document) -> str:
    count = len(document["versions"])
    told = "1 version" if count == 1 else f"{count} versions"
    return f"· {told} · promoted {document['promoted']}"


def _metrics(metrics: Mapping[str, Any]) -> str:
    return page.metrics_text(dict(list(metrics.items())[:_MEASURED]))
