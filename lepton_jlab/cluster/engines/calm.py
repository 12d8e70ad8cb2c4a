"""Keeps Dask's processes asleep while nothing happens, so that the cores are the runs'."""

from __future__ import annotations

# Dask looks at its own event loops 50 times a second and samples stacks 100 times, in each of its
# processes. Two idle workers and their host took 9 % of a core and woke 300 times a second; with
# these, 3 % and 40 times. What is set here is still served by the dashboard, in coarser steps.
_DEFAULTS = {
    "distributed": {
        "admin": {"tick": {"interval": "500ms"}},
        # Workers would ask NVML in their event loops: a driver that hangs would hold up all runs.
        "diagnostics": {"nvml": False},
        "worker": {"profile": {"interval": "200ms"}, "memory": {"monitor-interval": "250ms"}},
    }
}


def calm_dask() -> None:
    """Change Dask's defaults in this process and the workers it starts; a user's own words stay."""
    import dask
    import distributed  # noqa: F401 (it brings the defaults that are changed)

    dask.config.update_defaults(_DEFAULTS)
