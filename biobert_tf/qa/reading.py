# SPDX-License-Identifier: Apache-2.0
"""Reads SQuAD files, v1.1 and v2: one example per question.

    {"data": [{"paragraphs": [{"context": "...", "qas": [
        {"id": "...", "question": "...",
         "answers": [{"text": "...", "answer_start": 17}], "is_impossible": false}
    ]}]}]}

BioASQ questions come in the same form, one paragraph per passage. Answers are read only
for training, and `is_impossible` only for v2. `yesno_reading` reads yes/no questions.

Flat files, as Hugging Face's datasets write them, mean the same: `data` holds a list of
questions, each with its context and with columns of answers. The list may also be the
whole file, or stand as JSON lines.

    {"id": "...", "context": "...", "question": "...",
     "answers": {"text": ["..."], "answer_start": [17]}}

Training, prediction and scoring all read a file through `paragraphs`.
"""

import bisect
import collections
import dataclasses
import functools
import json
import random
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from biobert_tf.common import files
from biobert_tf.common.errors import InputError

# PARITY(run_qa.py:237-240): of Unicode's spaces only the narrow no-break
# space separates; a no-break space is part of a word.
_WORD: Final = re.compile("[^ \t\r\n\u202f]+")
_JSON_LINES: Final = re.compile(r"\s*\{.*\}\s*\n\s*\{")
_KINDS: Final[dict[type, str]] = {
    str: "a string",
    int: "an integer",
    bool: "true or false",
    list: "a list",
}
ValueT = TypeVar("ValueT")


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


@dataclasses.dataclass(frozen=True)
class JsonObject:
    """A JSON object, with its place in the file or another name for error messages.

    `has_columns` says that a question's answers were columns; they have become a list.
    """

    name: str
    values: Mapping[str, object]
    has_columns: bool = False

    def get(self, key: str, kind: type[ValueT]) -> ValueT:
        """Returns a value.

        Raises:
            InputError: The value is missing or of another type.
        """
        if key not in self.values:
            raise self.error(f"lacks {key!r}")
        value = self.values[key]
        if not isinstance(value, kind):
            raise self.wrong(key, _KINDS[kind])
        return value

    def objects(self, key: str) -> "Iterator[JsonObject]":
        """Yields the objects of the list at `key`.

        Raises:
            InputError: There is no such list, or a member is no object.
        """
        for i, values in enumerate(self.get(key, list)):
            member = JsonObject(f"{self.name}.{key}[{i}]".lstrip("."), values)
            if not isinstance(values, dict):
                raise member.error(f"is {shortened(values)}, want an object")
            yield member

    def wrong(self, key: str, wanted: str) -> InputError:
        """Returns an error that shows a bad value and says what is wanted."""
        return self.error(f"has {key!r} {shortened(self.values[key])}, want {wanted}")

    def error(self, problem: str) -> InputError:
        """Returns an error that names the object."""
        return InputError(f"{self.name} {problem}".lstrip())


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
    found = files.parse_json(path, read, read_dataset)
    if not is_training:
        require_distinct_ids(path, found.examples)
    return found


def _examples(
    values: Mapping[str, object], is_training: bool, allows_impossible: bool
) -> QaReading:
    examples: list[QaExample] = []
    unrecoverable = []
    for context, question in read_questions(values):
        example = context.example(id_of(question), question.get("question", str))
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
    for paragraph, questions in paragraphs(values):
        text = paragraph.get("context", str)
        # A flat file repeats the context for each of its questions.
        if context is None or context.text != text:
            context = Context(text)
        for question in questions:
            is_empty = False
            yield context, question
    if is_empty:
        raise InputError("holds no question")


def paragraphs(
    values: Mapping[str, object],
) -> Iterator[tuple[JsonObject, Iterator[JsonObject]]]:
    """Yields the paragraphs of a file with their questions, which bear their ids.

    Raises:
        InputError: The file is in neither form; or it is emrQA's, whose contexts, ids
            and questions are lists.
    """
    if "data" not in values:
        raise InputError("lacks 'data', the list of questions in SQuAD's form")
    for entry in JsonObject("", values).objects("data"):
        is_flat = "question" in entry.values and "paragraphs" not in entry.values
        for paragraph in [entry] if is_flat else entry.objects("paragraphs"):
            if isinstance(paragraph.values.get("context"), list):
                raise paragraph.wrong(
                    "context",
                    "a string; for emrQA's own files, join the lines of each context, "
                    "give every wording of a question its own id, and give answers by "
                    "text and character offset",
                )
            questions = [entry] if is_flat else paragraph.objects("qas")
            yield paragraph, map(_question, questions)


def contexts(path: Path) -> list[str]:
    """Returns the contexts of a file in order, each once; see `paragraphs`.

    Raises:
        InputError: The file cannot be read, or is in neither form.
    """
    return files.parse_json(
        path,
        lambda values: list(
            dict.fromkeys(found.get("context", str) for found, _ in paragraphs(values))
        ),
        read_dataset,
    )


def _question(raw: JsonObject) -> JsonObject:
    """Returns a question by its id; columns of answers become a list of answers."""
    question = dataclasses.replace(raw, name=f"question {id_of(raw)!r}")
    answers = raw.values.get("answers")
    if not isinstance(answers, dict):
        return question
    columns = JsonObject(f"{question.name}.answers", answers)
    texts, starts = columns.get("text", list), columns.get("answer_start", list)
    if len(texts) != len(starts):
        raise columns.error(f"has {len(texts)} texts, but {len(starts)} places")
    rows = [
        {"text": text, "answer_start": start}
        for text, start in zip(texts, starts, strict=True)
    ]
    values = {**question.values, "answers": rows}
    return dataclasses.replace(question, values=values, has_columns=True)


def read_dataset(path: Path) -> files.JsonDict:
    """Returns the object of a file in SQuAD's form; lists and lines become its `data`.

    Raises:
        InputError: The file cannot be read, is not JSON, or is neither an object nor a
            list.
    """
    text = files.read_text(path)
    if _JSON_LINES.match(text):
        # Line numbers in error messages stay those of the file.
        text = "[" + text.rstrip().replace("\n", ",\n") + "]"
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError.at(path, error.lineno, f"not JSON: {error.msg}") from None
    if isinstance(values, dict) and "question" in values:
        values = [values]
    if isinstance(values, list):
        values = {"data": values}
    if not isinstance(values, dict):
        raise InputError.at(path, 1, "expected a JSON object")
    return values


def id_of(question: JsonObject) -> str:
    """Returns the id as text; it may be a number, which is written as a JSON key.

    Raises:
        InputError: There is no id.
    """
    return text_of_id(question.values.get("id")) or question.get("id", str)


def text_of_id(value: object) -> str | None:
    """Returns an id as text; None if it is none."""
    return str(value) if isinstance(value, str | int) else None


def _with_answer(
    example: QaExample, context: Context, question: JsonObject, allows_impossible: bool
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


def shortened(value: object) -> str:
    """Returns how a value is shown in messages: its first 40 characters."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
