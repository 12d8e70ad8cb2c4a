"""Translates between HTTP and the functions of the routes; there is one handler a path."""

from __future__ import annotations

from collections.abc import Iterable
from http.client import responses
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado.web import HTTPError, authenticated

from lepton_jlab.errors import LeptonError
from lepton_jlab.server.errors import status_of
from lepton_jlab.server.lab import Lab
from lepton_jlab.server.plain import dumps
from lepton_jlab.server.reading import read_body, read_query
from lepton_jlab.server.routes import ROUTES, Route
from lepton_jlab.server.tasks import Task, described

RESOURCE = "lepton"  # what an authorizer is asked about


class RestHandler(APIHandler):
    """Answers the methods of one path: logged in, allowed, and never on the event loop."""

    auth_resource = RESOURCE
    routes: dict[str, Route]

    def initialize(self, lab: Lab) -> None:
        """Take what all handlers share."""
        self.lab = lab

    async def _serve(self, **arguments: str) -> None:
        assert self.request.method is not None
        route = self.routes[self.request.method]
        try:
            given = {
                **read_query(route, self.request.query_arguments),
                **read_body(route, self.request.body),
                **arguments,
            }
            self.finish_with(route, await self._call(route, given))
        except LeptonError as error:
            self.set_status(status_of(error))
            self.finish(dumps({"error": described(error)}))

    async def _call(self, route: Route, given: dict[str, Any]) -> Any:
        def work() -> str:
            document = route.call(self.lab, **given)
            if isinstance(document, Task):
                document = document.to_dict()
            return dumps(document) if route.returns else ""

        key = given["name"] if route.keyed else None
        return await self.lab.pools.call(route.pool, route.limit, work, key)

    def finish_with(self, route: Route, text: str) -> None:
        """Send the document."""
        self.set_status(route.status)
        self.set_header("Cache-Control", "no-store")
        self.finish(text or None)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Say every error in the same form."""
        error = kwargs.get("exc_info", (None, None))[1]
        message = responses.get(status_code, "Error")
        if isinstance(error, HTTPError):
            message = error.log_message or error.reason or message
        self.finish(dumps({"error": {"kind": "HTTPError", "message": message, "forcible": False}}))


def handlers(lab: Lab) -> Iterable[tuple[str, type[RestHandler], dict[str, Any]]]:
    """Yield pattern, handler and its arguments for each path of the table."""
    paths: dict[str, dict[str, Route]] = {}
    for route in ROUTES:
        paths.setdefault(route.pattern, {})[route.method] = route
    for pattern, routes in paths.items():
        methods: dict[str, Any] = {method.lower(): _guarded(method) for method in routes}
        made = type("RestHandler", (RestHandler,), {**methods, "routes": routes})
        yield pattern, made, {"lab": lab}


def _guarded(method: str) -> Any:
    """Return what answers a method, for who is logged in and allowed to."""
    action = "read" if method == "GET" else "write"

    async def serve(self: RestHandler, **arguments: str) -> None:
        await self._serve(**arguments)

    return authenticated(authorized(action, RESOURCE)(serve))
