"""The page of findings in a notebook: each looked at, decided, and then applied."""

from __future__ import annotations

from typing import Any

import anywidget

from lepton_jlab.data.clean.findings import Findings
from lepton_jlab.data.clean.reviewing import Review
from lepton_jlab.errors import LeptonError
from lepton_jlab.panel.pages import script, style


class Reviewing(anywidget.AnyWidget):
    """The page. Get one by `review`."""

    _esm = script("reviewing")
    _css = style()

    def __init__(self, decisions: Review) -> None:
        super().__init__()
        self.decisions = decisions
        self.on_msg(self._hear)

    def _hear(self, _widget: object, request: dict[str, Any], _buffers: object) -> None:
        try:
            if request.get("do") == "apply":
                made = self.decisions.apply(request["name"])
                answer: dict[str, Any] = {"written": {"name": made.name, "samples": len(made)}}
            else:
                answer = self.decisions.answer(request)
        except LeptonError as error:
            answer = {"error": str(error)}
        self.send({**answer, "id": request["id"]})

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        if bundle is None:
            return None
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        data["text/plain"] = repr(self.decisions.findings)
        data["text/html"] = self.decisions.findings._repr_html_()
        return bundle


def review(findings: Findings) -> Reviewing:
    """Look at findings one by one in the notebook, decide, and write the dataset as decided.

    Parameters
    ----------
    findings
        What ``%lepton data clean PATH -o found`` or `lepton_jlab.data.clean.clean` gives.

    Examples
    --------
    >>> page = lepton.review(found)          # doctest: +SKIP
    >>> page.decisions.counts()              # doctest: +SKIP
    """
    return Reviewing(Review(findings))
