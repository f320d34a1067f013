"""A NER world small enough to write down: fifteen pieces, two types, a BERT of width 8.

Nothing here imports TensorFlow before it is called for.
"""

import dataclasses
from typing import ClassVar

from biobert_tf.common import files
from biobert_tf.model.config import EncoderConfig

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = "Liver cancer nephr ##itis ##s severe aspirin helps with ."
VOCAB = [*SPECIAL, *WORDS.split()]
ID = {piece: i for i, piece in enumerate(VOCAB)}
CONFIG = EncoderConfig(
    vocab_size=len(VOCAB),
    hidden_size=8,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=16,
    max_position_embeddings=16,
)
# As CONFIG, but with weights so large that every piece of a text tells.
STRONG = dataclasses.replace(CONFIG, initializer_range=0.5)
LABELS = ("O", "B-Chem", "I-Chem", "B-Dis", "I-Dis")
ORIGINAL_LABELS = ("[PAD]", "B", "I", "O", "X", "[CLS]", "[SEP]")

TRAIN = [
    [("aspirin", "B-Chem"), ("helps", "O"), ("with", "O"), ("nephritis", "B-Dis")],
    [("severe", "O"), ("Liver", "B-Dis"), ("cancer", "I-Dis"), (".", "O")],
    [("Liver", "O"), ("helps", "O"), ("with", "O"), ("aspirins", "B-Chem")],
    [("severe", "B-Chem"), ("aspirin", "I-Chem"), ("helps", "O"), (".", "O")],
]
DEVEL = [[("nephritis", "B-Dis"), ("with", "O"), ("aspirin", "B-Chem"), (".", "O")]]
TEST = [
    [("Liver", "B-Dis"), ("cancer", "I-Dis"), ("helps", "O")],
    [("aspirin", "B-Chem"), ("aspirin", "B-Chem"), ("zebra", "O"), (".", "O")],
]


def tsv(sentences):
    """The text of a file of `(word, label)` sentences."""
    return "".join(
        "".join(f"{word}\t{label}\n" for word, label in sentence) + "\n"
        for sentence in sentences
    )


def untyped(sentences):
    """The same sentences with the labels the original knows."""
    return [[(word, label[0]) for word, label in sentence] for sentence in sentences]


def write_data(folder, **sentences):
    """Writes `train=...` as `train.tsv` and so on; returns the folder."""
    for name, value in sentences.items():
        files.write_text(folder / f"{name}.tsv", tsv(value))
    return folder


def write_vocab(path, vocab=VOCAB):
    files.write_text(path, "".join(f"{piece}\n" for piece in vocab))
    return path


def write_released(folder, config=CONFIG, vocab=VOCAB):
    """Writes what comes with weights: the vocabulary and the sizes."""
    write_vocab(folder / "vocab.txt", vocab)
    files.write_json(folder / "bert_config.json", dataclasses.asdict(config))
    return folder


def write_model(folder, labels=LABELS, config=CONFIG):
    """Writes a model with random weights, as a finished training leaves it."""
    from biobert_tf.model import heads

    write_vocab(folder / "vocab.txt")
    return save_model(
        heads.TokenClassifier(config, len(labels), seed=1), labels, folder
    )


def save_model(model, labels, folder):
    """Writes a model beside its vocabulary; returns the folder."""
    from biobert_tf.checkpoints import native, released

    weights = native.extract(model.variables)
    vocab_file = folder / "vocab.txt"
    released.save(model.config, vocab_file, weights, folder, 7, labels)
    return folder


class Toy:
    """The inputs of a run that takes seconds, in one folder."""

    SCRIPT = "run_ner.py"
    # Those of the task; what all toys have is below.
    FLAGS: ClassVar = {}

    def __init__(self, folder):
        self.data = folder / "data"
        self.released = folder / "released"
        self.output = folder / "output"
        self.write()

    def write(self):
        write_data(self.data, train=TRAIN, devel=DEVEL, test=TEST)
        write_released(self.released)

    def argv(self, **flags):
        """A training from random weights; `flags` add, replace, or with None remove."""
        values = {
            "data_dir": self.data,
            "output_dir": self.output,
            "max_seq_length": 12,
            "train_batch_size": 2,
            "num_train_epochs": 2,
            "learning_rate": 1e-2,
            "strategy": "cpu",
            **self.FLAGS,
        }
        if "init_checkpoint" not in flags:
            values["vocab_file"] = self.released / "vocab.txt"
            values["bert_config_file"] = self.released / "bert_config.json"
        given = {**values, **flags}.items()
        words = [f"--{name}={value}" for name, value in given if value is not None]
        return [self.SCRIPT, *words]


def annotated(task, estimator, texts, batch_size):
    """The words and the prediction of every text, which is one sentence."""
    from biobert_tf.ner.reading import NerExample
    from biobert_tf.text import words

    examples = [NerExample(tuple(words.words(text)), None) for text in texts]
    records = task.featurize(examples)
    outputs = estimator.predict_rows((row.features for row in records), batch_size)
    log_probs = [output["log_probs"] for output in outputs]
    predictions = task.decode(examples, records, {"log_probs": log_probs})
    return list(zip(examples, predictions, strict=True))
