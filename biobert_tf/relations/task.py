# SPDX-License-Identifier: Apache-2.0
"""Relation extraction: classifies the relation that a sentence states of two entities.

Reading order is data order:
    file -> RelationExample -> RelationRecord -> logits -> RelationPrediction -> scores
The first arrow is `reading`, the second `features`, the rest is here.

Shape suffixes: N examples, K labels.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Final, Literal

import numpy as np

from biobert_tf.common import single_label
from biobert_tf.common.single_label import SingleLabelScores
from biobert_tf.relations import scores
from biobert_tf.relations.features import Featurizer, RelationRecord
from biobert_tf.relations.reading import RelationExample
from biobert_tf.relations.sets import SETS, custom
from biobert_tf.relations.settings import RelationConfig
from biobert_tf.training.classification import SequenceClassification
from biobert_tf.training.reload import Loaded

# PARITY(run_re.py:667): the original draws the next from 100.
_ORIGINAL_SHUFFLE_BUFFER: Final = 100


@dataclasses.dataclass(frozen=True)
class RelationPrediction:
    """The prediction for one sentence.

    `label` is the most probable, in a tie the first; `probabilities` of all labels are
    float32 `[labels]`.
    """

    label: str
    probabilities: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class RelationTask(Featurizer, SequenceClassification):
    """The task of a run on relations; holds no mutable state.

    `Featurizer` makes the records; `SequenceClassification` describes the model's
    outputs and the loss.
    """

    name: ClassVar[str] = "re"

    @classmethod
    def of(
        cls, loaded: Loaded[RelationConfig], compat: Literal["fixed", "master"]
    ) -> "RelationTask":
        """Returns the task of a trained model, to predict with it."""
        settings, labels = loaded.settings, loaded.labels
        return cls(
            tokenizer=loaded.tokenizer,
            relation_set=SETS.get(settings.task_name)
            or custom(labels, settings.negative_label),
            max_seq_length=loaded.text.max_seq_length,
            entity_markers=settings.entity_markers,
            class_weights=(1.0,) * len(labels),
            compat=compat,
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """Returns the labels that can be predicted; a label's index is its id."""
        return self.relation_set.labels

    @property
    def score_names(self) -> tuple[str, ...]:
        """Returns the scores of `score` that may choose a model, F1 first."""
        names = ("f1", "precision", "recall", "accuracy", "macro_f1")
        return (*names, "specificity") if self.relation_set.is_binary else names

    def featurize(self, examples: Sequence[RelationExample]) -> list[RelationRecord]:
        """Returns one record per sentence, in order."""
        return list(map(self.record, examples))

    def counts(self, records: Iterable[RelationRecord]) -> dict[str, int]:
        """Returns the number of cut sentences, and of those cut around entities."""
        held = list(records)
        return {
            "cut": sum(record.is_cut for record in held),
            "windowed": sum(record.is_windowed for record in held),
        }

    def shuffle_buffer(self, num_records: int) -> int:
        """Returns the size of the training shuffle buffer, in records."""
        return num_records if self.compat == "fixed" else _ORIGINAL_SHUFFLE_BUFFER

    def metrics(
        self, predictions: Mapping[str, np.ndarray], batch_size: int
    ) -> dict[str, float]:
        """Returns what run_re.py:805-823 evaluates.

        `eval_accuracy` and `eval_loss` are means over examples.

        PARITY(run_re.py:737, 821): `loss` is the mean over batches of their means, so
        that the examples of a last, smaller batch weigh more.
        """
        losses_N = predictions["loss"].astype(np.float64)
        is_right_N = predictions["probabilities"].argmax(-1) == predictions["label_ids"]
        starts = range(0, len(losses_N), batch_size)
        batches = [losses_N[start : start + batch_size].mean() for start in starts]
        return {
            "eval_accuracy": float(is_right_N.mean()),
            "eval_loss": float(losses_N.mean()),
            "loss": float(np.mean(batches)),
        }

    def decode(
        self,
        examples: Sequence[RelationExample],
        records: Sequence[RelationRecord],
        predictions: Mapping[str, np.ndarray],
    ) -> list[RelationPrediction]:
        """Returns the most probable label of every sentence."""
        return [
            RelationPrediction(self.labels[probabilities_K.argmax()], probabilities_K)
            for probabilities_K in predictions["probabilities"]
        ]

    def is_labelled(self, examples: Sequence[RelationExample]) -> bool:
        """Returns whether predictions for `examples` can be scored."""
        return all(example.label is not None for example in examples)

    def score(
        self,
        examples: Sequence[RelationExample],
        predictions: Sequence[RelationPrediction],
        seed: int,
    ) -> SingleLabelScores:
        """Returns precision, recall and F1 over the relations of labelled examples."""
        return single_label.score(
            [example.label or "" for example in examples],
            [prediction.label for prediction in predictions],
            self.labels,
            self.relation_set.negative,
            seed=seed,
        )

    def report(
        self,
        examples: Sequence[RelationExample],
        predictions: Sequence[RelationPrediction],
    ) -> str:
        """Returns the text that re_eval.py prints for labelled examples, in percent."""
        return scores.report(self.score(examples, predictions, seed=0)).rstrip("\n")

    def prediction_files(
        self,
        examples: Sequence[RelationExample],
        records: Sequence[RelationRecord],
        predictions: Sequence[RelationPrediction],
        arrays: Mapping[str, np.ndarray],
    ) -> dict[str, str | None]:
        """Returns the text of every file that a prediction writes, by file name."""
        # PARITY(run_re.py:1096-1099): one line per example, str(float32), no header.
        lines = ("\t".join(map(str, p.probabilities)) + "\n" for p in predictions)
        return {
            "test_results.tsv": "".join(lines),
            "predictions.jsonl": "".join(map(self.jsonl_row, examples, predictions)),
        }

    def jsonl_row(
        self, example: RelationExample, prediction: RelationPrediction
    ) -> str:
        """Returns a sentence and its prediction as a line of JSON.

        `gold` is the label, if it is known; probabilities are rounded to six digits.
        """
        row: dict[str, object] = {
            "id": example.id,
            "text": example.text,
            "label": prediction.label,
        }
        if example.label is not None:
            row["gold"] = example.label
        pairs = zip(self.labels, prediction.probabilities, strict=True)
        row["probabilities"] = {label: round(float(p), 6) for label, p in pairs}
        return json.dumps(row, ensure_ascii=False) + "\n"
