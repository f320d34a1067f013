# SPDX-License-Identifier: Apache-2.0
"""Reads SQuAD files, v1.1 and v2: one example per question.

    {"data": [{"paragraphs": [{"context": "...", "qas": [
        {"id": "...", "question": "...",
         "answers": [{"text": "...", "answer_start": 17}], "is_impossible": false}
    ]}]}]}

BioASQ questions come in the same form, one paragraph per passage. Answers are read only
for training, and `is_impossible` only for v2. `squad_json` reads this form and a flat
one, `yesno_reading` yes/no questions.
"""

import bisect
import collections
import dataclasses
import functools
import random
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.qa import squad_json
from biobert_tf.qa.squad_json import JsonObject

# PARITY(run_qa.py:237-240): of Unicode's spaces only the narrow no-break
# space separates; a no-break space is part of a word.
_WORD: Final = re.compile("[^ \t\r\n\u202f]+")


@dataclasses.dataclass(frozen=True, kw_only=True)
class QaExample:
    """A question about one context.

    Attributes:
        qas_id: Id of the question.
        question_text: The question as the file has it.
        context: The context as the file has it.
        doc_tokens: The words of the context.
        orig_answer_text: The answer; "" if there is none, None outside training.
        start_position: Index of the answer's first word; -1 if there is no answer, None
            outside training.
        end_position: Index of the answer's last word; -1 or None likewise.
        is_impossible: Whether the file says that the context has no answer; False
            outside training.
        is_yes: The answer to a yes/no question, which has no answer span; None if it
            is not known, and for other questions.
    """

    qas_id: str
    question_text: str
    context: str
    doc_tokens: tuple[str, ...]
    orig_answer_text: str | None = None
    start_position: int | None = None
    end_position: int | None = None
    is_impossible: bool = False
    is_yes: bool | None = None


@dataclasses.dataclass(frozen=True)
class QaReading:
    """The questions of a file, in its order.

    `unrecoverable` are the ids of the training questions that were dropped because
    their answer does not stand at `answer_start`.
    """

    examples: list[QaExample]
    unrecoverable: tuple[str, ...]


class Context:
    """A context as the file has it, cut into words once for all its questions.

    `starts` are the indices in `text` of each word's first character.
    """

    def __init__(self, text: str) -> None:
        """Cuts a text into words."""
        offsets = word_offsets(text)
        self.text = text
        # All occurrences of a word share one string.
        self.words = tuple(sys.intern(text[start:end]) for start, end in offsets)
        self.starts = [start for start, _ in offsets]

    def example(
        self, qas_id: str, question: str, is_yes: bool | None = None
    ) -> QaExample:
        """Returns a question about the context without an answer span."""
        return QaExample(
            qas_id=qas_id,
            question_text=question,
            context=self.text,
            doc_tokens=self.words,
            is_yes=is_yes,
        )


def word_offsets(context: str) -> list[tuple[int, int]]:
    """Returns the half-open character ranges of the words of a context."""
    return [match.span() for match in _WORD.finditer(context)]


def words(context: str) -> list[str]:
    """Returns the words of a context."""
    return _WORD.findall(context)


def read_examples(
    path: Path, *, is_training: bool, version_2_with_negative: bool = False
) -> QaReading:
    """Reads the questions of a file as run_qa.py does (`read_squad_examples`).

    Answers are read for training only, and `is_impossible` with
    `version_2_with_negative` only.

    Raises:
        InputError: The file does not exist, is not JSON or has no `data`; a key is
            missing or has a value of another type; a training question does not have
            exactly one answer; two questions to predict have the same id; or there is
            no question. The message names the file and the question.
    """
    read = functools.partial(
        _examples, is_training=is_training, allows_impossible=version_2_with_negative
    )
    found = files.parse_json(path, read, squad_json.read_dataset)
    if not is_training:
        require_distinct_ids(path, found.examples)
    return found


