# SPDX-License-Identifier: Apache-2.0
"""Packs several short texts into one row, so that few positions are padding.

The texts of a batch stay what they are, and so do their losses: `encoder.PackedRows`
only computes them side by side (Krell et al. 2021, arXiv 2107.02027). Attention stays
within a text, positions restart with each.

`on` packs the texts of every batch. `dense` exchanges texts among the batches of
`GROUP` steps, so that nearly all rows are full: batches then have the same number of
texts on average only. The number of devices changes no step.

Shape suffixes: B texts of a device's batch, L pieces of a record, U batches of a group,
M parts of a batch, E texts of a part, R rows of a part, W width of a row.
"""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
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

# Batches from which lengths and shares are estimated.
_MEASURED: Final = 200
# Where more of the padded rows is real, packing gains less than it costs.
_FULL: Final = 0.8
# Sums of lengths that are tried to fill a row.
_MOST_TRIALS: Final = 300
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
        width: The width of rows if batches exchange no texts; by default that of the
            longest text in the batch.
        shape: The shape of every part, for compilers; by default as small as can be.
    """

    dense: bool
    num_parts: int = 1
    num_devices: int = 1
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
        def lay(mask_BL: np.ndarray) -> np.ndarray:
            parts = np.split(np.arange(len(mask_BL)), self.num_parts)
            lengths = np.count_nonzero(mask_BL, axis=1)
            width = self.width or max(1, int(lengths.max()))
            rows = [_filled(part.tolist(), lengths, width) for part in parts]
            num_rows = self.shape.rows if self.shape else max(map(len, rows))
            firsts = np.arange(len(mask_BL)) % len(parts[0]) * mask_BL.shape[1]
            laid = [_laid(part, lengths, firsts, num_rows, width) for part in rows]
            return np.concatenate(laid)

        def add(batch: Batch) -> Batch:
            places = tf.numpy_function(
                lay, [batch["input_mask"]], tf.int32, stateful=False
            )
            places.set_shape(self._shape_of_places())
            return {**batch, PLACES: places}

        dataset = data.batches(pipeline, num_skipped)
        return dataset.map(add, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)

    def _dense(
        self, data: TrainingData, pipeline: InputPipeline, num_skipped: int
    ) -> tf.data.Dataset:
        size = pipeline.batch_size * self.num_devices * GROUP
        whole = InputPipeline(batch_size=size)
        num_groups, rest = divmod(num_skipped, size)

        def deal(mask_BL: np.ndarray) -> tuple[np.ndarray, ...]:
            return self._dealt(np.count_nonzero(mask_BL, axis=1), mask_BL.shape[1])

        def batches(group: Batch) -> tf.data.Dataset:
            texts_UME, places_UMRW, sizes_U2 = tf.numpy_function(
                deal, [group["input_mask"]], [tf.int32] * 3, stateful=False
            )
            parts = (texts_UME, places_UMRW, sizes_U2)
            ranks = (3, 4, 2)
            for values, rank in zip(parts, ranks, strict=True):
                values.set_shape([None] * rank)
            return tf.data.Dataset.from_tensor_slices(parts).map(
                lambda *dealt: self._gathered(group, data.specs, *dealt)
            )

        dataset = data.batches(whole, num_groups * size)
        dataset = dataset.flat_map(batches).skip(rest // pipeline.batch_size)
        return dataset.shard(pipeline.num_workers, pipeline.worker).prefetch(2)

    def _dealt(
        self, lengths_N: np.ndarray, length: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Deals the texts of a group to its batches.

        Returns:
            The numbers of the texts, -1 for none, int32 `[U, M, E]`; their places,
            int32 `[U, M, R, W]`; and how many of the texts and rows of a part each
            batch needs, int32 `[U, 2]`.
        """
        rows = _filled(range(len(lengths_N)), lengths_N, length)
        hands = _hands(rows, self.num_devices, self.num_parts)
        sizes = [
            (max(sum(map(len, part)) for part in hand), max(map(len, hand)))
            for hand in hands
        ]
        most_texts, most_rows = map(max, zip(*sizes, strict=True))
        if self.shape is not None:
            most_texts, most_rows = self.shape.texts, self.shape.rows
            sizes = [(most_texts, most_rows)] * len(hands)
        texts = np.full([len(hands), self.num_parts, most_texts], -1, np.int32)
        places = []
        for unit, hand in enumerate(hands):
            for number, part in enumerate(hand):
                held = [text for row in part for text in row]
                texts[unit, number, : len(held)] = held
                firsts = np.zeros(len(lengths_N), np.int64)
                firsts[held] = np.arange(len(held)) * length
                places.append(_laid(part, lengths_N, firsts, most_rows, length))
        shape = (len(hands), self.num_parts, most_rows, length)
        return texts, np.reshape(places, shape), np.array(sizes, np.int32)

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
        num_steps: The number of steps in the training.
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
    packer = Packer(mode == "dense", num_parts, num_devices, width)
    number = num_batches if is_static else min(num_batches, _MEASURED)
    packed = measured(packer.packed(data), batch_size, num_parts, number)
    if is_static:
        packer = dataclasses.replace(packer, shape=packed.shape)
        number = min(num_batches, _MEASURED)
        packed = measured(packer.packed(data), batch_size, num_parts, number)
    return packer.packed(data), dataclasses.replace(packed, mode=mode)


