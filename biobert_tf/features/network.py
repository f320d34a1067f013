# SPDX-License-Identifier: Apache-2.0
"""Batches of rows to vectors of their pieces, or one of each row, on any strategy.

Shape suffixes:
    B batch   L sequence length   K layers, 1 if they are mixed   D width of a vector
"""

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import tensorflow as tf

from biobert_tf import checkpoints
from biobert_tf import encoder as encoders
from biobert_tf.checkpoints import native
from biobert_tf.config import DeviceConfig, EncoderConfig
from biobert_tf.errors import InputError
from biobert_tf.features.framing import Row
from biobert_tf.features.settings import LayerMix, Pooling, VectorConfig
from biobert_tf.training import strategy as strategies

_LOG = logging.getLogger(__name__)

# Rows are padded to one of these, or to max_seq_length: a compiler makes a program for
# each, so they are few.
_LENGTHS: Final = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384)

Batch = Mapping[str, tf.Tensor]
Program = Callable[[Batch], tf.Tensor]


class Network:
    """An encoder that is asked for vectors of its layers.

    Attributes:
        config: Sizes of the encoder.
        encoder: The encoder.
        strategy: Where it is computed.
        batch_size: Most rows of a batch, over all devices.
        max_seq_length: Most pieces of a row.
    """

    def __init__(
        self,
        config: EncoderConfig,
        checkpoint: checkpoints.Checkpoint,
        *,
        batch_size: int,
        max_seq_length: int,
        strategy: tf.distribute.Strategy,
        device: DeviceConfig,
    ) -> None:
        """Builds the encoder with the weights of a checkpoint.

        Args:
            config: Sizes of the encoder.
            checkpoint: From `checkpoints.read`; weights of heads in it are left alone.
            batch_size: Most rows of a batch, over all devices.
            max_seq_length: Most pieces of a row.
            strategy: From `build_strategy(device)`.
            device: Precision and compilation.

        Raises:
            InputError: The checkpoint does not hold the encoder, or the devices cannot
                share a batch.
        """
        replicas = strategy.num_replicas_in_sync
        if batch_size % replicas:
            raise InputError(
                f"--batch_size={batch_size} is not a multiple of {replicas} devices"
            )
        self.config = config
        self.strategy = strategy
        self.batch_size = batch_size
        self.max_seq_length = max_seq_length
        self._xla = strategies.uses_xla(device, strategy)
        is_tpu = isinstance(strategy, tf.distribute.TPUStrategy)
        self._has_static_shapes = self._xla or is_tpu
        self._programs: dict[tuple[Any, ...], Program] = {}
        with strategy.scope(), strategies.precision(device):
            self.encoder = encoders.build_encoder(config)
            # Without the pooler, of which no vector is asked for.
            report = native.assign(
                self.encoder.variables,
                checkpoint.weights,
                source=checkpoint.source,
                new_head=("bert/pooler",),
            )
        _LOG.info("%s", report.summary()[0])

    def vectors(self, rows: Sequence[Row], wanted: VectorConfig) -> np.ndarray:
        """Returns the vectors of some rows.

        Args:
            rows: At most `batch_size`.
            wanted: Which vectors.

        Returns:
            float32; `[rows, length, layers, width]` without pooling, else
            `[rows, layers, width]`: of wanted positions the sum (`mean`) or the
            maximum (`max`, the least float if there is none), or of the first position
            (`cls`).

        Raises:
            InputError: The model has no such layer.
        """
        program = self._program(
            wanted.layer_indexes(self.config.num_hidden_layers),
            wanted.layer_mix,
            wanted.pooling,
        )
        outputs = program(self._distributed(self._padded(rows)))
        vectors = self.strategy.gather(outputs, axis=0).numpy()
        return vectors[: len(rows)]

    def _padded(self, rows: Sequence[Row]) -> dict[str, np.ndarray]:
        """Returns a batch, int32 `[size, length]` per name."""
        longest = max(len(row.input_ids) for row in rows)
        most = self.max_seq_length
        length = next((n for n in _LENGTHS if longest <= n < most), most)
        size = len(rows) + -len(rows) % self.strategy.num_replicas_in_sync
        if self._has_static_shapes:
            size = self.batch_size
        names = ("input_ids", "input_mask", "segment_ids", "is_wanted")
        batch = {name: np.zeros([size, length], np.int32) for name in names}
        for i, row in enumerate(rows):
            shown = slice(len(row.input_ids))
            batch["input_ids"][i, shown] = row.input_ids
            batch["input_mask"][i, shown] = 1
            batch["segment_ids"][i, shown] = row.segment_ids
            batch["is_wanted"][i, shown] = row.is_wanted
        return batch

    def _distributed(self, batch: Mapping[str, np.ndarray]) -> Any:
        """Gives every replica its part of a batch."""
        parts = {
            name: np.split(values, self.strategy.num_replicas_in_sync)
            for name, values in batch.items()
        }

        def part(context: Any) -> dict[str, tf.Tensor]:
            number = context.replica_id_in_sync_group
            return {name: tf.constant(split[number]) for name, split in parts.items()}

        return self.strategy.experimental_distribute_values_from_function(part)

    def _program(
        self, layers: tuple[int, ...], mix: LayerMix, pooling: Pooling
    ) -> Program:
        """Returns `step` for some vectors on every replica, compiled when it is run.

        Compiled by XLA or for a TPU there is a program for every length; else one for
        all of them, after the first.
        """
        key = (layers, mix, pooling)
        if key not in self._programs:
            step = functools.partial(self.step, layers=layers, mix=mix, pooling=pooling)
            if self._xla:
                step = tf.function(step, jit_compile=True)
            self._programs[key] = tf.function(
                lambda batch: self.strategy.run(step, args=(batch,)),
                reduce_retracing=not self._has_static_shapes,
            )
        return self._programs[key]

    def step(
        self, batch: Batch, layers: Sequence[int], mix: LayerMix, pooling: Pooling
    ) -> tf.Tensor:
        """Returns the vectors of one replica's batch; see `vectors`.

        Args:
            batch: int32 `[batch, length]` per name: the encoder's inputs, and
                `is_wanted`.
            layers: Counted from 0.
            mix: Of them, before any pooling.
            pooling: Of the positions of a row.
        """
        outputs = encoders.encode(self.encoder, batch)["encoder_outputs"]
        x_BLKD = mixed([tf.cast(outputs[i], tf.float32) for i in layers], mix)
        return pooled(x_BLKD, batch["is_wanted"], pooling)


