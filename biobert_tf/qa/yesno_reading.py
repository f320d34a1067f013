# SPDX-License-Identifier: Apache-2.0
r"""Yes/no questions in two forms: one example per passage out.

*.tsv     a line `id<TAB>question<TAB>context<TAB>yes` without a header or quoting, as
          BLURB has BioASQ; only `\n` ends a line, one `\r` before it is dropped. To be
          predicted, the last column may be empty or absent.
all other SQuAD's form (see `reading`), as dmis-lab/bioasq-biobert has it: `answers`
          is "yes" or "no", and `is_impossible`, where it stands, true for "no".
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.qa import reading
from biobert_tf.qa.reading import Context, JsonObject, QaExample

LABELS: Final = ("no", "yes")
_ANSWERS: Final = {"no": False, "yes": True}
_COLUMNS: Final = ("id", "question", "context", "yes or no")


@dataclasses.dataclass(frozen=True, kw_only=True)
class YesNoExample(QaExample):
    """A question about one context, to be answered by yes or no.

    It has no span, and all of its windows are made, in training too.

    Attributes:
        is_yes: The answer; None if it is not known.
    """

    is_yes: bool | None = None


def read_examples(path: Path, needs_labels: bool) -> list[YesNoExample]:
    """Reads the questions of a file, in its order.

    Args:
        path: The file.
        needs_labels: Whether every question must have an answer, as in training. Else
            one that is there is read, and no id may occur twice.

    Raises:
        InputError: As `reading.read_examples`, or a row has too few or too many
            columns, or an answer is missing, none of yes and no, or contradicts
            `is_impossible`. It names the file and the question or line.
    """
    is_table = path.name.lower().endswith(".tsv")
    examples = list(_table(path) if is_table else _json(path))
    if not examples:
        raise InputError.at(path, None, "holds no question")
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


def _json(path: Path) -> Iterator[YesNoExample]:
    for context, question in reading.read_questions(path):
        example = reading.unlabelled(context, question)
        yield YesNoExample(**vars(example), is_yes=_is_yes(question))


def _is_yes(question: JsonObject) -> bool | None:
    # A list without an answer is how SQuAD says that none is given.
    if not (answer := question.values.get("answers")):
        return None
    is_yes = _ANSWERS.get(answer.lower()) if isinstance(answer, str) else None
    if is_yes is None:
        raise question.wrong("answers", '"yes" or "no"')
    key = "is_impossible"
    if key in question.values and question.get(key, bool) == is_yes:
        raise question.wrong(key, f"{not is_yes} beside 'answers' {answer!r}")
    return is_yes


def _table(path: Path) -> Iterator[YesNoExample]:
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
                path, number, f"the answer is {answer!r}, want yes or no"
            )
        context = Context.of(text)
        yield YesNoExample(
            qas_id=id_,
            question_text=question,
            context=context.text,
            doc_tokens=context.words,
            is_yes=_ANSWERS.get(answer.lower()),
        )