def rows_of(lengths: Sequence[int], width: int) -> list[list[int]]:
    """Returns the numbers of the texts in every row; no row is longer than `width`.

    Each row begins with the longest text that is left. Others fill it to the brim, or
    as far as a short search finds: those lengths first of which most texts are left,
    so that none is used up early. `lengths` are in pieces, at most `width`; an empty
    text counts as one piece.
    """
    texts: list[list[int]] = [[] for _ in range(width + 1)]
    for text in reversed(range(len(lengths))):
        texts[max(1, lengths[text])].append(text)
    counts = [len(held) for held in texts]
    rows = []
    while left := [length for length in range(width, 0, -1) if counts[length]]:
        longest = left[0]
        counts[longest] -= 1
        left.sort(key=lambda length: -counts[length])
        filling = _filling(left, counts, width - longest)
        for length in filling:
            counts[length] -= 1
        rows.append([texts[length].pop() for length in (longest, *filling)])
    return rows


def _filling(candidates: Sequence[int], counts: list[int], room: int) -> list[int]:
    """Returns lengths whose sum is `room`, or the nearest below that is found.

    So many texts of a length are left as `counts` says, which is as before afterwards.
    """
    best: list[int] = []
    chosen: list[int] = []
    least, trials = room, 0

    def search(first: int, room: int) -> bool:
        """Tries candidates from the `first` on; says whether to stop."""
        nonlocal best, least, trials
        trials += 1
        if room < least:
            best, least = chosen[:], room
        if not least or trials > _MOST_TRIALS:
            return True
        for place in range(first, len(candidates)):
            length = candidates[place]
            if length > room or not counts[length]:
                continue
            counts[length] -= 1
            chosen.append(length)
            stops = search(place, room - length)
            chosen.pop()
            counts[length] += 1
            if stops:
                return True
        return False

    search(0, room)
    return best


def _filled(texts: Sequence[int], lengths: np.ndarray, width: int) -> list[list[int]]:
    """Returns the rows of some texts, by their numbers in `lengths`."""
    rows = rows_of([int(lengths[text]) for text in texts], width)
    return [[texts[i] for i in row] for row in rows]


def _hands(
    rows: Sequence[list[int]], num_devices: int, num_parts: int
) -> list[list[list[list[int]]]]:
    """Deals rows to the batches of a group, about the same number of texts to each.

    A step gets the same number of rows as any other, or one less.

    Returns:
        The rows of each part of each batch, step by step and device by device.
    """
    hands: list[list[list[list[int]]]] = [
        [[] for _ in range(num_parts)] for _ in range(GROUP * num_devices)
    ]
    # The rows with most texts first, forth and back.
    order = sorted(rows, key=len, reverse=True)
    for number, row in enumerate(order):
        turn, place = divmod(number, GROUP)
        step = place if turn % 2 == 0 else GROUP - 1 - place
        part, device = divmod(turn, num_devices)
        hands[step * num_devices + device][part % num_parts].append(row)
    return hands


def _laid(
    rows: Sequence[Sequence[int]],
    lengths: np.ndarray,
    firsts: np.ndarray,
    num_rows: int,
    width: int,
) -> np.ndarray:
    """Returns the places of the pieces of rows, int32 `[num_rows, width]`.

    The first piece of a text has the place that `firsts` says.
    """
    places = np.full([num_rows, width], -1, np.int32)
    for row, texts in enumerate(rows):
        end = 0
        for text in texts:
            begin, end = end, end + int(lengths[text])
            places[row, begin:end] = np.arange(firsts[text], firsts[text] + end - begin)
    return places
