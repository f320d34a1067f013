# SPDX-License-Identifier: Apache-2.0
"""Turns texts into vectors, in batches of rows of similar length.

The vectors keep the order of the texts. Memory is bounded whatever the number of texts:
it holds at most a few thousand rows or a hundred megabytes of vectors to sort.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from biobert_tf import checkpoints
from biobert_tf.checkpoints import released
from biobert_tf.common import background
from biobert_tf.common.runs import runs
from biobert_tf.common.settings import DeviceConfig, ModelConfig, TextConfig
from biobert_tf.embeddings.framing import Frame, Framer
from biobert_tf.embeddings.network import Network
from biobert_tf.embeddings.reading import Text
from biobert_tf.embeddings.settings import Pooling, VectorConfig
from biobert_tf.training import strategy as strategies

_MAX_HELD_BYTES: Final = 2**27
_MAX_HELD_ROWS: Final = 4096
_FLOAT_BYTES: Final = 4


class Extracted(NamedTuple):
    """A text and its vectors.

    The vectors are float32 `[pieces, layers, width]`, or `[layers, width]` of a pooled
    text, zeros if it has no pieces. There is one layer if layers are mixed.
    """

    frame: Frame
    vectors: np.ndarray


@dataclasses.dataclass(frozen=True)
class Extractor:
    """Computes the vectors of texts; `load` makes one."""

    framer: Framer
    network: Network

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the results."""
        return strategies.is_chief(self.network.inference.strategy)

    def embed(self, texts: Iterable[Text], wanted: VectorConfig) -> Iterator[Extracted]:
        """Yields the vectors of texts, in order; long ones are read in windows.

        Texts are read as they are needed.

        Raises:
            InputError: The model has no such layer.
        """
        return self.extract(map(self.framer.windowed, texts), wanted)

    def extract(
        self, frames: Iterable[Frame], wanted: VectorConfig
    ) -> Iterator[Extracted]:
        """Yields the vectors of texts that are rows already; see `embed`.

        For a text of several rows, `cls` is the mean of the rows' `[CLS]` vectors;
        `mean` and `max` cover all pieces of the text.
        """
        width = self.network.config.hidden_size * len(wanted.layers.numbers)

        def weight(frame: Frame) -> float:
            num_rows = len(frame.rows)
            num_vectors = len(frame.tokens) if wanted.pooling == "none" else num_rows
            num_bytes = num_vectors * width * _FLOAT_BYTES
            return max(num_rows / _MAX_HELD_ROWS, num_bytes / _MAX_HELD_BYTES)

        for held in background.one_ahead(runs(frames, weight)):
            yield from self._extract_held(held, wanted)

    def _extract_held(
        self, frames: Sequence[Frame], wanted: VectorConfig
    ) -> Iterator[Extracted]:
        rows = [row for frame in frames for row in frame.rows]
        is_pooled = wanted.pooling != "none"
        # The longest rows come first, so that a lack of memory shows at once.
        order = sorted(range(len(rows)), key=lambda i: -len(rows[i].input_ids))
        found: dict[int, np.ndarray] = {}
        batch_size = self.network.inference.batch_size
        for start in range(0, len(order), batch_size):
            numbers = order[start : start + batch_size]
            vectors = self.network.vectors([rows[i] for i in numbers], wanted)
            for i, row_vectors in zip(numbers, vectors, strict=True):
                # Copied, so that the padding beside it is not held.
                is_wanted = np.flatnonzero(rows[i].is_wanted)
                found[i] = row_vectors.copy() if is_pooled else row_vectors[is_wanted]
        row_numbers = iter(range(len(rows)))
        for frame in frames:
            parts = [found.pop(next(row_numbers)) for _ in frame.rows]
            yield Extracted(frame, _joined(parts, len(frame.tokens), wanted.pooling))


def _joined(
    parts: Sequence[np.ndarray], num_pieces: int, pooling: Pooling
) -> np.ndarray:
    """Returns the vectors of a text from those of its rows; see `Network.vectors`."""
    if pooling == "none":
        return np.concatenate(parts) if len(parts) > 1 else parts[0]
    if pooling == "cls":
        return np.mean(parts, axis=0)
    if not num_pieces:
        return np.zeros_like(parts[0])
    if pooling == "mean":
        return np.sum(parts, axis=0) / np.float32(num_pieces)
    return np.max(parts, axis=0)


def load(
    text: TextConfig, model: ModelConfig, device: DeviceConfig, batch_size: int
) -> Extractor:
    """Returns an extractor for a checkpoint; `batch_size` is in rows, of all devices.

    Raises:
        InputError: A file is missing or does not fit the others, the checkpoint holds
            no encoder, or the devices cannot be used so.
    """
    assert model.init_checkpoint is not None
    parts = released.load(text, model, None)
    # Workers must join the cluster before TensorFlow does anything else.
    strategy = strategies.build_strategy(device)
    network = Network(
        parts.encoder_config,
        checkpoints.locate(model.init_checkpoint).read(),
        batch_size=batch_size,
        max_seq_length=text.max_seq_length,
        strategy=strategy,
        device=device,
    )
    return Extractor(Framer(parts.tokenizer, text.max_seq_length), network)
