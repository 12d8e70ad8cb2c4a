"""What a user asked of a new cluster, checked before any process is started."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lepton_jlab.cluster.connection import path_of
from lepton_jlab.cluster.options import ENGINES, check_options
from lepton_jlab.config import settings
from lepton_jlab.errors import UsageError, suggestion
from lepton_jlab.sizes import parse_bytes

_NAME_OF = {"auto": "local"}
_PLACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Plan:
    """A cluster to be started. Memory is in bytes per worker, times in seconds.

    Attributes
    ----------
    adapt
        The fewest and the most workers between which it follows the runs that wait.
    place
        The label of its workers' place.
    options
        What belongs to this engine alone, as JSON has it; see `lepton_jlab.cluster.options`.
    """

    name: str
    engine: str
    workers: int | None
    threads: int | None
    memory: int | None
    idle_timeout: float
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    adapt: tuple[int, int] | None = None
    place: str | None = None
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def at_start(self) -> int | None:
        """How many workers to begin with; None for the engine's own number."""
        return self.workers if self.adapt is None else self.adapt[0]

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Plan:
        """Return the plan that `document` says, which has been through JSON."""
        adapt = document.get("adapt")
        return cls(**{**document, "adapt": None if adapt is None else tuple(adapt)})


def make_plan(
    name: str | None,
    engine: str,
    workers: int | None,
    threads: int | None,
    memory: str | int | None,
    idle_timeout: str | float | None,
    tls: tuple[str | None, str | None, str | None],
    *,
    adapt: str | Sequence[int] | None = None,
    place: str | None = None,
    **options: Any,
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
            f"No engine named {engine!r}.{suggestion(engine, ENGINES)} There are "
            f"{', '.join(ENGINES)} and the address of a running scheduler, such as "
            "tls://host:8786."
        )
    if adopted and not engine.startswith(("tls://", "tcp://")):
        raise UsageError(f"{engine!r}: a scheduler's address begins with tls:// or tcp://.")
    if adopted and (workers or threads or memory or adapt):
        raise UsageError(
            f"{engine} brings its own workers: leave --workers, --threads, --memory and --adapt "
            "out."
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
    if workers and adapt:
        raise UsageError("--workers and --adapt exclude each other: --adapt says how many.")
    if name is not None:
        path_of(name)
    if place is not None and not _PLACE.fullmatch(place):
        raise UsageError(f"--place {place!r} is no label. Use letters, digits, '_', '.' and '-'.")
    engine, checked = check_options(engine, options)
    if engine == "slurm" and memory is None:
        raise UsageError("Engine 'slurm' needs --memory SIZE: how much each job asks for.")
    ca, cert, key = (str(Path(f).expanduser().resolve()) if f else None for f in tls)
    return Plan(
        name=name
        or (engine.split("://")[1].replace(":", "-") if adopted else _NAME_OF.get(engine, engine)),
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
        adapt=None if adapt is None else parse_span(adapt, "--adapt"),
        place=place,
        options=checked,
    )


def parse_span(span: str | Sequence[int], option: str) -> tuple[int, int]:
    """Return the fewest and the most workers that ``"0..8"`` or ``(0, 8)`` says.

    Raises
    ------
    UsageError
        When it is not two whole numbers, the second at least 1 and not below the first.
    """
    parts = span.split("..") if isinstance(span, str) else [str(part) for part in span]
    if len(parts) == 2 and all(part.strip().isdecimal() for part in parts):
        fewest, most = map(int, parts)
        if fewest <= most and most >= 1:
            return fewest, most
    shown = span if isinstance(span, str) else "..".join(parts)
    raise UsageError(f"{option} {shown!r} is no range of workers. Write it as 0..8.")


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
