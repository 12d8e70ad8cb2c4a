"""How far annotators agree, beyond what chance would give."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any


def cohen_kappa(one: Mapping[int, int], other: Mapping[int, int]) -> float | None:
    """Return Cohen's kappa over the samples that both have labelled.

    Parameters
    ----------
    one, other
        Class numbers by sample.

    Returns
    -------
    float or None
        1 for full agreement, 0 for that of chance; None where they share no sample. Where both
        gave all shared samples the same one class, chance explains everything, and by convention
        the agreement counts as full.

    References
    ----------
    J. Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological
    Measurement 20 (1960), 37-46.
    """
    shared = one.keys() & other.keys()
    if not shared:
        return None
    count = len(shared)
    observed = sum(one[sample] == other[sample] for sample in shared) / count
    classes = {labels[sample] for labels in (one, other) for sample in shared}
    expected = sum(
        sum(one[s] == kind for s in shared) * sum(other[s] == kind for s in shared)
        for kind in classes
    ) / (count * count)
    return 1.0 if expected == 1.0 else (observed - expected) / (1.0 - expected)


def pairs(labels: Mapping[str, Mapping[int, int]]) -> list[dict[str, Any]]:
    """Return for each two annotators how many samples they share, and how they agree."""
    rows = []
    for one, other in combinations(sorted(labels), 2):
        shared = labels[one].keys() & labels[other].keys()
        same = sum(labels[one][sample] == labels[other][sample] for sample in shared)
        rows.append(
            {
                "annotators": [one, other],
                "shared": len(shared),
                "same": same,
                "kappa": cohen_kappa(labels[one], labels[other]),
            }
        )
    return rows
