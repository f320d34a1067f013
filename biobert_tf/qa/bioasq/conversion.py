# SPDX-License-Identifier: Apache-2.0
"""`biobert bioasq-data`: BioASQ's questions to a training or test file.

A paragraph is a passage of one question. For training it holds a question of SQuAD
for the answer to a factoid question, or for each item of a list question that is found
in it; their text is as it stands in the passage. Yes/no questions say "yes" or "no" as
their `answers`, as the files published with bioasq-biobert.
"""

import collections
import dataclasses
from collections.abc import Iterator
from typing import Any, Final

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.qa.bioasq import abstracts, reading
from biobert_tf.qa.bioasq.answer_spans import Answer, Level, Span, Text
from biobert_tf.qa.bioasq.passages import Losses, Passage, PassageMaker
from biobert_tf.qa.bioasq.reading import Pool, Question
from biobert_tf.qa.bioasq.settings import BioAsqDataConfig

Paragraph = dict[str, Any]
Entry = dict[str, Any]

# Ids end in three digits (bioasq_form.question_id).
MAX_ENTRIES: Final = 1000
NO_PASSAGE: Final = "no snippet"
NO_ANSWER: Final = "no exact answer"
NO_VERDICT: Final = "exact answer neither yes nor no"
NOT_FOUND: Final = "no passage holds an answer"
_MOST_NAMED: Final = 3
_LEVEL_TEXTS: Final[dict[Level, str]] = {
    "exact": "as written",
    "case": "but for case",
    "form": "in another form",
}


@dataclasses.dataclass(kw_only=True)
class Counts:
    """What became of the questions.

    Attributes:
        num_kept: The number of questions written.
        dropped: Ids of the questions that are not written, by reason.
        num_passages: The number of passages written.
        num_without_answer: Passages of kept questions that hold no answer and are not
            written.
        num_entries: The number of SQuAD questions written.
        num_beyond: SQuAD questions that are not written because their question has
            1000 already.
        num_items: The number of answers to list questions that have a passage.
        num_items_found: The number of these answers that a passage holds.
    """

    question_type: str
    pool: Pool
    abstracts: abstracts.Abstracts
    num_kept: int = 0
    dropped: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    num_passages: int = 0
    num_without_answer: int = 0
    num_entries: int = 0
    num_beyond: int = 0
    levels: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )
    num_items: int = 0
    num_items_found: int = 0
    losses: Losses = dataclasses.field(default_factory=Losses)

    def summary(self) -> str:
        """Returns the counts as lines to print, without a final line break."""
        num_dropped = sum(map(len, self.dropped.values()))
        lines = [
            f"questions: {self.num_kept + num_dropped:,} {self.question_type} of "
            f"{self.pool.num_read:,}",
            f"kept: {self.num_kept:,} questions, {self.num_passages:,} passages, "
            f"{self.num_entries:,} entries",
            f"dropped: {num_dropped:,} questions",
            *(
                f"  {len(ids):,} x {reason}: {_some(ids)}"
                for reason, ids in self.dropped.items()
            ),
        ]
        if self.levels:
            found = (
                f"{self.levels[level]:,} {text}" for level, text in _LEVEL_TEXTS.items()
            )
            lines.append(f"answers found: {', '.join(found)}")
        if self.num_items:
            lines.append(
                f"items of lists: {self.num_items_found:,} of {self.num_items:,} found"
            )
        if self.abstracts.by_pmid:
            lines.append(f"abstracts: {len(self.abstracts.by_pmid):,}")
        missing = list(self.losses.missing)
        rare = {
            "questions left out: their id comes twice": self.pool.num_repeated,
            "passages of kept questions dropped: no answer in them": (
                self.num_without_answer
            ),
            f"entries dropped: their question has {MAX_ENTRIES:,}": self.num_beyond,
            "snippets without text": self.losses.empty,
            "snippets not found in their abstract": self.losses.unlocated,
            f"documents not in the files, their snippets used: {_some(missing)}": len(
                missing
            ),
            "damaged records in the files": self.abstracts.num_damaged,
        }
        lines += [f"{number:,} {what}" for what, number in rare.items() if number]
        return "\n".join(lines)


