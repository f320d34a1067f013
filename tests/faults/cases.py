"""The commands that faults are injected into: their inputs, and what must be the same.

A case has two folders: `inputs`, written once, and `work`, where all its outputs go.
"""

import dataclasses
import gzip
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import document_toys
import ner_toys
import qa_toys
import re_toys
import reproduce_toys

from biobert_tf.common import files

BIOBERT = "faults.server:biobert"
STATE = "what a training resumes from; it counts how often was saved"
TIMES = "holds times"


@dataclasses.dataclass(frozen=True)
class Case:
    """A command, run on toys.

    Attributes:
        name: Its name in the reports.
        write: Writes the inputs into a folder.
        words: Returns the words of the command, of both folders.
        excluded: Patterns of files in `work` that are not compared, and why.
        growing: Patterns of files that are replaced or removed on the way: after a
            fault they may be of an earlier moment.
        function: What is called with the words.
        done: What a command says that refuses to replace its own whole outputs.
        states: The pattern of training states, to be damaged.
    """

    name: str
    write: Callable[[Path], object]
    words: Callable[[Path, Path], list[str]]
    excluded: Mapping[str, str] = dataclasses.field(default_factory=dict)
    growing: tuple[str, ...] = ()
    function: str = BIOBERT
    done: str = ""
    states: str = ""


TRAINED = {
    "**/training/*": STATE,
    "**/tensorboard/**": TIMES,
    "**/train.tf_record": "deleted and made again as it is needed",
}
GROWING = (
    "**/settings.json",
    "**/checkpoint",
    "**/learning_curve.*",
    "**/weights.json",
)
STATES = "**/training/ckpt-*.*"


def _words(argv):
    """The words of a toy's command without its program."""
    return argv[1:]


def _toy(kind, command, **given):
    """A training of a toy; its output goes to `work`."""

    def write(inputs):
        kind(inputs)

    def words(inputs, work):
        toy = kind.__new__(kind)
        # The paths, as `write` has made them.
        toy.data, toy.released = inputs / "data", inputs / "released"
        toy.train, toy.test = toy.data / "train.json", toy.data / "test.json"
        toy.golden = toy.data / "golden.json"
        toy.output = work / "output"
        flags = {name: _of(value, inputs) for name, value in given.items()}
        return [command, *_words(toy.argv(save_checkpoints_steps=1, **flags))]

    return Case(command, write, words, TRAINED, GROWING, states=STATES)


def _of(value, inputs):
    return value(inputs) if callable(value) else value


# --- data ----------------------------------------------------------------------------


WORDS = "Aspirin aspirin more AIM To see Ca . & ; :"


def _write_pubmed(inputs):
    vocab = [*ner_toys.SPECIAL, *WORDS.split()]
    ner_toys.write_vocab(inputs / "vocab.txt", vocab)
    for number in range(3):
        numbers = range(10 * number + 1, 10 * number + 8)
        path = inputs / f"{number}.xml.gz"
        path.write_bytes(
            gzip.compress(document_toys.pubmed(*numbers).encode(), mtime=0)
        )


def _conversion(inputs, work):
    return [
        "create-pretraining-data",
        f"--input_file={inputs}/*.xml.gz",
        f"--output_file={work}/x.tfrecord",
        f"--vocab_file={inputs}/vocab.txt",
        "--do_lower_case=false",
        "--max_seq_length=32",
        "--max_predictions_per_seq=5",
        "--dupe_factor=2",
        "--num_shards=2",
        "--num_workers=1",
    ]


def _corpus(inputs, work):
    return ["corpus", f"--input={inputs}/*.xml.gz", f"--output={work}/corpus.txt"]


def _vocabulary(inputs, work):
    return [
        "vocab",
        "extend",
        "--add=aspirins,cancers",
        f"--init_checkpoint={inputs}/model",
        f"--output_dir={work}/extended",
        "--place=append",
    ]


