"""Which address means what: authentication, routes, and the answers that need no worker."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from lepton_jlab import __version__
from lepton_jlab.models.serving import openapi, openinference, tfserving
from lepton_jlab.models.serving.desk import Desk, unknown_version
from lepton_jlab.models.serving.http import Answer, Request, refuse
from lepton_jlab.models.serving.metrics import Metrics
from lepton_jlab.models.serving.tensors import Signature

_LATER = ((b"retry-after", b"1"),)
_TEXT = b"text/plain; version=0.0.4; charset=utf-8"
# curl -d says that it sends a form; TensorFlow Serving's documented requests do just that.
_KINDS = (
    b"application/json",
    b"application/octet-stream",
    b"application/x-www-form-urlencoded",
    b"text/plain",
    b"",
)
_PACKINGS = (b"identity", b"gzip", b"deflate")
OPEN = ("/v2/health/live", "/v2/health/ready")  # what needs no token


@dataclass(frozen=True, slots=True)
class Ask:
    """A route that a worker answers; `version` is what it insists on."""

    verb: str
    version: int | None = None


Local = Callable[[], Answer]
Routes = Mapping[str, Mapping[str, "Ask | Local"]]


class App:
    """One endpoint's addresses.

    Parameters
    ----------
    name : str
        Of the endpoint.
    token : str
        Of those who may ask.
    """

    def __init__(self, name: str, token: str, desk: Desk, metrics: Metrics) -> None:
        self._name = name
        self._token = b"Bearer " + token.encode()
        self._desk = desk
        self._metrics = metrics
        self._signature: Signature | None = None
        self._ready = False
        self.routes: Routes = self._general()

    def show(self, signature: Signature | None, functions: list[dict[str, Any]]) -> None:
        """Serve this version of the model and these functions from now on."""
        routes = self._general()
        if signature is not None:
            routes |= _of_model(signature)
        for function in functions:
            routes[f"/{function['name']}"] = {"POST": Ask(f"call:{function['name']}")}
        described = openapi.describe(self._name, __version__, signature, functions)
        routes["/openapi.json"] = {"GET": _constant(described)}
        self._signature = signature
        self.routes = routes
        self._ready = True

    def leave(self) -> None:
        """Say from now on that it is not ready: it is about to end."""
        self._ready = False

    def _general(self) -> dict[str, Mapping[str, Ask | Local]]:
        server = {
            "name": f"lepton endpoint {self._name}",
            "version": __version__,
            "extensions": openinference.EXTENSIONS,
        }
        return {
            "/v2": {"GET": _constant(server)},
            "/v2/health/live": {"GET": _constant({"live": True})},
            "/v2/health/ready": {"GET": self._health},
            "/metrics": {"GET": lambda: Answer(200, self._metrics.text(), _TEXT)},
        }

    def _health(self) -> Answer:
        ready = self._ready and self._desk.crew is not None and bool(self._desk.crew.workers)
        return Answer(200 if ready else 503, json.dumps({"ready": ready}).encode())

    # ---- what the HTTP server asks

    def look(self, request: Request) -> Answer | None:
        """Refuse what cannot be served, before its body is read."""
        headers = request.headers
        path = request.path
        if path not in OPEN and not self._known(headers.get(b"authorization", b"")):
            message = "Give the endpoint's token: Authorization: Bearer TOKEN."
            return refuse(401, message, (b"www-authenticate", b"Bearer"))
        methods = self.routes.get(path)
        if methods is None:
            path = unquote(path).rstrip("/") or "/"
            methods = self.routes.get(path)
            if methods is None:
                return self._not_found(path)
        method = "GET" if request.method == "HEAD" else request.method
        request.route = methods.get(method)
        if request.route is None:
            allowed = ", ".join(methods)
            message = f"{path} takes {allowed}, not {request.method}."
            return refuse(405, message, (b"allow", allowed.encode()))
        if method == "POST":
            kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
            if kind not in _KINDS:
                return refuse(
                    415, f"The content type is {kind.decode('latin-1')}; send application/json."
                )
            packing = headers.get(b"content-encoding", b"identity").lower()
            if packing not in _PACKINGS:
                return refuse(
                    415,
                    f"The content encoding is {packing.decode('latin-1')}; send gzip, deflate or "
                    "none.",
                )
        return None

    def serve(self, request: Request) -> Answer | None:
        """Answer a request, or hand it to the workers."""
        route = request.route
        if not isinstance(route, Ask):
            answer: Answer = route()
            return answer
        header = -1
        if route.verb == "infer":
            said = request.headers.get(openinference.HEADER)
            if said is not None:
                if not said.isdigit():
                    name = openinference.HEADER.decode()
                    return refuse(400, f"The header {name} is not a number.")
                header = int(said)
        return self._desk.take(request, route.verb, route.version, header)

    def _known(self, given: bytes) -> bool:
        scheme, _, token = given.partition(b" ")
        return hmac.compare_digest(scheme.title() + b" " + token.strip(), self._token)

    def _not_found(self, path: str) -> Answer:
        if not self._ready:
            return refuse(503, f"Endpoint {self._name!r} is not ready yet.", *_LATER)
        served = self._signature
        parts = path.split("/")
        if served is not None and parts[1:3] in (["v1", "models"], ["v2", "models"]):
            model, _, verb = (parts[3] if len(parts) > 3 else "").partition(":")
            if model != served.name:
                if parts[1] == "v2":
                    message = f"Request for unknown model: {model!r} is not found."
                    return refuse(404, f"{message} Served here: {served.name!r}.")
                return refuse(404, f"Servable not found for request: Latest({model})")
            if parts[4:5] == ["versions"] and len(parts) > 5:
                number = parts[5].partition(":")[0]
                if number.isdecimal() and int(number) != served.version:
                    return unknown_version(model, int(number))
            if parts[4:5] == ["labels"] and parts[5:6] != ["stable"]:
                label = (parts[5] if len(parts) > 5 else "").partition(":")[0]
                return refuse(404, f"Unrecognized servable version label: {label}")
            if verb and verb not in ("predict", "classify", "regress"):
                return refuse(404, f"There is no {verb!r}; there are predict, classify, regress.")
        return refuse(404, f"There is nothing at {path}. What there is: GET /openapi.json")


def _of_model(signature: Signature) -> dict[str, Mapping[str, Ask | Local]]:
    name, number = signature.name, signature.version
    routes: dict[str, Mapping[str, Ask | Local]] = {}
    status = _constant(tfserving.status(signature))
    described = _constant(tfserving.metadata(signature))
    versions = {"": None, f"/versions/{number}": number, "/labels/stable": None}
    for where, version in versions.items():
        routes[f"/v1/models/{name}{where}"] = {"GET": status}
        routes[f"/v1/models/{name}{where}/metadata"] = {"GET": described}
        for verb in ("predict", "classify", "regress"):
            routes[f"/v1/models/{name}{where}:{verb}"] = {"POST": Ask(verb, version)}
    metadata = _constant(openinference.metadata(signature))
    ready = _constant({"name": name, "ready": True})
    for where, version in (("", None), (f"/versions/{number}", number)):
        routes[f"/v2/models/{name}{where}"] = {"GET": metadata}
        routes[f"/v2/models/{name}{where}/ready"] = {"GET": ready}
        routes[f"/v2/models/{name}{where}/infer"] = {"POST": Ask("infer", version)}
    index = [{"name": name, "version": str(number), "state": "READY", "reason": ""}]
    routes["/v2/repository/index"] = {"POST": _constant(index)}
    return routes


def _constant(document: Any) -> Local:
    answer = Answer(200, json.dumps(document).encode())
    return lambda: answer
