# SPDX-License-Identifier: Apache-2.0
"""Packs several short texts into one row, so that few positions are padding.

The texts of a batch stay what they are, and so do their losses: `encoder.PackedRows`
only computes them side by side (Krell et al. 2021, arXiv 2107.02027). Attention stays
within a text, positions restart with each.

`on` packs the texts of every batch. `dense` exchanges texts among the batches of
`GROUP` steps, so that nearly all rows are full: batches then have the same number of
texts on average only. The number of devices changes no step.

All of it is TensorFlow's operations. Python in a pipeline could lock up the process:
who frees a pipeline may hold the interpreter's lock, for which the pipeline waits.

Shape suffixes: B texts of a device's batch, L pieces of a record, N texts, U batches of
a group, M parts of a batch, E texts of a part, R rows of a part, W width of a row.
"""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import Final

import numpy as np
import tensorflow as tf

from biobert_tf.common.clock import Meter
from biobert_tf.common.settings import PackSequences
from biobert_tf.model.encoder import PLACES
from biobert_tf.training import records
from biobert_tf.training.records import Batch, InputPipeline, TrainingData

GROUP: Final = 64
"""Number of steps whose batches exchange texts if the packing is dense."""

_ENDLESS: Final = GROUP * 2**32

# Batches from which lengths and shares are estimated.
_MEASURED: Final = 200
# Where more of the padded rows is real, packing gains less than it costs.
_FULL: Final = 0.8
# Width of a bar of the histogram, in pieces.
_BAR: Final = 16


@dataclasses.dataclass(frozen=True)
class Shape:
    """The size of a part of a batch: its rows, their width, and its texts."""

    rows: int
    width: int
    texts: int