def download(inputs, work):
    """Downloads a toy set from a server in this process."""
    from file_server import Served, serving

    from biobert_tf.cli import main as cli
    from biobert_tf.common import program
    from biobert_tf.published import sources

    content = json.loads(Path(inputs, "files.json").read_text())
    held = {f"/{name}": Served(text.encode()) for name, text in content.items()}
    with serving(held) as server:
        toy = _source(server.address, content)
        sources.named = lambda names: [toy]
        words = ["biobert", "download", toy.name, f"--to={work}"]
        return program.run(cli.main, words)


def _source(address, content):
    import hashlib

    from biobert_tf.published.sources import Source, Way
    from biobert_tf.published.transfer import Remote

    sums = {
        name: f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
        for name, text in content.items()
    }
    remotes = {
        name: Remote(f"o/{name}", (f"{address}/{name}",), sums[name])
        for name in content
    }
    way = Way("origin", remotes, "", "as it is", "")
    return Source("toy", "A toy.", "None.", "ner/toy", sums, {}, "", (way,))


def _write_download(inputs):
    text = "aspirin\tB\nhelps\tO\n\n" * 20_000
    files.write_json(
        inputs / "files.json", {f"{name}.tsv": text for name in ("train", "test")}
    )


# --- models --------------------------------------------------------------------------


def _write_model(inputs):
    ner_toys.write_model(inputs / "model")
    ner_toys.write_data(inputs / "data", test=ner_toys.TEST)


def _prediction(inputs, work):
    return [
        "ner",
        "--do_train=false",
        "--do_predict=true",
        f"--data_dir={inputs}/data",
        f"--init_checkpoint={inputs}/model",
        f"--output_dir={work}/output",
        "--max_seq_length=12",
        "--strategy=cpu",
    ]


def _write_trained(inputs):
    """As `_write_model`, with the settings of a training."""
    from biobert_tf.common import flags
    from biobert_tf.common import settings as common
    from biobert_tf.ner.settings import NerConfig

    _write_model(inputs)
    words = [f"--data_dir={inputs}/data", f"--output_dir={inputs}/model"]
    settings = flags.parse(
        NerConfig, ["ner", "--do_train", *words, "--max_seq_length=12"]
    )
    files.write_json(inputs / "model" / "settings.json", common.to_dict(settings))


def _write_documents(inputs):
    _write_trained(inputs)
    for number in range(6):
        lines = (
            json.dumps({"id": f"{number}-{i}", "text": "Liver cancer helps aspirin ."})
            for i in range(5)
        )
        path = inputs / "documents" / f"{number}.jsonl"
        files.write_text(path, "".join(f"{line}\n" for line in lines))


def _annotation(inputs, work):
    return [
        "annotate",
        f"--model={inputs}/model",
        f"--input={inputs}/documents",
        f"--output={work}/annotated",
    ]


def _export(inputs, work):
    return [
        "export",
        f"--model={inputs}/model",
        f"--output={work}/export",
        "--litert=float",
        "--max_seq_length=12",
    ]


def _conversion_of_weights(inputs, work):
    return ["convert", f"--from={inputs}/model", f"--to={work}/{_HUGGING_FACE}"]


_HUGGING_FACE = "huggingface"


def _back(inputs, work):
    return ["convert", f"--from={inputs}/model", f"--to={work}/tf1/bert_model.ckpt"]


def _write_folds(inputs):
    re_toys.Toy(inputs)
    for fold in ("1", "2"):
        re_toys.write_data(
            inputs / "folds" / fold, train=re_toys.TRAIN, test=re_toys.TEST
        )


def _folds():
    one = _toy(re_toys.Toy, "re", data_dir=lambda inputs: inputs / "folds")
    return dataclasses.replace(one, name="re folds", write=_write_folds)


def _write_pretraining(inputs):
    # Not above: it imports TensorFlow.
    import pretraining_toys

    pretraining_toys.Toy(inputs)


