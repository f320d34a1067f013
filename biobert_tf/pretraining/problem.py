# SPDX-License-Identifier: Apache-2.0
"""Pre-training, as commands, exports and Python see it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from biobert_tf.pretraining.settings import PretrainingConfig
from biobert_tf.training.problem import TrainedProblem

if TYPE_CHECKING:
    from biobert_tf.checkpoints.released import Released
    from biobert_tf.pretraining.task import PretrainingTask
    from biobert_tf.training.finetune import Finished
    from biobert_tf.training.planned import Planned
    from biobert_tf.training.reload import Found, Loaded
    from biobert_tf.training.served import Served


class Pretraining(TrainedProblem[PretrainingConfig]):
    """Predicts masked words, and whether a sentence follows another."""

    command = "pretraining"
    summary = "Convert a corpus to TFRecords, pre-train on them, evaluate."
    script = "run_pretraining.py"
    settings = PretrainingConfig
    # Nobody names the records of --do_convert; several files are read faster.
    defaults: ClassVar[Mapping[str, object]] = {"num_shards": 0}
    sign = "max_predictions_per_seq"
    kinds = ("masked_lm",)
    carried = ("max_seq_length", "max_predictions_per_seq")

    def kind_of(self, found: "Found") -> str | None:
        """Returns `masked_lm` for a model with the head for masked words."""
        has_head = "cls/predictions/output_bias" in found.checkpoint.weights
        return "masked_lm" if has_head else None

    def makes_rows(self, values: Mapping[str, object]) -> bool:
        """Says whether records are made or trained on, and not only evaluated."""
        return bool(values["do_convert"] or values["do_train"])

    def run(self, settings: PretrainingConfig) -> "Finished[PretrainingTask] | None":
        """Converts, trains and evaluates; see `run.run`."""
        from biobert_tf.pretraining import run

        return run.run(settings)

    def planned(self, settings: PretrainingConfig, parts: "Released") -> "Planned":
        """Returns the steps of a run; see `run.planned`."""
        from biobert_tf.pretraining import run

        return run.planned(settings, parts)

    def serve(self, loaded: "Loaded[PretrainingConfig]") -> "Served":
        """Returns a model that predicts the masks in strings; see `graph.serve`."""
        from biobert_tf.pretraining import graph

        return graph.serve(loaded)


PRETRAINING = Pretraining()
