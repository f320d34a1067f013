# SPDX-License-Identifier: Apache-2.0
"""Makes what all sides get: sentences, documents and one model in several formats.

python -m benchmarks.peers.inputs --output=FOLDER [--data=DIR] [--model=DIR]

DIR holds train.tsv and test.tsv, the model is any NER model or encoder. Without data,
sentences are made up, as long as those of NCBI-disease. Without a model, the weights
are random, of MiniLM's sizes (6 layers, 384 wide, 30,522 pieces); time does not depend
on them. FOLDER gets:

model/        for Transformers and for us     export/   for LiteRT and OpenVINO
training/     train.tsv of the training       ner/      train.tsv, test.tsv
all.tsv       what is converted               rows.json pieces and texts; see `main`
"""

import argparse
import dataclasses
import json
import random
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from biobert_tf.checkpoints import convert, native, released
from biobert_tf.cli import exporting
from biobert_tf.common import files
from biobert_tf.common.settings import ModelConfig, TextConfig
from biobert_tf.export.settings import ExportConfig
from biobert_tf.model.config import EncoderConfig
from biobert_tf.ner import reading
from biobert_tf.ner.reading import NerExample
from biobert_tf.ner.task import NerTask
from biobert_tf.text.tokenization import FullTokenizer
from biobert_tf.training import reload

LENGTH: Final = 128
LABELS: Final = ("O", "B", "I")
MINILM: Final = EncoderConfig(
    vocab_size=30522,
    hidden_size=384,
    num_hidden_layers=6,
    num_attention_heads=12,
    intermediate_size=1536,
)
# Of NCBI-disease's training sentences: every 5 % quantile of the pieces, shares of
# their words.
NCBI_LENGTHS: Final = (
    *(4, 13, 16, 19, 21, 23, 25, 27, 29, 30, 32),
    *(34, 36, 38, 40, 43, 46, 50, 55, 63, 128),
)
NCBI_WHOLE: Final = 0.84
NCBI_ENTITIES: Final = 0.038
# Added to the score of O in a new head, which would find an entity in every word.
MOSTLY_OUTSIDE: Final = 2.0


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How many sentences, documents and so on there are."""

    training: int = 320
    prediction: int = 640
    run: int = 960
    documents: int = 64


# About a quarter; whole batches.
QUICK: Final = Sizes(training=96, prediction=160, run=256, documents=16)


# --- sentences ------------------------------------------------------------------------


def made_up_vocabulary() -> list[str]:
    """Returns as many pieces as MiniLM has, words and ends of words of a language."""
    syllables = [c + v for c in "bcdfghjklmnprstvwxyz" for v in "aeiou"]
    words = [a + b for a in syllables for b in syllables]
    signs = [c for c in string.printable if c.isprintable() and not c.isspace()]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces += [c for c in signs if not c.isupper()] + syllables + words
    pieces += [f"##{piece}" for piece in pieces[5:]]
    rest = MINILM.vocab_size - len(pieces)
    return [*pieces, *(f"[unused{i}]" for i in range(rest))]


def made_up(number: int, vocabulary: Sequence[str], seed: int) -> list[NerExample]:
    """Returns labelled sentences with the lengths of NCBI-disease's."""
    rng = random.Random(seed)
    words = [p for p in vocabulary if p.isascii() and p.isalpha() and len(p) > 3]
    ends = [p[2:] for p in vocabulary if p[:2] == "##" and p[2:].isalpha()]
    found = []
    for _ in range(number):
        step = rng.randrange(len(NCBI_LENGTHS) - 1)
        low, high = NCBI_LENGTHS[step : step + 2]
        # Nearly all of the longest are near the lower bound.
        share = rng.random() ** (4 if high == LENGTH else 1)
        # [CLS], [SEP] and the full stop are pieces too.
        room = round(low + (high - low) * share) - 3
        text: list[str] = []
        labels: list[str] = []
        while room > 0:
            is_whole = room == 1 or rng.random() < NCBI_WHOLE
            text.append(rng.choice(words) + ("" if is_whole else rng.choice(ends)))
            room -= 1 if is_whole else 2
            follows = labels[-1:] in (["B"], ["I"]) and rng.random() < 0.5
            labels.append(
                "I" if follows else "B" if rng.random() < NCBI_ENTITIES else "O"
            )
        found.append(NerExample((*text, "."), (*labels, "O")))
    return found