def mixed(layers_BLD: Sequence[tf.Tensor], mix: LayerMix) -> tf.Tensor:
    """Returns layers as one tensor, `[batch, length, layers or 1, width]`."""
    if mix == "concat":
        return tf.concat(layers_BLD, axis=-1)[:, :, None]
    x_BLKD = tf.stack(layers_BLD, axis=2)
    if mix == "each":
        return x_BLKD
    reduce = tf.reduce_mean if mix == "mean" else tf.reduce_sum
    return reduce(x_BLKD, axis=2, keepdims=True)


def pooled(x_BLKD: tf.Tensor, is_wanted_BL: tf.Tensor, pooling: Pooling) -> tf.Tensor:
    """Returns what is asked for of every row; see `Network.vectors`.

    Args:
        x_BLKD: float32 `[batch, length, layers, width]`.
        is_wanted_BL: `[batch, length]`; 1 or 0.
        pooling: Of the wanted positions.
    """
    if pooling == "none":
        return x_BLKD
    if pooling == "cls":
        return x_BLKD[:, 0]
    if pooling == "mean":
        weights_BL = tf.cast(is_wanted_BL, x_BLKD.dtype)
        return tf.einsum("bl,blkd->bkd", weights_BL, x_BLKD)
    hidden_BLKD = tf.where(is_wanted_BL[:, :, None, None] > 0, x_BLKD, x_BLKD.dtype.min)
    return tf.reduce_max(hidden_BLKD, axis=1)
