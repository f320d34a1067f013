# SPDX-License-Identifier: Apache-2.0
"""Runs the encoder on batches of rows: gives vectors per piece or per row.

Shape suffixes:
    B batch   L sequence length   K layers, 1 if they are mixed   D width of a vector
"""

import functools
import logging
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from biobert_tf import checkpoints
from biobert_tf.checkpoints import native
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.embeddings.framing import Row
from biobert_tf.embeddings.settings import LayerMix, Pooling, VectorConfig
from biobert_tf.model import encoder as encoders
from biobert_tf.model.config import EncoderConfig
from biobert_tf.training import precision
from biobert_tf.training.inference import Batch, Inference, Program

_LOG = logging.getLogger(__name__)


class Network:
    """Computes vectors of the layers of an `encoder` on some devices."""

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
        """Builds the encoder with the weights of a checkpoint, not those of heads.

        A batch has at most `batch_size` rows, over all devices; a row has at most
        `max_seq_length` pieces. `strategy` is what `build_strategy(device)` returned.

        Raises:
            InputError: The checkpoint does not hold the encoder, or the devices cannot
                share a batch.
        """
        self.inference = Inference(
            batch_size=batch_size, strategy=strategy, device=device, config=config
        )
        self.config = config
        self.max_seq_length = max_seq_length
        self._programs: dict[tuple[object, ...], Program] = {}
        self._dtype = precision.dtype(device)
        with strategy.scope():
            self.encoder = encoders.Encoder(config, seed=None)
            # The checkpoint may lack the pooler, whose output is not used.
            report = native.assign(
                self.encoder.variables,
                checkpoint.weights,
                source=checkpoint.source,
                new_head=("bert/pooler",),
            )
        _LOG.info("%s", report.summary()[0])

    def vectors(self, rows: Sequence[Row], wanted: VectorConfig) -> np.ndarray:
        """Returns the vectors of at most `batch_size` rows.

        Returns:
            float32. Without pooling `[rows, length, layers, width]`; else
            `[rows, layers, width]`: the sum (for `mean`) or the maximum (`max`) of the
            wanted positions, or the vector of the first position (`cls`). The maximum
            of no positions is the lowest float.

        Raises:
            InputError: The model has no such layer.
        """
        layers = wanted.layers.indexes(self.config.num_hidden_layers)
        mix, pooling = wanted.layer_mix, wanted.pooling
        key = (layers, mix, pooling)
        if key not in self._programs:
            step = functools.partial(self.step, layers=layers, mix=mix, pooling=pooling)
            self._programs[key] = self.inference.compiled(step)
        batch = [vars(row) for row in rows]
        outputs = self.inference.run_batch(
            self._programs[key], batch, self.max_seq_length
        )
        return outputs["vectors"]

    def step(
        self, batch: Batch, layers: Sequence[int], mix: LayerMix, pooling: Pooling
    ) -> dict[str, tf.Tensor]:
        """Returns the `vectors` of one replica's batch; see `vectors`.

        The batch has the arrays of `Row`, int32 `[batch, length]`. Layers, counted from
        0, are mixed before any pooling.
        """
        encoded = self.encoder(*encoders.inputs(batch), dtype=self._dtype)
        x_BLKD = mixed([encoded.encoder_outputs[i] for i in layers], mix)
        return {"vectors": pooled(x_BLKD, batch["is_wanted"], pooling)}


def mixed(layers_BLD: Sequence[tf.Tensor], mix: LayerMix) -> tf.Tensor:
    """Returns the mixed layers, `[batch, length, layers or 1, width]`."""
    if mix == "concat":
        return tf.concat(layers_BLD, axis=-1)[:, :, None]
    x_BLKD = tf.stack(layers_BLD, axis=2)
    if mix == "each":
        return x_BLKD
    reduce = tf.reduce_mean if mix == "mean" else tf.reduce_sum
    return reduce(x_BLKD, axis=2, keepdims=True)


def pooled(x_BLKD: tf.Tensor, is_wanted_BL: tf.Tensor, pooling: Pooling) -> tf.Tensor:
    """Returns the pooled vectors of every row; see `Network.vectors`.

    `is_wanted_BL` is 1 at the positions to pool, else 0.
    """
    if pooling == "none":
        return x_BLKD
    if pooling == "cls":
        return x_BLKD[:, 0]
    if pooling == "mean":
        return encoders.summed(x_BLKD, is_wanted_BL)
    hidden_BLKD = tf.where(is_wanted_BL[:, :, None, None] > 0, x_BLKD, x_BLKD.dtype.min)
    return tf.reduce_max(hidden_BLKD, axis=1)
