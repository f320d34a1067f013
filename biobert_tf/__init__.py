# SPDX-License-Identifier: Apache-2.0
"""BioBERT in TensorFlow 2: faithful to Lee et al. 2020, mended where it broke."""

import typing

from biobert_tf.errors import InputError as InputError

if typing.TYPE_CHECKING:
    from biobert_tf.api import load as load

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Returns `load`, for which TensorFlow is imported when somebody asks for it."""
    if name == "load":
        from biobert_tf.api import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
