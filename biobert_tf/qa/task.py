# SPDX-License-Identifier: Apache-2.0
"""The tasks of question answering: spans of a passage, and yes or no.

Reading order is data order:
    file -> QaExample -> QaFeatures -> logits -> answers -> scores
The first arrow is `reading` or `yesno_reading`, the second `features`, the fourth
`decoding` or `yesno`; this module holds the models and their losses.

Shape suffixes: B batch, L sequence length.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Final, Literal

import numpy as np
import tensorflow as tf

from biobert_tf.checkpoints.names import SPAN_LABELS
from biobert_tf.model import encoder, heads
from biobert_tf.model.config import EncoderConfig
from biobert_tf.qa.features import Featurizer, QaFeatures, Windows
from biobert_tf.qa.reading import QaExample
from biobert_tf.qa.settings import QaConfig
from biobert_tf.qa.yesno_reading import LABELS
from biobert_tf.text.tokenization import FullTokenizer
from biobert_tf.training.classification import SequenceClassification
from biobert_tf.training.records import FeatureSpec, Specs
from biobert_tf.training.task import Batch, Outputs

# Training windows are too many and too large to shuffle all of them in memory; their
# questions are in random order already.
_SHUFFLE_BUFFER: Final = 10_000
# PARITY(run_qa.py:731): the original draws the next from 100.
_ORIGINAL_SHUFFLE_BUFFER: Final = 100
_LOGITS: Final = ("start_logits", "end_logits")
# The logit of a position that cannot be chosen.
_NO_PIECE: Final = -1e9


@dataclasses.dataclass(frozen=True, kw_only=True)
class _WindowTask:
    """What both tasks have in common: a record is a window of a question.

    Attributes:
        featurizer: Turns questions into windows.
        compat: `fixed` or `master`; see `settings.QaConfig`.
    """

    featurizer: Featurizer
    compat: Literal["fixed", "master"]

    name: ClassVar = "qa"

    @property
    def prediction_specs(self) -> Specs:
        """Returns the features of a record to predict, which has no answer."""
        return self._specs()

    def _specs(self, *answer: str) -> Specs:
        """Returns the features of a record: the original's, and those of an answer."""
        names = ("input_ids", "input_mask", "segment_ids")
        is_short = self.compat == "fixed"
        pieces = FeatureSpec(self.featurizer.max_seq_length, is_short=is_short)
        return {
            "unique_ids": FeatureSpec(1),
            **dict.fromkeys(names, pieces),
            **{name: FeatureSpec(1) for name in answer},
        }

    def featurize(self, examples: Sequence[QaExample]) -> Windows:
        """Returns the windows of all questions; they are made on iteration."""
        return Windows(self.featurizer, examples)

    def counts(self, records: Iterable[QaFeatures]) -> dict[str, int]:
        """Returns no counts beyond the numbers of questions and windows."""
        return {}

    def shuffle_buffer(self, num_records: int) -> int:
        """Returns the size of the training shuffle buffer, in records."""
        if self.compat == "master":
            return _ORIGINAL_SHUFFLE_BUFFER
        return min(num_records, _SHUFFLE_BUFFER)

    def metrics(
        self, predictions: Mapping[str, np.ndarray], batch_size: int
    ) -> dict[str, float]:
        """Returns no metrics, because answers are scored, not windows."""
        return {}


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpanTask(_WindowTask):
    """Finds where in a passage the answer begins and ends."""

    labels: ClassVar = SPAN_LABELS
    score_names: ClassVar = ("f1", "exact_match")
    # A checkpoint that was trained on questions before has them, and they are used.
    new_head: ClassVar = (
        f"{heads.SpanClassifier.scope}output_weights",
        f"{heads.SpanClassifier.scope}output_bias",
    )
    loss_names: ClassVar = ("loss",)

    @property
    def specs(self) -> Specs:
        """Returns the original's features of a training record (run_qa.py:1083-1095).

        Nothing reads `is_impossible`: the answer is then at `[CLS]`.
        """
        return self._specs("start_positions", "end_positions", "is_impossible")

    def build_model(
        self, config: EncoderConfig, seed: int, dtype: tf.DType = tf.float32
    ) -> heads.SpanClassifier:
        """Returns the encoder with two scores for every token."""
        return heads.SpanClassifier(config, seed, dtype=dtype)

    @property
    def counts_padding(self) -> bool:
        """Returns whether padding may be a start or an end; see `losses`, `decoding`.

        PARITY(run_qa.py:1030-1039): it takes places among the best.
        """
        return self.compat == "master"

    def loss_totals(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns the number of windows."""
        return {"windows": tf.reduce_sum(encoder.is_text(batch))}

    def losses(
        self, batch: Batch, outputs: Outputs, totals: Batch
    ) -> dict[str, tf.Tensor]:
        """Returns the mean cross-entropy of start and end, in nats.

        PARITY(run_qa.py:653-659): the softmax is over all positions of the window,
        those of the question too; the released weights expect it. `master` counts
        padding as well.
        """
        is_text_B = encoder.is_text(batch)
        losses = []
        for end in ("start", "end"):
            logits_BL = outputs[f"{end}_logits"]
            if not self.counts_padding:
                is_piece_BL = batch["input_mask"] > 0
                logits_BL = tf.where(is_piece_BL, logits_BL, _NO_PIECE)
            nats_B = tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels=batch[f"{end}_positions"][:, 0], logits=logits_BL
            )
            losses.append(tf.reduce_sum(nats_B * is_text_B))
        return {"loss": tf.add_n(losses) / 2 / totals["windows"]}

    def predictions(self, batch: Batch, outputs: Outputs) -> dict[str, tf.Tensor]:
        """Returns `start_logits` and `end_logits`, float32 `[batch, length]`."""
        return {name: outputs[name] for name in _LOGITS}


@dataclasses.dataclass(frozen=True, kw_only=True)
class YesNoTask(_WindowTask, SequenceClassification):
    """Classifies whether a passage answers a question with yes."""

    labels: ClassVar = LABELS
    # BioASQ ranks by the mean of the F1s of yes and no.
    score_names: ClassVar = (
        "yesno_macro_f1",
        "yesno_accuracy",
        "yesno_f1_yes",
        "yesno_f1_no",
    )

    @property
    def specs(self) -> Specs:
        """Returns the features of a record: those of a window, and the answer."""
        return self._specs("label_ids", "is_real_example")

    def predictions(self, batch: Batch, outputs: Outputs) -> dict[str, tf.Tensor]:
        """Returns `logits` of no and yes, float32 `[batch, 2]`."""
        return {"logits": outputs["logits"]}


QaTask = SpanTask | YesNoTask


def of(
    settings: QaConfig, tokenizer: FullTokenizer, examples: Iterable[QaExample] = ()
) -> QaTask:
    """Returns the task of a run; class weights of yes and no come from `examples`."""
    length = settings.text.max_seq_length
    featurizer = Featurizer.of(settings, tokenizer, length)
    if settings.question_type != "yesno":
        return SpanTask(featurizer=featurizer, compat=settings.compat)
    known = [example.is_yes for example in examples if example.is_yes is not None]
    weights = settings.class_weights.of(
        LABELS,
        [LABELS[is_yes] for is_yes in known],
        lambda label: label if label in LABELS else None,
    )
    return YesNoTask(
        featurizer=featurizer, class_weights=weights, compat=settings.compat
    )