def _examples(
    values: Mapping[str, object], is_training: bool, allows_impossible: bool
) -> QaReading:
    examples: list[QaExample] = []
    unrecoverable = []
    for context, question in read_questions(values):
        example = context.example(
            squad_json.id_of(question), question.get("question", str)
        )
        if is_training:
            labelled = _with_answer(example, context, question, allows_impossible)
            if labelled is None:
                unrecoverable.append(example.qas_id)
                continue
            example = labelled
        examples.append(example)
    return QaReading(examples, tuple(unrecoverable))


def training_order(examples: Sequence[QaExample], seed: int) -> list[QaExample]:
    """Returns the examples shuffled; the original does so with seed 12345.

    It shuffles before it cuts windows (run_qa.py:1173-1174, 1200), which numbers them.
    """
    shuffled = list(examples)
    random.Random(seed).shuffle(shuffled)
    return shuffled


def read_questions(
    values: Mapping[str, object],
) -> Iterator[tuple[Context, JsonObject]]:
    """Yields the questions of a file with their contexts, in the order of the file.

    Raises:
        InputError: The file is not in SQuAD's form, or has no question.
    """
    if "data" not in values and "questions" in values:
        raise InputError(
            "has 'questions' but no 'data', like BioASQ's own files; convert it to "
            "SQuAD's form with `biobert bioasq-data`"
        )
    context = None
    is_empty = True
    for paragraph, questions in squad_json.paragraphs(values):
        text = paragraph.get("context", str)
        # A flat file repeats the context for each of its questions.
        if context is None or context.text != text:
            context = Context(text)
        for question in questions:
            is_empty = False
            yield context, question
    if is_empty:
        raise InputError("holds no question")


def _with_answer(
    example: QaExample,
    context: Context,
    question: JsonObject,
    allows_impossible: bool,
) -> QaExample | None:
    """Returns the example with its answer; None if the context does not hold it."""
    if allows_impossible and _is_impossible(question):
        return dataclasses.replace(
            example,
            orig_answer_text="",
            start_position=-1,
            end_position=-1,
            is_impossible=True,
        )
    answers = list(question.objects("answers"))
    if len(answers) != 1:
        hint = "keep one of them"
        if not answers:
            hint = "for SQuAD v2 set --version_2_with_negative=true"
            if allows_impossible:
                hint = "give it one, or set 'is_impossible' to true"
        raise question.error(
            f"has {len(answers)} answers; a training question needs exactly 1; {hint}"
        )
    text, start = answers[0].get("text", str), answers[0].get("answer_start", int)
    words = _answer_words(context, text, start)
    if words is None:
        return None
    return dataclasses.replace(
        example,
        orig_answer_text=text,
        start_position=words.start,
        end_position=words.stop - 1,
    )


def _is_impossible(question: JsonObject) -> bool:
    # Columns come without the key, and are empty where there is no answer.
    if question.has_columns:
        return not question.get("answers", list)
    return question.get("is_impossible", bool)


def _answer_words(context: Context, text: str, start: int) -> range | None:
    """Returns the words that an answer touches, or None if they do not hold it.

    None also stands for an answer without a word, one that begins before the first word
    and one that ends behind the context. There the original takes words from the
    context's end, or fails.
    """
    end = start + len(text)
    # White space belongs to the word before it.
    first = bisect.bisect_right(context.starts, start) - 1
    last = bisect.bisect_right(context.starts, end - 1) - 1
    if first < 0 or end > len(context.text) or not text.strip():
        return None
    # PARITY(run_qa.py:290-294): the answer is split at all of Unicode's
    # spaces, the context is not: an answer with a no-break space is not recoverable.
    cleaned = " ".join(text.split())
    actual = " ".join(context.words[first : last + 1])
    return range(first, last + 1) if cleaned in actual else None


def require_distinct_ids(path: Path, examples: Sequence[QaExample]) -> None:
    """Rejects repeated ids: one prediction would overwrite the other.

    Raises:
        InputError: An id repeats; the message names the first.
    """
    counts = collections.Counter(example.qas_id for example in examples)
    if twice := [id_ for id_, count in counts.items() if count > 1]:
        raise InputError.at(
            path,
            None,
            f"question {twice[0]!r} occurs twice; predictions are stored by id, so "
            "give each question and passage its own id (id_001, id_002)",
        )
