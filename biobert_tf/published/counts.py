# SPDX-License-Identifier: Apache-2.0
"""Counts what the files of a row hold, and compares that with the manifest.

The units of a file depend on the problem:

ner   `sentences`, `words`, `mentions`
re    `examples`, and `positives`: those whose label is a relation
qa    `questions` and `entries` (a question has one for each passage); of a golden file
      `factoid`: its factoid questions
"""

import collections
from collections.abc import Mapping
from pathlib import Path

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.ner import reading as ner_reading
from biobert_tf.published.manifest import Counts, Row
from biobert_tf.qa import bioasq_form, squad_json
from biobert_tf.relations import reading as relation_reading
from biobert_tf.relations.sets import SETS
from biobert_tf.text.labels import chunks


def count(row: Row, path: Path) -> Counts:
    """Returns what a file of a row holds.

    Raises:
        InputError: The file is missing or malformed; the message names the line.
    """
    return {"ner": _mentions, "re": _relations, "qa": _questions}[row.problem](
        row, path
    )


def missing(row: Row, folder: Path) -> list[Path]:
    """Returns the files of a row that its folder lacks."""
    return [path for name in row.files if not (path := folder / name).is_file()]


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
    known = SETS[str(row.flags["task_name"])]
    data_format = relation_reading.detect(path.parent)
    examples = relation_reading.read_examples(
        path, data_format, known, needs_labels=True
    )
    return {
        "examples": len(examples),
        "positives": sum(each.label != known.negative for each in examples),
    }


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
