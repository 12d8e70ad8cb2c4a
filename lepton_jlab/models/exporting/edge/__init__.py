"""A folder that runs a model with Python, NumPy and the LiteRT runtime, and nothing else."""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lepton_jlab.errors import UsageError
from lepton_jlab.models.exporting.litert import Runner
from lepton_jlab.models.samples import plain
from lepton_jlab.models.version import Version, tensor_text

_FILES = Path(__file__).parent / "files"
_REQUIREMENTS = "ai-edge-litert>=2\nnumpy>=1.26\n"
_FREE = ("numpy", *sys.stdlib_module_names)


def write_folder(folder: Path, file: Path, version: Version, facts: Mapping[str, Any]) -> Path:
    """Write everything into `folder`, where the LiteRT file is, and return the model's file.

    Parameters
    ----------
    file
        The LiteRT file; it becomes ``model.tflite``.
    facts
        What was measured, for the README and the record.

    Raises
    ------
    UsageError
        If the preprocessing needs more than NumPy.
    """
    recipe = _recipe(version, folder)
    runner = Runner(file)
    samples = version.samples
    raw = samples.raw or samples.inputs
    answers = runner(samples.inputs)
    arrays: dict[str, Any] = {f"inputs/{name}": plain(values) for name, values in raw.items()}
    arrays |= {f"outputs/{name}": np.asarray(values) for name, values in answers.items()}
    np.savez_compressed(folder / "samples.npz", **arrays)
    model = file.rename(folder / "model.tflite")
    document = {
        "name": version.name,
        "version": version.number,
        "digest": version.digest,
        "inputs": version.inputs,
        "raw_inputs": version.raw_inputs,
        "outputs": version.outputs,
        "classes": version.classes,
        "preprocessing": recipe,
        "quantize": facts["quantize"],
        "check": facts["check"],
    }
    (folder / "model.json").write_text(json.dumps(document, indent=1) + "\n")
    for name in ("model.py", "predict.py", "serve.py"):
        shutil.copyfile(_FILES / name, folder / name)
    (folder / "requirements.txt").write_text(_REQUIREMENTS)
    (folder / "README.md").write_text(_readme(version, facts))
    sums = (
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(folder.iterdir())
    )
    (folder / "SHA256SUMS").write_text("".join(sums))
    return model


def _recipe(version: Version, folder: Path) -> dict[str, Any] | None:
    """Take the preprocessing along: its document, and the file with its class."""
    stored = version.record["preprocessing"]
    if stored is None:
        return None
    module, _, name = stored["class"].partition(":")
    source = Path(inspect.getfile(importlib.import_module(module)))
    needed = {found.partition(".")[0] for found in _imports(source)} - set(_FREE)
    if needed:
        raise UsageError(
            f"The preprocessing {name} of {version} needs {', '.join(sorted(needed))}, which a "
            f"small machine does not have. Write it with NumPy alone, in {source.name}."
        )
    shutil.copyfile(source, folder / "recipe.py")
    return {"class": name, "recipe": stored["recipe"], "words": stored["words"]}


def _imports(source: Path) -> Iterator[str]:
    """Yield what a file imports, except where it goes on without it."""

    def walk(node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." if node.level else node.module or ""
        elif isinstance(node, ast.Try) and any(map(_is_import_error, node.handlers)):
            for inner in (*node.handlers, *node.orelse, *node.finalbody):
                yield from walk(inner)
        elif not isinstance(node, ast.FunctionDef):  # what a function imports it may never need
            for inner in ast.iter_child_nodes(node):
                yield from walk(inner)

    return walk(ast.parse(source.read_text()))


def _is_import_error(handler: ast.ExceptHandler) -> bool:
    return handler.type is not None and "ImportError" in ast.unparse(handler.type)


def _readme(version: Version, facts: Mapping[str, Any]) -> str:
    check = facts["check"]
    told = [f"largest difference {check['difference']:.2g} of the largest answer"]
    if check["accuracy"] is not None:
        told.append(f"accuracy {check['accuracy_export']:.2%} (before: {check['accuracy']:.2%})")
    source = Path(facts["samples"]).name
    takes = ", ".join(map(tensor_text, version.raw_inputs))
    answers = ", ".join(map(tensor_text, version.outputs))
    words = version.record["preprocessing"]
    prepared = f"\nPrepared by `recipe.py`: {'; '.join(words['words'])}.\n" if words else ""
    classes = version.classes
    named = f"\nClasses: {', '.join(classes)}.\n" if classes else ""
    return f"""# {version.name}, version {version.number}

Takes `{takes}`; answers `{answers}` (`*`: any number of samples).
{prepared}{named}
Quantization: {facts["quantize"]}. Checked on {check["samples"]:,} samples ({source}):
{"; ".join(told)}.

Needs Python 3.10 or newer and what is in `requirements.txt`; 64-bit ARM or x86.

    sha256sum -c SHA256SUMS           # nothing was damaged on the way
    pip install -r requirements.txt
    python model.py                   # it answers here as it did where it was exported
    python predict.py samples.npy     # a JSON line for each sample
    python serve.py --port 8501       # TensorFlow Serving's REST, with a token

    curl -H "Authorization: Bearer TOKEN" -d '{{"instances": [...]}}' \\
        http://127.0.0.1:8501/v1/models/{version.name}:predict

In Python: `from model import Model; Model().predict(array)`.
"""
