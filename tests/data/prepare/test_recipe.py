"""Recipes: what each step does, and that a document or a pickle of one does the same."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lepton_jlab.data.prepare import Recipe, recipe
from lepton_jlab.data.prepare.recipe import Cast, Fill, Map, Normalize, OneHot, Resize, Tokenize
from lepton_jlab.errors import DataError, UsageError

OUTSIDE = 3


def half(values):
    return values * np.float32(0.5)


def with_outside(values):
    return values * OUTSIDE


FULL = Recipe(
    {
        "x": (
            Fill((0.0,)),
            Normalize((1.0, 2.0), (2.0, 4.0)),
            Cast("float16"),
            Map.of(half),
        ),
        "y": (OneHot(3),),
    }
)


def test_a_document_does_the_same():
    again = Recipe.from_dict(json.loads(json.dumps(FULL.to_dict())), trust=True)
    batch = (np.array([[3, np.nan], [1, 2]], "f4"), np.array([0, 2]))
    for made in (again(batch), pickle.loads(pickle.dumps(FULL))(batch)):
        for one, other in zip(FULL(batch), made, strict=True):
            np.testing.assert_array_equal(one, other)
    assert again == FULL
    np.testing.assert_array_equal(again(batch)[0], np.array([[0.5, -0.25], [0, 0]], "f2"))
    np.testing.assert_array_equal(again(batch)[1], [[1, 0, 0], [0, 0, 1]])


def test_inputs_alone_are_what_is_served():
    only_x = np.array([[3, 2], [1, 2]], "f4")
    np.testing.assert_array_equal(FULL(only_x), FULL((only_x, np.array([0, 1])))[0])


def test_it_runs_without_lepton(tmp_path: Path):
    (tmp_path / "recipe.py").write_text(Path(recipe.__file__).read_text())
    (tmp_path / "recipe.json").write_text(json.dumps(FULL.to_dict()))
    code = (
        "import json, sys, numpy as np; from recipe import Recipe;"
        "r = Recipe.from_dict(json.load(open('recipe.json')), trust=True);"
        "print(r(np.array([[3., 2.]])).tolist(), 'lepton_jlab' in sys.modules)"
    )
    # -S: without site-packages' own lepton_jlab; NumPy's folder is given by hand.
    folder = str(Path(np.__file__).parents[1])
    blocker = "import sys; sys.modules['lepton_jlab'] = None;"
    done = subprocess.run(
        [sys.executable, "-c", f"{blocker}sys.path += [{folder!r}];{code}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("[[0.5, 0.0]]")


def test_code_is_not_run_unasked():
    with pytest.raises(DataError, match="'half', which is code"):
        Recipe.from_dict(FULL.to_dict())


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "no recipe of version 1"),
        ({"recipe": 2, "steps": {}}, "no recipe of version 1"),
        ({"recipe": 1, "steps": {"x": [{"step": "blur"}]}}, "the step 'blur'; known are normalize"),
        ({"recipe": 1, "steps": {"x": [{"step": "cast"}]}}, "'cast' of a recipe is not complete"),
    ],
)
def test_what_is_no_recipe_says_so(document, message):
    with pytest.raises(DataError, match=message):
        Recipe.from_dict(document)


@pytest.mark.parametrize("size", [(14, 14), (7, 20), (40, 56)])
@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_resize_is_what_pillow_does(size, channels):
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 31, *channels), np.uint8)
    made = Resize(*size)(images)
    assert (made.shape, made.dtype) == ((3, *size, *channels), np.uint8)
    for image, one in zip(images, made, strict=True):
        planes = image.reshape(28, 31, -1)
        for plane in range(planes.shape[2]):
            asked = Image.fromarray(np.ascontiguousarray(planes[..., plane]))
            wanted = np.asarray(asked.resize(size[::-1], Image.Resampling.BILINEAR))
            got = one.reshape(*size, -1)[..., plane]
            assert np.abs(got.astype(int) - wanted.astype(int)).max() <= 1


def test_masks_keep_their_numbers():
    masks = np.random.default_rng(0).choice(np.array([0, 7, 200], np.uint8), (2, 9, 9))
    assert set(np.unique(Resize(5, 13, "nearest")(masks))) <= {0, 7, 200}


@pytest.mark.parametrize(
    ("step", "values", "message"),
    [
        (OneHot(3), np.array([0, 3]), "no class 3 among 3"),
        (OneHot(3), np.array([0.5]), "one class number a sample"),
        (Resize(2, 2), np.zeros((2, 5)), r"takes images \(batch"),
        (Resize(2, 2), np.zeros((2, 0, 5)), "0 by 5"),
        (Normalize((1.0, 2.0), (1.0, 1.0)), np.zeros((2, 3)), "2 places of the last axis"),
        (Tokenize(("a",), 3), np.zeros(2), "one text a sample"),
    ],
)
def test_what_does_not_fit_says_so(step, values, message):
    with pytest.raises(DataError, match=message):
        step(values)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cast("float17"), "no dtype 'float17'"),
        (lambda: Resize(0, 5), "1 pixel or more"),
        (lambda: Tokenize(("a",)), "give the length"),
        (lambda: Map.of(with_outside), "uses OUTSIDE from around it"),
        (lambda: Map.of(lambda x: x), "written with def"),
        (lambda: Map.of(np.sin), "written with def"),
    ],
)
def test_steps_that_cannot_be_say_so(make, message):
    with pytest.raises(UsageError, match=message):
        make()


def test_words_are_those_of_keras():
    keras = pytest.importorskip("keras")
    texts = np.array(["The cat, the DOG!", "", "a  cat's\tÄpfel\nsat", "dog dog don't"], object)
    layer = keras.layers.TextVectorization(output_sequence_length=4)
    layer.adapt(texts)
    step = Tokenize(tuple(layer.get_vocabulary(include_special_tokens=False)), 4)
    np.testing.assert_array_equal(step(texts), np.asarray(layer(texts)))
    np.testing.assert_array_equal(step(texts), np.asarray(step.to_keras()(texts)))
    for mode in ("multi_hot", "count"):
        other = Tokenize(step.vocabulary, 0, mode)
        np.testing.assert_array_equal(other(texts), np.asarray(other.to_keras()(texts)))
