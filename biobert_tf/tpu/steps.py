# SPDX-License-Identifier: Apache-2.0
"""The steps of a command line, built by the product's own code and lowered.

A TPU gets what one core computes: its share of a batch. The sums over all cores are not
in it. Nothing is read but the sizes of the model.
"""

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import tensorflow as tf

from biobert_tf.checkpoints import released
from biobert_tf.common import flags
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DeviceConfig, RunConfig
from biobert_tf.demo import ner as demo
from biobert_tf.model.config import EncoderConfig
from biobert_tf.model.encoder import PLACES
from biobert_tf.model.layers import Dropout
from biobert_tf.text.tokenization import FullTokenizer
from biobert_tf.tpu import flops, lowering
from biobert_tf.tpu.settings import Size
from biobert_tf.training import packing, precision
from biobert_tf.training.planned import Planned
from biobert_tf.training.problem import TrainedProblem
from biobert_tf.training.records import InputPipeline, Specs, TrainingData

Kind = Literal["training", "prediction"]

# BioBERT's vocabulary is that of BERT-Base, cased.
_BASE: Final = EncoderConfig(vocab_size=28996)
SIZES: Final = {
    "base": _BASE,
    "large": dataclasses.replace(
        _BASE,
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
    ),
    "tiny": dataclasses.replace(
        _BASE,
        vocab_size=500,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=256,
    ),
}
# Steps whose texts are packed to see how many rows they need.
_MEASURED_STEPS: Final = 4
_SHORTEST: Final = 3


class Program(NamedTuple):
    """A lowered step.

    Attributes:
        traced: The step.
        rows: Rows that are computed, and their width.
        flops: The step's matrix products, counted from the sizes; see `model_flops`.
            Padding counts here, as it is computed.
    """

    traced: lowering.Traced
    rows: tuple[int, int]
    flops: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """A step of a command line, as a core computes it.

    Attributes:
        script: The script's name.
        kind: Whether it trains or predicts.
        planned: The task, and the features of a batch.
        config: The sizes of the encoder.
        run: How a training steps.
        device: The precision and the number of cores.
        texts: Texts of a core's batch.
        text_length: Their pieces on average; 0: all that a row has.
    """

    script: str
    kind: Kind
    planned: Planned
    config: EncoderConfig
    run: RunConfig
    device: DeviceConfig
    texts: int
    text_length: int

    @property
    def unit(self) -> int:
        """Returns the texts that a batch grows by at least."""
        is_training = self.kind == "training"
        return self.run.gradient_accumulation_steps if is_training else 1

    def lower(self) -> Program:
        """Builds and traces the step, with weights of 0."""
        planned, dtype = self.planned, precision.dtype(self.device)
        task = planned.task
        model = task.build_model(self.config, None, dtype)
        model.recomputes = self.run.recompute
        if self.kind == "prediction":
            assert planned.prediction is not None
            specs = (
                self._data(planned.prediction)
                .batches(InputPipeline(self.texts), 0)
                .element_spec
            )
            traced = lowering.trace(
                lambda batch: task.predictions(batch, model(batch)), specs
            )
            return self._program(traced, specs)
        # Not above: they import Keras, which takes a second.
        from biobert_tf.training import optimizer
        from biobert_tf.training.trainer import Trainer

        specs = self._training_specs()
        rates = optimizer.LinearWarmupDecay(1e-4, 10**6, 0)
        trainer = Trainer(
            task,
            model,
            optimizer.build(planned.optimizer, rates, model.trainable_variables, False),
            # Nothing is trained.
            tf.data.Dataset.range(0),
            seed=0,
            max_loop_steps=self.run.iterations_per_loop,
            accumulation_steps=self.run.gradient_accumulation_steps,
            clipping=planned.clipping,
            dropout=partial(Dropout, is_on_tpu=True),
        )
        return self._program(lowering.trace(trainer.replica_step, specs), specs)

    def _training_specs(self) -> dict[str, tf.TensorSpec]:
        """Returns a batch's entries, packed as the settings and the lengths say."""
        assert self.planned.training is not None
        data, _ = packing.chosen(
            "off" if self.planned.task.counts_padding else self.run.pack_sequences,
            self._data(self.planned.training),
            batch_size=self.texts,
            num_parts=self.run.gradient_accumulation_steps,
            num_devices=self.device.num_tpu_cores,
            num_steps=_MEASURED_STEPS,
            is_static=True,
        )
        found: dict[str, tf.TensorSpec] = data.batches(
            InputPipeline(self.texts), 0
        ).element_spec
        return found

    def _data(self, specs: Specs) -> TrainingData:
        """Returns empty texts of random lengths, spread as those of sentences are."""
        length = specs["input_ids"].length
        rng, number = np.random.default_rng(0), _MEASURED_STEPS * self.texts
        drawn = rng.gamma(3.0, self.text_length / 3, number * self.device.num_tpu_cores)
        drawn = np.clip(drawn.astype(np.int32), _SHORTEST, length)
        if not self.text_length:
            drawn = np.full_like(drawn, length)

        def batch(lengths: tf.Tensor) -> dict[str, tf.Tensor]:
            size = lengths.shape[0]
            values = {
                name: tf.zeros(
                    [size, spec.length],
                    tf.float32 if spec.dtype == "float32" else tf.int32,
                )
                for name, spec in specs.items()
            }
            return {
                **values,
                "input_mask": tf.sequence_mask(lengths, length, tf.int32),
            }

        def batches(pipeline: InputPipeline, num_skipped: int) -> tf.data.Dataset:
            dataset = tf.data.Dataset.from_tensor_slices(drawn).repeat()
            dataset = dataset.batch(pipeline.batch_size, drop_remainder=True)
            return dataset.map(batch)

        return TrainingData([], specs, batches)

    def _program(
        self, traced: lowering.Traced, specs: dict[str, tf.TensorSpec]
    ) -> Program:
        rows, width = (specs[PLACES] if PLACES in specs else specs["input_ids"]).shape
        texts, scores = self.texts, [0]
        if self.planned.num_scores:
            masked = texts * self.planned.num_scores
            scores = flops.pretraining_scores(self.config, texts, masked)
        passes = 3 if self.kind == "training" else 1
        again = self.kind == "training" and self.run.recompute
        work = flops.model_flops(
            self.config, [width] * rows, scores, passes + again, passes
        )
        return Program(traced, (rows, width), work)


