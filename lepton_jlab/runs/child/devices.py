"""A run's GPUs, in its process: which it sees, its share of their memory, what it computes in.

Nothing here touches a device before the cell does: it waits until TensorFlow makes its first
context, or RMM is imported.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial, wraps
from typing import Any

from lepton_jlab.resources import nvml
from lepton_jlab.runs.child.on_import import on_import

_MIB = 2**20
_POOL_UNIT = 256  # bytes, RMM's

# Modules and what has been set for them: a lasting child is told the same with each cell.
_set: set[str] = set()


def prepare(spec: Mapping[str, Any]) -> None:
    """Set what a specification says of devices, before the first of its names is there.

    ``devices`` are the names that CUDA shall show, if they are not the worker's own; ``gpu_share``
    is the share of each device's memory that TensorFlow may take; ``rmm_pool_size`` is in bytes, or
    a share; ``enable_cudf_spill`` a flag; ``precision`` the name of a Keras dtype policy.
    """
    if spec.get("devices"):
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(spec["devices"])
    if spec.get("precision"):
        on_import("keras", partial(_set_precision, name=spec["precision"]))
    if (share := spec.get("gpu_share", 1.0)) < 1:
        _once("tensorflow.python.eager.context", partial(_limit_tensorflow, share=share))
    if spec.get("rmm_pool_size"):
        _once("rmm", partial(_make_pool, size=spec["rmm_pool_size"]))
    if spec.get("enable_cudf_spill"):
        _once("cudf", lambda cudf: cudf.set_option("spill", True))


def _once(module: str, act: Any) -> None:
    if module not in _set:
        _set.add(module)
        on_import(module, act)


def _set_precision(keras: Any, name: str) -> None:
    keras.config.set_dtype_policy(name)


def _limit_tensorflow(module: Any, share: float) -> None:
    """Give TensorFlow a share of each device when it makes its context, which it cannot outgrow."""
    ensure_initialized = module.Context.ensure_initialized

    @wraps(ensure_initialized)
    def ensure_limited(self: Any) -> None:
        if not self._initialized:
            share_memory(self, module.LogicalDeviceConfiguration, share)
        ensure_initialized(self)

    module.Context.ensure_initialized = ensure_limited


def share_memory(context: Any, configuration: Any, share: float) -> None:
    """Limit each GPU of a TensorFlow context that has no limit yet.

    Parameters
    ----------
    context
        Not yet initialised.
    configuration
        ``tf.config.LogicalDeviceConfiguration``.
    share
        Of the device's memory.
    """
    names = visible()
    for name, device in zip(names, context.list_physical_devices("GPU"), strict=False):
        if context.get_logical_device_configuration(device) is None:  # the user's own words stay
            limit = int(share * memory(name)) // _MIB
            context.set_logical_device_configuration(device, [configuration(memory_limit=limit)])


def visible() -> list[str]:
    """Return the devices that this process sees, by the names that CUDA takes."""
    return [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]


def memory(name: str) -> int:
    """Return the memory of a device in bytes."""
    import pynvml

    pynvml.nvmlInit()
    return int(pynvml.nvmlDeviceGetMemoryInfo(nvml.device(name)[0]).total)


def _make_pool(rmm: Any, size: int | float) -> None:
    amount = int(size * memory(visible()[0])) if isinstance(size, float) else size
    aligned = amount // _POOL_UNIT * _POOL_UNIT
    rmm.reinitialize(pool_allocator=True, initial_pool_size=aligned)
