# SPDX-License-Identifier: Apache-2.0
"""Exact answers in BioASQ's form, read as the official evaluator reads them.

That is the Java program of BioASQ/Evaluation-Measures at commit 8c8e689. On what makes
it die with a traceback, such as a list of texts for a list of lists, an `InputError`
says which question is at fault.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from biobert_tf.common.errors import InputError
from biobert_tf.qa.squad_json import text_of_id

TYPES: Final = ("yesno", "factoid", "list")
# The values of -e of the official program: the first edition of the challenge
# that each variant of its rules is for.
EDITIONS: Final = (2, 3, 5, 8, 9)
FLAT: Final = 2  # Up to here the answers to a factoid question are a flat list.
ONE_NAME: Final = 5  # From here an answer submitted is one name, without synonyms.
TOLERANT: Final = 9  # From here a question that cannot be compared is left out.

Names = tuple[str, ...]


class Answer(NamedTuple):
    """An exact answer in one of its three forms, in lower case.

    Attributes:
        word: `yes`, `no` or `none` where it is a text; else None.
        items: The names of each answer where it is a list of lists.
        flat: The names where it is a list of texts, as up to edition `FLAT`.
    """

    word: str | None = None
    items: tuple[Names, ...] = ()
    flat: Names = ()

    def has_content(self, question_type: str, edition: int) -> bool:
        """Returns whether there is something to score for a question of a type."""
        if question_type == "yesno":
            return self.word in ("yes", "no")
        if question_type == "factoid" and edition <= FLAT:
            return bool(self.flat)
        return bool(self.items)


class Gold(NamedTuple):
    """A question of a gold file.

    The type is one of `TYPES`, or `summary`. The answer is None for a summary, and from
    edition `TOLERANT` where the file has none.
    """

    id: str
    type: str
    answer: Answer | None


def read_gold(golden: Mapping[str, object], edition: int) -> list[Gold]:
    """Returns the questions of a gold file, by the rules of one of `EDITIONS`.

    Raises:
        InputError: It is not in BioASQ's form, or there is no such edition.
    """
    if edition not in EDITIONS:
        raise InputError(f"no rules for edition {edition}; choose one of {EDITIONS}")
    found = []
    for name, question in _questions(golden):
        question_type = question.get("type")
        if question_type not in (*TYPES, "summary"):
            raise InputError(f"question {name}: the type {question_type!r} is unknown")
        is_scored = question_type in TYPES
        answer = _gold_answer(name, question, edition) if is_scored else None
        found.append(Gold(name, question_type, answer))
    return found


def read_submission(
    submission: Mapping[str, object], edition: int
) -> dict[str, Answer]:
    """Returns the answers of a submission by the id of the question.

    Of two answers to a question the first counts. A question without an exact answer
    has an empty one. The rules are those of one of `EDITIONS`.

    Raises:
        InputError: It is not in BioASQ's form.
    """
    found: dict[str, Answer] = {}
    for name, question in _questions(submission):
        answer = _answer(name, question.get("exact_answer"), edition, is_gold=False)
        found.setdefault(name, answer or Answer())
    return found


def _questions(values: Mapping[str, object]) -> list[tuple[str, Mapping[str, object]]]:
    """Returns id and contents of each question."""
    questions = values.get("questions")
    if not isinstance(questions, list):
        raise InputError('not in BioASQ\'s form: no list of "questions"')
    for i, question in enumerate(questions, start=1):
        if not isinstance(question, dict) or text_of_id(question.get("id")) is None:
            raise InputError(f"not in BioASQ's form: question {i} has no id")
    return [(str(question["id"]), question) for question in questions]


def _gold_answer(
    name: str, question: Mapping[str, object], edition: int
) -> Answer | None:
    answer = _answer(name, question.get("exact_answer"), edition, is_gold=True)
    if edition >= TOLERANT and answer in (None, Answer()):
        return None
    is_yesno = question["type"] == "yesno"
    if answer is None or (answer.word is not None) != is_yesno:
        raise InputError(
            f"question {name}: the gold exact_answer of a {question['type']} question "
            f"must be {'yes or no' if is_yesno else 'a list'}"
        )
    return answer


def _answer(name: str, value: object, edition: int, *, is_gold: bool) -> Answer | None:
    """Returns an exact answer as it is compared; None: there is none."""
    if value is None:
        return None
    if isinstance(value, str):
        # PARITY(Task1bData.java:221-231): anywhere in the text, so "unknown" is no.
        words = (word for word in ("yes", "no") if word in value.lower())
        return Answer(word=next(words, "none"))
    if isinstance(value, list) and all(isinstance(item, list) for item in value):
        # PARITY(Task1bData.java:329-347, 354-376): an answer without a name is not
        # there: it has no rank, and is no item.
        items = [_names(name, item) for item in value if item]
        if edition >= ONE_NAME and not is_gold:
            items = [item[:1] for item in items]
        return Answer(items=tuple(items))
    if isinstance(value, list) and edition <= FLAT:
        return Answer(flat=_names(name, value))
    raise InputError(
        f"question {name}: exact_answer is neither a text nor a list of lists; "
        'write each answer as ["its name"]'
    )


def _names(name: str, values: Sequence[object]) -> Names:
    for value in values:
        # A number is taken for the text it is written as, as by the Java program.
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise InputError(
                f"question {name}: {value!r} in exact_answer is not a text"
            )
    return tuple(str(value).lower() for value in values)
