# SPDX-License-Identifier: Apache-2.0
"""SQuAD files, v1.1 and v2: JSON in, one example per question out.

    {"data": [{"paragraphs": [{"context": "...", "qas": [
        {"id": "...", "question": "...",
         "answers": [{"text": "...", "answer_start": 17}], "is_impossible": false}
    ]}]}]}

BioASQ questions come in the same form, a paragraph per passage. Answers are read for
training alone, `is_impossible` only where v2 is asked for.
"""

import bisect
import dataclasses
import random
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from biobert_tf.common import files
from biobert_tf.common.errors import InputError

# PARITY(run_qa.py:237-240): of Unicode's spaces only the narrow no-break
# space separates; a no-break space is part of a word.
_WORD: Final = re.compile("[^ \t\r\n\u202f]+")
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
        orig_answer_text: The answer; "" if there is none, None if not for training.
        start_position: First word of the answer; -1 if there is none, None if not for
            training.
        end_position: Last word of the answer, inclusive; likewise.
        is_impossible: Whether the file says that the context has no answer; False if
            not for training.
    """

    qas_id: str
    question_text: str
    context: str
    doc_tokens: tuple[str, ...]
    orig_answer_text: str | None = None
    start_position: int | None = None
    end_position: int | None = None
    is_impossible: bool = False

    @property
    def doc_offsets(self) -> list[tuple[int, int]]:
        """Returns where each of `doc_tokens` stands in `context`, `[start, end)`.

        They are found anew at every call: kept, they would be most of the memory.
        """
        return word_offsets(self.context)


ExampleT = TypeVar("ExampleT", bound=QaExample)


@dataclasses.dataclass(frozen=True)
class QaReading:
    """What a file holds.

    Attributes:
        examples: In the order of the file.
        unrecoverable: Ids of the training questions that are left out, because their
            answer is not where `answer_start` says.
    """

    examples: list[QaExample]
    unrecoverable: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Context:
    """A context, cut into words once for all its questions.

    Attributes:
        text: As the file has it.
        words: Its words.
        starts: The place in `text` of the first character of each.
    """

    text: str
    words: tuple[str, ...]
    starts: list[int]

    @classmethod
    def of(cls, text: str) -> "Context":
        """Returns a text in words."""
        offsets = word_offsets(text)
        return cls(
            text,
            # Words repeat: one string for all occurrences.
            tuple(sys.intern(text[start:end]) for start, end in offsets),
            [start for start, _ in offsets],
        )


@dataclasses.dataclass(frozen=True)
class JsonObject:
    """A JSON object, and what to call it when it is at fault.

    Attributes:
        path: The file.
        name: What the object is, or where in the file.
        values: What it holds.
    """

    path: Path
    name: str
    values: dict[str, Any]

    @classmethod
    def of(cls, path: Path, name: str, values: Any) -> "JsonObject":
        """Returns `values` with its name, or refuses what is no object."""
        if not isinstance(values, dict):
            raise InputError.at(path, None, f"{name} is {_short(values)}, no object")
        return cls(path, name, values)

    def get(self, key: str, kind: type[ValueT]) -> ValueT:
        """Returns a value, or refuses one that is missing or of another kind."""
        if key not in self.values:
            raise self.error(f"lacks {key!r}")
        value = self.values[key]
        if not isinstance(value, kind):
            raise self.wrong(key, _KINDS[kind])
        return value

    def objects(self, key: str) -> "Iterator[JsonObject]":
        """Yields the objects of a list."""
        for i, values in enumerate(self.get(key, list)):
            prefix = f"{self.name}.{key}" if self.name else key
            yield JsonObject.of(self.path, f"{prefix}[{i}]", values)

    def renamed(self, name: str) -> "JsonObject":
        """Returns the object under another name."""
        return dataclasses.replace(self, name=name)

    def wrong(self, key: str, wanted: str) -> InputError:
        """Returns an error about a value that is not what is wanted."""
        return self.error(f"has {key!r} {_short(self.values[key])}, want {wanted}")

    def error(self, problem: str) -> InputError:
        """Returns an error that says where the problem is."""
        return InputError.at(self.path, None, f"{self.name} {problem}".lstrip())


def word_offsets(context: str) -> list[tuple[int, int]]:
    """Returns the half-open character ranges of the words of a context."""
    return [match.span() for match in _WORD.finditer(context)]


def read_examples(
    path: Path, *, is_training: bool, version_2_with_negative: bool = False
) -> QaReading:
    """Reads the questions of a file as run_qa.py does (`read_squad_examples`).

    Args:
        path: A JSON file in SQuAD's form.
        is_training: Whether to read the answers.
        version_2_with_negative: Whether a training question may say that it
            `is_impossible`.

    Raises:
        InputError: No such file, not JSON, no `data`, a key is missing or holds
            something else, a training question has not exactly one answer, two
            questions to predict have the same id, or there is no question at all.
            It names the file and the question.
    """
    examples: list[QaExample] = []
    unrecoverable = []
    for context, question in read_questions(path):
        example = unlabelled(context, question)
        if is_training:
            labelled = _with_answer(example, context, question, version_2_with_negative)
            if labelled is None:
                unrecoverable.append(example.qas_id)
                continue
            example = labelled
        examples.append(example)
    if not is_training:
        require_distinct_ids(path, examples)
    return QaReading(examples, tuple(unrecoverable))


def training_order(examples: Sequence[ExampleT], seed: int) -> list[ExampleT]:
    """Returns the examples shuffled; the original does so with seed 12345.

    It shuffles before it cuts windows (run_qa.py:1173-1174, 1200), which numbers them.
    """
    shuffled = list(examples)
    random.Random(seed).shuffle(shuffled)
    return shuffled


def read_questions(path: Path) -> Iterator[tuple[Context, JsonObject]]:
    """Yields the questions of a file with their contexts, in the order of the file.

    Raises:
        InputError: No such file, not JSON, not in SQuAD's form, or without a question.
    """
    values = files.read_json(path)
    if "data" not in values and "questions" in values:
        raise InputError.at(
            path,
            None,
            "has 'questions' but no 'data', as BioASQ's own files; make SQuAD's form "
            "of it with `biobert bioasq-data`",
        )
    is_empty = True
    for entry in JsonObject(path, "", values).objects("data"):
        for paragraph in entry.objects("paragraphs"):
            context = Context.of(paragraph.get("context", str))
            for question in paragraph.objects("qas"):
                is_empty = False
                yield context, question.renamed(f"question {_id(question)!r}")
    if is_empty:
        raise InputError.at(path, None, "holds no question")


def _id(question: JsonObject) -> str:
    """Returns the id; numbers are good too, since JSON keys are made of them."""
    if isinstance(id_ := question.values.get("id"), int):
        return str(id_)
    return question.get("id", str)


def unlabelled(context: Context, question: JsonObject) -> QaExample:
    """Returns a question about a context, whatever its answer."""
    return QaExample(
        qas_id=_id(question),
        question_text=question.get("question", str),
        context=context.text,
        doc_tokens=context.words,
    )


def _with_answer(
    example: QaExample, context: Context, question: JsonObject, allows_impossible: bool
) -> QaExample | None:
    """Returns the example with its answer; None if the context does not hold it."""
    if allows_impossible and question.get("is_impossible", bool):
        return dataclasses.replace(
            example,
            orig_answer_text="",
            start_position=-1,
            end_position=-1,
            is_impossible=True,
        )
    answers = list(question.objects("answers"))
    if len(answers) != 1:
        hint = "for SQuAD v2 set --version_2_with_negative=true"
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


def _answer_words(context: Context, text: str, start: int) -> range | None:
    """Returns the words that an answer touches, or None if they do not hold it.

    Nor does it hold an answer without a word, or one that begins before the first
    word or ends after the context; the original counts from the end there, or fails.
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
    """Refuses ids that repeat: the predictions of one would replace the other's.

    Raises:
        InputError: One does; names the first.
    """
    seen: set[str] = set()
    for example in examples:
        if example.qas_id in seen:
            raise InputError.at(
                path,
                None,
                f"question {example.qas_id!r} occurs twice; predictions are stored by "
                "id, give each question and passage its own (id_001, id_002)",
            )
        seen.add(example.qas_id)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
