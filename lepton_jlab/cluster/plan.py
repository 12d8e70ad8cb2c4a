"""What a user asked of a new cluster, checked before any process is started."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lepton_jlab.cluster.connection import path_of
from lepton_jlab.config import settings
from lepton_jlab.errors import UsageError, suggestion
from lepton_jlab.sizes import parse_bytes

ENGINES = ("auto", "local", "cuda")


@dataclass(frozen=True, slots=True)
class Plan:
    """A cluster to be started. Memory is in bytes per worker, times in seconds."""

    name: str
    engine: str
    workers: int | None
    threads: int | None
    memory: int | None
    idle_timeout: float
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None


def make_plan(
    name: str | None,
    engine: str,
    workers: int | None,
    threads: int | None,
    memory: str | int | None,
    idle_timeout: str | float | None,
    tls: tuple[str | None, str | None, str | None],
) -> Plan:
    """Check the words of ``cluster start`` and return them in bytes and seconds.

    Raises
    ------
    UsageError
        Naming the first value that cannot be.
    """
    adopted = "://" in engine
    if engine not in ENGINES and not adopted:
        raise UsageError(
            f"No engine named {engine!r}.{suggestion(engine, ENGINES)} There are auto, local, cuda "
            "and the address of a running scheduler, such as tls://host:8786."
        )
    if adopted and not engine.startswith(("tls://", "tcp://")):
        raise UsageError(f"{engine!r}: a scheduler's address begins with tls:// or tcp://.")
    if adopted and (workers or threads or memory):
        raise UsageError(
            f"{engine} brings its own workers: leave --workers, --threads and --memory out."
        )
    if any(tls) and not engine.startswith("tls://"):
        raise UsageError("--tls-ca, --tls-cert and --tls-key belong to a tls:// address.")
    if engine.startswith("tls://") and not all(tls):
        raise UsageError(f"{engine} needs --tls-ca, --tls-cert and --tls-key.")
    for option, file in zip(("ca", "cert", "key"), tls, strict=True):
        if file and not Path(file).expanduser().is_file():
            raise UsageError(f"--tls-{option}: there is no file {file!r}.")
    for option, number in (("workers", workers), ("threads", threads)):
        if number is not None and number < 1:
            raise UsageError(f"--{option} is {number}; it must be 1 or more.")
    if name is not None:
        path_of(name)
    ca, cert, key = (str(Path(f).expanduser().resolve()) if f else None for f in tls)
    return Plan(
        name=name or (engine.split("://")[1].replace(":", "-") if adopted else "local"),
        engine=engine,
        workers=workers,
        threads=threads,
        memory=None if memory is None else parse_bytes(memory, "--memory"),
        idle_timeout=parse_seconds(
            settings().idle_timeout if idle_timeout is None else idle_timeout, "--idle-timeout"
        ),
        tls_ca=ca,
        tls_cert=cert,
        tls_key=key,
    )


def parse_seconds(text: str | float, option: str) -> float:
    """Return the seconds in ``"90s"``, ``"10 min"``, ``"1h"`` or a plain number.

    Raises
    ------
    UsageError
        When `text` is not a positive time; it names `option`.
    """
    from dask.utils import parse_timedelta

    try:
        # Dask knows m and minutes, but not min.
        seconds = float(parse_timedelta(re.sub(r"(?<=[\d\s])min$", "m", str(text).strip())))
    except (ValueError, TypeError, KeyError):
        seconds = 0.0
    if not seconds > 0:
        raise UsageError(f"{option} {text!r} is not a time. Write it as 90s, 10min or 1h.")
    return seconds
