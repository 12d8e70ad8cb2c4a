"""The energy of the machine's processors, where the kernel lets this user read it (RAPL)."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

_FOLDER = Path("/sys/class/powercap")


class Rapl:
    """Counts what the processor packages have used since it was made.

    Parameters
    ----------
    folder : Path
        Where the kernel shows the counters.
    """

    def __init__(self, folder: Path = _FOLDER) -> None:
        self._counters: dict[Path, tuple[int, int]] = {}  # microjoules, and where they begin anew
        for zone in sorted(folder.glob("*-rapl:*")):
            if zone.name.count(":") > 1:  # a part of a package
                continue
            with suppress(OSError, ValueError):  # since 2020 only root may read them
                if (zone / "name").read_text().startswith("package"):
                    room = int((zone / "max_energy_range_uj").read_text())
                    self._counters[zone / "energy_uj"] = _read(zone / "energy_uj"), room
        self._joules = 0.0

    def __bool__(self) -> bool:
        return bool(self._counters)

    def joules(self) -> float:
        """Return the joules of all packages; to be asked oftener than a counter wraps (minutes)."""
        for path, (before, room) in self._counters.items():
            with suppress(OSError, ValueError):
                now = _read(path)
                self._joules += ((now - before) % (room + 1)) / 1e6
                self._counters[path] = now, room
        return self._joules


def _read(path: Path) -> int:
    return int(path.read_text())
