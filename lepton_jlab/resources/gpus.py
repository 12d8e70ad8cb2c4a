"""What the GPUs do, by NVML, in a thread of its own: a driver that hangs holds up nothing."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

from lepton_jlab.resources.device import Device
from lepton_jlab.resources.nvml import Document

_AGAIN = 60.0  # seconds until a driver that was not there is looked for again
_OLD = 5.0  # seconds after which an answer is not shown as the present state


class Gpus:
    """Reads all devices when asked, and answers with what it knows within a time."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._asked = 0
        self._answered = 0
        self._when = time.monotonic()
        self._since = time.time()
        self._devices: list[Document] = []
        self._message: str | None = None
        self._thread: threading.Thread | None = None

    def read(self, patience: float) -> tuple[list[Document], str | None]:
        """Return the devices, and a sentence where there are none or something is wrong.

        Parameters
        ----------
        patience
            Seconds to wait for the driver; after that its last answer is returned.
        """
        with self._condition:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="lepton-nvml", daemon=True)
                self._thread.start()
            if self._asked == self._answered:
                self._asked += 1
                self._condition.notify_all()
            self._condition.wait_for(lambda: self._answered == self._asked, patience)
            old = time.monotonic() - self._when
            if self._answered != self._asked and old > _OLD:
                since = time.strftime("%H:%M %Z", time.localtime(self._since))
                return [], (
                    f"The figures of the GPUs are missing since {since}: the NVIDIA driver does "
                    "not answer."
                )
            return self._devices, self._message

    @property
    def devices(self) -> list[Document]:
        """The devices as they were read last."""
        return self._devices

    def _work(self) -> None:
        driver = _Driver()
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._asked > self._answered)
                asked = self._asked
            devices, message = driver.read()
            with self._condition:
                self._devices, self._message = devices, message
                self._answered, self._when = asked, time.monotonic()
                self._since = time.time()
                self._condition.notify_all()


def look(patience: float) -> tuple[list[Document], str | None]:
    """Read all devices once, as `Gpus.read` does; no thread is left unless the driver hangs."""
    found: list[tuple[list[Document], str | None]] = []
    thread = threading.Thread(target=lambda: found.append(_Driver().read()), daemon=True)
    thread.start()
    thread.join(patience)
    if found:
        return found[0]
    return [], f"The NVIDIA driver does not answer within {patience:g} s; its GPUs are unknown."


class _Driver:
    """NVML itself; used by one thread."""

    def __init__(self) -> None:
        self._devices: list[Device] | None = None
        self._turn = 0
        self._failed = -_AGAIN
        self._why: str | None = None

    def read(self) -> tuple[list[Document], str | None]:
        """Return devices and what is wrong."""
        if self._devices is None:
            if time.monotonic() - self._failed < _AGAIN:
                return [], self._why
            self._why = self._begin()
            if self._devices is None:
                self._failed = time.monotonic()
                return [], self._why
        import pynvml

        devices, lost = [], []
        self._turn = (self._turn + 1) % len(self._devices)  # one bus at a time: it takes 40 ms
        for index, device in enumerate(self._devices):
            try:
                devices.append(device.read(pcie=index == self._turn))
            except pynvml.NVMLError as error:
                lost.append(f"GPU {index} does not answer: {error}.")
        if lost and not devices:
            self._end()  # the driver may have been loaded anew
        return devices, " ".join(lost) or self._why

    def _begin(self) -> str | None:
        """Load the driver; return why there is no GPU."""
        try:
            import pynvml
        except ImportError:
            return "No GPU figures: the package nvidia-ml-py is not installed."
        try:
            pynvml.nvmlInit()
            count = pynvml.nvmlDeviceGetCount()
            if not count:
                return "No GPU: the NVIDIA driver sees no device."
            handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]
            self._devices = [Device(index, handle) for index, handle in enumerate(handles)]
        except pynvml.NVMLError_LibraryNotFound:
            return "No GPU: there is no NVIDIA driver on this machine."
        except pynvml.NVMLError as error:
            return f"No GPU: the NVIDIA driver says: {error}."
        return None

    def _end(self) -> None:
        import pynvml

        self._devices, self._failed = None, time.monotonic()
        self._why = "No GPU: the NVIDIA driver has lost its devices."
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()