def of_command(
    problem: TrainedProblem[Any], words: Sequence[str], size: Size, text_length: int
) -> list[Step]:
    """Returns the steps that a script's command line runs.

    Raises:
        InputError: The flags are wrong, the sizes of the model cannot be read, or the
            cores cannot share a batch.
    """
    settings = flags.parse(
        problem.settings, [problem.script, *words], problem.defaults, problem.of_model
    )
    device = dataclasses.replace(settings.device, strategy="tpu")
    settings = dataclasses.replace(settings, device=device)
    if device.mixed_precision == "float16":
        raise InputError("--mixed_precision=float16: TPUs have none; want bfloat16")
    config = _config(settings, size)
    # No text is read, so that any vocabulary will do.
    tokenizer = FullTokenizer(demo.vocab_file())
    planned = problem.planned(settings, released.Released(config, tokenizer, None))
    run, cores = settings.run, device.num_tpu_cores
    totals: dict[Kind, tuple[str, int, int]] = {}
    if planned.training is not None:
        parts = run.gradient_accumulation_steps
        totals["training"] = ("train_batch_size", run.train_batch_size, parts)
    if planned.prediction is not None:
        totals["prediction"] = (planned.rows_flag, planned.predicted_rows, 1)
    if not totals:
        raise InputError(f"{problem.script}: this command line runs no model")
    steps = []
    for kind, (flag, total, parts) in totals.items():
        if total % (cores * parts):
            raise InputError(
                f"--{flag}={total} is not a multiple of --num_tpu_cores={cores} x "
                f"{parts} parts"
            )
        steps.append(
            Step(
                script=problem.script,
                kind=kind,
                planned=planned,
                config=config,
                run=run,
                device=device,
                texts=total // cores,
                text_length=text_length,
            )
        )
    return steps


def _config(settings: Any, size: Size) -> EncoderConfig:
    """Returns the sizes of the encoder."""
    model = settings.model
    if size == "auto" and (model.bert_config_file or model.init_checkpoint):
        output_dir = settings.stages.output_dir
        return released.load_config(settings.text, model, output_dir)[0]
    config = SIZES["base" if size == "auto" else size]
    if settings.text.max_seq_length > config.max_position_embeddings:
        raise InputError(
            f"--max_seq_length={settings.text.max_seq_length} is above the "
            f"{config.max_position_embeddings} positions of the encoder; lower it"
        )
    return config
