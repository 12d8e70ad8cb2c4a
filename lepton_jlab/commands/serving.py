"""What `model deploy`, `stop` and `endpoints` do, and the serving cell."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

import lepton_jlab as lepton
from lepton_jlab.commands.result import Context, Result, action, bound, spoken
from lepton_jlab.errors import UsageError
from lepton_jlab.models.places import split_name

if TYPE_CHECKING:
    from lepton_jlab.models.serving import Endpoint

_MEANT = ("workers", "port", "host", "timeout", "queue", "max_request", "idle_timeout", "allow_nan")


@action("model deploy")
def deploy(args: Namespace, context: Context) -> Result:
    """Serve a model, or change what its endpoint serves."""
    name, version = split_name(args.name)
    options = _options(args)
    endpoint = lepton.deploy(
        name, version, runtime=args.runtime, progress=context.progress, **options
    )
    return _one(endpoint, args)


@action("model stop")
def stop(args: Namespace, context: Context) -> Result:
    """Stop endpoints."""
    from lepton_jlab.models import serving

    if args.name is None and not args.all:
        names = [endpoint.name for endpoint in lepton.endpoints()]
        listed = f" Running: {', '.join(names)}." if names else " None runs."
        raise UsageError(f"Which endpoint shall stop? Name it, or say --all.{listed}")
    names = [endpoint.name for endpoint in lepton.endpoints()] if args.all else [args.name]
    stopped = serving.stop(names, context.progress)
    text = f"Stopped: {', '.join(stopped)}." if stopped else "No endpoint runs."
    return Result(lambda: {"stopped": stopped}, text)


@action("model endpoints")
def endpoints(_args: Namespace, context: Context) -> Result:
    """List the endpoints that run."""
    from lepton_jlab.runs.views import page
    from lepton_jlab.runs.views.table import Cell, Table

    documents = [endpoint.to_dict() for endpoint in lepton.endpoints()]
    if not documents:
        hint = "No endpoint runs. Start one: %lepton model deploy NAME"
        return Result(lambda: documents, spoken(hint, context.place))
    table = Table(["endpoint", "model", "runtime", "workers", "url", "log"], frozenset({3}))
    for document in documents:
        model = f"{document['model']}:{document['version']}" if document["model"] else ""
        known = (document["name"], model, document["runtime"] or "", document["workers"])
        row = (*known, document["url"], document["log"])
        table.rows.append([Cell(str(value)) for value in row])
    return Result(lambda: documents, table.text(), page.frame(table.html()))


@action("serve")
def serve(args: Namespace, context: Context) -> Result:
    """Serve the functions of a cell, or of a file."""
    from lepton_jlab.commands.runs import source_file
    from lepton_jlab.models.serving.cells import serve_cell

    namespace: dict[str, Any]
    if context.place == "cell":
        code, filename, namespace = context.code, f"<serve {args.name}>", context.namespace
    else:
        file = source_file(args.file)
        code, filename, namespace = file.read_text(), str(file), {}
    endpoint = serve_cell(
        code,
        args.name,
        namespace=namespace,
        filename=filename,
        model=args.model,
        runtime=args.runtime,
        progress=context.progress,
        **_options(args),
    )
    return _one(endpoint, args)


def _options(args: Namespace) -> dict[str, Any]:
    return {name: getattr(args, name) for name in _MEANT}


def _one(endpoint: Endpoint, args: Namespace) -> Result:
    document = endpoint.to_dict()
    client = f'lepton.endpoint("{endpoint.name}")'
    text = f"{endpoint!r}\n  client: {client}; token: {client}.token"
    html = endpoint._repr_html_()
    return Result(lambda: document, text, html, bindings=bound(args, endpoint))
