# SPDX-License-Identifier: Apache-2.0
"""Finds problems in texts with labels or numbers, for `biobert data-check`."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from biobert_tf.classification import layouts, reading
from biobert_tf.classification.examples import TextExample
from biobert_tf.classification.reading import TextSet
from biobert_tf.classification.settings import ReadingConfig
from biobert_tf.common.errors import InputError
from biobert_tf.common.files import numbered_folders
from biobert_tf.training import checking
from biobert_tf.training.checking import (
    FileReport,
    Finding,
    Place,
    Report,
    Row,
    Rows,
    Ruler,
    findings,
)

# Kind of problem -> what is counted; {0} and {1} are the files or the fold concerned.
KINDS: Final = checking.kinds_of(
    "rows",
    "texts",
    group_leak="documents of {0} that are in {1} too",
    empty="rows of {0} with an empty text",
    no_label="rows of {0} without a label or number",
    unknown_label="rows of {0} with a label that is not in the set",
    **checking.FOLD_KINDS,
)
_NO_LABELS: Final = "none"
_WANTED: Final = "no train, dev or test set"

Examples = Mapping[str, Sequence[TextExample]]
"""The examples of the files of a set, by what messages call them."""


def is_set(data_dir: Path) -> bool:
    """Returns whether a folder holds a set, or folds, that no other problem reads.

    Other problems have tables and JSON lines of a text and its label, and yes/no
    questions: these are ours only if `data-check` is told so.
    """
    folders = [data_dir, *numbered_folders(data_dir)]
    try:
        folder = next(filter(_files_of, folders), None)
        if folder is None:
            return False
        held = reading.open_set(folder, ReadingConfig())
    except InputError:
        # Files of other problems make no sense here.
        return False
    is_comma = any(path.suffix.lower() == ".csv" for path in _files_of(folder))
    return (
        is_comma
        or (held.has_pairs and held.form.layout != "blurb_yesno")
        or (held.form.layout == "hoc")
    )


def _files_of(folder: Path) -> list[Path]:
    found = (layouts.find(folder, split, "auto") for split in reading.SPLITS)
    return [path for path in found if path]


def check(
    data_dir: Path, config: ReadingConfig | None = None, ruler: Ruler | None = None
) -> Report:
    """Checks a set, or numbered folders that each have one.

    The labels of a set are those of its layout or of the settings, else of its training
    file. `ruler` measures the texts. Two pairs are the same if both of their texts are.

    Raises:
        InputError: There is nothing to check, or a file cannot be read; then the
            message names the line.
    """
    config = config or ReadingConfig()
    sets = []
    folds: dict[str, Rows] = {}
    for folder in checking.folders_of(data_dir, _files_of, _WANTED):
        opened = reading.open_set(folder, config)
        name = folder.relative_to(data_dir).as_posix()
        examples = _examples(data_dir, opened)
        labels = _labels(opened, examples)
        folds[name] = {
            file: [_row(file, each) for each in examples[file]] for file in examples
        }
        reports = [
            _balance(file, examples[file], folds[name][file], opened, labels, ruler)
            for file in examples
        ]
        found = [
            *checking.repetitions(folds[name]),
            *checking.near_duplicates(folds[name]),
            *_group_leaks(examples),
            *_bad_rows(examples, labels),
        ]
        form = opened.form.layout
        sets.append(checking.set_report(name, form, reports, found, KINDS))
    across = tuple(checking.across(folds)) if len(folds) > 1 else ()
    return Report(data_dir, tuple(sets), across, KINDS)


def _examples(data_dir: Path, opened: TextSet) -> dict[str, list[TextExample]]:
    """Returns the examples of each file; sets that share one are named after it."""
    paths = {split: path for split in reading.SPLITS if (path := opened.path(split))}
    is_shared = len({*paths.values()}) < len(paths)
    found = {}
    for split, path in paths.items():
        name = path.relative_to(data_dir).as_posix()
        found[f"{name}[{split}]" if is_shared else name] = opened.rows(split)
    return found


def _labels(opened: TextSet, examples: Examples) -> tuple[str, ...]:
    """Returns the labels that are known; () if none are."""
    if opened.labels is not None:
        return opened.labels
    # The training file comes first.
    held = next(iter(examples.values())) if opened.path("train") else ()
    return reading.labels_of(held)


def _row(file: str, example: TextExample) -> Row:
    """Returns an example; several labels are one text, in an order of their own."""
    label = None
    if example.value is not None:
        label = f"{example.value:g}"
    elif example.labels is not None:
        label = " | ".join(sorted(example.labels)) or _NO_LABELS
    texts = [example.text] if example.pair is None else [example.text, example.pair]
    return Row(Place(file, example.line, label), "\n".join(texts))


def _balance(
    name: str,
    examples: Sequence[TextExample],
    rows: Sequence[Row],
    opened: TextSet,
    labels: Sequence[str],
    ruler: Ruler | None,
) -> FileReport:
    found = Counter(label for each in examples for label in each.labels or ())
    if found:
        found.update(dict.fromkeys(labels, 0))
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    longest = ruler.longest(rows, 3 if opened.has_pairs else 2) if ruler else None
    return FileReport(name, len(rows), dict(ranked), longest)


def _group_leaks(files: Examples) -> Iterator[Finding]:
    """Yields the documents that have sentences in two files."""
    firsts: dict[str, dict[str, Row]] = {}
    for name, examples in files.items():
        held = firsts.setdefault(name, {})
        for each in examples:
            if each.group and each.group not in held:
                held[each.group] = _row(name, each)
    for earlier, later in itertools.combinations(files, 2):
        known = firsts[earlier]
        shared = [(row, known[at]) for at, row in firsts[later].items() if at in known]
        yield from findings("group_leak", (later, earlier), shared)


def _bad_rows(files: Examples, labels: Sequence[str]) -> Iterator[Finding]:
    """Yields the problems that a row shows on its own."""
    for name, examples in files.items():
        is_labelled = any(map(reading.is_labelled, examples))
        signs = {
            "empty": [
                each
                for each in examples
                if not each.text.strip() or not (each.pair is None or each.pair.strip())
            ],
            "no_label": [
                each
                for each in examples
                if is_labelled and not reading.is_labelled(each)
            ],
            "unknown_label": [
                each
                for each in examples
                if labels and not {*(each.labels or ())} <= {*labels}
            ],
        }
        for kind, bad in signs.items():
            yield from findings(kind, (name,), [(_row(name, each),) for each in bad])
