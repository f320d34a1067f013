# SPDX-License-Identifier: Apache-2.0
"""Scores and reports phrases exactly as `conlleval.pl` (2004-01-26) does.

The lines cited below are those of `biocodes/conlleval.pl` in dmis-lab/biobert.
"""

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from biobert_tf.common import streams
from biobert_tf.common.errors import InputError
from biobert_tf.text.labels import BOUNDARY, OUTSIDE, Label, Step, parse, steps

Sentence = tuple[Sequence[str], Sequence[str]]
"""The gold labels and the predicted labels of a sentence's words."""


@dataclasses.dataclass(frozen=True)
class Counts:
    """The counts that a report is made from.

    Attributes:
        num_tokens: The number of words, without sentence boundaries.
        num_correct_tags: The number of words whose predicted label is the gold one.
        gold, found: The number of phrases in the gold and predicted labels, by type.
        correct: The number of phrases in both (same type, same words), by type.
    """

    num_tokens: int
    num_correct_tags: int
    gold: Counter[str]
    found: Counter[str]
    correct: Counter[str]


def _correct_types(gold: Iterable[Step], found: Iterable[Step]) -> Iterator[str]:
    """Yields the type of every phrase that is found exactly (conlleval.pl:132-178)."""
    # PARITY(conlleval.pl:132-150): walks both columns at once instead of comparing
    # their `chunks`. The two differ where a phrase opens and none has closed, as at an
    # untyped `B X O B`: the program then credits the second phrase only.
    inside: str | None = None
    for gold_step, found_step in zip(gold, found, strict=True):
        chunk_type = gold_step.label.type
        same_type = chunk_type == found_step.label.type
        if inside is not None and gold_step.ends and found_step.ends:
            yield inside
            inside = None
        elif inside is not None:
            goes_on = same_type and not (gold_step.ends or found_step.ends)
            inside = chunk_type if goes_on else None
        if same_type and gold_step.starts and found_step.starts:
            inside = chunk_type
    if inside is not None:
        yield inside


def evaluate(sentences: Iterable[Sentence]) -> Counts:
    """Counts the phrases of sentences as if they stood in one file.

    Raises:
        ValueError: A sentence's gold and predicted labels differ in number.
    """
    labels: list[tuple[Label, Label]] = []
    num_boundaries = 0
    for number, (gold, predicted) in enumerate(sentences):
        # conlleval.pl treats a blank line as a word outside every phrase. None is added
        # behind the last sentence, since it matters whether a phrase is open there.
        if number:
            labels.append((OUTSIDE, OUTSIDE))
            num_boundaries += 1
        labels += zip(map(parse, gold), map(parse, predicted), strict=True)
    columns = [list(steps(label[i] for label in labels)) for i in range(2)]
    gold_types, found_types = (
        Counter(step.label.type for step in column if step.starts) for column in columns
    )
    return Counts(
        num_tokens=len(labels) - num_boundaries,
        num_correct_tags=sum(a == b for a, b in labels) - num_boundaries,
        gold=gold_types,
        found=found_types,
        correct=Counter(_correct_types(*columns)),
    )


def _ratios(num_gold: int, num_found: int, num_correct: int) -> tuple[float, ...]:
    """Returns precision, recall and F1 in percent (conlleval.pl:182-194, 211-220)."""
    # The order of operations decides the last printed digit, so 100 comes first.
    precision = 100 * num_correct / num_found if num_found else 0.0
    recall = 100 * num_correct / num_gold if num_gold else 0.0
    total = precision + recall
    return precision, recall, 2 * precision * recall / total if total else 0.0


def _format_scores(num_gold: int, num_found: int, num_correct: int) -> str:
    precision, recall, f1 = _ratios(num_gold, num_found, num_correct)
    return f"precision: {precision:6.2f}%; recall: {recall:6.2f}%; FB1: {f1:6.2f}"


def _listed_types(counts: Counts) -> list[str]:
    """Returns the types as conlleval.pl lists them: in its order, with repetitions."""
    listed = sorted(set(counts.gold) | set(counts.found))
    # PARITY(conlleval.pl:202): the test for a repeated type takes "" for "none yet",
    # so that untyped phrases are listed twice where both columns have some.
    if "" in counts.gold and "" in counts.found:
        return ["", *listed]
    return listed


