# SPDX-License-Identifier: Apache-2.0
"""Inspects TFRecord files for pre-training: rates, lengths, and readable examples."""

import collections
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from biobert_tf.common.errors import InputError
from biobert_tf.text import tokenization

_MASKED_FEATURES: Final = (
    "masked_lm_positions",
    "masked_lm_ids",
    "masked_lm_weights",
)
_INPUT_FEATURES: Final = ("input_ids", "input_mask", "segment_ids")
_LABEL: Final = "next_sentence_labels"

_RECORDS_PER_BATCH: Final = 1024
_NUM_BINS: Final = 16
_BAR_WIDTH: Final = 40

Batch = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inspection:
    """Statistics of records for pre-training; shares are in [0, 1].

    `dataclasses.asdict` gives JSON values.

    Attributes:
        num_files: Number of files.
        num_records: Number of records inspected.
        feature_lengths: Number of values of each feature in a record, by name.
        masking: `static`, or `dynamic` if the records hold no masks.
        num_tokens: Number of pieces that are not padding.
        padding_share: Share of the positions that are padding.
        random_next_share: Share of the records whose second part is random.
        mean_a_tokens: Mean length of the first part, with `[CLS]` and `[SEP]`.
        mean_b_tokens: Mean length of the second part, with `[SEP]`.
        length_histogram: Number of records per bin; the key is the bin's greatest
            number of pieces.
        mask_rate: Share of the pieces to predict; None with dynamic masking.
        masked_share: Share of the pieces to predict that `[MASK]` replaces; None
            without a vocabulary.
        kept_share: Share of the pieces to predict that are unchanged.
        replaced_share: Share of the pieces to predict that another piece replaces.
        unknown_rate: Share of the pieces that were `[UNK]` before masking; None
            without a vocabulary.
        examples: Some records as text, to be printed.
    """

    num_files: int
    num_records: int
    feature_lengths: dict[str, int]
    masking: str
    num_tokens: int
    padding_share: float
    random_next_share: float
    mean_a_tokens: float
    mean_b_tokens: float
    length_histogram: dict[int, int]
    mask_rate: float | None = None
    masked_share: float | None = None
    kept_share: float | None = None
    replaced_share: float | None = None
    unknown_rate: float | None = None
    examples: tuple[str, ...] = ()


def inspect(
    paths: Sequence[Path],
    vocab_file: Path | None = None,
    *,
    num_examples: int = 0,
    max_records: int = 0,
) -> Inspection:
    """Returns statistics of the records of TFRecord files.

    Args:
        paths: The files, at least one.
        vocab_file: Vocabulary of the records, which identifies `[MASK]` and `[UNK]`
            and gives the pieces of examples; without it examples show ids.
        num_examples: Number of records to show as examples.
        max_records: Number of records to inspect, from the first; 0: all.

    Raises:
        InputError: A file is missing, damaged, empty or not for pre-training, the
            files' features differ in length, or an id is not in the vocabulary.
    """
    pieces = None if vocab_file is None else tokenization.load_vocab(vocab_file)
    lengths = _common_lengths(paths)
    counts = _Counts(lengths["input_ids"], pieces)
    examples: list[str] = []
    for path, first, batch in _batches(paths, lengths, max_records):
        counts.add(batch, path)
        for row in range(min(num_examples - len(examples), len(batch["input_ids"]))):
            example = {name: values[row] for name, values in batch.items()}
            examples.append(
                f"{path}: record {first + row}: {_shown(example, counts.tokens)}"
            )
    return counts.inspection(len(paths), lengths, tuple(examples))


def _common_lengths(paths: Sequence[Path]) -> dict[str, int]:
    """Returns the number of values of each feature, which all files must share."""
    lengths: dict[str, int] = {}
    first = paths[0]
    for path in paths:
        found = _lengths(path)
        if lengths and found:
            _refuse_other_lengths(first, lengths, path, found)
        if not lengths:
            first, lengths = path, found
    if not lengths:
        raise InputError.at(first, None, "has no records")
    return lengths


def _refuse_other_lengths(
    path: Path, lengths: dict[str, int], other_path: Path, other: dict[str, int]
) -> None:
    for name in sorted(lengths | other):
        here, there = lengths.get(name), other.get(name)
        if here != there:
            raise InputError.at(
                other_path,
                None,
                f"{name} has {there or 'no'} values, but {here or 'none'} in {path}; "
                "files of one training must agree",
            )


