"""A relation world small enough to write down: five sentences, a BERT of width 8.

Nothing here imports TensorFlow before it is called for.
"""

import dataclasses
import json
from typing import ClassVar

import ner_toys

from biobert_tf.common import files

MARKERS = ["[unused1]", "[unused2]", "[unused3]", "[unused4]"]
VOCAB = [*ner_toys.VOCAB, *MARKERS, "@", "GENE", "DISEASE", "$", "causes"]
ID = {piece: i for i, piece in enumerate(VOCAB)}
CONFIG = dataclasses.replace(ner_toys.CONFIG, vocab_size=len(VOCAB))
CHEMPROT = ("cpr:3", "cpr:4", "cpr:5", "cpr:6", "cpr:9", "false")
DDI = ("DDI-advise", "DDI-effect", "DDI-int", "DDI-mechanism", "DDI-false")

# With twelve pieces to a record, [CLS] and [SEP] among them, two sentences are too
# long: the third loses its end, the fourth its beginning, where no entity is.
TRAIN = [
    ("@GENE$ causes @DISEASE$ .", "1"),
    ("@GENE$ helps with @DISEASE$ .", "0"),
    ("@DISEASE$ helps @GENE$ with severe Liver cancer .", "0"),
    ("severe cancer with aspirin @GENE$ causes @DISEASE$ .", "1"),
    ("severe @GENE$ with @DISEASE$", "0"),
]
DEV = [("@DISEASE$ causes @GENE$ .", "1"), ("@GENE$ with @DISEASE$ .", "0")]
# What a model knows that has learned the above.
TEST = [
    ("@GENE$ causes @DISEASE$ .", "1"),
    ('"@GENE$ helps with @DISEASE$', "0"),
    ("severe cancer with aspirin @GENE$ causes @DISEASE$ .", "1"),
]
# The same relation, told with marks, and with labels of its own.
MARKED = [
    ("<< aspirin >> causes [[ cancer ]] .", "harm"),
    ("[[ cancer ]] helps with << aspirin >> .", "none"),
    ("<< aspirin >> helps with [[ Liver cancer ]]", "cure"),
]


def biobert(rows, header=False):
    """The text of a file in BioBERT's form; a test file has a header and numbers."""
    if not header:
        return "".join(f"{text}\t{label}\n" for text, label in rows)
    lines = (f"{i}\t{text}\t{label}\n" for i, (text, label) in enumerate(rows))
    return "index\tsentence\tlabel\n" + "".join(lines)


def scibert(rows):
    """The text of a file in SciBERT's form; a label of None is left out."""
    return "".join(
        json.dumps({"text": text} | ({"label": label} if label else {})) + "\n"
        for text, label in rows
    )


def write_data(folder, **rows):
    """Writes `train=...` as `train.tsv` and so on; returns the folder."""
    for split, value in rows.items():
        text = biobert(value, header=split == "test")
        files.write_text(folder / f"{split}.tsv", text)
    return folder


def write_marked(folder, **rows):
    """Writes `train=...` as `train.jsonl` and so on; returns the folder."""
    for split, value in rows.items():
        files.write_text(folder / f"{split}.jsonl", scibert(value))
    return folder


def write_model(folder, labels):
    """Writes a model with random weights, as a finished training leaves it."""
    from biobert_tf.model import heads

    ner_toys.write_vocab(folder / "vocab.txt", VOCAB)
    model = heads.SequenceClassifier(CONFIG, len(labels), seed=1, dropout=0.1)
    return ner_toys.save_model(model, labels, folder)


class Toy(ner_toys.Toy):
    """The inputs of a run that takes seconds, in one folder."""

    SCRIPT = "run_re.py"
    FLAGS: ClassVar = {"task_name": "gad", "do_train": True, "do_predict": True}

    def write(self):
        write_data(self.data, train=TRAIN, dev=DEV, test=TEST)
        ner_toys.write_released(self.released, CONFIG, VOCAB)
