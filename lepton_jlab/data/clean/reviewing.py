"""A person's decisions about findings, before they are applied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from lepton_jlab.data.clean.findings import KEPT, Finding, Findings
from lepton_jlab.data.label.showing import fitting_kind, shown
from lepton_jlab.errors import UsageError

if TYPE_CHECKING:
    from lepton_jlab.data.dataset import Dataset
    from lepton_jlab.data.parallel import Progress

Decision = Literal["drop", "keep"] | int  # a number is the class that the sample gets


class Review:
    """What is to become of each sample that something was found about.

    Until it is decided otherwise, a sample is dropped, but for outliers, which stay.

    Parameters
    ----------
    findings
        What `lepton_jlab.data.clean.clean` found.
    """

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.decided: dict[int, Decision] = {}
        self._kind = fitting_kind(findings.dataset)
        self._by_sample: dict[int, list[Finding]] = {}
        for finding in findings:
            if finding.index is not None:
                self._by_sample.setdefault(finding.index, []).append(finding)

    def decide(self, sample: int, decision: Decision) -> None:
        """Say what becomes of a sample.

        Raises
        ------
        UsageError
            If nothing was found about it, or there is no such class.
        """
        if sample not in self._by_sample:
            raise UsageError(f"Nothing was found about sample {sample}.")
        classes = self.findings.dataset.classes or []
        fits = decision in ("drop", "keep") or (
            isinstance(decision, int) and 0 <= decision < len(classes)
        )
        if not fits:
            raise UsageError(f"{decision!r} is neither drop, keep, nor the number of a class.")
        self.decided[sample] = decision

    def decide_all(self, kind: str, decision: Literal["drop", "keep", "suggested"]) -> None:
        """Say the same of all samples with a finding of one kind.

        ``"suggested"`` gives each the class that it seems to have, where there is one.
        """
        for finding in self.findings.of(kind):
            if finding.index is None:
                continue
            if decision != "suggested":
                self.decide(finding.index, decision)
            elif finding.suggested is not None:
                self.decide(finding.index, finding.suggested)

    def decision(self, sample: int) -> Decision:
        """Return what becomes of a sample."""
        default = all(finding.kind in KEPT for finding in self._by_sample[sample])
        return self.decided.get(sample, "keep" if default else "drop")

    def counts(self) -> dict[str, int]:
        """Return how many samples are dropped, relabelled and left."""
        decisions = [self.decision(sample) for sample in self._by_sample]
        dropped = decisions.count("drop")
        return {
            "dropped": dropped,
            "relabelled": sum(isinstance(one, int) for one in decisions),
            "left": len(self.findings.dataset) - dropped,
        }

    def apply(self, out: str, *, force: bool = False, progress: Progress | None = None) -> Dataset:
        """Write the dataset as decided; the original stays. See `Findings.apply`."""
        decisions = {sample: self.decision(sample) for sample in self._by_sample}
        return self.findings.apply(
            out,
            drop=list(self.findings.counts),
            keep=[sample for sample, one in decisions.items() if one == "keep"],
            relabel={sample: one for sample, one in decisions.items() if isinstance(one, int)},
            force=force,
            progress=progress,
        )

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Do what a page asks.

        Parameters
        ----------
        request
            ``do``: ``open``; ``show`` (with ``samples``); ``decide`` (with ``sample`` and
            ``decision``); ``all`` (with ``kind`` and ``decision``).

        Raises
        ------
        LeptonError
            If it cannot be done.
        """
        do = request.get("do")
        if do == "show":
            return {"shown": [self._document(sample) for sample in request["samples"]]}
        if do == "decide":
            self.decide(request["sample"], request["decision"])
        elif do == "all":
            self.decide_all(request["kind"], request["decision"])
        elif do != "open":
            raise UsageError(f"A page of findings asked for {do!r}, which nobody knows.")
        answer: dict[str, Any] = {
            "counts": self.counts(),
            "decisions": {sample: self.decision(sample) for sample in self._by_sample},
        }
        if do == "open":
            answer |= {
                "name": self.findings.dataset.name,
                "kind": self._kind,
                "classes": self.findings.dataset.classes or [],
                "findings": [finding.to_dict() for finding in self.findings],
                "kinds": {kind: n for kind, n in self.findings.counts.items() if n},
                "notes": list(self.findings.notes),
            }
        return answer

    def _document(self, sample: int) -> dict[str, Any]:
        dataset = self.findings.dataset
        other = next((f for f in self._by_sample[sample] if f.other is not None), None)
        twin = None
        if other is not None and other.other is not None:
            within = dataset
            for name in filter(None, other.part.split("/")):
                within = within[name]
            twin = shown(within, self._kind, other.other)
        return {**shown(dataset, self._kind, sample), "twin": twin, "label": self._label(sample)}

    def _label(self, sample: int) -> str:
        dataset = self.findings.dataset
        if "y" not in dataset.roles or dataset.y.ndim != 1:
            return ""
        value, classes = dataset.y[sample], dataset.classes
        return classes[int(value)] if classes and 0 <= value < len(classes) else str(value)