def format_report(counts: Counts) -> str:
    """Returns the text that `conlleval.pl` prints, with its final line feed.

    Values are in percent, with two digits; a ratio of nothing is 0.
    """
    totals = counts.gold.total(), counts.found.total(), counts.correct.total()
    num_gold, num_found, num_correct = totals
    lines = [
        f"processed {counts.num_tokens} tokens with {num_gold} phrases; "
        f"found: {num_found} phrases; correct: {num_correct}."
    ]
    if counts.num_tokens:
        accuracy = 100 * counts.num_correct_tags / counts.num_tokens
        lines.append(f"accuracy: {accuracy:6.2f}%; {_format_scores(*totals)}")
    for chunk_type in _listed_types(counts):
        num_found = counts.found[chunk_type]
        scores = _format_scores(
            counts.gold[chunk_type], num_found, counts.correct[chunk_type]
        )
        # PARITY(conlleval.pl:217): %17s counts bytes; Perl was not told of UTF-8.
        padding = " " * (17 - len(chunk_type.encode("utf-8")))
        lines.append(f"{padding}{chunk_type}: {scores}  {num_found}")
    return "".join(f"{line}\n" for line in lines)


def format_latex(counts: Counts) -> str:
    """Returns the rows of a LaTeX table that `conlleval.pl -l` prints."""
    rows = ["        & Precision &  Recall  & F$_{\\beta=1} \\\\\\hline"]
    for name in [*_listed_types(counts), None]:
        if name is None:
            columns = (counts.gold, counts.found, counts.correct)
            numbers = [column.total() for column in columns]
            head, end = "Overall", "\\\\\\hline"
        else:
            numbers = [counts.gold[name], counts.found[name], counts.correct[name]]
            # As in the report, Perl pads to a number of bytes.
            head = name + " " * (7 - len(name.encode("utf-8")))
            end = "\\\\"
        precision, recall, f1 = _ratios(*numbers)
        rows.append(
            f"{head} &  {precision:6.2f}\\% & {recall:6.2f}\\% & {f1:6.2f} {end}"
        )
    rows[-2] += "\\hline"
    return "".join(f"{row}\n" for row in rows)


def _read_rows(path: Path, delimiter: str) -> Iterator[list[str]]:
    """Yields the columns of every line, checked; [] for a blank line."""
    with streams.reading(path) as stream:
        text = stream.text().removeprefix(streams.BOM)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    path = stream.path
    if not lines[-1]:
        lines.pop()
    try:
        # Perl takes every delimiter for a pattern; one character is literal here.
        pattern = re.compile(re.escape(delimiter) if len(delimiter) == 1 else delimiter)
    except re.error as error:
        raise InputError(
            f"the delimiter {delimiter!r} is no pattern: {error}"
        ) from None
    num_columns = 0
    for number, line in enumerate(lines, start=1):
        columns = pattern.split(line)
        # Perl drops empty columns at the end.
        while columns and not columns[-1]:
            columns.pop()
        num_columns = num_columns or len(columns)
        if columns and len(columns) != num_columns:
            raise InputError.at(
                path,
                number,
                f"unexpected number of features: {len(columns)} ({num_columns}); "
                "give every line as many columns as the first",
            )
        if len(columns) == 1 and columns[0] != BOUNDARY:
            raise InputError.at(
                path,
                number,
                f"unexpected number of features in line {line}; give at least two "
                f"columns, separated by the delimiter {delimiter!r}",
            )
        yield columns


def read_sentences(
    path: Path, delimiter: str = " ", outside: str | None = None
) -> list[Sentence]:
    r"""Reads the labels of a results file: `word ... gold predicted` on each line.

    The path `-` is standard input.

    A blank line, or a line whose first column is `-X-`, ends a sentence; two in a
    row, or one at the start or end of the file, give an empty sentence. A line may end
    in `\r\n`; the Perl program would make `\r` a part of the label. A delimiter of
    several characters is a pattern, such as a backslash and `t` for a tab.

    With `outside` the labels are raw, without `B-` and `I-`: every word with another
    label than `outside` or `O` is a phrase of one word (conlleval.pl:96-104).

    Raises:
        InputError: The file cannot be read, the delimiter is empty, or a line has
            fewer than two columns or not as many as the first.
    """
    if not delimiter:
        raise InputError("the delimiter is empty; give what stands between columns")
    sentences: list[tuple[list[str], list[str]]] = [([], [])]
    for columns in _read_rows(path, delimiter):
        if not columns or columns[0] == BOUNDARY:
            sentences.append(([], []))
            continue
        labels = columns[-2:]
        if outside is not None:
            labels = ["O" if x in (outside, "O") else f"B-{x}" for x in labels]
        for column, label in zip(sentences[-1], labels, strict=True):
            column.append(label)
    return list(sentences)


def report_file(
    path: Path,
    delimiter: str = " ",
    outside: str | None = None,
    is_latex: bool = False,
) -> str:
    """Returns what `conlleval.pl -d delimiter < path` prints, with -r -o or -l too.

    Raises:
        InputError: The file or the delimiter is bad; see `read_sentences`.
    """
    counts = evaluate(read_sentences(path, delimiter, outside))
    return format_latex(counts) if is_latex else format_report(counts)
