# SPDX-License-Identifier: Apache-2.0
"""`biobert demo`: trains, scores and uses a tiny BERT on a built-in corpus."""

import dataclasses
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Final

from biobert_tf.classification import run as classification_run
from biobert_tf.classification.classifier import Classifier
from biobert_tf.classification.settings import ClassificationConfig
from biobert_tf.common import files, flags
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.demo import classification as classification_demo
from biobert_tf.demo import ner as ner_demo
from biobert_tf.demo import qa as qa_demo
from biobert_tf.demo import relations as relation_demo
from biobert_tf.documents import formats
from biobert_tf.documents.document import Passage
from biobert_tf.model.config import EncoderConfig
from biobert_tf.ner import run as ner_run
from biobert_tf.ner.annotator import Annotator
from biobert_tf.ner.settings import NerConfig
from biobert_tf.qa import run as qa_run
from biobert_tf.qa.ask import Answerer
from biobert_tf.qa.contexts import NamedText
from biobert_tf.qa.settings import QaConfig
from biobert_tf.relations import predict
from biobert_tf.relations import run as re_run
from biobert_tf.relations.settings import (
    EntityPairs,
    RelationConfig,
    RelationNames,
    RePredictConfig,
)

_MARK: Final = "made-by-biobert-demo"
# A second strategy over the same GPUs would disturb that of the training.
_DEVICE: Final = DeviceConfig(strategy="cpu")


def ner(output_dir: Path) -> None:
    """Learns diseases and chemicals, and finds them in a new sentence; see `_begin`."""
    words = _begin(
        output_dir,
        "run_ner.py",
        ner_demo.write_corpus,
        data_dir=output_dir / "data",
        max_seq_length=48,
        learning_rate=3e-3,
        num_train_epochs=12,
    )
    ner_run.run(flags.parse(NerConfig, words))
    found = ner_demo.unseen(output_dir / "model" / "predictions.jsonl")
    _print_share("names with a word never seen in training", "found", *found)
    text = ner_demo.RAW_SENTENCE
    print(f"\nraw sentence\n{text}\nentities found in it")
    annotator = Annotator.load([output_dir / "model"], _DEVICE, batch_size=8)
    for entity in next(annotator.annotate([[Passage(0, text)]])):
        shown = text[entity.start : entity.end]
        print(f"  {entity.type:10} {entity.probability:.3f}  {shown}")


def relations(output_dir: Path) -> None:
    """Learns what causes what, and finds that in a new document; see `_begin`."""
    words = _begin(
        output_dir,
        "run_re.py",
        relation_demo.write_corpus,
        task_name="custom",
        do_train="true",
        do_predict="true",
        data_dir=output_dir / "data",
        max_seq_length=48,
        train_batch_size=16,
        learning_rate=1e-3,
        num_train_epochs=12,
    )
    re_run.run(flags.parse(RelationConfig, words))
    right = relation_demo.unseen(output_dir / "model" / "predictions.jsonl")
    _print_share("sentences with a name never seen in training", "right", *right)
    target = output_dir / "relations.jsonl"
    predict.predict(
        RePredictConfig(
            model=output_dir / "model",
            input=relation_demo.DOCUMENT,
            output=target,
            pair=EntityPairs.parse("Chemical-Disease"),
            relation_names=RelationNames.parse("1=Causes"),
            device=_DEVICE,
        )
    )
    [loaded] = formats.read(target, "jsonl")
    text = loaded.document.passages[0].text
    print(f"\ndocument with entities\n{text}\nrelations found in it")
    names = {mention.id: mention.text for mention in loaded.document.mentions}
    for found in loaded.document.relations:
        first, second = names[found.first], names[found.second]
        print(f"  {found.type} {found.probability:.3f}  {first} -> {second}")


def classification(output_dir: Path) -> None:
    """Learns benefit, harm and dose, and tells them in new sentences; see `_begin`."""
    words = _begin(
        output_dir,
        "biobert classification",
        classification_demo.write_corpus,
        do_train="true",
        do_predict="true",
        pooling="mean",
        data_dir=output_dir / "data",
        max_seq_length=48,
        train_batch_size=16,
        learning_rate=1e-3,
        num_train_epochs=12,
    )
    classification_run.run(flags.parse(ClassificationConfig, words))
    right = classification_demo.unseen(output_dir / "model" / "predictions.jsonl")
    _print_share("sentences with a name never seen in training", "right", *right)
    classifier = Classifier.load(output_dir / "model", _DEVICE, batch_size=8)
    print("\nnew sentences, and the labels found for them")
    for found in classifier.classify(classification_demo.TEXTS):
        shown = (f"{label} {found.probabilities[label]:.3f}" for label in found.labels)
        print(f"{found.text}\n  {', '.join(shown) or 'none'}")


def qa(output_dir: Path) -> None:
    """Learns to answer questions about short passages; see `_begin`."""
    data_dir = output_dir / "data"
    words = _begin(
        output_dir,
        "run_qa.py",
        qa_demo.write_corpus,
        # Without dropout so small a model learns to read the question in a minute.
        dataclasses.replace(
            ner_demo.ENCODER, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
        ),
        do_train="true",
        do_predict="true",
        train_file=data_dir / "train.json",
        predict_file=data_dir / "test.json",
        golden_file=data_dir / "golden.json",
        max_seq_length=64,
        max_query_length=20,
        train_batch_size=16,
        learning_rate=2e-3,
        num_train_epochs=4,
    )
    qa_run.run(flags.parse(QaConfig, words))
    answers = output_dir / "model" / "BioASQform_BioASQ-answer.json"
    right = qa_demo.unseen(answers)
    _print_share("answers never seen in training", "right", *right)
    answerer = Answerer.load(output_dir / "model", _DEVICE, batch_size=8)
    print(f"\nnew passage\n{qa_demo.PASSAGE}\nanswers found in it")
    passage = NamedText("passage", qa_demo.PASSAGE)
    for question in qa_demo.QUESTIONS:
        [answer] = answerer.answer(question, [passage], num_answers=1)
        print(f"  {answer.probability:.3f}  {question}  {answer.text}")


def _print_share(what: str, how: str, right: int, total: int) -> None:
    share = f"{right} of {total} ({100 * right / total:.1f}%)"
    print(f"\n{what}: {share} {how}")


def _begin(
    output_dir: Path,
    script: str,
    write_corpus: Callable[[Path, int], None],
    encoder: EncoderConfig = ner_demo.ENCODER,
    **arguments: object,
) -> list[str]:
    """Prepares a demo, and prints and returns its command, the script's name first.

    An earlier demo in the directory is deleted. `write_corpus` takes a directory and a
    seed; `arguments` are the demo's own flags, without those that all demos share.

    Raises:
        InputError: The directory exists and is not a demo's.
    """
    if output_dir.exists():
        if not (output_dir / _MARK).exists():
            raise InputError(f"{output_dir} exists and is not a demo; choose another")
        files.remove_tree(output_dir)
    files.write_text(output_dir / _MARK, "")
    write_corpus(output_dir / "data", ner_demo.SEED)
    config_file = output_dir / "bert_config.json"
    files.write_json(config_file, dataclasses.asdict(encoder))
    arguments |= {
        "output_dir": output_dir / "model",
        "bert_config_file": config_file,
        "vocab_file": ner_demo.vocab_file(),
    }
    words = [script, *(f"--{name}={value}" for name, value in arguments.items())]
    shown = (
        ["python", *words] if script.endswith(".py") else [*script.split(), *words[1:]]
    )
    print(f"The demo is this command:\n\n  {shlex.join(shown)}\n")
    return words
