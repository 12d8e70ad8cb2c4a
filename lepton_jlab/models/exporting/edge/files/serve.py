"""Serves the model in this folder by TensorFlow Serving's REST: python serve.py --port 8501.

The token is the environment variable LEPTON_TOKEN, or a new one that is printed at the start.
"""

import argparse
import hmac
import json
import math
import os
import secrets
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from model import Model

LIMIT = 64 << 20  # bytes of a request
PATIENCE = 30  # seconds for a request to arrive


class RefusedError(Exception):
    """A request that gets another status than 200."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Service(ThreadingHTTPServer):
    """One model, one request at a time in it."""

    daemon_threads = True

    def __init__(self, address, model, token):
        super().__init__(address, Handler)
        self.model, self.token, self.lock = model, token, threading.Lock()
        facts = model.facts
        base = f"/v1/models/{facts['name']}"
        self.bases = (base, f"{base}/versions/{facts['version']}")


class Handler(BaseHTTPRequestHandler):
    """Answers status, metadata and predict."""

    protocol_version = "HTTP/1.1"
    timeout = PATIENCE

    def do_GET(self):
        facts = self.server.model.facts
        if self.path in self.server.bases:
            state = {"version": str(facts["version"]), "state": "AVAILABLE"}
            state["status"] = {"error_code": "OK", "error_message": ""}
            self.answer(lambda: {"model_version_status": [state]})
        elif self.path in [f"{base}/metadata" for base in self.server.bases]:
            self.answer(lambda: {key: facts[key] for key in METADATA})
        else:
            self.answer(self.nothing_here)

    def do_POST(self):
        if self.path in [f"{base}:predict" for base in self.server.bases]:
            self.answer(self.predict)
        else:
            self.answer(self.nothing_here)

    def nothing_here(self):
        raise RefusedError(404, f"there is no {self.path}; the model is at {self.server.bases[0]}")

    def answer(self, work):
        try:
            self.authorize()
            status, document = 200, work()
        except RefusedError as refusal:
            status, document = refusal.status, {"error": str(refusal)}
        except Exception as error:  # noqa: BLE001 - one request, not the service
            status, document = 500, {"error": f"{type(error).__name__}: {error}"}
        body = json.dumps(plain(document)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status != 200:  # what is left of the request is not read
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def authorize(self):
        given = self.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {self.server.token}".encode()):
            raise RefusedError(401, "the header 'Authorization: Bearer TOKEN' is missing or wrong")

    def predict(self):
        request = self.read()
        key = next((key for key in ("instances", "inputs") if key in request), None)
        if key is None:
            raise RefusedError(
                400, "the request has neither 'instances' (rows) nor 'inputs' (columns)"
            )
        try:
            samples = columns(request[key], self.server.model, key == "instances")
            with self.server.lock:
                answers = self.server.model.predict(samples)
        except (ValueError, TypeError) as error:
            raise RefusedError(400, str(error)) from error
        if key == "inputs":
            named = isinstance(answers, dict)
            return {
                "outputs": {n: v.tolist() for n, v in answers.items()}
                if named
                else answers.tolist()
            }
        if isinstance(answers, dict):
            rows = zip(*(values.tolist() for values in answers.values()), strict=True)
            return {"predictions": [dict(zip(answers, row, strict=True)) for row in rows]}
        return {"predictions": answers.tolist()}

    def read(self):
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            raise RefusedError(411, "the request has no Content-Length")
        if int(length) > LIMIT:
            raise RefusedError(413, f"the request has {length} bytes; {LIMIT} are allowed")
        try:
            request = json.loads(self.rfile.read(int(length)))
        except TimeoutError:
            raise RefusedError(408, f"the request did not arrive in {PATIENCE} s") from None
        except ValueError as error:
            raise RefusedError(400, f"the request is not JSON: {error}") from error
        if not isinstance(request, dict):
            raise RefusedError(400, "the request is not a JSON object")
        return request

    def log_message(self, form, *values):
        print(f"{self.address_string()} {form % values}", file=sys.stderr)


METADATA = ("name", "version", "raw_inputs", "outputs", "classes", "preprocessing")


def columns(given, model, rows):
    """Return arrays by input from rows or columns as JSON has them."""
    names = [tensor["name"] for tensor in model.facts["raw_inputs"]]
    if rows and isinstance(given, list) and given and isinstance(given[0], dict):
        if any(not isinstance(row, dict) or set(row) != set(given[0]) for row in given):
            raise ValueError("the instances have different inputs")
        given = {name: [row[name] for row in given] for name in given[0]}
    if not isinstance(given, dict):
        given = {names[0]: given}
    if unknown := set(given) - set(names):
        raise ValueError(f"there is no input {sorted(unknown)[0]!r}; the model takes {names}")
    arrays = {name: np.array(values) for name, values in given.items()}
    if any(values.ndim == 0 or not len(values) for values in arrays.values()):
        raise ValueError("there are no samples in the request")
    return arrays


def plain(value):
    """Return null for what JSON has no word for."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def main():
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8501, help="0: any that is free")
    parser.add_argument("--threads", type=int, default=None, help="of the model")
    options = parser.parse_args()
    token = os.environ.get("LEPTON_TOKEN") or secrets.token_urlsafe(24)
    service = Service((options.host, options.port), Model(threads=options.threads), token)
    url = f"http://{options.host}:{service.server_port}{service.bases[0]}"
    print(f"{url}\ntoken: {token}" if "LEPTON_TOKEN" not in os.environ else url, flush=True)
    try:
        service.serve_forever()
    except KeyboardInterrupt:
        service.server_close()


if __name__ == "__main__":
    main()
