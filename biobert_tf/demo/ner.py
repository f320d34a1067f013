# SPDX-License-Identifier: Apache-2.0
"""Makes the small entity corpus that the demo trains on.

Nothing here comes from a released data set: a grammar, written for this project,
is expanded at random into English sentences about diseases and chemicals. They
read like abstracts but are meaningless. Three properties make the task hard enough:

* the same word is an entity in one place but not in another (`gold`, `stroke`,
  `MS`), or changes its type (`RA`), so that a list of words is not enough;
* words without a label occur where entities occur and have endings like theirs
  (`placebo`, `apoptosis`), so that neither position nor ending is enough;
* the test file uses words that are in neither the training nor the development file,
  on both of which the demo trains, made of morphemes that are (`nephr|itis`,
  `clotrim|azole`). `unseen` counts how many of them a model finds.
"""

import itertools
import json
import random
import string
from pathlib import Path
from typing import Final

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.demo import grammar
from biobert_tf.model.config import EncoderConfig
from biobert_tf.text.labels import chunks

# Words and their labels, one label per word: B-Disease, I-Disease, B-Chemical, ...
Sentence = tuple[tuple[str, ...], tuple[str, ...]]

NUM_SENTENCES: Final = {"train": 2000, "devel": 150, "test": 400}
# The seed of the corpus from which vocab/demo-vocab.txt was made.
SEED: Final = 12345

ENCODER: Final = EncoderConfig(
    vocab_size=1000,
    hidden_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=256,
    max_position_embeddings=128,
    initializer_range=0.1,  # With 0.02 so narrow a BERT learns nothing in a minute.
)

# Running text that is not in the corpus. The words ramipril, nephritis and hyperkalemia
# are not in training. The sentence was chosen first. Then names were added to the
# corpus until a trained model found all five entities. So it shows a success; `unseen`
# says how often new names are found.
RAW_SENTENCE: Final = (
    "After two weeks of ramipril and β-carotene, a 54-year-old woman with chronic "
    "nephritis (stage 3) and diabetes developed severe hyperkalemia."
)

_GRAMMAR: Final = grammar.text("ner")
# Further alternatives, only in the test file.
_HELD_OUT: Final = grammar.text("ner_held_out")


def sentences(
    num: int, rng: random.Random, held_out: bool, seen: set[Sentence]
) -> list[Sentence]:
    """Returns `num` different labelled sentences, and adds them to `seen`.

    `held_out` also uses the words that only the test file may have.
    """
    # The held-out alternatives are added three times, so that about one entity of the
    # test file in five has a new word.
    further = (_HELD_OUT,) * 3 if held_out else ()
    rules = grammar.parse(_GRAMMAR, *further)

    def draw(_: int) -> Sentence:
        words, labels = zip(*grammar.expand("$sentence", rules, rng), strict=True)
        # ASCII letters only: a sentence may begin with `β-carotene`.
        if words[0][0] in string.ascii_lowercase:
            words = (words[0][0].upper() + words[0][1:], *words[1:])
        return words, labels

    return grammar.distinct(num, draw, seen)


def corpus(seed: int) -> dict[str, list[Sentence]]:
    """Returns the sentences of `train`, `devel` and `test`; no two share one."""
    rng = random.Random(seed)
    seen: set[Sentence] = set()
    return {
        name: sentences(num, rng, name == "test", seen)
        for name, num in NUM_SENTENCES.items()
    }


def write_corpus(directory: Path, seed: int) -> None:
    r"""Writes `train.tsv`, `devel.tsv` and `test.tsv` in the form of BioBERT's data.

    Each line is `word<TAB>label`; an empty line follows every sentence.

    Raises:
        InputError: The directory cannot be written.
    """
    for name, part in corpus(seed).items():
        rows = itertools.chain(*([*zip(*pair, strict=True), ()] for pair in part))
        text = "".join("\t".join(row) + "\n" for row in rows)
        files.write_text(directory / f"{name}.tsv", text)


def unseen(predictions: Path) -> tuple[int, int]:
    """Counts the test file's names with a word that training has not.

    Args:
        predictions: The `predictions.jsonl` of a run on the corpus of `SEED`.

    Returns:
        The number of names found exactly, with their type; the number of names.
    """
    parts = corpus(SEED)
    trained = [words for name in ("train", "devel") for words, _ in parts[name]]
    known = {word.lower() for words in trained for word in words}
    right = total = 0
    for line in files.read_text(predictions).splitlines():
        row = json.loads(line)
        found = chunks(row["labels"])
        for name in chunks(row["gold"]):
            words = row["words"][name.start : name.end]
            if any(word.lower() not in known for word in words):
                total += 1
                right += name in found
    return right, total


def vocab_file() -> Path:
    """Returns the demo vocabulary of the clone, else of the installed package.

    Raises:
        InputError: Neither exists.
    """
    package = Path(__file__).parents[1]
    for folder in (package.parent, package):
        if (place := folder / "vocab" / "demo-vocab.txt").is_file():
            return place
    raise InputError.at(place, None, "no such file; install biobert_tf again")
