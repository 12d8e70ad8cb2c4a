"""A run that trains on several workers, or goes on where it was: what its process knows of that."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lepton_jlab.data.stream.ranks import Share, share_work
from lepton_jlab.errors import RunError
from lepton_jlab.replicas.gradients import FLAGS
from lepton_jlab.replicas.group import Group, group, set_group
from lepton_jlab.replicas.links import Listener, ring
from lepton_jlab.replicas.ring import Ring

_LEAST = 10.0  # seconds between two checkpoints that nobody has asked for
_SHARE = 20  # a checkpoint may take this part of the time between two of them
_NOTICE = 20.0  # seconds within which a process that is told to leave makes its checkpoint


class Session:
    """What `fit` needs to know of its run.

    Attributes
    ----------
    folder
        The run's own folder.
    share
        This process's share of the data.
    calls
        How often `fit` was called.
    passed
        Called with the number of epochs that a checkpoint spares.
    """

    def __init__(
        self, place: Mapping[str, Any], folder: Path, tell: Callable[[Mapping[str, Any]], None]
    ) -> None:
        self.folder = folder
        self.share = Share(place["rank"], place["world"], place["shards"])
        self.calls = 0
        self.training = False
        self.leaving = False
        self.passed: Callable[[int], None] = lambda _: None
        self._tell = tell
        self._interval: float | None = place["checkpoint"]
        self._cost = 0.0
        self._saved = time.monotonic()

    @property
    def saves(self) -> bool:
        """Whether it makes checkpoints."""
        return self._interval is not None

    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        if self._interval is None:
            return False
        least = self._interval or max(_LEAST, _SHARE * self._cost)
        return time.monotonic() - self._saved >= least

    def saved(self, started: float, told: Mapping[str, Any]) -> None:
        """Note that a checkpoint was made, begun at `started`."""
        self._saved = time.monotonic()
        self._cost = self._saved - started
        if self.share.rank == 0:
            self._tell({"type": "checkpoint", "seconds": round(self._cost, 4), **told})
        if self.leaving:
            self._leave()

    def waiting(self, what: str, seconds: float) -> None:
        """Tell that this rank waits for another."""
        self._tell({"type": "waiting", "what": what, "seconds": seconds, "t": time.time()})

    def listen(self) -> None:
        """Take SIGTERM as the notice that this process will be ended: a checkpoint first."""
        signal.signal(signal.SIGTERM, self._notice)

    def _notice(self, *_: object) -> None:
        if not self.training or not self.saves:
            self._leave()
        self.leaving = FLAGS.save = True
        late = threading.Timer(_NOTICE, self._leave)
        late.daemon = True
        late.start()

    def _leave(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGKILL)


def join(
    place: Mapping[str, Any],
    folder: Path,
    tell: Callable[[Mapping[str, Any]], None],
    hear: Callable[[], Mapping[str, Any] | None],
) -> Session:
    """Meet the other ranks and take this one's place among them.

    Parameters
    ----------
    place : mapping
        ``rank``, ``world``, ``shards``, ``seed``, ``secret``, ``checkpoint`` (seconds, 0 for often
        enough, None for none), and what `Listener` takes.
    folder : Path
        The run's own.
    tell : callable
        Sends a message to the host.
    hear : callable
        Waits for the host's answer: the addresses of all ranks.

    Raises
    ------
    RunError
        Another rank cannot be reached.
    """
    session = Session(place, folder, tell)
    rank, world = place["rank"], place["world"]
    members = Group()
    if world > 1:
        secret = bytes.fromhex(place["secret"])
        listener = Listener(place)
        try:
            own = {**listener.address, "tensorflow": f"{place['host']}:{_free_port(place['host'])}"}
            tell({"type": "address", "address": own})
            answer = hear()
            if answer is None:
                raise RunError("The other ranks of this run did not start.")
            peers = answer["peers"]
            right, left = ring(listener, place["tls"], rank, peers, secret)
        finally:
            listener.close()
        members = Group(rank, world, Ring(rank, world, right, left, session.waiting))
        task = {"type": "worker", "index": rank}
        cluster = {"worker": [peer["tensorflow"] for peer in peers]}
        os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
    set_group(members)
    share_work(session.share)
    session.listen()
    _prepare_keras(session, place["seed"])
    return session


def _prepare_keras(session: Session, seed: int) -> None:
    try:
        import keras
    except ImportError:
        random.seed(seed)
        return
    if group().world > 1 and keras.backend.backend() != "tensorflow":
        raise RunError(
            f"--replicas works with Keras on TensorFlow, and here Keras uses "
            f"{keras.backend.backend()}. Set KERAS_BACKEND=tensorflow."
        )
    from lepton_jlab.replicas.fitting import patch_keras
    from lepton_jlab.replicas.gradients import patch_optimizers

    patch_optimizers(keras)
    patch_keras(keras, session)
    keras.utils.set_random_seed(seed)  # all ranks make the same first weights


def _free_port(host: str) -> int:
    """Return a port that TensorFlow may listen at, if the cell asks it to."""
    import socket

    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