def _lengths(path: Path) -> dict[str, int]:
    """Returns the lengths of the first record's features; empty without a record.

    Raises:
        InputError: The file is missing, or its records are not for pre-training.
    """
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    if not path.is_file():
        raise InputError.at(path, None, "no such file")
    for serialized in _undamaged(tf.data.TFRecordDataset(str(path)).take(1), path):
        try:
            example = tf.train.Example.FromString(serialized.numpy())
        except DecodeError:
            raise InputError.at(path, None, "has records of another kind") from None
        lengths = {
            name: len(feature.int64_list.value) or len(feature.float_list.value)
            for name, feature in example.features.feature.items()
        }
        _check_names(path, lengths)
        return lengths
    return {}


def _check_names(path: Path, lengths: Mapping[str, int]) -> None:
    has_masks = any(name in lengths for name in _MASKED_FEATURES)
    wanted = {*_INPUT_FEATURES, _LABEL, *(_MASKED_FEATURES if has_masks else ())}
    if missing := sorted(wanted - set(lengths)):
        raise InputError.at(
            path,
            None,
            f"not records for pre-training: they lack {', '.join(missing)}; they have "
            f"{', '.join(sorted(lengths)) or 'nothing'}",
        )


def _undamaged(dataset: Any, path: Path) -> Iterator[Any]:
    """Yields the elements of a dataset of one file; a damaged one is an InputError."""
    import tensorflow as tf

    from biobert_tf.training import records

    try:
        yield from dataset
    except tf.errors.DataLossError:
        records.count([path])
        raise
    except tf.errors.InvalidArgumentError:
        raise InputError.at(
            path, None, "its records differ in their features or the features' lengths"
        ) from None


def _batches(
    paths: Sequence[Path], lengths: Mapping[str, int], max_records: int
) -> Iterator[tuple[Path, int, Batch]]:
    """Yields batches of records, with their file and the first record's number."""
    import tensorflow as tf

    layout = {
        name: tf.io.FixedLenFeature(
            [length], "float32" if name == "masked_lm_weights" else "int64"
        )
        for name, length in lengths.items()
        if name in (*_INPUT_FEATURES, _LABEL, *_MASKED_FEATURES)
    }
    num_left = max_records or -1
    for path in paths:
        dataset = tf.data.TFRecordDataset(str(path)).take(num_left)
        dataset = dataset.batch(_RECORDS_PER_BATCH)
        dataset = dataset.map(lambda batch: tf.io.parse_example(batch, layout))
        first = 0
        for batch in _undamaged(dataset.as_numpy_iterator(), path):
            yield path, first, batch
            first += len(batch["input_ids"])
        if max_records:
            num_left -= first


class _Counts:
    """Sums over records, from which the rates are computed."""

    def __init__(self, max_seq_length: int, vocab: Mapping[str, int] | None) -> None:
        self.tokens = None if vocab is None else {i: t for t, i in vocab.items()}
        self._vocab = vocab
        self._max_seq_length = max_seq_length
        self._lengths = np.zeros(max_seq_length + 1, np.int64)
        self._sums: collections.Counter[str] = collections.Counter()

    def add(self, batch: Batch, path: Path) -> None:
        """Adds a batch of records of the file `path`."""
        lengths = batch["input_mask"].sum(1)
        self._lengths += np.bincount(lengths, minlength=len(self._lengths))
        self._sums["b_tokens"] += int(batch["segment_ids"].sum())
        self._sums["random_next"] += int(batch[_LABEL].sum())
        originals = batch["input_ids"]
        if "masked_lm_ids" in batch:
            originals = self._add_masks(batch)
        if self._vocab is not None:
            self._check_ids(
                max(int(originals.max()), int(batch["input_ids"].max())), path
            )
            is_unknown = originals == self._vocab.get(tokenization.UNKNOWN)
            self._sums["unknown"] += int((is_unknown & (batch["input_mask"] > 0)).sum())

    def _check_ids(self, highest: int, path: Path) -> None:
        assert self.tokens is not None
        if highest > max(self.tokens):
            raise InputError.at(
                path,
                None,
                f"has id {highest}, but the vocabulary ends at {max(self.tokens)}; "
                "give the --vocab_file that it was made with",
            )

    def _add_masks(self, batch: Batch) -> np.ndarray:
        """Counts the masked and the kept pieces among those to predict.

        Returns:
            The ids before masking, int64 `[records, length]`.
        """
        is_used = batch["masked_lm_weights"] > 0
        rows, _ = np.nonzero(is_used)
        positions = batch["masked_lm_positions"][is_used]
        labels = batch["masked_lm_ids"][is_used]
        shown = batch["input_ids"][rows, positions]
        originals = batch["input_ids"].copy()
        originals[rows, positions] = labels
        self._sums["predicted"] += len(labels)
        if self._vocab is not None:
            is_mask = shown == self._vocab.get("[MASK]")
            self._sums["masked"] += int(is_mask.sum())
            self._sums["kept"] += int((~is_mask & (shown == labels)).sum())
        return originals

    def inspection(
        self, num_files: int, lengths: dict[str, int], examples: tuple[str, ...]
    ) -> Inspection:
        """Returns the rates over all records that were added."""
        sums = self._sums
        num_records = int(self._lengths.sum())
        num_tokens = int(self._lengths @ np.arange(len(self._lengths)))
        rates: dict[str, float] = {}
        if "masked_lm_ids" in lengths:
            rates["mask_rate"] = sums["predicted"] / num_tokens
            if self._vocab is not None and sums["predicted"]:
                rates["masked_share"] = sums["masked"] / sums["predicted"]
                rates["kept_share"] = sums["kept"] / sums["predicted"]
                rates["replaced_share"] = (
                    1 - rates["masked_share"] - rates["kept_share"]
                )
        if self._vocab is not None:
            rates["unknown_rate"] = sums["unknown"] / num_tokens
        return Inspection(
            num_files=num_files,
            num_records=num_records,
            feature_lengths=lengths,
            masking="static" if "masked_lm_ids" in lengths else "dynamic",
            num_tokens=num_tokens,
            padding_share=1 - num_tokens / (num_records * self._max_seq_length),
            random_next_share=sums["random_next"] / num_records,
            mean_a_tokens=(num_tokens - sums["b_tokens"]) / num_records,
            mean_b_tokens=sums["b_tokens"] / num_records,
            length_histogram=_histogram(self._lengths),
            **rates,
            examples=examples,
        )


