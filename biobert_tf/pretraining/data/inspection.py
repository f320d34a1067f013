# SPDX-License-Identifier: Apache-2.0
"""Inspects TFRecord files for pre-training: rates, lengths, and readable examples."""

import collections
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import tensorflow as tf

from biobert_tf.common.errors import InputError
from biobert_tf.pretraining.data.masking import MASKED_FEATURES, Features
from biobert_tf.text import tokenization
from biobert_tf.training import records

_FEATURES: Final = ("input_ids", "input_mask", "segment_ids", "next_sentence_labels")
# An attribute of `Inspection`, its title, and the counts whose ratio it is.
_SHARES: Final = (
    ("padding_share", "padding", "padding", "positions"),
    ("random_next_share", "random next", "random_next", "records"),
    ("mask_rate", "mask rate", "predicted", "tokens"),
    ("masked_share", "  [MASK]", "masked", "predicted"),
    ("kept_share", "  kept", "kept", "predicted"),
    ("replaced_share", "  replaced", "replaced", "predicted"),
    ("unknown_rate", "[UNK] rate", "unknown", "tokens"),
)
_RECORDS_PER_BATCH: Final = 1024
_NUM_BINS: Final = 16
_BAR_WIDTH: Final = 40


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inspection:
    """Statistics of records for pre-training; `dataclasses.asdict` gives JSON values.

    Shares and rates are in [0, 1]. Those of masks are None with dynamic masking, and
    those that need the ids of `[MASK]` or `[UNK]` are None without a vocabulary. Tokens
    are pieces that are not padding; part A has `[CLS]` and a `[SEP]`, B has a `[SEP]`.

    Attributes:
        feature_lengths: Number of values of each feature in a record, by name.
        masking: `static`, or `dynamic` if the records hold no masks.
        length_histogram: Number of records per bin; the key is the bin's greatest
            number of pieces.
        mask_rate: Share of the pieces to predict; what became of them is in
            `masked_share`, `kept_share` and `replaced_share`.
        unknown_rate: Share of the pieces that were `[UNK]` before masking.
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
    """Returns statistics of the first `max_records` records of TFRecord files; 0: all.

    The vocabulary identifies `[MASK]` and `[UNK]` and gives the pieces of the examples;
    without it examples show ids.

    Raises:
        InputError: A file is missing, damaged, empty or not for pre-training, the
            files' features differ in length, or an id is not in the vocabulary.
    """
    vocab = {} if vocab_file is None else tokenization.load_vocab(vocab_file)
    tokens = {id_: token for token, id_ in vocab.items()}
    lengths = _common_lengths(paths)
    sums: collections.Counter[str] = collections.Counter()
    records_of_length = np.zeros(lengths["input_ids"] + 1, np.int64)
    examples: list[str] = []
    for path, first, batch in _batches(paths, lengths, max_records):
        highest = max(batch[name].max(initial=0) for name in batch if "ids" in name)
        if tokens and highest > max(tokens):
            raise InputError.at(
                path,
                None,
                f"has id {highest}, but the vocabulary ends at {max(tokens)}; give the "
                "--vocab_file that it was made with",
            )
        sums.update(_counts(batch, vocab))
        num_tokens = batch["input_mask"].sum(1)
        records_of_length += np.bincount(num_tokens, minlength=len(records_of_length))
        for row in range(min(num_examples - len(examples), len(num_tokens))):
            example = {name: values[row] for name, values in batch.items()}
            shown = _shown(example, tokens)
            examples.append(f"{path}: record {first + row}: {shown}")
    shares = {
        name: sums[part] / sums[whole]
        for name, _, part, whole in _SHARES
        if part in sums and sums[whole]
    }
    return Inspection(
        num_files=len(paths),
        num_records=sums["records"],
        feature_lengths=lengths,
        masking="static" if MASKED_FEATURES[0] in lengths else "dynamic",
        num_tokens=sums["tokens"],
        mean_a_tokens=(sums["tokens"] - sums["b_tokens"]) / sums["records"],
        mean_b_tokens=sums["b_tokens"] / sums["records"],
        length_histogram=_histogram(records_of_length),
        **shares,
        examples=tuple(examples),
    )


def _common_lengths(paths: Sequence[Path]) -> dict[str, int]:
    """Returns the number of values of each feature, which all files must share."""
    first, lengths = paths[0], dict[str, int]()
    for path in paths:
        found = records.features_of(path)
        if found is None:
            continue
        has_masks = any(name in found for name in MASKED_FEATURES)
        wanted = {*_FEATURES, *(MASKED_FEATURES if has_masks else ())}
        if missing := sorted(wanted - set(found)):
            raise InputError.at(
                path,
                None,
                f"not records for pre-training: they lack {', '.join(missing)}; they "
                f"have {', '.join(sorted(found)) or 'nothing'}",
            )
        if not lengths:
            # They come in another order in each process.
            first, lengths = path, dict(sorted(found.items()))
        for name in sorted(lengths | found):
            here, there = lengths.get(name), found.get(name)
            if here != there:
                raise InputError.at(
                    path,
                    None,
                    f"{name} has {there or 'no'} values, but {here or 'none'} in "
                    f"{first}; files of one training must agree",
                )
    if not lengths:
        raise InputError.at(first, None, "has no records")
    return lengths


def _batches(
    paths: Sequence[Path], lengths: Mapping[str, int], max_records: int
) -> Iterator[tuple[Path, int, Features]]:
    """Yields batches of records, with their file and the first record's number.

    Records for dynamic masking get masked features that are empty, `[records, 0]`.
    """
    layout = {
        name: tf.io.FixedLenFeature(
            [length], "float32" if name == "masked_lm_weights" else "int64"
        )
        for name, length in lengths.items()
        if name in (*_FEATURES, *MASKED_FEATURES)
    }
    num_left = max_records or -1
    for path in paths:
        dataset = records.stored([path]).take(num_left)
        dataset = dataset.batch(_RECORDS_PER_BATCH)
        dataset = dataset.map(lambda batch: tf.io.parse_example(batch, layout))
        first = 0
        try:
            for batch in dataset.as_numpy_iterator():
                nothing = batch["input_ids"][:, :0]
                yield path, first, dict.fromkeys(MASKED_FEATURES, nothing) | batch
                first += len(nothing)
        except tf.errors.DataLossError:
            records.count([path])
            raise
        except tf.errors.InvalidArgumentError:
            problem = "its records differ in their features or the features' lengths"
            raise InputError.at(path, None, problem) from None
        if max_records:
            num_left -= first


def _counts(batch: Features, vocab: Mapping[str, int]) -> dict[str, int]:
    """Returns the numbers of records, of pieces of every kind, and so on.

    What cannot be known without a vocabulary or in records without masks is left out.
    """
    is_used = batch["masked_lm_weights"] > 0
    places = np.nonzero(is_used)[0], batch["masked_lm_positions"][is_used]
    shown, labels = batch["input_ids"][places], batch["masked_lm_ids"][is_used]
    originals = batch["input_ids"].copy()
    originals[places] = labels
    is_unknown = originals == vocab.get(tokenization.UNKNOWN, -1)
    is_mask = shown == vocab.get("[MASK]", -1)
    is_kept = ~is_mask & (shown == labels)
    is_real = batch["input_mask"] > 0
    counted = {
        "positions": np.ones_like(is_real),
        "padding": ~is_real,
        "tokens": is_real,
        "b_tokens": batch["segment_ids"],
        "records": np.ones_like(batch["next_sentence_labels"]),
        "random_next": batch["next_sentence_labels"],
    }
    if is_used.size:
        counted["predicted"] = is_used
    if vocab:
        counted["unknown"] = is_unknown & is_real
    if vocab and is_used.size:
        replaced = ~is_mask & ~is_kept
        counted |= {"masked": is_mask, "kept": is_kept, "replaced": replaced}
    return {name: int(values.sum()) for name, values in counted.items()}


def _histogram(counts: np.ndarray) -> dict[int, int]:
    """Returns the number of records by the greatest length of each bin.

    `counts`, int64 `[max_seq_length + 1]`, has the number of records of each length.
    """
    most = len(counts) - 1
    width = -(-most // _NUM_BINS)
    starts = range(0, most, width)
    # Length 0 does not occur.
    sums = np.add.reduceat(counts[1:], starts).tolist()
    ends = (min(start + width, most) for start in starts)
    return dict(zip(ends, sums, strict=True))


def _shown(example: Features, tokens: Mapping[int, str]) -> str:
    """Returns a record as text: both parts, predicted pieces as `shown{original}`."""

    def words_of(ids: np.ndarray) -> list[str]:
        unknown = "<{}>" if tokens else "{}"
        return [tokens.get(id_, unknown.format(id_)) for id_ in ids.tolist()]

    words = words_of(example["input_ids"])
    is_used = example["masked_lm_weights"] > 0
    originals = words_of(example["masked_lm_ids"][is_used])
    positions = example["masked_lm_positions"][is_used]
    for position, original in zip(positions, originals, strict=True):
        words[position] += f"{{{original}}}"
    length = int(example["input_mask"].sum())
    border = length - int(example["segment_ids"].sum())
    is_random = example["next_sentence_labels"][0]
    return (
        f"{length} of {len(words)} positions, B is "
        f"{'random' if is_random else 'the next one'}\n"
        f"  A: {' '.join(words[:border])}\n  B: {' '.join(words[border:length])}"
    )


def report(inspection: Inspection) -> str:
    """Returns an inspection as text for the screen."""
    lines = [*inspection.examples]
    if lines and inspection.masking == "static":
        lines.append("  shown{original} is a piece to predict")
    lengths = ", ".join(f"{n} [{v}]" for n, v in inspection.feature_lengths.items())
    lines += [
        f"{inspection.num_records} records in {inspection.num_files} files, "
        f"{inspection.masking} masking",
        f"features             {lengths}",
        f"pieces               {inspection.num_tokens}",
    ]
    for name, title, *_ in _SHARES:
        if (share := getattr(inspection, name)) is not None:
            lines.append(f"{title:20} {100 * share:.2f} %")
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
