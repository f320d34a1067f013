# SPDX-License-Identifier: Apache-2.0
"""BioBERT in TensorFlow 2: faithful to Lee et al. 2020, mended where it broke.

    >>> import biobert_tf
    >>> model = biobert_tf.load("runs/ncbi")
    >>> [entities] = model.annotate(["aspirin helps with nephritis"])
    >>> [(entity.text, entity.type) for entity in entities]
    [('aspirin', 'Chem'), ('nephritis', 'Dis')]

`load` returns a `Model`. Its methods `annotate`, `classify` and `answer` return lists
that a notebook shows with their texts; `embed` returns vectors. The page docs/python.md
explains them. What is not in `dir(biobert_tf)` is internal, also the modules that
`help(biobert_tf)` lists.
"""

import os
import typing

from biobert_tf.common.errors import InputError
from biobert_tf.common.version import __version__

if typing.TYPE_CHECKING:
    from biobert_tf.api import (
        Annotations,
        Answers,
        Classification,
        Classifications,
        Entities,
        Entity,
        FoundAnswer,
        Model,
        Relation,
        Relations,
        load,
    )

__all__ = [
    "Annotations",
    "Answers",
    "Classification",
    "Classifications",
    "Entities",
    "Entity",
    "FoundAnswer",
    "InputError",
    "Model",
    "Relation",
    "Relations",
    "__version__",
    "load",
]


if not typing.TYPE_CHECKING:  # for a type checker, other names are mistakes

    def __getattr__(name: str) -> object:
        """Returns what needs TensorFlow, which is imported when it is asked for."""
        if name in __all__:
            # TensorFlow's notes on its start would stand above the first result.
            os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
            from biobert_tf.common import lean

            lean.prepare()
            from biobert_tf import api

            return getattr(api, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Returns the public names alone, whichever modules are imported."""
    return __all__