def convert(config: BioAsqDataConfig) -> Counts:
    """Writes a training or test file; returns what was kept and dropped, and why.

    Raises:
        InputError: A file cannot be read or is not BioASQ's, no question of the type
            is in it or none can be kept, or the output is an input or cannot be
            written.
    """
    paths = config.input.files()
    if config.output.resolve() in [path.resolve() for path in paths]:
        raise InputError(f"--output={config.output} is an input; choose another")
    pool = reading.read_pool(paths, config.question_type)
    found = _abstracts(config, pool)
    counts = Counts(question_type=config.question_type, pool=pool, abstracts=found)
    maker = PassageMaker(config.strategy, found, config.appended_sentences)
    paragraphs: list[Paragraph] = []
    for question in pool.questions:
        passages = maker.passages(question, counts.losses)
        entries = _entries(question, passages, config.split == "train", counts)
        if isinstance(entries, str):
            counts.dropped.setdefault(entries, []).append(question.id)
        else:
            paragraphs += _written(question, entries, counts)
    if not paragraphs:
        reasons = ", ".join(f"{len(i):,} x {why}" for why, i in counts.dropped.items())
        is_test = config.split == "train" and set(counts.dropped) == {NO_ANSWER}
        hint = "; for a test set give --split=test" if is_test else ""
        raise InputError(
            f"{config.input}: no {config.question_type} question can be kept: "
            f"{reasons}{hint}"
        )
    _require_distinct_ids(pool, paragraphs)
    name = f"BioASQ-{config.question_type}-{config.split}-{config.strategy}"
    data = [{"title": "BioASQ", "paragraphs": paragraphs}]
    files.write_json(config.output, {"version": name, "data": data})
    return counts


def _abstracts(config: BioAsqDataConfig, pool: Pool) -> abstracts.Abstracts:
    """Returns the abstracts that the strategy needs."""
    if config.strategy == "snippet":
        return abstracts.Abstracts()
    documents = {s.document for q in pool.questions for s in q.snippets}
    wanted = {number for number in map(abstracts.pmid, documents) if number}
    return abstracts.read_abstracts(config.abstracts, wanted)


def _entries(
    question: Question, passages: list[Passage], is_training: bool, counts: Counts
) -> list[tuple[Passage, list[Entry]]] | str:
    """Returns passages with their entries, which lack ids; or why there are none."""
    if not passages:
        return NO_PASSAGE
    if not is_training:
        return [(passage, [{}]) for passage in passages]
    if not question.answers:
        return NO_ANSWER
    if question.type == "yesno":
        verdict = question.verdict
        answer = {"is_impossible": verdict == "no", "answers": verdict}
        return [(passage, [answer]) for passage in passages] if verdict else NO_VERDICT
    found = list(_with_spans(question, passages, counts))
    if not found:
        return NOT_FOUND
    counts.num_without_answer += len(passages) - len(found)
    return found


def _with_spans(
    question: Question, passages: list[Passage], counts: Counts
) -> Iterator[tuple[Passage, list[Entry]]]:
    """Yields the passages that hold an answer, with an entry for each."""
    answers = [Answer(names) for names in question.answers]
    found_items = set()
    for passage in passages:
        text = Text(passage.text, passage.evidence)
        # Of two items in the same place one is enough.
        spans: dict[Span, Level] = {}
        for i, answer in enumerate(answers):
            if (found := answer.find(text)) is not None:
                found_items.add(i)
                spans.setdefault((found.start, found.end), found.level)
        counts.levels.update(spans.values())
        entries: list[Entry] = [
            {"answers": [{"text": text.text[start:end], "answer_start": start}]}
            for start, end in spans
        ]
        if entries:
            yield passage, entries
    if question.type == "list":
        counts.num_items += len(answers)
        counts.num_items_found += len(found_items)


def _written(
    question: Question, found: list[tuple[Passage, list[Entry]]], counts: Counts
) -> list[Paragraph]:
    """Returns the paragraphs of a question, each entry with its id."""
    paragraphs = []
    number = 0
    for passage, entries in found:
        room = entries[: MAX_ENTRIES - number]
        counts.num_beyond += len(entries) - len(room)
        if room:
            qas = [
                {"id": f"{question.id}_{i:03}", "question": question.body, **entry}
                for i, entry in enumerate(room, start=number)
            ]
            paragraphs.append({"context": passage.text, "qas": qas})
        number += len(room)
    counts.num_kept += 1
    counts.num_passages += len(paragraphs)
    counts.num_entries += number
    return paragraphs


def _require_distinct_ids(pool: Pool, paragraphs: list[Paragraph]) -> None:
    """Refuses ids of questions that look like those of another one's passages."""
    known = {question.id for question in pool.questions}
    for paragraph in paragraphs:
        for id_ in known.intersection(entry["id"] for entry in paragraph["qas"]):
            raise InputError(
                f"question {id_!r} has the id of a passage of question {id_[:-4]!r}; "
                "rename one of them"
            )


def _some(names: list[str]) -> str:
    """Returns the first few names, and dots if there are more."""
    dots = ", ..." if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + dots
