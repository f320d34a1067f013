# SPDX-License-Identifier: Apache-2.0
"""Estimates the memory of a training and of a prediction, and says what fits.

All sizes are bytes on one device. The counts are those of the tensors that
`model.encoder` makes; a compiler that fuses operations keeps fewer of them, so that the
estimate is an upper bound with XLA. `benchmarks/pretraining_memory.py` compares it with
measured peaks.

Letters: L pieces of a row, N heads, D hidden size, F size of the feed-forward layer, p
bytes of a value in products: 4, or 2 with mixed precision.
"""

import contextlib
import dataclasses
import logging
from collections.abc import Iterator
from typing import Final

import tensorflow as tf

from biobert_tf.common import room
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import RunConfig
from biobert_tf.model.config import EncoderConfig
from biobert_tf.training import strategy as strategies

_LOG = logging.getLogger(__name__)

_FLOAT: Final = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingMemory:
    """The memory of a training step.

    Attributes:
        config: The sizes of the encoder.
        num_weights: Number of the model's weights.
        length: Pieces of a row.
        num_scores: Scores that the head computes per row; only those of a whole
            vocabulary count.
        value_bytes: Bytes of a value in products.
        num_devices: Devices that share a batch.
        run: The sizes of batches.
    """

    config: EncoderConfig
    num_weights: int
    length: int
    num_scores: int
    value_bytes: int
    num_devices: int
    run: RunConfig

    @property
    def rows(self) -> int:
        """Returns the rows that a device computes at a time."""
        parts = self.num_devices * self.run.gradient_accumulation_steps
        return self.run.train_batch_size // parts

    @property
    def fixed_bytes(self) -> int:
        """Returns what does not depend on the batch.

        Float32 weights, their gradients, the gradients once more as they are clipped,
        and the two moments of Adam; the sum of gradients if they are accumulated.
        """
        copies = 5 + (self.run.gradient_accumulation_steps > 1)
        return _FLOAT * copies * self.num_weights

    @property
    def row_bytes(self) -> int:
        """Returns what each row of a batch takes: activations kept for the gradient.

        A block keeps per piece, for the gradients of
        - two layer normalisations: the standardized input, 8 D;
        - the products: both inputs, query, key, value and average, 6 p D;
        - two dropouts: a byte for each value, 2 D;
        - GELU: its input, the share of that, and the result, 3 p F;
        - attention: softmax, dropout's byte and the dropped weights, (5 + p) N L.

        With recomputation a block keeps its input, 4 D, and one block at a time keeps
        the others. The backward pass adds about four tensors as large as the largest;
        that number is measured, not counted. Embeddings keep 12 D. A score has a logit,
        its share of the loss' gradient, and that gradient once more, 12.
        """
        size, inner = self.config.hidden_size, self.config.intermediate_size
        pairs = self.config.num_attention_heads * self.length
        p = self.value_bytes
        block = (8 + 6 * p + 2) * size + 3 * p * inner + (5 + p) * pairs
        num_blocks, inputs = self.config.num_hidden_layers, 0
        if self.run.recompute:
            num_blocks, inputs = 1, _FLOAT * size * num_blocks
        backward = 4 * max(p * inner, _FLOAT * pairs)
        per_piece = num_blocks * block + inputs + backward + 12 * size
        return self.length * per_piece + 12 * self.num_scores

    @property
    def total_bytes(self) -> int:
        """Returns the memory of a step."""
        return self.fixed_bytes + self.rows * self.row_bytes

    def fitting(self, limit: int) -> int:
        """Returns the most rows whose step takes at most `limit` bytes, or 0."""
        return max(0, (limit - self.fixed_bytes) // self.row_bytes)

    def advice(self, limit: int | None) -> str:
        """Says which flags save memory, and how many rows then fit into `limit`."""
        if limit is None:
            return (
                "raise --gradient_accumulation_steps (same result), set "
                "--recompute or --mixed_precision=bfloat16, or lower "
                "--train_batch_size or --max_seq_length"
            )
        fit = _advised(self.rows, self.fitting(limit))
        size = fit * self.num_devices * self.run.gradient_accumulation_steps
        ways = [f"--train_batch_size={size}"] if fit else []
        parts = self.run.train_batch_size // self.num_devices
        for steps in range(2, parts + 1):
            split = dataclasses.replace(self.run, gradient_accumulation_steps=steps)
            smaller = dataclasses.replace(self, run=split)
            if parts % steps == 0 and smaller.rows <= min(smaller.fitting(limit), fit):
                ways.insert(0, f"--gradient_accumulation_steps={steps} (same result)")
                break
        again = dataclasses.replace(self.run, recompute=True)
        others = {
            "--recompute": dataclasses.replace(self, run=again),
            "--mixed_precision=bfloat16": dataclasses.replace(self, value_bytes=2),
        }
        for flag, other in others.items():
            if other != self and other.fitting(limit) > fit:
                ways.append(f"{flag} (then {other.fitting(limit)} rows fit)")
        return (
            f"by estimate {fit} rows of {self.length} pieces fit: set "
            f"{', or '.join([*ways, 'a lower --max_seq_length'])}"
        )

    def warn(self, limit: int | None) -> None:
        """Warns, before it begins, of a training that needs more than the memory.

        Linux ends a process that takes too much without a word.
        """
        if limit is not None and self.total_bytes > limit:
            _LOG.warning("%s; %s", self._need(limit), self.advice(limit))

    def _need(self, limit: int | None) -> str:
        there = "" if limit is None else f", and {room.size(limit)} are there"
        return (
            f"a step of {self.rows} rows of {self.length} pieces takes about "
            f"{room.size(self.total_bytes)} of memory{there}"
        )

    @contextlib.contextmanager
    def explained(self, strategy: tf.distribute.Strategy) -> Iterator[None]:
        """Turns a lack of memory in the block into an InputError: what would fit."""
        try:
            yield
        except Exception as error:
            if not room.memory_is_exhausted(error):
                raise
            limit = device_memory(strategy)
            raise InputError(
                f"out of memory: {self._need(limit)}; {self.advice(limit)}"
            ) from error


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictionMemory:
    """The memory of a prediction with an encoder, whose head is not counted.

    `value_bytes` are the bytes of a value in products.
    """

    config: EncoderConfig
    value_bytes: int

    @property
    def fixed_bytes(self) -> int:
        """Returns the bytes of the encoder's float32 weights."""
        c = self.config
        size, inner = c.hidden_size, c.intermediate_size
        embeddings = c.vocab_size + c.max_position_embeddings + c.type_vocab_size
        # Four square products; two others; their biases; two layer normalisations.
        block = 4 * size**2 + 2 * size * inner + 5 * size + inner + 4 * size
        pooler = size**2 + size
        weights = (embeddings + 2) * size + c.num_hidden_layers * block + pooler
        return _FLOAT * weights

    def row_bytes(self, length: int) -> int:
        """Returns the bytes of a row in the part of a block that takes the most.

        Beside the block's input, 4 D per piece, these are query, key, value and a copy,
        4 p D, with the scores and the softmax of attention, (p + 4) N L; or three
        tensors of the feed-forward layer, 3 p F.
        """
        p, size = self.value_bytes, self.config.hidden_size
        scores = (p + _FLOAT) * self.config.num_attention_heads * length
        attention = 4 * p * size + scores
        block = max(attention, 3 * p * self.config.intermediate_size)
        return length * (_FLOAT * size + block)

    def fitting(self, length: int, limit: int) -> int:
        """Returns the most rows that take at most `limit` bytes, or 0."""
        return max(0, (limit - self.fixed_bytes) // self.row_bytes(length))


@contextlib.contextmanager
def explained_prediction(
    rows: int,
    length: int,
    memory: PredictionMemory | None,
    strategy: tf.distribute.Strategy,
) -> Iterator[None]:
    """Turns a lack of memory in the block into an InputError that says what fits.

    The block predicts a batch of `rows` rows per device, of at most `length` pieces.
    """
    try:
        yield
    except Exception as error:
        if not room.memory_is_exhausted(error):
            raise
        said, limit = f"try {rows // 2} rows" if rows > 1 else "it is too long", None
        if memory is not None and (limit := device_memory(strategy)) is not None:
            fit = _advised(rows, memory.fitting(length, limit))
            said = f"by estimate {fit} rows fit"
        raise InputError(
            f"out of memory: a prediction of {rows} rows of {length} pieces; {said}: "
            "lower --predict_batch_size (an evaluation's --eval_batch_size, other "
            "commands' --batch_size) or --max_seq_length"
        ) from error


def _advised(rows: int, fitting: int) -> int:
    """Returns a number of rows to advise where some were too many.

    The batch did not fit. If the estimate says it fits, advise half.
    """
    return fitting if fitting < rows else rows // 2


def device_memory(strategy: tf.distribute.Strategy) -> int | None:
    """Returns the bytes that TensorFlow can have on a device of the strategy.

    None if that is not known, as for a TPU.
    """
    kind = strategies.device_kind(strategy)
    if kind == "CPU":
        return room.host_memory()
    if kind != "GPU":
        return None
    from tensorflow.python.client import device_lib

    limits = [
        device.memory_limit
        for device in device_lib.list_local_devices()
        if device.device_type == "GPU"
    ]
    return min(limits, default=None)
