"""What belongs to engine `cuda` alone, in dask-cuda's words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from lepton_jlab.errors import MissingDependencyError, UsageError
from lepton_jlab.sizes import parse_bytes

OPTIONS = (
    "gpus",
    "slots_per_gpu",
    "device_memory_limit",
    "rmm_pool_size",
    "enable_cudf_spill",
    "protocol",
)

_MOST_SLOTS = 64
_UUID = re.compile(r"(GPU|MIG)-[0-9A-Za-z/-]+")


def check(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options as JSON has them: devices as a list of text, sizes in bytes or shares.

    Raises
    ------
    UsageError
        Naming the first value that cannot be.
    MissingDependencyError
        For a library of RAPIDS that an option needs and this environment lacks.
    """
    checked: dict[str, Any] = {}
    if (gpus := given.get("gpus")) is not None:
        checked["gpus"] = _devices(gpus)
    slots = given.get("slots_per_gpu")
    if slots is not None:
        if isinstance(slots, bool) or not isinstance(slots, int) or not 1 <= slots <= _MOST_SLOTS:
            raise UsageError(f"--slots-per-gpu {slots} must be a number from 1 to {_MOST_SLOTS}.")
        checked["slots_per_gpu"] = slots
    if (limit := given.get("device_memory_limit")) is not None:
        words = ("auto", "default", "0", 0)
        own = limit if limit in words else _amount(limit, "--device-memory-limit")
        checked["device_memory_limit"] = int(own) if own in ("0", 0) else own
    if (pool := given.get("rmm_pool_size")) is not None:
        checked["rmm_pool_size"] = size = _amount(pool, "--rmm-pool-size")
        if slots is not None and isinstance(size, float) and (share := size * slots) > 1:
            raise UsageError(
                f"--rmm-pool-size {pool} with --slots-per-gpu {slots}: the pools of the runs that "
                f"share a GPU would take {share:g} of its memory. Give {1 / slots:g} or less."
            )
        _needs("rmm", "--rmm-pool-size")
    if given.get("enable_cudf_spill"):
        checked["enable_cudf_spill"] = True
        _needs("cudf", "--enable-cudf-spill")
    if given.get("protocol") not in (None, "tls"):
        raise UsageError(
            f"--protocol {given['protocol']}: every connection of a Lepton cluster is encrypted, "
            "and of Dask's protocols only tls is. Leave --protocol out; docs/gpu.md says more."
        )
    return checked


def _devices(gpus: Any) -> list[str]:
    """Return the devices that `gpus` lists, none for all."""
    if isinstance(gpus, str):
        parts = [part.strip() for part in gpus.split(",")]
    elif isinstance(gpus, Sequence):
        parts = [str(part).strip() for part in gpus]
    else:
        parts = [str(gpus)]
    if parts == ["all"]:
        return []
    for part in parts:
        if not is_device(part):
            raise UsageError(
                f"--gpus: {part!r} is no device. Write all, numbers (0,1) or UUIDs (GPU-…, MIG-…) "
                "as nvidia-smi -L shows them."
            )
    if twice := next((part for part in parts if parts.count(part) > 1), None):
        raise UsageError(f"--gpus: {twice} is there twice. --slots-per-gpu K gives it K slots.")
    return parts


def is_device(word: str) -> bool:
    """Tell whether CUDA_VISIBLE_DEVICES may have this word: a number or a UUID."""
    return word.isdecimal() or _UUID.fullmatch(word) is not None


def _amount(value: Any, option: str) -> int | float:
    """Return bytes, or a share of the device's memory: ``0.5``."""
    try:
        share = float(value)
    except (TypeError, ValueError):
        return parse_bytes(value, option)
    if 0 < share < 1 or (share == 1 and (isinstance(value, float) or "." in str(value))):
        return share
    return parse_bytes(value, option)


def _needs(module: str, option: str) -> None:
    if find_spec(module) is None:
        raise MissingDependencyError(f"{module}, which {option} needs,", "rapids")
