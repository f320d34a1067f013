# SPDX-License-Identifier: Apache-2.0
"""Counts what the files of a row hold, and compares that with the manifest.

The units of a file depend on the problem:

ner   `sentences`, `words`, `mentions`
re    `examples`, and `positives`: those whose label is a relation
qa    `questions` and `entries` (a question has one for each passage); of a golden file
      `factoid`: its factoid questions
classification
      `examples`, and `documents`, if examples are sentences of some

What a row calls a file is the name of one, but a split for classification: the layout
of the data says in which file `train` is.
"""

import collections
from collections.abc import Mapping
from pathlib import Path

from biobert_tf.classification import layouts
from biobert_tf.classification import reading as text_reading
from biobert_tf.classification.settings import ReadingConfig
from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import from_dict
from biobert_tf.ner import reading as ner_reading
from biobert_tf.published.manifest import Counts, Row
from biobert_tf.qa import bioasq_form, squad_json
from biobert_tf.relations import reading as relation_reading
from biobert_tf.relations import sets
from biobert_tf.relations.sets import SETS
from biobert_tf.text.labels import chunks


def count(row: Row, path: Path) -> Counts:
    """Returns what a file of a row holds; see `find` for the path of a split.

    Raises:
        InputError: The file is missing or malformed; the message names the line.
    """
    return {
        "ner": _mentions,
        "re": _relations,
        "qa": _questions,
        "classification": _texts,
    }[row.problem](row, path)


def find(row: Row, folder: Path, name: str) -> Path | None:
    """Returns the path that `count` takes for a file of a row; None if it is missing.

    A development file may have another usual name; a split of classification is a name
    in the folder, though no file may be called so.

    Raises:
        InputError: More than one file may be the split.
    """
    if row.problem == "classification":
        layout = str(row.flags.get("layout", "auto"))
        return folder / name if layouts.find(folder, name, layout) else None
    path = folder / name
    if row.problem == "ner" and name == "devel.tsv":
        path = ner_reading.devel_file(folder)
    return path if path.is_file() else None


def missing(row: Row, folder: Path) -> list[str]:
    """Returns the names of the files of a row that its folder lacks.

    Raises:
        InputError: See `find`.
    """
    return [name for name in row.files if find(row, folder, name) is None]


def differences(
    expected: Mapping[str, Counts], found: Mapping[str, Counts]
) -> list[str]:
    """Returns where counts of files differ from those expected, one line each.

    A file or a unit that has not been counted on either side is left out.
    """
    return [
        f"{name}: {found[name][unit]} {unit}, expected {number}"
        for name, units in expected.items()
        for unit, number in units.items()
        if found.get(name, {}).get(unit, number) != number
    ]


def _mentions(row: Row, path: Path) -> Counts:
    examples = ner_reading.read_examples(path, "fixed", needs_labels=True)
    return {
        "sentences": len(examples),
        "words": sum(len(each.words) for each in examples),
        "mentions": sum(len(chunks(each.labels or ())) for each in examples),
    }


def _relations(row: Row, path: Path) -> Counts:
    name = str(row.flags["task_name"])
    known = SETS.get(name) or sets.custom(
        str(row.flags["labels"]).split(","), str(row.flags["negative_label"])
    )
    data_format = relation_reading.detect(path.parent)
    examples = relation_reading.read_examples(
        path, data_format, known, needs_labels=True
    )
    return {
        "examples": len(examples),
        "positives": sum(each.label != known.negative for each in examples),
    }


def _texts(row: Row, path: Path) -> Counts:
    flags = {x: row.flags[x] for x in ("layout", "target") if x in row.flags}
    config = from_dict(ReadingConfig, flags, path.parent)
    found = text_reading.open_set(path.parent, config)
    examples = found.read(path.name, needs_labels=True)
    counted = {"examples": len(examples)}
    if found.has_groups:
        counted["documents"] = len({each.group for each in examples})
    return counted


def _questions(row: Row, path: Path) -> Counts:
    values = files.read_json(path)
    if "questions" in values:
        questions = values["questions"]
        if not isinstance(questions, list):
            raise InputError.at(path, None, "'questions' is no list")
        types = collections.Counter(
            str(each.get("type")) for each in questions if isinstance(each, dict)
        )
        return {"factoid": types["factoid"]}
    try:
        ids = [
            str(question.values.get("id"))
            for _, questions in squad_json.paragraphs(values)
            for question in questions
        ]
    except InputError as error:
        raise InputError.at(path, None, str(error)) from None
    return {
        "questions": len({bioasq_form.question_id(each) for each in ids}),
        "entries": len(ids),
    }
