# SPDX-License-Identifier: Apache-2.0
"""Answers yes/no questions inside a TensorFlow graph, as `yesno.decode` does.

Shape suffixes: B questions, K windows.
"""

import tensorflow as tf

from biobert_tf.common.errors import InputError
from biobert_tf.model import heads
from biobert_tf.qa.features import Featurizer
from biobert_tf.qa.graph_windows import WindowGraph
from biobert_tf.qa.settings import QaConfig
from biobert_tf.qa.yesno_reading import LABELS
from biobert_tf.training.reload import Loaded
from biobert_tf.training.served import Outputs, Served


class YesNoGraph(WindowGraph):
    """Answers yes/no questions given as string tensors."""

    def score(self, batch: dict[str, tf.Tensor]) -> Outputs:
        """Returns the answer from each window alone, in the form of `answer`."""
        # LiteRT has no operations for float64.
        return _outputs(self._evidence(batch, tf.float32)["evidence"])

    def answer(self, question: tf.Tensor, context: tf.Tensor) -> Outputs:
        """Returns whether contexts, of any length, answer questions with yes.

        For a question with several contexts, average their evidence.

        Returns:
            `label`, "yes" or "no", `[batch]`; `probabilities` of no and yes, float32
            `[batch, 2]`; `evidence`, the score for yes minus the score for no, averaged
            over the windows, in logits, float32 `[batch]`; 0 for an empty context.
        """
        _, windows, scored = self._scored(
            question,
            context,
            lambda batch: self._evidence(batch, tf.float64),
            {"evidence": tf.TensorSpec([], tf.float64)},
        )
        return _outputs(
            tf.math.unsorted_segment_mean(
                scored["evidence"], windows.rows, tf.size(question)
            )
        )

    def _evidence(self, batch: dict[str, tf.Tensor], dtype: tf.DType) -> Outputs:
        """Returns the windows' score for yes minus that for no, `[K]`.

        The type is float64 if windows are averaged, because float32 would lose digits
        that `yesno.decode` keeps.
        """
        logits_K2 = tf.cast(self._model(batch)["logits"], dtype)
        no, yes = (LABELS.index(label) for label in ("no", "yes"))
        return {"evidence": logits_K2[:, yes] - logits_K2[:, no]}


def _outputs(evidence: tf.Tensor) -> Outputs:
    """Returns labels and probabilities from evidence; an evidence of 0 means no."""
    labels = tf.constant(list(LABELS))
    signs = tf.constant([-1.0, 1.0], evidence.dtype)
    return {
        "label": tf.gather(labels, tf.cast(evidence > 0, tf.int32)),
        "probabilities": tf.cast(
            tf.sigmoid(evidence[:, tf.newaxis] * signs), tf.float32
        ),
        "evidence": tf.cast(evidence, tf.float32),
    }


def serve(loaded: Loaded[QaConfig]) -> Served:
    """Returns a trained model that answers yes or no, ready to be exported.

    Raises:
        InputError: The weights do not fit the model, or the labels are not no and yes.
    """
    if loaded.labels != LABELS:
        raise InputError.at(
            loaded.found.checkpoint.source,
            None,
            f"has the labels {' '.join(loaded.labels)}; a model of yes/no questions "
            f"has {' '.join(LABELS)}",
        )
    model = loaded.build(heads.SequenceClassifier, num_labels=len(LABELS))
    length = loaded.text.max_seq_length
    featurizer = Featurizer.of(loaded.settings, loaded.tokenizer, length)
    return YesNoGraph(model, featurizer).served(
        "yesno",
        "Yes or no to biomedical questions",
        "Is cystic fibrosis caused by mutations in CFTR?",
        loaded.labels,
    )
