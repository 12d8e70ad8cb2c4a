"""Ways to pickle what cloudpickle cannot: cached functions, Keras objects with own layers."""

from __future__ import annotations

import functools
import sys
import zipfile
from collections.abc import Callable, Mapping
from typing import Any


def reduce(obj: Any, namespace: Mapping[str, Any]) -> Any:
    """Return how to make `obj` again, or ``NotImplemented`` for the usual way.

    Parameters
    ----------
    obj
        Anything that is being pickled.
    namespace
        The notebook's names, among which a Keras object's own classes and functions are found.
    """
    if isinstance(obj, functools._lru_cache_wrapper):
        if obj.__module__ == "__main__":
            return functools.lru_cache(**obj.cache_parameters()), (obj.__wrapped__,)
    elif isinstance(obj, functools.cached_property):  # holds a lock before Python 3.12
        return functools.cached_property, (obj.func,), {"attrname": obj.attrname}
    elif hasattr(type(obj), "_unpickle_model") and "keras" in sys.modules:
        return _reduce_keras(obj, namespace)
    elif hasattr(type(obj), "python_function") and hasattr(type(obj), "_clone"):
        # A tf.function that was called holds graphs; one that was not can be pickled.
        return obj._clone(obj.python_function).__reduce_ex__(5)
    return NotImplemented


def _reduce_keras(obj: Any, namespace: Mapping[str, Any]) -> tuple[Any, ...]:
    """Pickle as Keras does, and take along the classes of the notebook that its file names.

    Keras looks custom objects up by name, in a scope and nowhere else.
    """
    import keras

    remake, (file,) = obj.__reduce__()
    with zipfile.ZipFile(file) as archive:
        config = archive.read("config.json").split(b'"')
    file.seek(0)
    words = {word.decode() for word in config[1::2]}
    custom = {}
    for name in sorted(words & namespace.keys()):
        value = namespace[name]
        if callable(value) and getattr(value, "__module__", None) == "__main__":
            custom[name] = custom[keras.saving.get_registered_name(value)] = value
    return _remake_keras, (custom, remake, file)


def _remake_keras(custom: dict[str, Any], remake: Callable[[Any], Any], file: Any) -> Any:
    import keras

    with keras.saving.custom_object_scope(custom):
        return remake(file)
