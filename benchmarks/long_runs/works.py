# SPDX-License-Identifier: Apache-2.0
"""The commands that run for long, and their inputs.

The inputs are sentences of the demo's corpus or of a given one, again and again. Every
sentence gets a word that no other has: what a command remembers by the word would show.
"""

import dataclasses
import gzip
import itertools
import json
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final, TypeVar

from benchmarks.pretraining_data import write as write_text
from biobert_tf.common import files
from biobert_tf.demo import ner as demo
from biobert_tf.model.config import EncoderConfig

ENCODER: Final = EncoderConfig(
    vocab_size=1000,
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=128,
)
_CONFIG: Final = "bert_config.json"
_SENTENCES_PER_DOCUMENT: Final = 10
_DOCUMENTS_PER_FILE: Final = {"jsonl": 50, "xml.gz": 5000}
"""So many are annotated as one file; and PubMed's files have 30,000."""
_SAVES: Final = 20
_EVALUATIONS: Final = 20
"""How often a training saves its state, and scores the development file."""


ItemT = TypeVar("ItemT")


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How long the commands are to run."""

    steps: int
    annotated: int
    converted: int


@dataclasses.dataclass(frozen=True)
class Work:
    """A command to be watched.

    Attributes:
        name: Its name.
        title: What it does.
        unit: What is counted: steps or sentences.
        size: How many of them a run makes.
        words: The command's words, behind the interpreter.
        output: The folder or the file that it writes.
        phases: The phases that its log tells of and that count; how many parts one
            has whose lines do not say that, else 0.
    """

    name: str
    title: str
    unit: str
    size: int
    words: Sequence[str]
    output: Path
    phases: Mapping[str, int]


NAMES: Final = ("ner", "annotate", "corpus", "create-pretraining-data", "pretraining")


def work(name: str, folder: Path, data: Path | None, sizes: Sizes) -> Work:
    """Writes the inputs of a work into a folder, and returns it.

    `data` is a folder of `train.tsv`, `devel.tsv` and `test.tsv`; None: the demo's.
    Some works read what those before them in `NAMES` have written.
    """
    made = {
        "ner": _ner,
        "annotate": _annotate,
        "corpus": _corpus,
        "create-pretraining-data": _records,
        "pretraining": _pretraining,
    }
    return made[name](folder, data, sizes)


def _ner(folder: Path, data: Path | None, sizes: Sizes) -> Work:
    inputs = data or folder / "data"
    if data is None:
        demo.write_corpus(inputs, demo.SEED)
    _write_model_files(folder)
    output = folder / "ner"
    words = [
        *("run_ner.py", f"--data_dir={inputs}", f"--output_dir={output}"),
        *_model_flags(folder),
        *("--max_seq_length=48", "--train_batch_size=8", "--learning_rate=1e-3"),
        *("--num_train_epochs=100000", "--warmup_proportion=0"),
        f"--max_steps={sizes.steps}",
        f"--save_checkpoints_steps={max(1, sizes.steps // _SAVES)}",
        *("--train_on=train", "--keep_best=f1"),
        f"--eval_every_steps={max(1, sizes.steps // _EVALUATIONS)}",
    ]
    title = "fine-tunes, scores the development file and saves"
    return Work("ner", title, "steps", sizes.steps, words, output, {"training": 0})


def _annotate(folder: Path, data: Path | None, sizes: Sizes) -> Work:
    inputs, output = folder / "documents", folder / "annotated"
    files.remove_tree(inputs)
    numbered = enumerate(_documents(data, sizes.annotated))
    for number, part in enumerate(_batched(numbered, _DOCUMENTS_PER_FILE["jsonl"])):
        lines = (
            json.dumps({"id": f"{index}", "text": " ".join(sentences)})
            for index, sentences in part
        )
        text = "".join(f"{line}\n" for line in lines)
        files.write_text(inputs / f"{number:05d}.jsonl", text)
    words = [
        *("-m", "biobert_tf", "annotate", f"--model={folder / 'ner'}"),
        *(f"--input={inputs}", f"--output={output}"),
        "--predict_batch_size=32",
    ]
    title = "annotates a folder of documents"
    phases = {"annotating": -(-sizes.annotated // _SENTENCES_PER_DOCUMENT)}
    return Work("annotate", title, "sentences", sizes.annotated, words, output, phases)


def _corpus(folder: Path, data: Path | None, sizes: Sizes) -> Work:
    inputs, output = folder / "pubmed", folder / "corpus.txt"
    files.remove_tree(inputs)
    inputs.mkdir()
    numbered = enumerate(_documents(data, sizes.converted), start=1)
    for number, part in enumerate(_batched(numbered, _DOCUMENTS_PER_FILE["xml.gz"])):
        with gzip.open(inputs / f"{number:04d}.xml.gz", "wt", 1, "utf-8") as stream:
            stream.write("<PubmedArticleSet>\n")
            stream.writelines(itertools.starmap(_pubmed, part))
            stream.write("</PubmedArticleSet>\n")
    words = [
        *("-m", "biobert_tf", "corpus", f"--input={inputs}/*.xml.gz"),
        f"--output={output}",
    ]
    title = "writes PubMed's files as text"
    return Work(
        "corpus", title, "sentences", sizes.converted, words, output, {"reading": 0}
    )


def _records(folder: Path, data: Path | None, sizes: Sizes) -> Work:
    corpus = folder / "corpus.txt"
    if not corpus.exists():
        write_text(corpus, _documents(data, sizes.converted))
    output = folder / "records"
    words = [
        *("-m", "biobert_tf", "create-pretraining-data", f"--input_file={corpus}"),
        f"--output_file={output / 'pairs.tfrecord'}",
        *(f"--vocab_file={demo.vocab_file()}", "--dupe_factor=2"),
    ]
    title = "converts text to TFRecords"
    phases = {"reading": 0, "writing": 0}
    name = "create-pretraining-data"
    return Work(name, title, "sentences", sizes.converted, words, output, phases)


def _pretraining(folder: Path, data: Path | None, sizes: Sizes) -> Work:
    del data
    _write_model_files(folder)
    output = folder / "pretraining"
    words = [
        *("run_pretraining.py", "--do_train"),
        f"--input_file={folder / 'records' / 'pairs.tfrecord'}",
        *(f"--output_dir={output}", *_model_flags(folder)),
        *("--train_batch_size=8", f"--num_train_steps={sizes.steps}"),
        f"--save_checkpoints_steps={max(1, sizes.steps // _SAVES)}",
    ]
    title = "pre-trains and saves"
    phases = {"training": 0}
    return Work("pretraining", title, "steps", sizes.steps, words, output, phases)


def _write_model_files(folder: Path) -> None:
    files.write_json(folder / _CONFIG, dataclasses.asdict(ENCODER))


def _model_flags(folder: Path) -> list[str]:
    return [
        f"--bert_config_file={folder / _CONFIG}",
        f"--vocab_file={demo.vocab_file()}",
        "--strategy=cpu",
    ]


def _documents(data: Path | None, num_sentences: int) -> Iterator[list[str]]:
    """Yields documents of ten sentences until there are enough."""
    endless = itertools.cycle(_sentences(data))
    own = map("".join, itertools.product(string.ascii_lowercase, repeat=6))
    sentences = (
        f"{sentence.removesuffix('.')} with {word}."
        for sentence, word in zip(endless, own, strict=False)
    )
    enough = itertools.islice(sentences, num_sentences)
    yield from _batched(enough, _SENTENCES_PER_DOCUMENT)


def _sentences(data: Path | None) -> list[str]:
    """Returns the sentences of a training file as text."""
    if data is None:
        read = (words for words, _ in demo.corpus(demo.SEED)["train"])
    else:
        blocks = files.read_text(data / "train.tsv").split("\n\n")
        lines = ([line.split("\t")[0] for line in b.splitlines()] for b in blocks)
        read = (tuple(filter(None, words)) for words in lines)
    return [" ".join(words).replace(" .", ".") for words in read if words]


def _batched(items: Iterable[ItemT], size: int) -> Iterator[list[ItemT]]:
    remaining = iter(items)
    while held := list(itertools.islice(remaining, size)):
        yield held


def _pubmed(number: int, sentences: Sequence[str]) -> str:
    """Returns a record of PubMed; the sentences have no markup."""
    title, *others = sentences
    return (
        f'<PubmedArticle><MedlineCitation><PMID Version="1">{number}</PMID><Article>'
        f"<ArticleTitle>{escape(title)}</ArticleTitle><Abstract><AbstractText>"
        f"{escape(' '.join(others))}</AbstractText></Abstract></Article>"
        "</MedlineCitation></PubmedArticle>\n"
    )
