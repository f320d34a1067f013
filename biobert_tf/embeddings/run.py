# SPDX-License-Identifier: Apache-2.0
"""`biobert extract-features`: computes the vectors of lines of text.

lines -> texts -> rows -> vectors -> JSON lines, or a table of pieces, words, texts
"""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

from biobert_tf.common import files, streams
from biobert_tf.common.clock import Meter
from biobert_tf.common.errors import InputError
from biobert_tf.embeddings import extraction, reading, tables, writing
from biobert_tf.embeddings.extraction import Extracted
from biobert_tf.embeddings.settings import ExtractFeaturesConfig


@dataclasses.dataclass
class Summary:
    """The counts of an extraction; pieces also if the file holds words or texts.

    `windowed` texts were read in several windows; `cut` ones lost their end.
    """

    path: Path
    texts: int = 0
    pieces: int = 0
    windowed: int = 0
    cut: int = 0

    def text(self) -> str:
        """Returns one line to print."""
        text = f"{self.path}: {self.texts} texts, {self.pieces} pieces"
        if self.windowed:
            text += f", {self.windowed} longer than --max_seq_length, read in windows"
        return text + (f", {self.cut} cut at --max_seq_length" if self.cut else "")

    def counted(self, extracted: Iterable[Extracted]) -> Iterator[Extracted]:
        """Yields the same items and counts them."""
        for one in extracted:
            self.texts += 1
            self.pieces += len(one.frame.tokens)
            self.windowed += len(one.frame.rows) > 1
            self.cut += one.frame.num_lost > 0
            yield one


def run(settings: ExtractFeaturesConfig) -> Summary:
    """Writes the vectors of a file of texts.

    Raises:
        InputError: The input, the model or the output cannot be used.
    """
    output_format = settings.output_format
    if settings.output_file.is_dir():
        raise InputError.at(settings.output_file, None, "is a folder; want a file")
    writing.require(output_format)
    lines = reading.read_texts(settings.input_file)
    # Most bad input shows in its first line, so read that before the model.
    texts = itertools.chain([next(lines)], lines)
    extractor = extraction.load(
        settings.text, settings.model, settings.device, settings.batch_size
    )
    settings.vectors.layers.indexes(extractor.network.config.num_hidden_layers)
    summary = Summary(settings.output_file)
    framer, write = extractor.framer, _write_table
    frame = framer.windowed
    if output_format == "jsonl":
        frame, write = framer.truncated, _write_jsonl
    extracted = extractor.extract(map(frame, texts), settings.vectors)
    extracted = _shown(summary, settings.input_file, summary.counted(extracted))
    if not extractor.is_chief:
        # All workers compute, and one of them writes.
        for _ in extracted:
            pass
        return summary
    try:
        write(settings, extracted)
    except OSError as error:
        problem = error.strerror or str(error).partition("\n")[0]
        raise InputError.at(
            settings.output_file, None, f"cannot be written: {problem}"
        ) from None
    return summary


def _shown(
    summary: Summary, path: Path, extracted: Iterable[Extracted]
) -> Iterator[Extracted]:
    """Yields the same items, and shows how much of the input they are."""
    total = None
    if not streams.is_pipe(path) and not streams.is_compressed(path.name):
        total = path.stat().st_size + 1  # The last line may have no end.
    with Meter("extracting", "", total, is_bytes=True) as meter:
        for one in extracted:
            yield one
            meter.add(one.frame.text.num_bytes, f"{summary.texts:,} texts")


def _write_jsonl(
    settings: ExtractFeaturesConfig, extracted: Iterable[Extracted]
) -> None:
    layers = settings.vectors.layers.numbers
    with streams.writing(settings.output_file) as stream:
        for index, (frame, vectors) in enumerate(extracted):
            stream.write(
                writing.json_line(index, frame.tokens, layers, vectors).encode()
            )


def _write_table(
    settings: ExtractFeaturesConfig, extracted: Iterable[Extracted]
) -> None:
    layers = settings.vectors.layers.numbers
    rows = (tables.rows_of(*one, settings) for one in extracted)
    blocks = tables.blocks(rows, settings)
    with files.replacing(settings.output_file) as temporary:
        writing.write(temporary, settings.output_format, layers, blocks)
