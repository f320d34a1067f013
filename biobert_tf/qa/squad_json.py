# SPDX-License-Identifier: Apache-2.0
"""The JSON of question sets: SQuAD's form, and the flat form of the same.

`reading` shows SQuAD's form, where paragraphs hold questions. Flat files, as Hugging
Face's datasets write them, mean the same: `data` holds a list of questions, each with
its context and with columns of answers. The list may also be the whole file, or stand
as JSON lines.

    {"id": "...", "context": "...", "question": "...",
     "answers": {"text": ["..."], "answer_start": [17]}}

Training, prediction and scoring all read a file through `paragraphs`.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, TypeVar

from biobert_tf.common import files, json_text
from biobert_tf.common.errors import InputError

_JSON_LINES: Final = re.compile(r"\s*\{.*\}\s*\n\s*\{")
# An object's end and the next one's beginning; a newline in a string is `\\n` in JSON.
_BETWEEN_LINES: Final = re.compile(r"(?<=\})(?=[^\S\n]*\n\s*\{)")
_KINDS: Final[dict[type, str]] = {
    str: "a string",
    int: "an integer",
    bool: "true or false",
    list: "a list",
}
ValueT = TypeVar("ValueT")


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
        # True is an instance of int, but not a number here.
        if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
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


def id_of(question: JsonObject) -> str:
    """Returns the id as text; it may be a number, which is written as a JSON key.

    Raises:
        InputError: There is no id.
    """
    return text_of_id(question.values.get("id")) or question.get("id", str)


def text_of_id(value: object) -> str | None:
    """Returns an id as text; None if it is none."""
    return str(value) if isinstance(value, str | int) else None


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


def read_dataset(path: Path) -> files.JsonDict:
    """Returns the object of a file in SQuAD's form; lists and lines become its `data`.

    Raises:
        InputError: The file cannot be read, is not JSON, or is neither an object nor a
            list.
    """
    text = files.read_text(path)
    if _JSON_LINES.match(text):
        # Line numbers in error messages stay those of the file.
        text = f"[{_BETWEEN_LINES.sub(',', text)}]"
    values = json_text.parsed(path, None, text)
    if isinstance(values, dict) and "question" in values:
        values = [values]
    if isinstance(values, list):
        values = {"data": values}
    if not isinstance(values, dict):
        raise InputError.at(path, 1, "expected a JSON object")
    return values


def shortened(value: object) -> str:
    """Returns how a value is shown in messages: its first 40 characters."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
