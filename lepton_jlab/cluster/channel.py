"""The one channel to a cluster host: calls of its handlers over Dask's own TLS connection."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from lepton_jlab.cluster.connection import process_lives
from lepton_jlab.errors import ClusterError, LeptonError

if TYPE_CHECKING:
    from distributed import Security

T = TypeVar("T")

# Seconds that calls of this context may wait at most: a server's threads are not held for longer.
answers_within: ContextVar[float | None] = ContextVar("answers_within", default=None)


def security_of(keys: dict[str, str] | None) -> Security:
    """Return the client side of the TLS keys that a connection file holds (none: plain TCP)."""
    from distributed import Security

    if not keys:
        return Security()
    return Security(
        require_encryption=True,
        tls_ca_file=keys["ca"],
        tls_client_cert=keys["cert"],
        tls_client_key=keys["key"],
    )


class Channel:
    """Calls handlers of one cluster host, from any thread.

    Parameters
    ----------
    info : dict
        The content of the host's connection file.
    """

    def __init__(self, info: dict[str, Any]) -> None:
        self.name: str = info["name"]
        self._process: tuple[int, float] = info["pid"], info["created"]
        self._address: str = info["control"]
        self._keys: dict[str, str] = info["control_security"]
        self._pool: Any = None

    def call(self, handler: str, timeout: float | None = 60.0, **arguments: Any) -> Any:
        """Call ``lepton_<handler>`` in the host and return its answer.

        Raises
        ------
        ClusterError
            When the host is gone or does not answer in `timeout` seconds.
        LeptonError
            What the host itself refused, with the host's own words.
        """
        limit = answers_within.get()
        if limit is not None:
            timeout = limit if timeout is None else min(limit, timeout)
        future = self.ask(handler, **arguments)
        try:
            return future.result(timeout)
        except FutureTimeoutError:
            future.cancel()
            raise ClusterError(
                f"Cluster {self.name!r} has not answered {handler!r} in {timeout:g} s."
            ) from None
        except KeyboardInterrupt:
            future.cancel()
            raise

    def ask(self, handler: str, **arguments: Any) -> Future[Any]:
        """Begin a call whose answer comes later; ClusterError when the host is known to be gone."""
        if not process_lives(*self._process):  # connecting to nobody takes seconds to fail
            raise ClusterError(
                f"Cluster {self.name!r} is gone. See what runs: %lepton cluster list"
            )
        return submit(self._call(handler, arguments))

    async def _call(self, handler: str, arguments: dict[str, Any]) -> Any:
        from distributed.core import ConnectionPool

        if self._pool is None:
            self._pool = ConnectionPool(
                connection_args=security_of(self._keys).get_connection_args("client"),
                timeout=5,
            )
            await self._pool.start()
        try:
            answer = await getattr(self._pool(self._address), f"lepton_{handler}")(**arguments)
        except OSError as error:
            if process_lives(*self._process) and isinstance(error, TimeoutError):
                raise ClusterError(
                    f"Cluster {self.name!r} does not answer; its host (process "
                    f"{self._process[0]}) hangs or is busy. Try again in a moment."
                ) from error
            raise ClusterError(
                f"Cluster {self.name!r} is gone ({error.__class__.__name__}). "
                "See what runs: %lepton cluster list"
            ) from error
        if isinstance(answer, dict) and "refused" in answer:
            refused = _ERRORS.get(answer["error"], LeptonError)(answer["refused"])
            raise refused.unless_forced() if answer.get("forcible") else refused
        return _lists(answer)

    def close(self) -> None:
        """Close the connections; a later call opens them again."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            submit(pool.close()).result(5)


def refusal(error: LeptonError) -> dict[str, Any]:
    """Turn an error in a host's handler into an answer, for `Channel.call` to raise again."""
    return {
        "error": type(error).__name__,
        "refused": str(error),
        "forcible": error.forcible,
    }


def _lists(answer: Any) -> Any:
    """Turn msgpack's tuples back into the lists they were."""
    if isinstance(answer, list | tuple):
        return [_lists(part) for part in answer]
    if isinstance(answer, dict):
        return {key: _lists(part) for key, part in answer.items()}
    return answer


_ERRORS = {kind.__name__: kind for kind in LeptonError.__subclasses__()}
_ERRORS.pop("MissingDependencyError")


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """Return the event loop of this process's channels, in a thread of its own."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="lepton-channel", daemon=True).start()
    return loop


def submit(work: Coroutine[Any, Any, T]) -> Future[T]:
    """Do something in the loop of this process's channels."""
    return asyncio.run_coroutine_threadsafe(work, _loop())
