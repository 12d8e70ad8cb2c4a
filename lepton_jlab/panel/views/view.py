"""What every view of a panel has: facts, a widget, and a look at the world."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, ClassVar

from lepton_jlab.panel.facts import facts_of

if TYPE_CHECKING:
    from ipywidgets import Box

    from lepton_jlab.panel.asking import Status


class View:
    """One tab of a panel.

    Parameters
    ----------
    cluster
        Only what belongs to this cluster.
    status
        The panel's line for what is being done.
    """

    name: ClassVar[str]

    def __init__(self, cluster: str | None, status: Status) -> None:
        self.status = status
        self._troubled = False  # at the last look
        self.facts: Any = facts_of(self.name, cluster)
        # Looks come from the pulse, from clicks and from the threads that work for them.
        self._lock = threading.RLock()
        self.widget: Box = self.build()

    def look(self) -> None:
        """Look at the world and show what has changed; an error is shown and not raised."""
        with self._lock:
            try:
                self.refresh()
            except Exception as error:  # noqa: BLE001 -- in a thread it would land in a later cell
                self.status.tell(f"Not up to date: {error}", bad=True)
                self._troubled = True
            else:
                if self._troubled:
                    self.status.tell("")
                self._troubled = False

    def refresh(self) -> None:
        """Read the facts and show them; widgets send only what differs."""
        self.facts.read()
        self.draw()

    def build(self) -> Box:
        """Make the widgets; called once."""
        raise NotImplementedError

    def draw(self) -> None:
        """Show the facts."""
        raise NotImplementedError
