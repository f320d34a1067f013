# SPDX-License-Identifier: Apache-2.0
"""The Estimator: trains one task and predicts with it, on any strategy.

It does what TPUEstimator did, on the present API. It starts from the first of these
that exists:
1. the newest training state in the model directory, which includes the position in the
   data;
2. the weights given to `initialize`;
3. random weights.
"""

import contextlib
import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from biobert_tf import checkpoints
from biobert_tf.checkpoints import native
from biobert_tf.common.clock import Meter
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DeviceConfig, OptimizerName, RunConfig
from biobert_tf.model.config import EncoderConfig
from biobert_tf.model.layers import Dropout
from biobert_tf.training import (
    memory,
    packing,
    precision,
    progress,
    records,
    states,
)
from biobert_tf.training import strategy as strategies
from biobert_tf.training.clipping import Clipping
from biobert_tf.training.inference import Inference, Program, Row
from biobert_tf.training.schedule import Schedule
from biobert_tf.training.selection import Selection
from biobert_tf.training.task import Batch, Task

if TYPE_CHECKING:
    import tf_keras

_LOG = logging.getLogger(__name__)


class Estimator:
    """One model of one task, in one directory.

    Attributes:
        task: The task to learn.
        model: The encoder with the task's head.
        strategy: The strategy that runs the steps.
        model_dir: The directory for training states and the caller's other files.
        texts: What `pack` has found about the texts of a training, ready for JSON.
    """

    def __init__(
        self,
        task: Task,
        encoder_config: EncoderConfig,
        *,
        strategy: tf.distribute.Strategy,
        device: DeviceConfig,
        run: RunConfig,
        model_dir: Path,
        is_random: bool = True,
    ) -> None:
        """Builds the model, randomly initialised from `run.seed`.

        `strategy` is what `build_strategy(device)` returned. Not `is_random` saves the
        time if `initialize` is to give all weights.

        Raises:
            InputError: A batch size cannot be divided as the settings ask.
        """
        self.strategy = strategy
        self.model_dir = model_dir
        self.task = task
        self._device = device
        self._run = run
        self.texts: dict[str, object] = {}
        self._program: Program | None = None
        self._is_training = False
        if task.counts_padding and run.pack_sequences in ("on", "dense"):
            raise InputError(
                f"--pack_sequences={run.pack_sequences}: padding counts in this loss, "
                "as in the original's; use --compat=fixed, or leave the flag out"
            )
        replicas = strategy.num_replicas_in_sync
        if run.train_batch_size % (replicas * run.gradient_accumulation_steps):
            raise InputError(
                f"--train_batch_size={run.train_batch_size} is not a multiple of "
                f"{replicas} devices x --gradient_accumulation_steps="
                f"{run.gradient_accumulation_steps}"
            )
        self.check_batch_size("eval_batch_size", run.eval_batch_size)
        with strategy.scope():
            seed = run.seed if is_random else None
            self.model = task.build_model(encoder_config, seed, precision.dtype(device))
        self.model.recomputes = run.recompute

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the results."""
        return strategies.is_chief(self.strategy)

    def check_batch_size(self, name: str, batch_size: int) -> None:
        """Checks early that the devices can share the batch of the flag `name`.

        Raises:
            InputError: The batch size is not a multiple of the number of devices.
        """
        replicas = self.strategy.num_replicas_in_sync
        if batch_size % replicas:
            raise InputError(
                f"--{name}={batch_size} is not a multiple of {replicas} devices"
            )

    def initialize(
        self, checkpoint: checkpoints.Checkpoint, new_head: Collection[str] = ()
    ) -> native.LoadReport:
        """Starts from the weights of `checkpoint`.

        The names in `new_head` may be missing and stay random. The pooler may always be
        missing if the model does not read it: Transformers does not save it then.

        Raises:
            InputError: Weights are missing or have other shapes.
        """
        unread = () if self.model.has_pooler else ("bert/pooler",)
        self._program = None
        with self.strategy.scope():
            return native.assign(
                self.model.variables,
                checkpoint.weights,
                source=checkpoint.source,
                new_head=(*new_head, *unread),
            )

    def restore(self, **parts: Any) -> int | None:
        """Loads parts of the newest training state; returns its step, if there is one.

        By default the weights; else objects by the name that `train` gives them.

        Raises:
            InputError: All states are damaged.
        """
        path = states.newest(state_dir(self.model_dir))
        if path is None:
            return None
        parts = parts or {"model": self.model}
        self._program = None
        with self.strategy.scope():
            tf.train.Checkpoint(**parts).restore(str(path)).expect_partial()
        return states.step_of(path)

    def weights(self) -> checkpoints.Weights:
        """Returns the model's weights under their TF1 names."""
        return native.extract(self.model.variables)

    def train(
        self,
        data: records.TrainingData,
        schedule: Schedule,
        learning_rate: float,
        *,
        optimizer_name: OptimizerName = "adamw",
        clipping: Clipping = "whole",
        recorder: progress.Recorder | None = None,
        num_scores: int = 0,
        selection: Selection | None = None,
    ) -> int:
        """Trains up to the schedule's end, or to `max_steps`.

        A state is saved every `save_checkpoints_steps` steps and at the end. If there
        is a state, the training resumes from it with the same batches, dropout and
        learning rates that an uninterrupted training would have had.

        The rate peaks at `learning_rate`. The recorder records all steps, the selection
        evaluates and may end the training; both are saved with the state. For
        `clipping` see `Clipping`, for `num_scores`, which says how much memory a head
        takes, `TrainingMemory`.

        Returns:
            The step reached.

        Raises:
            InputError: A file is damaged, a record does not fit the task, or the disk
                or the memory is too small.
            StoppedError: A signal has stopped the training; its state is saved.
            TrainingDivergedError: The training diverged.
        """
        # Not above: they import Keras, which predictions need not wait for.
        from biobert_tf.training.loop import Loop
        from biobert_tf.training.trainer import Trainer

        run = self._run
        last_step = schedule.last_step(run)
        needed = memory.TrainingMemory(
            config=self.model.config,
            num_weights=sum(each.shape.num_elements() for each in self.model.variables),
            length=data.specs["input_ids"].length,
            num_scores=num_scores,
            value_bytes=precision.dtype(self._device).size,
            num_devices=self.strategy.num_replicas_in_sync,
            run=run,
        )
        if strategies.device_kind(self.strategy) == "CPU":
            needed.warn(memory.device_memory(self.strategy))
        more = {"recorder": recorder, "selection": selection}
        more = {name: part for name, part in more.items() if part is not None}
        with (
            self.strategy.scope(),
            needed.explained(self.strategy),
            self._changing_weights(),
        ):
            adam = self._build_optimizer(optimizer_name, schedule, learning_rate)
            path = states.newest(state_dir(self.model_dir))
            is_tpu = strategies.device_kind(self.strategy) == "TPU"
            bits, said = states.drawing(path)
            more |= said
            state = tf.train.Checkpoint(model=self.model, optimizer=adam, **more)
            if path is not None:
                state.restore(str(path)).assert_consumed()
            step = int(adam.iterations.numpy())
            if clipping == "per_core":
                _LOG.info(
                    "as the original on a TPU: each of %d cores clips the gradient of "
                    "its own loss, and the clipped gradients are summed",
                    self.strategy.num_replicas_in_sync,
                )
            data = self.pack(data, schedule.num_train_steps)
            trainer = Trainer(
                self.task,
                self.model,
                adam,
                self._batches(data, step),
                seed=run.seed,
                max_loop_steps=run.iterations_per_loop,
                accumulation_steps=run.gradient_accumulation_steps,
                xla=strategies.uses_xla(self._device, self.strategy),
                clipping=clipping,
                dropout=partial(Dropout, bits=bits, is_on_tpu=is_tpu),
            )
            # All workers must save; only the chief's states are kept.
            save_dir = strategies.own_dir(self.strategy, state_dir(self.model_dir))
            manager = states.StateManager(
                state, save_dir, run.keep_checkpoint_max, self.model
            )
            every = run.save_checkpoints_steps
            num_saves = -(-last_step // every) - step // every
            num_saves += selection.num_due(step) if selection else 0
            manager.require_room(num_saves, selection.num_models if selection else 1)
            with records.explained(data.paths, data.specs):
                loop = Loop(
                    trainer=trainer,
                    manager=manager,
                    strategy=self.strategy,
                    settings=run,
                    step=step,
                    last_step=last_step,
                    reporter=self._reporter(last_step),
                    recorder=recorder,
                    selection=selection,
                )
                loop.run()
        return loop.step

    def pack(self, data: records.TrainingData, num_steps: int) -> records.TrainingData:
        """Returns the batches, packed if the settings say so, and describes the texts.

        The training has `num_steps` steps, also one that is to stop before: so it goes
        on as if it had not. What is found is `texts` from now on. A training that an
        earlier version began goes on as it began, unless the settings say more
        than `auto`.
        """
        run, replicas = self._run, self.strategy.num_replicas_in_sync
        path = states.newest(state_dir(self.model_dir))
        is_old = states.is_earlier(path)
        mode = run.pack_sequences
        if self.task.counts_padding or (is_old and mode == "auto"):
            mode = "off"
        data, lengths = packing.chosen(
            mode,
            data,
            batch_size=run.train_batch_size // replicas,
            num_parts=run.gradient_accumulation_steps,
            num_devices=replicas,
            num_steps=num_steps,
            is_static=strategies.has_static_shapes(self._device, self.strategy),
        )
        _LOG.info("%s", lengths)
        self.texts = lengths.to_dict()
        return data

    @contextlib.contextmanager
    def _changing_weights(self) -> Iterator[None]:
        """Marks a training; forgets the program of earlier weights after it."""
        self._is_training = True
        try:
            yield
        finally:
            self._is_training, self._program = False, None

    def _reporter(self, last_step: int) -> progress.Progress | None:
        if not self.is_chief:
            return None
        return progress.Progress(
            last_step, self._run.train_batch_size, self.model_dir / "tensorboard"
        )

    def _batches(self, data: records.TrainingData, step: int) -> Iterable[Batch]:
        """Gives every worker its part of every global batch from `step` on."""
        batch_size = self._run.train_batch_size
        replicas = self.strategy.num_replicas_in_sync

        def dataset_fn(context: tf.distribute.InputContext) -> tf.data.Dataset:
            pipeline = records.InputPipeline(
                batch_size=batch_size // replicas,
                num_workers=context.num_input_pipelines,
                worker=context.input_pipeline_id,
            )
            batches = data.batches(pipeline, step * batch_size)
            # Else several workers would ask each other before every step whether all
            # have a batch. No training asks for more than there are.
            endless = tf.data.experimental.assert_cardinality(
                tf.data.INFINITE_CARDINALITY
            )
            return batches.apply(endless)

        if isinstance(self.strategy, tf.distribute.OneDeviceStrategy):
            # Nothing to deal out: that takes ten threads, and a tuning thread again.
            return dataset_fn(tf.distribute.InputContext())
        return self.strategy.distribute_datasets_from_function(dataset_fn)

    def _build_optimizer(
        self, name: OptimizerName, schedule: Schedule, learning_rate: float
    ) -> "tf_keras.optimizers.Optimizer":
        """Returns the optimizer, ready to be restored."""
        import tf_keras

        from biobert_tf.training import optimizer

        rates = optimizer.LinearWarmupDecay(
            learning_rate, schedule.num_train_steps, schedule.num_warmup_steps
        )
        variables = self.model.trainable_variables
        is_compiled = strategies.compiles_parts(self._device, self.strategy)
        built = optimizer.build(name, rates, variables, is_compiled)
        if self._device.mixed_precision == "float16":
            built = tf_keras.mixed_precision.LossScaleOptimizer(built)
            built.build(variables)
        return built

    def predict(
        self,
        rows: Iterable[records.Features],
        batch_size: int,
        specs: records.Specs | None = None,
        total: int | None = None,
    ) -> dict[str, np.ndarray]:
        """Returns what `predict_rows` yields as one array `[rows, ...]` per name.

        The outputs of the padding behind a short row are those that the padding of its
        batch had, or 0.
        """
        held = list(self.predict_rows(rows, batch_size, specs, total))
        names = held[0] if held else ()
        return {name: _stacked([outputs[name] for outputs in held]) for name in names}

    def predict_rows(
        self,
        rows: Iterable[records.Features],
        batch_size: int,
        specs: records.Specs | None = None,
        total: int | None = None,
    ) -> Iterator[dict[str, np.ndarray]]:
        """Yields the task's predictions row by row, in the order of the rows.

        The padding of rows is computed only where `task.counts_padding`; an axis of
        positions may be shorter than a record.

        Args:
            rows: The features of `specs`, as records have them.
            batch_size: Rows per step over all replicas.
            specs: The features that the model needs. Default: those of a record.
            total: The number of rows, if it is known, to show the progress.

        Raises:
            InputError: The devices cannot share a batch.
        """
        inference = Inference(
            batch_size=batch_size,
            strategy=self.strategy,
            device=self._device,
            config=self.model.config,
        )
        is_old = self._is_training and inference.keeps_weights
        if self._program is None or is_old:
            # It is shared by all calls with the same weights.
            self._program = inference.compiled(self.model, self.task.predictions)
        specs = specs or self.task.specs
        trimmed = (self._trimmed(row, specs) for row in rows)
        length = specs["input_ids"].length
        outputs = inference.run(self._program, trimmed, length, specs)
        yield from Meter("predicting", "rows", total).over(outputs)

    def _trimmed(self, row: records.Features, specs: records.Specs) -> Row:
        """Returns a row without the padding at its end, unless that is predicted."""
        arrays = {name: np.asarray(row[name]) for name in specs}
        if self.task.counts_padding:
            return arrays
        length = max(1, int(np.count_nonzero(arrays["input_mask"])))
        most = len(arrays["input_ids"])
        return {
            name: values[: specs[name].width(length, most)]
            for name, values in arrays.items()
        }


def state_dir(model_dir: Path) -> Path:
    """Returns the directory from which every worker reads training states."""
    return model_dir / "training"


def _stacked(values: Sequence[np.ndarray]) -> np.ndarray:
    """Returns arrays as one, filled up with zeros to the longest."""
    if not values[0].ndim:
        return np.stack(values)
    most = max(map(len, values))
    stacked = np.zeros((len(values), most, *values[0].shape[1:]), values[0].dtype)
    for row, array in zip(stacked, values, strict=True):
        row[: len(array)] = array
    return stacked
