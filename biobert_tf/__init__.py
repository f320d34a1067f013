# SPDX-License-Identifier: Apache-2.0
"""BioBERT in TensorFlow 2: faithful to Lee et al. 2020, mended where it broke.

    >>> import biobert_tf
    >>> model = biobert_tf.load("runs/ncbi")
    >>> [entities] = model.annotate(["aspirin helps with nephritis"])
    >>> [(entity.text, entity.type) for entity in entities]
    [('aspirin', 'Chem'), ('nephritis', 'Dis')]

`load` returns a `Model`; its methods `annotate`, `classify`, `answer` and `embed` return
lists that notebooks show with their texts. docs/python.md explains all. Everything that
this page does not explain is internal; the commands are explained by `biobert --help`.
"""

import importlib
import typing

from biobert_tf.common.errors import InputError
from biobert_tf.common.version import __version__

if typing.TYPE_CHECKING:
    from biobert_tf.api import Model, load
    from biobert_tf.qa.ask import FoundAnswer
    from biobert_tf.relations.predict import Relation
    from biobert_tf.results import Annotations, Answers, Entities, Entity, Relations

__all__ = [
    "Annotations",
    "Answers",
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
# Read when somebody asks for it: TensorFlow takes seconds to import.
_LATE = {
    "Annotations": "results",
    "Answers": "results",
    "Entities": "results",
    "Entity": "results",
    "FoundAnswer": "qa.ask",
    "Model": "api",
    "Relation": "relations.predict",
    "Relations": "results",
    "load": "api",
}


def __getattr__(name: str) -> object:
    """Returns what needs TensorFlow, which is imported when somebody asks for it."""
    if name in _LATE:
        return getattr(importlib.import_module(f"{__name__}.{_LATE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Returns the public names, however many modules have been imported."""
    return __all__
