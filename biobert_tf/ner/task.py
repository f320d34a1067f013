# SPDX-License-Identifier: Apache-2.0
"""Named entity recognition: labels words as the beginning or inside of an entity.

Reading order is data order:
    tsv -> NerExample -> NerRecord -> logits -> NerPrediction -> precision, recall, F1
The first arrow is `reading`, the second `features`, the rest is here.

Shape suffixes: B batch, L sequence length, K labels.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np
import tensorflow as tf

from biobert_tf.model import heads
from biobert_tf.model.config import EncoderConfig
from biobert_tf.ner import conlleval, reading, results, scores
from biobert_tf.ner.features import UNLABELLED, Featurizer, NerRecord
from biobert_tf.ner.reading import OUTSIDE, NerExample
from biobert_tf.ner.scores import UNTYPED
from biobert_tf.ner.settings import NerConfig
from biobert_tf.text.labels import Chunk, chunks
from biobert_tf.training.reload import Loaded
from biobert_tf.training.task import Batch, Outputs

# PARITY(run_ner.py:336): the original draws the next example from 100; a file sorted
# by document stays nearly sorted.
_ORIGINAL_SHUFFLE_BUFFER: Final = 100


@dataclasses.dataclass(frozen=True)
class Entity:
    """A predicted entity: its words `[start, end)` and its probability, in [0, 1].

    Where the labels have no types, `type` is that of the task, else `UNTYPED`.
    """

    type: str
    start: int
    end: int
    probability: float


@dataclasses.dataclass(frozen=True)
class NerPrediction:
    """The prediction for one sentence: a label per word, and the entities."""

    labels: tuple[str, ...]
    entities: tuple[Entity, ...]


@dataclasses.dataclass(frozen=True)
class NerTask(Featurizer):
    """The task of a NER run; holds no mutable state. `Featurizer` makes its records.

    Attributes:
        entity_type: The type of entities whose labels have none; "" if it is unknown.
            Labels and scores do not depend on it.
    """

    name: ClassVar[str] = "ner"
    new_head: ClassVar[tuple[str, ...]] = ("output_weights", "output_bias")
    loss_names: ClassVar[tuple[str, ...]] = ("loss",)
    score_names: ClassVar[tuple[str, ...]] = ("f1", "precision", "recall")
    entity_type: str = ""

    @classmethod
    def of(cls, loaded: Loaded[NerConfig], entity_type: str = "") -> "NerTask":
        """Returns the task of a trained model, to predict with it.

        The windows of `fixed` lose no word, whatever the training used. The type is by
        default the recorded one.

        Raises:
            InputError: Its labels do not form entities, or have types besides the one
                given or recorded.
        """
        reading.require_bio(loaded.labels)
        entity_type = entity_type or loaded.settings.entity_type
        source = loaded.found.place.path
        reading.require_untyped(loaded.labels, entity_type, source)
        length = loaded.text.max_seq_length
        return cls(loaded.tokenizer, loaded.labels, length, "fixed", entity_type)

    def counts(self, records: Iterable[NerRecord]) -> dict[str, int]:
        """Returns no counts beyond the numbers of sentences and records."""
        return {}

    def shuffle_buffer(self, num_records: int) -> int:
        """Returns the size of the training shuffle buffer, in records."""
        return num_records if self.compat == "fixed" else _ORIGINAL_SHUFFLE_BUFFER

    # --- records to numbers, on the device -------------------------------------------

    def build_model(
        self, config: EncoderConfig, seed: int | None, dtype: tf.DType = tf.float32
    ) -> heads.TokenClassifier:
        """Returns the encoder with a label scorer on every token.

        The head's dropout is 0.1 in run_ner.py:370, whatever the config says; every
        released config says 0.1 too.
        """
        return heads.TokenClassifier(
            config,
            len(self.labels),
            seed,
            dropout=config.hidden_dropout_prob,
            dtype=dtype,
        )

    def loss_totals(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns the number of labelled words."""
        return {"words": tf.reduce_sum(self._is_counted(batch))}

    @property
    def counts_padding(self) -> bool:
        """Returns whether padding counts; see `losses` and `metrics`."""
        return self.compat != "fixed"

    def losses(
        self, batch: Batch, outputs: Outputs, totals: Batch
    ) -> dict[str, tf.Tensor]:
        """Returns the cross-entropy in nats; for `fixed`, the mean over labelled words.

        PARITY(run_ner.py:382): `master` and `paper` sum over all positions of all
        rows, padding too, so that the loss grows with the batch and the length.
        """
        total = tf.reduce_sum(self._row_losses(batch, outputs))
        if self.compat != "fixed":
            return {"loss": total}
        return {"loss": total / tf.maximum(totals["words"], 1.0)}

    def predictions(self, batch: Batch, outputs: Outputs) -> dict[str, tf.Tensor]:
        """Returns, per row, `log_probs`, `label_ids`, the summed `loss`, and `words`.

        `words` is the number of positions that count in the loss.
        """
        return {
            "log_probs": tf.nn.log_softmax(outputs["logits"]),
            "label_ids": batch["label_ids"],
            "loss": self._row_losses(batch, outputs),
            "words": tf.reduce_sum(self._is_counted(batch), axis=1),
        }

    def _is_counted(self, batch: Batch) -> tf.Tensor:
        """Returns 1.0 where a position counts in the loss, `[batch, length]`."""
        return tf.cast(batch["label_ids"] != UNLABELLED, tf.float32)

    def _row_losses(self, batch: Batch, outputs: Outputs) -> tf.Tensor:
        """Returns the summed cross-entropy of every row, `[batch]`."""
        nats_BL = tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=tf.maximum(batch["label_ids"], 0), logits=outputs["logits"]
        )
        return tf.reduce_sum(nats_BL * self._is_counted(batch), axis=1)

    # --- numbers to text and scores --------------------------------------------------

    def metrics(
        self, predictions: Mapping[str, np.ndarray], batch_size: int
    ) -> dict[str, float]:
        """Returns `loss`, and for the original its word-piece scores.

        PARITY(run_ner.py:437-454): these (`scores.piece_scores`) are not the entity
        scores of the paper. The loss is the mean over batches of their sums.
        """
        losses = predictions["loss"].astype(np.float64)
        if self.compat == "fixed":
            words = predictions["words"].sum(dtype=np.float64)
            return {"loss": float(losses.sum() / max(words, 1.0))}
        batches = [
            losses[i : i + batch_size].sum() for i in range(0, len(losses), batch_size)
        ]
        best = predictions["log_probs"].argmax(-1)
        macro = scores.piece_scores(predictions["label_ids"], best)
        return {**macro, "loss": float(np.mean(batches))}

    def decode(
        self,
        examples: Sequence[NerExample],
        records: Sequence[NerRecord],
        predictions: Mapping[str, Any],
    ) -> list[NerPrediction]:
        """Returns the prediction for every sentence, from `log_probs` of each record.

        A word that no record holds (`master` and `paper` may lose words) is outside
        with probability 1.
        """
        outside = np.zeros(len(self.labels), np.float32)
        outside[self.labels.index(OUTSIDE)] = 1.0
        probs = [np.tile(outside, (len(example.words), 1)) for example in examples]
        for record, log_probs_LK in zip(records, predictions["log_probs"], strict=True):
            words, positions = np.array(record.words, int).reshape(-1, 2).T
            probs[record.example][words] = np.exp(log_probs_LK[positions])
        return [self._decode_sentence(probs_WK) for probs_WK in probs]

    def _decode_sentence(self, probs_WK: np.ndarray) -> NerPrediction:
        ids = probs_WK.argmax(-1)
        labels = tuple(reading.of_word(self.labels[i]) for i in ids)
        found = (
            Entity(
                chunk.type or self.entity_type or UNTYPED,
                chunk.start,
                chunk.end,
                self._probability(probs_WK, ids, chunk),
            )
            for chunk in chunks(labels)
        )
        return NerPrediction(labels, tuple(found))

    def _probability(
        self, probs_WK: np.ndarray, ids: np.ndarray, chunk: Chunk
    ) -> float:
        """Returns the probability of exactly this entity, in [0, 1].

        The model predicts the words' labels independently, so this is the product of
        the probabilities of the entity's labels and of the next word not continuing it.
        """
        words = np.arange(chunk.start, chunk.end)
        probability = probs_WK[words, ids[words]].prod(dtype=np.float64)
        inside = f"I-{chunk.type}" if chunk.type else "I"
        if chunk.end < len(probs_WK) and inside in self.labels:
            probability *= 1.0 - probs_WK[chunk.end, self.labels.index(inside)]
        return float(probability)

    def score(
        self,
        examples: Sequence[NerExample],
        predictions: Sequence[NerPrediction],
        seed: int,
    ) -> scores.EntityScores:
        """Returns entity-level precision, recall and F1 of labelled examples."""
        gold = [example.labels or () for example in examples]
        found = [prediction.labels for prediction in predictions]
        return scores.score(zip(gold, found, strict=True), seed=seed)

    def is_labelled(self, examples: Sequence[NerExample]) -> bool:
        """Returns whether predictions for `examples` can be scored."""
        return all(example.labels is not None for example in examples)

    def report(
        self, examples: Sequence[NerExample], predictions: Sequence[NerPrediction]
    ) -> str:
        """Returns conlleval.pl's report on labelled examples, in percent."""
        counts = conlleval.evaluate(self._printed(examples, predictions))
        return conlleval.format_report(counts).rstrip("\n")

    def prediction_files(
        self,
        examples: Sequence[NerExample],
        records: Sequence[NerRecord],
        predictions: Sequence[NerPrediction],
        arrays: Mapping[str, np.ndarray],
    ) -> dict[str, str | None]:
        """Returns the text of every file that a prediction writes, by file name.

        Without gold labels, `NER_result_conll.txt` is None.
        """
        texts: dict[str, str | None] = {
            "predictions.jsonl": predictions_jsonl(examples, predictions),
            "NER_result_conll.txt": None,
        }
        if self.is_labelled(examples):
            words = [example.words for example in examples]
            columns = self._printed(examples, predictions)
            texts["NER_result_conll.txt"] = results.conll(words, columns)
        if self.compat != "fixed":
            texts.update(self._original_files(records, arrays["log_probs"]))
        if self.compat == "master":
            texts["NER_result_sent-debug.txt"] = results.debug_report(
                (example.words, record.pieces[1:-1])
                for example, record in zip(examples, records, strict=True)
            )
        return texts

    def _printed(
        self, examples: Sequence[NerExample], predictions: Sequence[NerPrediction]
    ) -> list[conlleval.Sentence]:
        """Returns the gold and the predicted labels as they are printed."""
        gold = (example.labels or () for example in examples)
        found = (prediction.labels for prediction in predictions)
        return results.printed(zip(gold, found, strict=True), self.compat)

    def _original_files(
        self, records: Sequence[NerRecord], log_probs_NLK: np.ndarray
    ) -> dict[str, str]:
        """Returns the files of run_ner.py (204-211, 628-643), one line per piece."""
        tokens: list[str] = []
        labels: list[str] = []
        logits: list[str] = []
        for record, log_probs_LK in zip(records, log_probs_NLK, strict=True):
            tokens += record.pieces
            log_probs_PK = log_probs_LK[: len(record.pieces)]
            # PARITY(run_ner.py:638-639): a predicted [PAD] is written as O.
            labels += (
                OUTSIDE if self.labels[i] == "[PAD]" else self.labels[i]
                for i in log_probs_PK.argmax(-1)
            )
            logits += ("\t".join(map(str, row_K)) for row_K in log_probs_PK)
        texts = {"token_test.txt": tokens, "label_test.txt": labels}
        if self.compat == "paper":
            texts["logits_test.txt"] = logits
        return {name: "\n".join(lines) + "\n" for name, lines in texts.items()}


def predictions_jsonl(
    examples: Sequence[NerExample], predictions: Sequence[NerPrediction]
) -> str:
    """Returns a line of JSON per sentence: words, labels, entities.

    `gold` and `document` are there if they are known.
    """
    lines = []
    for example, prediction in zip(examples, predictions, strict=True):
        row: dict[str, object] = {"words": example.words, "labels": prediction.labels}
        if example.labels is not None:
            row["gold"] = example.labels
        if example.document is not None:
            row["document"] = example.document
        row["entities"] = [
            {
                "type": entity.type,
                "start": entity.start,
                "end": entity.end,
                "text": " ".join(example.words[entity.start : entity.end]),
                "probability": round(entity.probability, 6),
            }
            for entity in prediction.entities
        ]
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    return "".join(lines)
