# SPDX-License-Identifier: Apache-2.0
"""Embeddings, as exports and Python see them: every model can make vectors."""

from typing import TYPE_CHECKING

from biobert_tf.common.settings import TextConfig
from biobert_tf.training.problem import Problem

if TYPE_CHECKING:
    from biobert_tf.training.reload import Found, Loaded
    from biobert_tf.training.served import Served


class Embeddings(Problem[TextConfig]):
    """Turns text into vectors."""

    settings = TextConfig
    kinds = ("encoder",)

    def kind_of(self, found: "Found") -> str:
        """Returns `encoder`: every model has an encoder."""
        return "encoder"

    def serve(self, loaded: "Loaded[TextConfig]") -> "Served":
        """Returns a model that turns strings into vectors; see `graph.serve`."""
        from biobert_tf.embeddings import graph

        return graph.serve(loaded)


EMBEDDINGS = Embeddings()
