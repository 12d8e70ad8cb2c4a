"""The client of an endpoint: arrays in, arrays out, over connections that stay open."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from lepton_jlab.errors import DataError, LeptonError, UsageError
from lepton_jlab.models.serving.connection import ENDPOINTS, ask

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PATIENCE = 60.0  # s for an answer, retries included
_PAUSE = 0.05  # s before the next try
_PART = 16 * 2**20  # bytes of one request
_HEADER = "inference-header-content-length"
_BROKEN = (ConnectionError, http.client.RemoteDisconnected, http.client.BadStatusLine)


class Endpoint:
    """An endpoint that serves a model or the functions of a cell. Get one by `lepton.endpoint`."""

    def __init__(self, info: dict[str, Any]) -> None:
        self.name: str = info["name"]
        self._info = info
        self._local = threading.local()
        self.brought: list[str] = []  # what came along with a serving cell
        self.__doc__ = f"{self!r}\n\n{Endpoint.predict.__doc__}"

    # ---- what it is

    @property
    def url(self) -> str:
        """Its address: ``http://127.0.0.1:PORT``."""
        return str(self._info["url"])

    @property
    def token(self) -> str:
        """What its clients show: ``Authorization: Bearer TOKEN``."""
        return str(self._info["token"])

    @property
    def version(self) -> int | None:
        """The version that is served now."""
        number: int | None = self._current()["model_version"]
        return number

    @property
    def classes(self) -> list[str] | None:
        """Names of the classes, in the order of the last axis of the output, or None."""
        classes: list[str] | None = self._info["classes"]
        return classes

    def to_dict(self) -> dict[str, Any]:
        """Return it as ``--json`` prints it."""
        info = self._current()
        return {
            "name": self.name,
            "version": info["model_version"],
            "url": info["url"],
            "token": info["token"],
            "runtime": info["runtime"],
            "pid": info["pid"],
            "workers": info["workers"],
            "started": info["started"],
            "model": info["model"],
            "follows": info["follows"],
            "inputs": info["inputs"],
            "outputs": info["outputs"],
            "classes": info["classes"],
            "functions": [function["name"] for function in info["functions"]],
            "why": info["why"],
            "race": info["race"],
            "log": info["log"],
        }

    def info(self) -> dict[str, Any]:
        """Ask the endpoint itself: what `to_dict` says, its workers' processes, and its cost."""
        now = ask(self._current(), {"do": "info"}, lambda _: None)["info"]
        return {**self.to_dict(), **{key: now[key] for key in ("worker_pids", "cost")}}

    def stop(self) -> None:
        """Stop the endpoint once it has answered what it has."""
        from lepton_jlab.models.serving.deploying import stop

        self.close()
        stop([self.name])

    # ---- asking

    def predict(self, inputs: Any) -> Any:
        """Ask the model.

        Parameters
        ----------
        inputs : array, or mapping of str to array
            Samples, ``(samples, …)``; or one sample, without that axis. A mapping where the model
            has several inputs.

        Returns
        -------
        array, or dict of str to array
            ``(samples, …)``; without that axis for one sample. A dict where the model has several
            outputs.

        Raises
        ------
        DataError
            If the arrays are not what the model takes.
        LeptonError
            If the endpoint cannot answer; resets and "busy" are tried again for a minute.
        """
        import numpy as np

        arrays, single = self._arrays(inputs)
        rows = len(next(iter(arrays.values())))
        size = sum(array.nbytes for array in arrays.values())
        step = max(1, min(rows, rows * _PART // max(size, 1)))
        parts = [
            self._infer({name: array[start : start + step] for name, array in arrays.items()})
            for start in range(0, rows, step)
        ]
        outputs = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        if single:
            outputs = {name: array[0] for name, array in outputs.items()}
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs

    def call(self, function: str, /, **arguments: Any) -> Any:
        """Call `function` of a serving cell with `arguments`; arrays go as nested lists.

        Raises
        ------
        UsageError
            If the arguments are not what the function takes.
        """
        body = json.dumps(arguments, default=_plain).encode()
        _, answer = self._send(f"/{function}", body, {"content-type": "application/json"})
        return json.loads(answer)

    def close(self) -> None:
        """Close this thread's connection; the next request opens another."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def _current(self) -> dict[str, Any]:
        """Read the connection file again: it may serve another version, or have been restarted."""
        self._info = ENDPOINTS.find(self.name)
        return self._info

    def _arrays(self, given: Any) -> tuple[dict[str, NDArray[Any]], bool]:
        import numpy as np

        tensors = self._info["inputs"]
        if not tensors:
            raise UsageError(
                f"Endpoint {self.name!r} serves no model; call its functions: client.call(NAME, …)."
            )
        if not isinstance(given, Mapping):
            given = {tensors[0]["name"]: given}
        names = [tensor["name"] for tensor in tensors]
        if set(given) != set(names):
            raise DataError(f"{self.name!r} takes {names}, not {list(given)}.")
        arrays: dict[str, NDArray[Any]] = {}
        single = False
        for tensor in tensors:
            array = np.asarray(given[tensor["name"]])
            if array.ndim == len(tensor["shape"]) - 1:
                array, single = array[None], True
            arrays[tensor["name"]] = _cast(array, tensor)
        return arrays, single

    def _infer(self, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        from lepton_jlab.models.serving.tensors import OPEN_TYPE

        dtypes = {tensor["name"]: tensor["dtype"] for tensor in self._info["inputs"]}
        packed = {name: _pack(array) for name, array in arrays.items()}
        request = {
            "inputs": [
                {
                    "name": name,
                    "shape": array.shape,
                    "datatype": OPEN_TYPE[dtypes[name]],
                    "parameters": {"binary_data_size": len(packed[name])},
                }
                for name, array in arrays.items()
            ],
            "parameters": {"binary_data_output": True},
        }
        head = json.dumps(request).encode()
        headers = {"content-type": "application/octet-stream", _HEADER: str(len(head))}
        body = b"".join([head, *packed.values()])
        sent, answer = self._send(f"/v2/models/{self._info['model']}/infer", body, headers)
        return _unpack(answer, int(sent.get(_HEADER, len(answer))))

    def _send(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[Any, bytes]:
        """Send a request until it is answered: who asks a model twice changes nothing."""
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                status, sent, answer = self._once(path, body, headers)
            except _BROKEN as error:
                self.close()
                if time.monotonic() > end:
                    raise LeptonError(
                        f"Endpoint {self.name!r} at {self.url} does not answer: {error}. Its log: "
                        f"{self._info['log']}"
                    ) from None
                self._current()  # NotFoundError when it has ended
            except TimeoutError:
                self.close()
                raise LeptonError(
                    f"Endpoint {self.name!r} did not answer within {_PATIENCE:g} s. Its log: "
                    f"{self._info['log']}"
                ) from None
            else:
                if status == 200:
                    return sent, answer
                if status != 503 or time.monotonic() > end:
                    raise self._error(status, answer)
            time.sleep(_PAUSE)

    def _once(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any, bytes]:
        address = self._info["url"].removeprefix("http://")
        connection = getattr(self._local, "connection", None)
        if connection is None or self._local.address != address:
            self.close()
            connection = http.client.HTTPConnection(address, timeout=_PATIENCE)
            self._local.connection, self._local.address = connection, address
        connection.request(
            "POST", path, body, {**headers, "authorization": f"Bearer {self._info['token']}"}
        )
        response = connection.getresponse()
        return response.status, response.headers, response.read()

    def _error(self, status: int, answer: bytes) -> LeptonError:
        try:
            message = str(json.loads(answer)["error"])
        except (ValueError, KeyError, TypeError):
            message = f"status {status}"
        kind = {400: DataError, 413: DataError}.get(status, LeptonError)
        return kind(f"Endpoint {self.name!r}: {message}")

    # ---- how it shows itself

    def _lines(self) -> list[tuple[str, str]]:
        info = self._info
        lines = [(f"takes {t['name']}", _tensor_text(t)) for t in info["inputs"]]
        lines += [(f"answers {t['name']}", _tensor_text(t)) for t in info["outputs"]]
        if info["classes"]:
            lines.append(("classes", ", ".join(info["classes"])))
        for function in info["functions"]:
            lines.append((f"POST /{function['name']}", function["about"]))
        if info["runtime"]:
            lines.append(("runtime", f"{info['runtime']} ({info['why']})"))
        if self.brought:
            lines.append(("came along", ", ".join(self.brought)))
        lines += [("url", info["url"]), ("log", info["log"])]
        return lines

    def _title(self) -> str:
        info = self._info
        model = f" {info['model']}:{info['model_version']}," if info["model"] else ""
        workers = info["workers"]
        return f"endpoint {self.name}:{model} {workers} worker{'s' * (workers != 1)}"

    def __repr__(self) -> str:
        return "\n".join([self._title(), *(f"  {key}: {text}" for key, text in self._lines())])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td><b>{escape(key)}</b></td><td>{escape(text)}</td></tr>"
            for key, text in self._lines()
        )
        return f"<p><b>{escape(self._title())}</b></p><table>{rows}</table>"


def _tensor_text(tensor: dict[str, Any]) -> str:
    inner = ", ".join("*" if size is None else str(size) for size in tensor["shape"])
    return f"({inner}) {tensor['dtype']}"


def _cast(array: NDArray[Any], tensor: dict[str, Any]) -> NDArray[Any]:
    from lepton_jlab.models.feeding import castable

    shape = tensor["shape"]
    fits = array.ndim == len(shape) and all(
        wanted is None or wanted == size for wanted, size in zip(shape, array.shape, strict=True)
    )
    if not fits or not castable(array.dtype, tensor["dtype"]):
        given = ", ".join(map(str, array.shape))
        raise DataError(
            f"Input {tensor['name']!r} takes {_tensor_text(tensor)}; given was ({given}) "
            f"{array.dtype}."
        )
    if not len(array):
        raise DataError(f"Input {tensor['name']!r} has no samples.")
    return array if tensor["dtype"] == "string" else array.astype(tensor["dtype"], copy=False)


def _pack(array: NDArray[Any]) -> bytes:
    if array.dtype.kind not in "OSUT":
        return array.tobytes()
    texts = (v.encode() if isinstance(v, str) else bytes(v) for v in array.reshape(-1).tolist())
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)


def _unpack(answer: bytes, head: int) -> dict[str, NDArray[Any]]:
    import numpy as np

    from lepton_jlab.models.serving.tensors import OPEN_TYPE

    names = {open_type: name for name, open_type in OPEN_TYPE.items()}
    outputs = {}
    place = head
    for tensor in json.loads(answer[:head])["outputs"]:
        size = tensor["parameters"]["binary_data_size"]
        data = answer[place : place + size]
        place += size
        if tensor["datatype"] == "BYTES":
            texts = []
            at = 0
            while at < size:
                length = int.from_bytes(data[at : at + 4], "little")
                texts.append(data[at + 4 : at + 4 + length])
                at += 4 + length
            array = np.array(texts, object)
        else:
            array = np.frombuffer(bytearray(data), names[tensor["datatype"]])
        outputs[tensor["name"]] = array.reshape(tensor["shape"])
    return outputs


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON")