@dataclasses.dataclass(frozen=True)
class Packer:
    """Packs the batches of a training.

    Attributes:
        dense: Whether batches exchange texts.
        num_parts: The number of equal parts of a device's batch, which are computed one
            after another. No row holds texts of two parts.
        num_devices: The number of devices that share a step.
        num_steps: The number of steps in the training. Its last batches exchange texts
            among themselves, so that all of these are seen.
        width: The width of rows if batches exchange no texts; by default that of the
            longest text in the batch.
        shape: The shape of every part, for compilers; by default as small as can be.
    """

    dense: bool
    num_parts: int = 1
    num_devices: int = 1
    num_steps: int = _ENDLESS
    width: int | None = None
    shape: Shape | None = None

    def packed(self, data: TrainingData) -> TrainingData:
        """Returns the same training data, each batch with the entry `PLACES`.

        It is int32 `[M * R, W]`; see `encoder.PackedRows`. Its places count from the
        start of a part.
        """
        batches = self._dense if self.dense else self._exact
        return dataclasses.replace(
            data,
            batches=lambda pipeline, skipped: batches(data, pipeline, skipped),
        )

    def _exact(
        self, data: TrainingData, pipeline: InputPipeline, num_skipped: int
    ) -> tf.data.Dataset:
        def add(batch: Batch) -> Batch:
            lengths_B, length = _lengths(batch)
            width = self.width or tf.maximum(1, tf.reduce_max(lengths_B))
            parts = tf.split(lengths_B, self.num_parts)
            wheres = [packed(part, width) for part in parts]
            num_rows = tf.reduce_max([tf.reduce_max(rows) for rows, _ in wheres]) + 1
            if self.shape is not None:
                num_rows = tf.constant(self.shape.rows)
            firsts = tf.range(len(lengths_B) // self.num_parts) * length
            laid = [
                _laid(*where, lengths, firsts, num_rows, width)
                for where, lengths in zip(wheres, parts, strict=True)
            ]
            places = tf.concat(laid, 0)
            places.set_shape(self._shape_of_places())
            return {**batch, PLACES: places}

        batches = data.batches(pipeline, num_skipped)
        return batches.map(add, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)

    def _dense(
        self, data: TrainingData, pipeline: InputPipeline, num_skipped: int
    ) -> tf.data.Dataset:
        size = pipeline.batch_size * self.num_devices
        num_whole, num_last = divmod(self.num_steps, GROUP)
        first, num_left = divmod(num_skipped, size * GROUP)

        def batches(group: Batch) -> tf.data.Dataset:
            lengths_N, length = _lengths(group)
            dealt = self._dealt(lengths_N, length, tf.size(lengths_N) // size)
            slices = tf.data.Dataset.from_tensor_slices(dealt)
            return slices.map(lambda *own: self._gathered(group, data.specs, *own))

        def groups(num_steps: int, number: int) -> tf.data.Dataset:
            whole = InputPipeline(batch_size=num_steps * size)
            return data.batches(whole, number * GROUP * size)

        dataset = groups(GROUP, first).take(num_whole - first)
        if num_last:
            dataset = dataset.concatenate(groups(num_last, num_whole).take(1))
        dataset = dataset.flat_map(batches).skip(num_left // pipeline.batch_size)
        # Some must be left while the next group is dealt out.
        return dataset.shard(pipeline.num_workers, pipeline.worker).prefetch(GROUP // 2)

    def _dealt(
        self, lengths_N: tf.Tensor, length: tf.Tensor, num_steps: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Deals the texts of a group to its batches.

        The rows with most texts are dealt first, forth and back, so that all steps get
        about as many texts. A step gets as many rows as any other, or one less.

        Returns:
            The numbers of the texts, -1 for none, int32 `[U, M, E]`; their places,
            int32 `[U, M, R, W]`; and how many of the texts and rows of a part each
            batch needs, int32 `[U, 2]`.
        """
        devices, parts = self.num_devices, self.num_parts
        num_texts, num_hands = tf.size(lengths_N), num_steps * devices * parts
        row_N, offset_N = packed(lengths_N, length)
        order = tf.argsort(tf.math.bincount(row_N), direction="DESCENDING", stable=True)
        rank_N = tf.gather(tf.math.invert_permutation(order), row_N)
        turn_N, place_N = _divmod(rank_N, num_steps)
        step_N = tf.where(turn_N % 2 == 0, place_N, num_steps - 1 - place_N)
        part_N, device_N = _divmod(turn_N, devices)
        slot_N, part_N = _divmod(part_N, parts)
        # A hand is what a part of a batch gets.
        hand_N = (step_N * devices + device_N) * parts + part_N
        num_rows = tf.reduce_max(slot_N) + 1
        sorted_N = tf.argsort((hand_N * num_rows + slot_N) * (length + 1) + offset_N)
        hands_N = tf.gather(hand_N, sorted_N)
        numbers_N = tf.range(num_texts) - tf.searchsorted(hands_N, hands_N)
        most_texts = tf.reduce_max(numbers_N) + 1
        sizes_U2 = tf.stack(
            [
                tf.reduce_max(tf.reshape(values, [-1, parts]), 1)
                for values in (
                    tf.math.bincount(hand_N, minlength=num_hands),
                    tf.math.unsorted_segment_max(slot_N + 1, hand_N, num_hands),
                )
            ],
            axis=1,
        )
        if self.shape is not None:
            most_texts, num_rows = self.shape.texts, self.shape.rows
            sizes_U2 = tf.fill([num_steps * devices, 1], 1) * [[most_texts, num_rows]]
        texts = tf.tensor_scatter_nd_update(
            tf.fill([num_hands, most_texts], -1),
            tf.stack([hands_N, numbers_N], axis=1),
            sorted_N,
        )
        number_N = tf.scatter_nd(sorted_N[:, None], numbers_N, [num_texts])
        places = _laid(
            hand_N * num_rows + slot_N,
            offset_N,
            lengths_N,
            number_N * length,
            num_hands * num_rows,
            length,
        )
        return (
            tf.reshape(texts, [-1, parts, most_texts]),
            tf.reshape(places, [-1, parts, num_rows, length]),
            tf.maximum(sizes_U2, 0),
        )

    def _gathered(
        self,
        group: Batch,
        specs: records.Specs,
        texts_ME: tf.Tensor,
        places_MRW: tf.Tensor,
        sizes_2: tf.Tensor,
    ) -> Batch:
        """Returns the batch of some texts of a group, with its places."""
        texts_B = tf.reshape(texts_ME[:, : sizes_2[0]], [-1])
        width = tf.shape(places_MRW)[2]
        places = tf.reshape(places_MRW[:, : sizes_2[1]], [-1, width])
        places.set_shape(self._shape_of_places())
        batch = {PLACES: places}
        for name, values in group.items():
            padding = specs[name].padding if name in specs else 0
            found = tf.gather(values, tf.maximum(texts_B, 0))
            is_there = tf.reshape(texts_B >= 0, [-1] + [1] * (len(values.shape) - 1))
            batch[name] = tf.where(is_there, found, tf.cast(padding, values.dtype))
            size = self.num_parts * self.shape.texts if self.shape else None
            batch[name].set_shape([size, *values.shape[1:]])
        return batch

    def _shape_of_places(self) -> list[int | None]:
        if self.shape is None:
            return [None, None]
        return [self.num_parts * self.shape.rows, self.shape.width]


@dataclasses.dataclass(frozen=True)
class Lengths:
    """The texts of some batches, and the rows they take.

    Attributes:
        counts: How many texts have so many pieces, by the number of pieces.
        padded: The places in rows of one text each.
        packed: The places in the rows as they are.
        shape: The largest part of a batch.
        mode: How the texts are packed.
    """

    counts: Mapping[int, int]
    padded: int
    packed: int
    shape: Shape
    mode: PackSequences = "off"

    @property
    def num_texts(self) -> int:
        """Returns the number of texts, without empty ones."""
        return sum(self.counts.values())

    @property
    def num_pieces(self) -> int:
        """Returns the number of pieces of all texts."""
        return sum(length * count for length, count in self.counts.items())

    def to_dict(self) -> dict[str, object]:
        """Returns the real shares and a histogram in bars of 16 pieces, for JSON."""
        bars: Counter[int] = Counter()
        for length, count in self.counts.items():
            bars[(length - 1) // _BAR] += count
        return {
            "packing": self.mode,
            "real_share": round(self.num_pieces / self.packed, 4),
            "padded_real_share": round(self.num_pieces / self.padded, 4),
            "texts_measured": self.num_texts,
            "lengths": {
                f"{bar * _BAR + 1}-{(bar + 1) * _BAR}": bars[bar]
                for bar in sorted(bars)
            },
        }

    def __str__(self) -> str:
        """Returns what a log line says of the texts."""
        mean = self.num_pieces / max(1, self.num_texts)
        line = (
            f"texts have {min(self.counts, default=0)} to "
            f"{max(self.counts, default=0)} pieces, {mean:.1f} on average; of the "
            f"places in padded rows {self.num_pieces / self.padded:.0%} are real"
        )
        if self.mode != "off":
            line += f", of those in packed rows {self.num_pieces / self.packed:.0%}"
        return line


def measured(
    data: TrainingData, batch_size: int, num_parts: int, num_batches: int
) -> Lengths:
    """Reads the first batches of a training; `batch_size` is that of a device."""
    counts: Counter[int] = Counter()
    padded = packed = rows = width = texts = 0
    batches = data.batches(InputPipeline(batch_size), 0).take(num_batches)
    with records.explained(data.paths, data.specs):
        for batch in Meter("measuring", "batches", num_batches).over(batches):
            mask_BL = batch["input_mask"].numpy()
            lengths_B = np.count_nonzero(mask_BL, axis=1)
            counts.update(lengths_B[lengths_B > 0].tolist())
            places = batch[PLACES].numpy() if PLACES in batch else mask_BL
            # Texts that only fill up a batch are none.
            padded += np.count_nonzero(lengths_B) * mask_BL.shape[1]
            packed += places.size
            rows = max(rows, len(places) // num_parts)
            width = max(width, places.shape[1])
            texts = max(texts, len(mask_BL) // num_parts)
    return Lengths(counts, padded, packed, Shape(rows, width, texts))


def chosen(
    mode: PackSequences,
    data: TrainingData,
    *,
    batch_size: int,
    num_parts: int,
    num_devices: int,
    num_steps: int,
    is_static: bool,
) -> tuple[TrainingData, Lengths]:
    """Packs the batches of a training as asked for.

    Args:
        mode: `auto` packs the texts of each batch unless rows are nearly full anyway.
        data: The padded batches.
        batch_size: Texts of a device's batch.
        num_parts: Parts of a device's batch.
        num_devices: Devices that share a step.
        num_steps: The number of steps in the training, were it not to stop early.
        is_static: Whether a compiler needs one shape for all batches: then they all
            are read once before.

    Returns:
        The batches, and what their first ones hold.
    """
    num_batches = num_steps * num_devices
    padded = measured(data, batch_size, num_parts, min(num_batches, _MEASURED))
    is_full = padded.num_pieces >= _FULL * padded.padded
    if mode == "off" or (mode == "auto" and is_full):
        return data, padded
    mode = "on" if mode == "auto" else mode
    width = data.specs["input_ids"].length if is_static else None
    packer = Packer(mode == "dense", num_parts, num_devices, num_steps, width)
    number = num_batches if is_static else min(num_batches, _MEASURED)
    packed = measured(packer.packed(data), batch_size, num_parts, number)
    if is_static:
        packer = dataclasses.replace(packer, shape=packed.shape)
        number = min(num_batches, _MEASURED)
        packed = measured(packer.packed(data), batch_size, num_parts, number)
    return packer.packed(data), dataclasses.replace(packed, mode=mode)


def _lengths(batch: Batch) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the number of pieces of every text, `[B]`, and L."""
    mask_BL = batch["input_mask"]
    return tf.math.count_nonzero(mask_BL, axis=1, dtype=tf.int32), tf.shape(mask_BL)[1]


def _divmod(values: tf.Tensor, by: tf.Tensor | int) -> tuple[tf.Tensor, tf.Tensor]:
    return values // by, values % by


def packed(lengths_N: tf.Tensor, width: tf.Tensor | int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the row of every text and its offset there, int32 `[N]` each.

    No row is longer than `width`, the most pieces of a text; all are filled. Each row
    begins with the longest text that is left. What fills it to the brim comes next: one
    text, or else two, of a length of which most texts are left. If there is neither, it
    is the longest that fits. An empty text counts as one piece.
    """
    lengths_N = tf.maximum(lengths_N, 1)
    num_texts = tf.size(lengths_N)
    lengths = tf.range(width + 1)

    def add(
        number: tf.Tensor,
        counts: tf.Tensor,
        row: tf.Tensor,
        room: tf.Tensor,
        found: tf.TensorArray,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.TensorArray]:
        """Places one more text; so many of every length are left as `counts` says."""
        is_left = counts > 0
        fitting = tf.reduce_max(tf.where(is_left & (lengths <= room), lengths, 0))
        is_new = fitting == 0
        row += tf.cast(is_new, tf.int32)
        others = tf.gather(counts, tf.maximum(room - lengths, 0))
        others -= tf.cast(lengths * 2 == room, tf.int32)
        pairs = tf.where((others > 0) & (lengths < room), counts, 0)
        best = tf.where(
            tf.reduce_max(pairs) > 0, tf.argmax(pairs, output_type=tf.int32), fitting
        )
        best = tf.where(counts[room] > 0, room, best)
        longest = tf.reduce_max(tf.where(is_left, lengths, 0))
        length = tf.where(is_new, longest, best)
        room = tf.where(is_new, width, room) - length
        counts = tf.tensor_scatter_nd_sub(counts, [[length]], [1])
        return number + 1, counts, row, room, found.write(number, [length, row])

    counts = tf.math.bincount(lengths_N, minlength=width + 1)
    begin = (0, counts, -1, 0, tf.TensorArray(tf.int32, num_texts, element_shape=[2]))
    *_, found = tf.while_loop(lambda number, *_: number < num_texts, add, begin)
    length_N, row_N = tf.unstack(found.stack(), axis=1)
    ends_N = tf.cumsum(length_N, exclusive=True)
    offset_N = ends_N - tf.gather(tf.math.segment_min(ends_N, row_N), row_N)
    # The first text of a length is the first that was placed of that length.
    placed = tf.gather(
        tf.stack([row_N, offset_N], 1), tf.argsort(length_N, stable=True)
    )
    where = tf.scatter_nd(
        tf.argsort(lengths_N, stable=True)[:, None], placed, [num_texts, 2]
    )
    return where[:, 0], where[:, 1]


def _laid(
    row_N: tf.Tensor,
    offset_N: tf.Tensor,
    lengths_N: tf.Tensor,
    firsts_N: tf.Tensor,
    num_rows: tf.Tensor | int,
    width: tf.Tensor | int,
) -> tf.Tensor:
    """Returns the places of the pieces of texts, int32 `[num_rows, width]`.

    A text of so many pieces lies in its row from an offset on; the place of its first
    piece is given.
    """
    pieces = tf.range(tf.reduce_max(lengths_N))
    is_piece = pieces < lengths_N[:, None]
    cells = tf.boolean_mask((row_N * width + offset_N)[:, None] + pieces, is_piece)
    places = tf.boolean_mask(firsts_N[:, None] + pieces, is_piece)
    empty = tf.fill([num_rows * width], -1)
    found = tf.tensor_scatter_nd_update(empty, cells[:, None], places)
    return tf.reshape(found, [num_rows, width])