def spaced(examples: Sequence[NerExample], number: int) -> list[NerExample]:
    """Returns some of the sentences, evenly spaced, so that lengths are mixed alike."""
    every = max(1, len(examples) // number)
    return list(examples[::every][:number])


def write_tsv(path: Path, examples: Sequence[NerExample]) -> None:
    """Writes sentences as the original reads them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = (
        "".join(f"{w}\t{k[0]}\n" for w, k in zip(e.words, e.labels or (), strict=True))
        for e in examples
    )
    files.write_text(path, "\n".join(blocks))


def documents(examples: Sequence[NerExample], number: int) -> list[str]:
    """Returns texts of 6 to 12 sentences that follow each other."""
    rng, texts, start = random.Random(0), [], 0
    for _ in range(number):
        size = rng.randint(6, 12)
        own = [examples[i % len(examples)] for i in range(start, start + size)]
        texts.append(" ".join(" ".join(each.words) for each in own))
        start += size
    return texts


# --- the model ------------------------------------------------------------------------


def write_model(given: Path | None, folder: Path) -> None:
    """Writes the model, with a new head if it has none, for Transformers and for us."""
    if given is not None and released.load_labels([given]):
        convert.convert(
            given, folder / "model", to_format="huggingface", classifier="token"
        )
        return
    if given is None:
        vocab_file = folder / "vocab.txt"
        files.write_text(vocab_file, "\n".join([*made_up_vocabulary(), ""]))
        config, tokenizer = MINILM, FullTokenizer(vocab_file, None)
    else:
        found = reload.find(given)
        lower = released.lower_cases(found.place, found.recorded)
        text = TextConfig(do_lower_case=lower)
        parts = released.load(text, ModelConfig(init_checkpoint=given), None)
        config, tokenizer = parts.encoder_config, parts.tokenizer
    task = NerTask(tokenizer, LABELS, LENGTH, "fixed")
    model = task.build_model(config, 0)
    if given is not None:
        checkpoint = found.checkpoint
        native.assign(
            model.variables,
            checkpoint.weights,
            source=checkpoint.source,
            new_head=(*task.new_head, "bert/pooler"),
        )
    weights = {**native.extract(model.variables)}
    weights["output_bias"] = weights["output_bias"] + [MOSTLY_OUTSIDE, 0, 0]
    start = folder / "start"
    released.save(config, tokenizer.vocab_file, weights, start, 0, LABELS)
    recorded = {
        "train_on": "train",
        "do_lower_case": tokenizer.basic_tokenizer.do_lower_case,
        "max_seq_length": LENGTH,
        "entity_type": "Disease",
    }
    files.write_json(start / released.SETTINGS_NAME, recorded)
    convert.convert(
        start, folder / "model", to_format="huggingface", classifier="token"
    )


# --- all ------------------------------------------------------------------------------


def main() -> None:
    """Writes everything into a new folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    folder, sizes = arguments.output, QUICK if arguments.quick else Sizes()
    folder.mkdir(parents=True)
    write_model(arguments.model, folder)
    task = NerTask(
        FullTokenizer(folder / "model" / "vocab.txt", None), LABELS, LENGTH, "fixed"
    )
    if arguments.data:
        train, test = (
            reading.read_examples(arguments.data / name, "fixed", needs_labels=True)
            for name in ("train.tsv", "test.tsv")
        )
    else:
        vocabulary = list(task.tokenizer.vocab)
        train, test = made_up(5400, vocabulary, 0), made_up(940, vocabulary, 1)
    write_tsv(folder / "all.tsv", train)
    write_tsv(folder / "training" / "train.tsv", spaced(train, sizes.training))
    write_tsv(folder / "ner" / "train.tsv", spaced(train, sizes.run))
    write_tsv(folder / "ner" / "test.tsv", spaced(test, sizes.prediction))
    steps = task.featurize(spaced(train, sizes.training))
    predicted = task.featurize(spaced(test, sizes.prediction))
    rows = {
        "training": [
            {
                "input_ids": list(row.features["input_ids"][: len(row.pieces)]),
                "label_ids": list(row.features["label_ids"][: len(row.pieces)]),
            }
            for row in steps
        ],
        "prediction": [
            list(row.features["input_ids"][: len(row.pieces)]) for row in predicted
        ],
        "documents": documents(train, sizes.documents),
        "sentences": [" ".join(each.words) for each in train],
    }
    files.write_text(folder / "rows.json", json.dumps(rows))
    files.write_text(folder / "sentence.txt", " ".join(test[0].words) + "\n")
    exporting.export(
        ExportConfig(model=folder / "model", output=folder / "export", litert="int8")
    )


if __name__ == "__main__":
    main()
