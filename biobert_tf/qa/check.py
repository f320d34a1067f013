# SPDX-License-Identifier: Apache-2.0
"""Finds problems in files of questions, for `biobert data-check`."""

import dataclasses
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.qa import reading, squad_json, yesno_reading
from biobert_tf.qa.squad_json import JsonObject
from biobert_tf.training import checking
from biobert_tf.training.checking import (
    FileReport,
    Finding,
    Place,
    Report,
    Row,
    Ruler,
)

# Kind of problem -> what is counted; {0} and {1} are the files concerned.
KINDS: Final = checking.kinds_of(
    "questions",
    "questions",
    question_leak="questions of {0} that are in {1} too, with another context",
    repeated_id="questions of {0} with the id of an earlier one",
    misplaced_answer="questions of {0} with an answer that does not stand in the "
    "context where the file says",
)
_NUM_SPECIAL: Final = 3  # [CLS], [SEP] and [SEP]
_NUM_PROBED: Final = 1 << 16
_QUESTIONS: Final = re.compile(r'"(qas|question)"\s*:')
_ORDER: Final = ("train", "dev", "test")


def files_of(data_dir: Path) -> list[Path]:
    """Returns the files of questions in a folder: training, development, others."""
    paths = [path for path in sorted(data_dir.glob("*.*")) if _has_questions(path)]

    def rank(path: Path) -> int:
        return next((i for i, name in enumerate(_ORDER) if name in path.name), 3)

    return sorted(paths, key=rank)


def is_set(data_dir: Path) -> bool:
    """Returns whether a folder holds files of questions."""
    return bool(files_of(data_dir))


def _has_questions(path: Path) -> bool:
    """Returns whether a file begins like SQuAD's, or like a yes/no table."""
    suffix = path.suffix.lower()
    if suffix not in (".json", ".jsonl", ".tsv") or not path.is_file():
        return False
    with files.explained_reading(path), path.open("rb") as stream:
        text = stream.read(_NUM_PROBED).decode("utf-8", errors="replace")
    if suffix != ".tsv":
        # BioASQ's own files have "questions", each with a "body".
        return _QUESTIONS.search(text) is not None
    columns = text.partition("\n")[0].strip("\r").split("\t")
    return len(columns) == 4 and columns[-1].lower() in ("", *yesno_reading.LABELS)


def check(data_dir: Path, ruler: Ruler | None = None) -> Report:
    """Checks the files of questions in a folder; `ruler` measures question and context.

    Two questions are the same if question and context are. The label is the answer:
    the different texts, `no answer`, `yes` or `no`. Answers that share a text do not
    contradict each other.

    Raises:
        InputError: There is nothing to check, or a file cannot be read; then the
            message names the question or the line.
    """
    paths = files_of(data_dir)
    if not paths:
        raise InputError.at(
            data_dir, None, "holds no questions, as SQuAD's .json or a yes/no .tsv"
        )
    asked = {path.name: _read(path) for path in paths}
    _reconcile(each for questions in asked.values() for each in questions)
    rows = {name: [each.row for each in asked[name]] for name in asked}
    found = [*checking.repetitions(rows), *checking.near_duplicates(rows)]
    found += _question_leaks(asked)
    reports = []
    for name, questions in asked.items():
        labels = Counter(each.kind for each in questions)
        longest = ruler.longest(rows[name], _NUM_SPECIAL) if ruler else None
        by_label = dict(sorted(labels.items()))
        report = FileReport(name, len(questions), by_label, longest, "questions")
        reports.append(report)
        misplaced = [(each.row,) for each in questions if each.is_misplaced]
        found += checking.findings("repeated_id", (name,), _repeated(rows[name]))
        found += checking.findings("misplaced_answer", (name,), misplaced)
    whole = checking.set_report(".", "questions", reports, found, KINDS)
    return Report(data_dir, (whole,), (), KINDS)


@dataclasses.dataclass
class _Asked:
    """A question of a file; `texts` are its answers, `kind` is what they are."""

    place: Place
    question: str
    context: str
    kind: str
    texts: tuple[str, ...]
    is_misplaced: bool

    @property
    def row(self) -> Row:
        """Returns question and context as one text."""
        return Row(self.place, f"{self.question}\n{self.context}")


def _read(path: Path) -> list[_Asked]:
    if path.suffix.lower() == ".tsv":
        words = {None: "", False: "no", True: "yes"}
        return [
            _asked(
                path, one.qas_id, one.question_text, one.context, words[one.is_yes], ()
            )
            for one in yesno_reading.table(path)
        ]

    def read(values: Mapping[str, object]) -> list[_Asked]:
        return [
            _asked(
                path,
                squad_json.id_of(question),
                question.get("question", str),
                context.text,
                _word(question),
                list(_spans(question)),
            )
            for context, question in reading.read_questions(values)
        ]

    return files.parse_json(path, read, squad_json.read_dataset)


def _asked(
    path: Path,
    id_: str,
    question: str,
    context: str,
    word: str,
    spans: Sequence[tuple[str, int]],
) -> _Asked:
    """Returns a question that `word` answers, or else `spans`: texts and places."""
    texts = (word,) if word else tuple(sorted({text for text, _ in spans}))
    return _Asked(
        Place(path.name, id_, " | ".join(texts) or None),
        question,
        context,
        word or ("span" if texts else "without answer"),
        texts,
        any(context[start:][: len(text)] != text for text, start in spans),
    )


def _spans(question: JsonObject) -> Iterator[tuple[str, int]]:
    """Yields text and place of the answers of a question, if they are spans."""
    if isinstance(question.values.get("answers"), list):
        for answer in question.objects("answers"):
            yield answer.get("text", str), answer.get("answer_start", int)


def _word(question: JsonObject) -> str:
    """Returns an answer that is no span, or an empty text."""
    answers = question.values.get("answers")
    if isinstance(answers, str):
        return answers.lower()
    return "no answer" if question.values.get("is_impossible") is True else ""


def _reconcile(questions: Iterable[_Asked]) -> None:
    """Gives answers that share a text, to the same question, the same label."""
    known: dict[tuple[str, str], list[_Asked]] = {}
    for asked in questions:
        same = known.setdefault((asked.question, asked.context), [])
        for other in same:
            if not {*asked.texts}.isdisjoint(other.texts):
                asked.place = dataclasses.replace(asked.place, label=other.place.label)
        same.append(asked)


def _repeated(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    firsts: dict[int | str, Row] = {}
    found = [(row, firsts.setdefault(row.place.line, row)) for row in rows]
    return [(row, first) for row, first in found if row is not first]


def _question_leaks(files: Mapping[str, Sequence[_Asked]]) -> Iterator[Finding]:
    """Yields the questions of a file that an earlier one has, with other contexts."""
    for earlier, later in itertools.combinations(files, 2):
        known = {asked.question: asked.row for asked in files[earlier]}
        texts = {asked.row.text for asked in files[earlier]}
        found = [
            (asked.row, known[asked.question])
            for asked in files[later]
            if asked.question in known and asked.row.text not in texts
        ]
        yield from checking.findings("question_leak", (later, earlier), found)