def _histogram(counts: np.ndarray) -> dict[int, int]:
    """Returns the number of records by the greatest length of each bin.

    Args:
        counts: int64 `[max_seq_length + 1]`, the number of records of each length.
    """
    width = -(-(len(counts) - 1) // _NUM_BINS)
    ends = range(width, len(counts) - 1 + width, width)
    # Length 0 does not occur.
    return {
        min(end, len(counts) - 1): int(counts[end - width + 1 : end + 1].sum())
        for end in ends
    }


def _shown(example: Mapping[str, np.ndarray], tokens: Mapping[int, str] | None) -> str:
    """Returns a record as text: both parts, predicted pieces as `shown{original}`."""
    ids = example["input_ids"].tolist()
    words = [str(i) if tokens is None else tokens.get(i, f"<{i}>") for i in ids]
    if "masked_lm_ids" in example:
        is_used = example["masked_lm_weights"] > 0
        for position, label in zip(
            example["masked_lm_positions"][is_used].tolist(),
            example["masked_lm_ids"][is_used].tolist(),
            strict=True,
        ):
            original = str(label) if tokens is None else tokens.get(label, f"<{label}>")
            words[position] += f"{{{original}}}"
    length = int(example["input_mask"].sum())
    border = length - int(example["segment_ids"].sum())
    next_sentence = "random" if example[_LABEL][0] else "the next one"
    return (
        f"{length} of {len(ids)} positions, B is {next_sentence}\n"
        f"  A: {' '.join(words[:border])}\n  B: {' '.join(words[border:length])}"
    )


def report(inspection: Inspection) -> str:
    """Returns an inspection as text for the screen."""
    lines = [*inspection.examples]
    if inspection.examples and inspection.masking == "static":
        lines.append("  shown{original} is a piece to predict")
    lengths = ", ".join(f"{n} [{v}]" for n, v in inspection.feature_lengths.items())
    lines += [
        f"{inspection.num_records} records in {inspection.num_files} files, "
        f"{inspection.masking} masking",
        f"features             {lengths}",
        f"pieces               {inspection.num_tokens}",
    ]
    for name, value in (
        ("padding", inspection.padding_share),
        ("random next", inspection.random_next_share),
        ("mask rate", inspection.mask_rate),
        ("  [MASK]", inspection.masked_share),
        ("  kept", inspection.kept_share),
        ("  replaced", inspection.replaced_share),
        ("[UNK] rate", inspection.unknown_rate),
    ):
        if value is not None:
            lines.append(f"{name:20} {100 * value:.2f} %")
    lines.append(
        f"mean length          {inspection.mean_a_tokens:.1f} (A) + "
        f"{inspection.mean_b_tokens:.1f} (B)"
    )
    lines.append("length (at most)     records")
    most = max(inspection.length_histogram.values())
    for end, count in inspection.length_histogram.items():
        bar = "#" * -(-_BAR_WIDTH * count // most)
        lines.append(f"{end:16d} {count:11d} {bar}")
    return "\n".join(lines) + "\n"