def _pretraining(inputs, work):
    import pretraining_toys

    toy = pretraining_toys.Toy.__new__(pretraining_toys.Toy)
    toy.records, toy.output = inputs / "records", work / "output"
    toy.vocab_file = inputs / "vocab.txt"
    toy.config_file = inputs / "bert_config.json"
    return ["pretraining", *_words(toy.argv(save_checkpoints_steps=2))]


def reproduce(inputs, work):
    """Reproduces toy results with a program that takes no time."""
    from biobert_tf.common import flags, program
    from biobert_tf.reproduce import command
    from biobert_tf.reproduce.settings import ReproduceConfig

    toy = reproduce_toys.Toy.__new__(reproduce_toys.Toy)
    toy.data, toy.model = Path(inputs, "data"), Path(inputs, "tiny")
    toy.output = Path(work, "runs")

    def main(argv):
        import os
        import sys

        os.environ["REPRODUCE_TODO"] = f"{inputs}/todo.json"
        config = flags.parse(ReproduceConfig, argv)
        command.run(config, argv[1:], (sys.executable, f"{inputs}/program.py"))

    return program.run(main, ["reproduce", *toy.argv()])


def _both(inputs, work):
    return [str(inputs), str(work)]


_CASES = (
    Case(
        "create-pretraining-data",
        _write_pubmed,
        _conversion,
        # Finished parts, which are removed at the end.
        growing=("*.work/*",),
    ),
    Case("corpus", _write_pubmed, _corpus),
    Case(
        "pretraining",
        _write_pretraining,
        _pretraining,
        TRAINED,
        GROWING,
        states=STATES,
    ),
    _toy(ner_toys.Toy, "ner"),
    _folds(),
    _toy(qa_toys.Toy, "qa"),
    Case("ner prediction", _write_model, _prediction),
    Case("annotate", _write_documents, _annotation),
    Case(
        "export",
        _write_trained,
        _export,
        {"**/fingerprint.pb": "a checksum of the graph, whose nodes have no order"},
    ),
    Case(
        "convert to Transformers",
        _write_model,
        _conversion_of_weights,
        done=r"exists; give a new or empty directory",
    ),
    Case("convert to TF1", _write_model, _back, done=r"exists; give another name"),
    Case(
        "vocab extend",
        _write_model,
        _vocabulary,
        done=r"is not empty|exists|new or empty",
    ),
    Case(
        "download",
        _write_download,
        _both,
        {"downloads/**": "what came, kept for a second try"},
        function="faults.cases:download",
    ),
    Case(
        "reproduce",
        reproduce_toys.Toy,
        _both,
        {
            "**/calls": "counts the calls",
            "**/run.json": "records every attempt, the failed ones too",
            "**/log.txt": TIMES,
            "**/session.json": TIMES,
            "**/report.html": TIMES,
            "**/report.md": TIMES,
            "**/report.csv": TIMES,
            "**/lock": "locked while a command runs",
        },
        ("runs/*.json", "runs/*.md", "runs/*.html", "runs/**/*.json"),
        function="faults.cases:reproduce",
    ),
)
CASES = {case.name: case for case in _CASES}


def prepare(name, inputs):
    """Writes the inputs of a case; called in a process of its own."""
    CASES[name].write(Path(inputs))
    return 0


# --- what is compared ----------------------------------------------------------------

# Members of JSON files that hold times, and how often something was tried.
_VOLATILE = (
    "attempts",
    "seconds",
    "goodput",
    "started",
    "wall_seconds",
    "train_seconds",
    "examples_per_second",
)


def same(path: Path) -> bytes:
    """Returns what of a file must be the same in every run."""
    data = path.read_bytes()
    if path.suffix == ".json":
        try:
            return json.dumps(_without_times(json.loads(data)), indent=1).encode()
        except ValueError:
            return data
    if path.name == "ORIGIN.md":
        # The port of the toy's server.
        return re.sub(rb"127\.0\.0\.1:\d+", b"", data)
    return data


def _without_times(values):
    if isinstance(values, dict):
        return {k: _without_times(v) for k, v in values.items() if k not in _VOLATILE}
    if isinstance(values, list):
        return [_without_times(value) for value in values]
    return values
