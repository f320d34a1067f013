# SPDX-License-Identifier: Apache-2.0
r"""Reads yes/no questions in two formats: one example per passage.

*.tsv     `id<TAB>question<TAB>context<TAB>yes` on every line, without a header or
          quoting, as in BLURB's BioASQ. A line ends at `\n`; one `\r` before it is
          dropped. For prediction the last column may be empty or absent.
all other SQuAD's form (see `reading`) as in dmis-lab/bioasq-biobert: `answers` is
          "yes" or "no"; `is_impossible`, if present, is true for "no".
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.qa import reading, squad_json
from biobert_tf.qa.reading import Context, QaExample
from biobert_tf.qa.squad_json import JsonObject

LABELS: Final = ("no", "yes")
_ANSWERS: Final = {"no": False, "yes": True}
_COLUMNS: Final = ("id", "question", "context", "yes or no")
_HINT: Final = (
    "leave such questions out, or train more classes with "
    "`run_re.py --task_name=custom`, whose rows are a text and its label"
)


def read_examples(path: Path, needs_labels: bool) -> list[QaExample]:
    """Reads the questions of a file, in the order of the file.

    With `needs_labels`, as in training, every question must have an answer. Without,
    answers are read where they are given, and no id may occur twice.

    Raises:
        InputError: The file cannot be read or is not in SQuAD's form; a row has too few
            or too many columns; an answer is missing, is neither yes nor no, or
            contradicts `is_impossible`. The message names the file and the question or
            line.
    """
    is_table = path.name.lower().endswith(".tsv")
    examples = (
        table(path)
        if is_table
        else files.parse_json(path, _json, squad_json.read_dataset)
    )
    if not needs_labels:
        reading.require_distinct_ids(path, examples)
        return examples
    for example in examples:
        if example.is_yes is None:
            raise InputError.at(
                path,
                None,
                f"question {example.qas_id!r} has no answer; training needs yes or no "
                "for every question",
            )
    return examples


def _json(values: Mapping[str, object]) -> list[QaExample]:
    return [
        context.example(
            squad_json.id_of(question), question.get("question", str), _is_yes(question)
        )
        for context, question in reading.read_questions(values)
    ]


def _is_yes(question: JsonObject) -> bool | None:
    # An empty list is SQuAD's form of "no answer is given".
    if not (answer := question.values.get("answers")):
        return None
    is_yes = _ANSWERS.get(answer.lower()) if isinstance(answer, str) else None
    if is_yes is None:
        hint = f"; {_HINT}" if isinstance(answer, str) else ""
        raise question.wrong("answers", f'"yes" or "no"{hint}')
    key = "is_impossible"
    if key in question.values and question.get(key, bool) == is_yes:
        raise question.wrong(key, f"{not is_yes} beside 'answers' {answer!r}")
    return is_yes


def table(path: Path) -> list[QaExample]:
    """Returns the questions of a .tsv, labelled or not; ids may occur again.

    Raises:
        InputError: The file cannot be read, holds no question, or a row is malformed;
            then the message names the line.
    """
    examples = []
    for number, line in enumerate(files.read_verbatim(path).split("\n"), start=1):
        if not (line := line.removesuffix("\r")):
            continue
        columns = line.split("\t")
        if len(columns) not in (len(_COLUMNS) - 1, len(_COLUMNS)):
            raise InputError.at(
                path,
                number,
                f"{len(columns)} columns instead of {len(_COLUMNS)}; want "
                f"{'<TAB>'.join(_COLUMNS)}",
            )
        id_, question, text, *labels = columns
        answer = "".join(labels)
        if answer and answer.lower() not in _ANSWERS:
            raise InputError.at(
                path, number, f"the answer is {answer!r}, want yes or no; {_HINT}"
            )
        is_yes = _ANSWERS.get(answer.lower())
        examples.append(Context(text).example(id_, question, is_yes))
    if not examples:
        raise InputError.at(path, None, "holds no question")
    return examples
