# SPDX-License-Identifier: Apache-2.0
"""BioBERT in TensorFlow 2: faithful to Lee et al. 2020, mended where it broke."""

import typing

from biobert_tf.common.errors import InputError as InputError
from biobert_tf.common.version import __version__ as __version__

if typing.TYPE_CHECKING:
    from biobert_tf.api import load as load


def __getattr__(name: str) -> object:
    """Returns `load`, for which TensorFlow is imported when somebody asks for it."""
    if name == "load":
        from biobert_tf.api import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
