# SPDX-License-Identifier: Apache-2.0
"""Reads the questions of BioASQ task b, training or golden files.

    {"questions": [{"id": "...", "body": "...", "type": "factoid",
        "exact_answer": [["name", "synonym"]],
        "snippets": [{"text": "...", "beginSection": "title",
                      "document": "http://www.ncbi.nlm.nih.gov/pubmed/123"}]}]}

Everything else in them, such as ideal answers and offsets, is passed over.
"""

import collections
import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.corpora.document import normalize
from biobert_tf.qa.squad_json import shortened, text_of_id

TYPES: Final = ("factoid", "list", "yesno", "summary")
_YES_NO: Final = re.compile(r"\W*(yes|no)\W*", re.IGNORECASE)

Names = tuple[str, ...]
"""An answer and its synonyms, the best first; none is empty."""


@dataclasses.dataclass(frozen=True)
class Snippet:
    """A piece of text that experts chose to answer a question.

    Attributes:
        text: As `corpora.document.normalize` leaves it; can be empty.
        document: Where it comes from, a URL; "" where the file does not say.
        is_title: Whether it is in the title, not in the abstract.
    """

    text: str
    document: str
    is_title: bool


@dataclasses.dataclass(frozen=True)
class Question:
    """A question with what the experts gave.

    Attributes:
        id: Any text but the empty one.
        body: The question, as the file has it.
        answers: The exact answer: the items of a list question; else one, whose names
            are all that count. Empty where the file has none, as for a test set.
    """

    id: str
    body: str
    type: str
    answers: tuple[Names, ...]
    snippets: tuple[Snippet, ...]

    @property
    def verdict(self) -> str | None:
        """Returns the answer to a yes/no question, "yes" or "no"; None: neither."""
        texts = [name for names in self.answers for name in names]
        match = _YES_NO.fullmatch(texts[0]) if len(texts) == 1 else None
        return match[1].lower() if match else None


@dataclasses.dataclass(frozen=True)
class Pool:
    """The questions of one type of several files.

    Attributes:
        questions: In the order of the files, no id twice.
        num_read: Questions of all types, repeated ones included.
        num_repeated: Questions that are left out, because one before has their id.
    """

    questions: list[Question]
    num_read: int
    num_repeated: int


def read_pool(paths: Sequence[Path], question_type: str) -> Pool:
    """Reads the questions of a type; of two with the same id the first counts.

    Raises:
        InputError: As `read_questions`, or no file has a question of the type.
    """
    found: dict[str, Question] = {}
    types: collections.Counter[str] = collections.Counter()
    for path in paths:
        for question in read_questions(path):
            types[question.type] += 1
            if question.type == question_type:
                found.setdefault(question.id, question)
    if not found:
        known = ", ".join(f"{number} {name}" for name, number in sorted(types.items()))
        raise InputError.at(
            ", ".join(map(str, paths)),
            None,
            f"no {question_type} question; there are {known or 'none at all'}",
        )
    return Pool(list(found.values()), types.total(), types[question_type] - len(found))


def read_questions(path: Path) -> Iterator[Question]:
    """Yields the questions of a file, of every type.

    Raises:
        InputError: No such file, not JSON, no `questions`, or a question is not as
            the module's text shows; it names the question.
    """
    values = files.read_json(path)
    questions = values.get("questions")
    if not isinstance(questions, list):
        if "data" in values and "questions" not in values:
            problem = (
                "has 'data' but no 'questions': it is in the form of SQuAD already; "
                "give BioASQ's own file"
            )
        else:
            problem = "no list of 'questions'; want a file of BioASQ task b"
        raise InputError.at(path, None, problem)
    for number, question in enumerate(questions, start=1):
        id_ = text_of_id(question.get("id")) if isinstance(question, dict) else None
        if not id_:
            raise InputError.at(path, None, f"question {number} has no 'id'")
        try:
            yield _question(id_, question)
        except InputError as error:
            raise InputError.at(path, None, f"question {id_!r} {error}") from None


def _question(id_: str, values: Mapping[str, object]) -> Question:
    """Returns a question; the message of an error goes on behind its name."""
    body, question_type = values.get("body"), values.get("type")
    if not isinstance(body, str):
        raise InputError("has no text as its 'body'")
    if question_type not in TYPES:
        raise InputError(
            f"has the unknown type {shortened(question_type)}; want {', '.join(TYPES)}"
        )
    return Question(
        _encodable(id_),
        _encodable(body),
        question_type,
        _answers(values.get("exact_answer"), question_type),
        tuple(_snippets(values.get("snippets"))),
    )


def _answers(value: object, question_type: str) -> tuple[Names, ...]:
    """Returns an exact answer in whatever form it is written.

    A text is an answer; a list of texts holds the synonyms of one answer, but those
    of a list question are its items; a list of lists holds answers of synonyms.
    """
    if value is None or question_type == "summary":
        return ()
    parts = value if isinstance(value, list) else [value]
    if not any(isinstance(part, list) for part in parts) and question_type != "list":
        parts = [parts]
    items = [part if isinstance(part, list) else [part] for part in parts]
    if question_type == "factoid":
        items = [[name for names in items for name in names]]
    found = (tuple(filter(None, map(_name, names))) for names in items)
    return tuple(names for names in found if names)


def _name(value: object) -> str:
    # A number is taken for the text it is written as, as by the official evaluator.
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError(f"has {shortened(value)} in its 'exact_answer', want a text")
    return clean(str(value))


def _snippets(values: object) -> Iterator[Snippet]:
    if values is None:
        return
    if not isinstance(values, list):
        raise InputError(f"has 'snippets' {shortened(values)}, want a list")
    for number, snippet in enumerate(values, start=1):
        if not isinstance(snippet, dict):
            raise InputError(
                f"has snippet {number} {shortened(snippet)}, want an object"
            )
        has_document = snippet.get("document") is not None
        yield Snippet(
            clean(_text(snippet, "text", number)),
            _encodable(_text(snippet, "document", number)) if has_document else "",
            snippet.get("beginSection") == "title",
        )


def _text(snippet: Mapping[str, object], key: str, number: int) -> str:
    value = snippet.get(key)
    if not isinstance(value, str):
        raise InputError(
            f"has {key!r} {shortened(value)} in snippet {number}, want a text"
        )
    return value


def clean(text: str) -> str:
    """Returns text as it stands in the contexts that are written.

    That is as `normalize` leaves it, with question marks for lone surrogates.
    """
    return normalize(_encodable(text))


def _encodable(text: str) -> str:
    """Returns text with question marks for what JSON can hold and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")
