"""Questions small enough to write down, two passages each, and a BERT of width 8.

Nothing here imports TensorFlow before it is called for.
"""

import dataclasses
from typing import ClassVar

import ner_toys

from biobert_tf.common import files

WORDS = "what who has is ? by cured and in men 1 2 3"
VOCAB = [*ner_toys.VOCAB, *WORDS.split()]
ID = {piece: i for i, piece in enumerate(VOCAB)}
CONFIG = dataclasses.replace(ner_toys.CONFIG, vocab_size=len(VOCAB))

# Question, passage, answer; what is cured stands before "is", what cures after "by".
TRAIN = [
    ("what is cured ?", "in men cancer is cured by aspirin .", "cancer"),
    ("what is cured ?", "nephritis is cured by severe aspirin .", "nephritis"),
    ("who has cancer ?", "in 2 men Liver cancer is cured .", "men"),
    ("what is cured ?", "in men Liver is cured by aspirin .", "Liver"),
]
# Two questions of two passages; the last passage is longer than a row.
TEST = {
    "q1": ("what is cured ?", ["in men cancer is cured by aspirin .", "Liver helps ."]),
    "q2": (
        "who has cancer ?",
        ["in 2 men Liver cancer is cured .", "1 2 3 men " * 5],
    ),
}
GOLDEN = {"q1": [["cancer", "Liver cancer"]], "q2": [["men"]]}


def ids(text):
    return [ID[piece] for piece in text.split()]


def squad(rows):
    """The JSON of `(id, question, context, answer)`; an answer of None is left out."""
    paragraphs = []
    for id_, question, context, answer in rows:
        entry = {"id": id_, "question": question}
        if answer is not None:
            start = context.index(answer)
            entry["answers"] = [{"text": answer, "answer_start": start}]
        paragraphs.append({"context": context, "qas": [entry]})
    return {"version": "toy", "data": [{"title": "toy", "paragraphs": paragraphs}]}


def training(rows=TRAIN):
    return squad((f"t_{i:03}", *row) for i, row in enumerate(rows))


def test_set(questions=TEST):
    return squad(
        (f"{id_}_{i:03}", question, context, None)
        for id_, (question, contexts) in questions.items()
        for i, context in enumerate(contexts)
    )


def yes_no(rows, labelled=True):
    """The JSON of `(id, question, context, is_yes)` in bioasq-biobert's form."""
    paragraphs = []
    for id_, question, context, is_yes in rows:
        entry = {"id": id_, "question": question}
        if labelled:
            answer = "yes" if is_yes else "no"
            entry |= {"answers": answer, "is_impossible": not is_yes}
        paragraphs.append({"context": context, "qas": [entry]})
    return {"version": "toy", "data": [{"title": "toy", "paragraphs": paragraphs}]}


def golden(type_="factoid", answers=GOLDEN):
    return {
        "questions": [
            {"id": id_, "type": type_, "body": "?", "exact_answer": exact}
            for id_, exact in answers.items()
        ]
    }


class Toy(ner_toys.Toy):
    """The inputs of a run that takes seconds, in one folder."""

    SCRIPT = "run_qa.py"
    FLAGS: ClassVar = {
        "data_dir": None,
        "do_train": True,
        "do_predict": True,
        "max_seq_length": 16,
        "max_query_length": 4,
        "doc_stride": 4,
    }

    def write(self):
        self.train = self.data / "train.json"
        self.test = self.data / "test.json"
        self.golden = self.data / "golden.json"
        files.write_json(self.train, training())
        files.write_json(self.test, test_set())
        files.write_json(self.golden, golden())
        ner_toys.write_released(self.released, CONFIG, VOCAB)

    def argv(self, **flags):
        given = {"train_file": self.train, "predict_file": self.test, **flags}
        return super().argv(**given)
