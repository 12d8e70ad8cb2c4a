"""Public names: on the page of the reference, with docstrings that agree with their signatures."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from numpydoc.validate import Validator, validate

import lepton_jlab as lepton

from .blocks import ROOT

PAGE = (ROOT / "docs" / "reference" / "python.md").read_text()
LISTED = re.findall(r"\.\. auto(?:function|class):: (\S+)", PAGE)
# Not held: types (annotations have them), extended summaries, and sections that say nothing new.
LEFT = ("ES01", "EX01", "SA01", "RT01", "RT03", "YD01", "PR04")
NAMES = re.compile(r"'\**(\w+)'")


def public() -> Iterator[str]:
    """Yield what the page of the reference lists, and the methods of its classes."""
    for name in LISTED:
        yield name
        found = Validator._load_obj(name)
        for member, value in inspect.getmembers(found) if inspect.isclass(found) else ():
            if not member.startswith("_") and value.__doc__ and not _inherited(value):
                yield f"{name}.{member}"


def _inherited(member: Any) -> bool:
    return not getattr(member, "__module__", "lepton_jlab").startswith("lepton_jlab")


def test_all_public_names_are_on_the_page() -> None:
    listed = {name.rpartition(".")[2] for name in LISTED}
    errors = {name for name in lepton.__all__ if name.endswith("Error")}
    assert set(lepton.__all__) - errors == listed
    assert "automodule:: lepton_jlab.errors" in PAGE


@pytest.mark.parametrize("name", list(public()))
def test_a_docstring_agrees_with_its_signature(name: str) -> None:
    found = validate(name)
    for code, message in found["errors"]:
        if code == "PR01" and re.search("(Get one|Made) by", found["docstring"]):
            continue  # a class whose constructor is nobody's business
        if code == "PR01":  # a sentence that says `version` needs no section for it
            unsaid = [n for n in NAMES.findall(message) if f"`{n}`" not in found["docstring"]]
            assert not unsaid, f"{name} says nothing of {unsaid}"
        else:
            assert code in LEFT, f"{code} {message}"


@pytest.mark.parametrize(
    "path",
    [path for path in sorted((ROOT / "lepton_jlab").rglob("*.py")) if ">>>" in path.read_text()],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_examples_give_what_they_show(path: Path) -> None:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    module = importlib.import_module(name)
    done = doctest.testmod(module, optionflags=doctest.ELLIPSIS, extraglobs={"lepton": lepton})
    assert done.failed == 0
