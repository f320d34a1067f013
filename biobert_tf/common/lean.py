# SPDX-License-Identifier: Apache-2.0
"""Imports TensorFlow in half the time.

Two things cost the other half. TensorFlow imports Keras, and with it pandas and SciPy,
only to have it at hand; whoever needs Keras imports it then. And Python looks for
garbage again and again, while the import makes a million objects that all stay.
"""

import contextlib
import gc
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

_NAME: Final = "tensorflow"
# What tensorflow/__init__.py imports last, "eagerly", if it is installed.
_EAGER: Final = ("tf_keras.src.optimizers", "keras.src.optimizers")


class _Finder:
    """Finds TensorFlow as Python does, but executes it within `_lean`."""

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Returns how to import TensorFlow, once; leaves other modules to others."""
        if name != _NAME:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                # Not above: programs that need no TensorFlow start without it.
                from biobert_tf.common import wheels

                wheels.require_loadable()
                with _lean():
                    execute(module)

            vars(spec.loader)["exec_module"] = exec_module
        return spec


@contextlib.contextmanager
def _lean() -> Iterator[None]:
    """Hides Keras, if it is not there yet, and stops the search for garbage."""
    hidden = [name for name in _EAGER if name not in sys.modules]
    # Python takes None for a module that cannot be imported.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
        # What is there now stays; later searches need not look at it.
        gc.freeze()
        if was_on:
            gc.enable()


def prepare() -> None:
    """Makes the first import of TensorFlow a quick one; does nothing after it."""
    if _NAME in sys.modules or any(isinstance(each, _Finder) for each in sys.meta_path):
        return
    sys.meta_path.insert(0, _Finder())
