"""Buttons that ask before they do what cannot be taken back, and a line that says how it went."""

from __future__ import annotations

import threading
from collections.abc import Callable
from html import escape

from ipywidgets import HTML, Button, HBox, Layout, Widget

from lepton_jlab.errors import LeptonError

Tell = Callable[[str], None]
Work = Callable[[Tell], str]

_SPIN = (
    '<span style="display:inline-block;width:9px;height:9px;margin-right:7px;border-radius:50%;'
    "border:2px solid currentColor;border-right-color:transparent;"
    'animation:lepton-spin .8s linear infinite"></span>'
    "<style>@keyframes lepton-spin{to{transform:rotate(360deg)}}</style>"
)


class Status(HTML):
    """One line: what is being done, then what came of it, or the error.

    What takes longer than a moment is done in a thread of its own, for a button's callback runs
    where the notebook's cells run.
    """

    def __init__(self) -> None:
        super().__init__("", layout=Layout(margin="2px 0 0 0"))
        self._last: threading.Thread | None = None

    def tell(self, text: str, *, bad: bool = False) -> None:
        """Show `text`."""
        colour = "#d9453d" if bad else "var(--jp-ui-font-color2,#7d858f)"
        self.value = _line(f'<span style="color:{colour}">{escape(text)}</span>' if text else "")

    def do(self, about: str, work: Work, then: Callable[[], None] = lambda: None) -> None:
        """Do `work`; meanwhile show `about` or what it tells, in the end what it returns."""

        def run() -> None:
            def tell(text: str) -> None:
                self.value = _line(_SPIN + escape(text))

            tell(about)
            try:
                said = work(tell)
            except LeptonError as error:
                self.tell(str(error), bad=True)
            except Exception as error:  # noqa: BLE001 -- a thread's traceback would land in a cell
                self.tell(f"{type(error).__name__}: {error}", bad=True)
            else:
                self.tell(said)
            then()

        self._last = threading.Thread(target=run, name="lepton-panel-work", daemon=True)
        self._last.start()


class Asking(HBox):
    """A button that is replaced by a question where there is one, and only then acts.

    Parameters
    ----------
    label, icon
        What stands on the button.
    question
        What to ask when it is pressed; empty where nothing would be lost.
    yes
        What stands on the button that agrees.
    act
        Called when there is nothing to ask, or that is pressed.
    """

    def __init__(
        self,
        label: str,
        question: Callable[[], str],
        yes: str,
        act: Callable[[], None],
        icon: str = "",
    ) -> None:
        self.button = button(label, icon, self._ask)
        self._question, self._act = question, act
        self._said = HTML("", layout=Layout(margin="0 8px 0 0"))
        self._yes = button(yes, "", self._agreed, style="danger")
        self._no = button("Keep", "", lambda: self._show(self.button))
        super().__init__([self.button], layout=Layout(align_items="center", flex="0 0 auto"))

    def _ask(self) -> None:
        if question := self._question():
            self._said.value = _line(escape(question))
            self._show(self._said, self._yes, self._no)
        else:
            self._act()

    def _agreed(self) -> None:
        self._show(self.button)
        self._act()

    def _show(self, *parts: HTML | Button) -> None:
        self.children = parts


def button(
    label: str, icon: str, act: Callable[[], None], *, style: str = "", tooltip: str = ""
) -> Button:
    """Make a button no wider than its label."""
    made = Button(
        description=label,
        icon=icon,
        tooltip=tooltip or label,
        button_style=style,
        layout=Layout(width="auto", margin="2px 6px 2px 0", flex="0 0 auto"),
    )
    made.on_click(lambda _: act())
    return made


def close_tree(widget: Widget) -> None:
    """Close a widget and all that is in it; ipywidgets keeps what is not closed."""
    for part in getattr(widget, "children", ()):
        close_tree(part)
    Widget.close(widget)


def _line(inner: str) -> str:
    return f'<div role="status" class="lepton-line">{inner}</div>'
