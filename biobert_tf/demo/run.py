# SPDX-License-Identifier: Apache-2.0
"""`biobert demo`: trains, scores and uses a tiny BERT on a built-in corpus."""

import dataclasses
import json
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from biobert_tf.common import files, flags
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.demo import ner as ner_demo
from biobert_tf.demo import qa as qa_demo
from biobert_tf.demo import relations as relation_demo
from biobert_tf.ner import run as ner_run
from biobert_tf.ner.settings import NerConfig
from biobert_tf.qa import run as qa_run
from biobert_tf.qa.ask import Answerer
from biobert_tf.qa.contexts import NamedText
from biobert_tf.qa.settings import QaConfig
from biobert_tf.relations import predict
from biobert_tf.relations import run as re_run
from biobert_tf.relations.entity_pairs import EntityPairs
from biobert_tf.relations.settings import (
    RelationConfig,
    RelationNames,
    RePredictConfig,
)

_MARK: Final = "made-by-biobert-demo"


def ner(output_dir: Path) -> None:
    """Learns diseases and chemicals, and finds them in a new sentence.

    Args:
        output_dir: The directory to create; an earlier demo in it is deleted.

    Raises:
        InputError: The directory exists and is not a demo's.
    """
    arguments = {
        **_begin(output_dir),
        "max_seq_length": 48,
        "learning_rate": 3e-3,
        "num_train_epochs": 12,
    }
    ner_demo.write_corpus(output_dir / "data", ner_demo.SEED)
    words = _command("run_ner.py", arguments)
    model = ner_run.run(flags.parse(NerConfig, words))
    print(f"\nraw sentence\n{ner_demo.RAW_SENTENCE}\nentities found in it")
    [(example, prediction)] = ner_run.annotate(
        model, [ner_demo.RAW_SENTENCE], batch_size=8
    )
    for entity in prediction.entities:
        text = " ".join(example.words[entity.start : entity.end])
        print(f"  {entity.type:10} {entity.probability:.3f}  {text}")


def relations(output_dir: Path) -> None:
    """Learns which chemical causes which disease, and finds that in a new document.

    Args:
        output_dir: The directory to create; an earlier demo in it is deleted.

    Raises:
        InputError: The directory exists and is not a demo's.
    """
    arguments = {
        "task_name": "custom",
        "do_train": "true",
        "do_predict": "true",
        **_begin(output_dir),
        "max_seq_length": 48,
        "train_batch_size": 16,
        "learning_rate": 1e-3,
        "num_train_epochs": 12,
    }
    relation_demo.write_corpus(output_dir / "data", ner_demo.SEED)
    words = _command("run_re.py", arguments)
    re_run.run(flags.parse(RelationConfig, words))
    source, target = output_dir / "document.jsonl", output_dir / "relations.jsonl"
    relation_demo.write_documents(source)
    predict.predict(
        RePredictConfig(
            model=output_dir / "model",
            input=source,
            output=target,
            pair=EntityPairs.parse("Chemical-Disease"),
            relation_names=RelationNames.parse("1=Causes"),
            # A second strategy over the same GPUs would disturb the first.
            device=DeviceConfig(strategy="cpu"),
        )
    )
    [document] = map(json.loads, files.read_text(target).splitlines())
    print(f"\ndocument with entities\n{document['text']}\nrelations found in it")
    names = {
        entity["id"]: document["text"][entity["start"] : entity["end"]]
        for entity in document["entities"]
    }
    for found in document.get("relations", ()):
        first, second = names[found["first"]], names[found["second"]]
        print(f"  {found['type']} {found['probability']:.3f}  {first} -> {second}")


def qa(output_dir: Path) -> None:
    """Learns to answer questions about short passages, and answers new ones.

    Args:
        output_dir: The directory to create; an earlier demo in it is deleted.

    Raises:
        InputError: The directory exists and is not a demo's.
    """
    arguments = _begin(output_dir)
    data_dir = arguments.pop("data_dir")
    # Without dropout so small a model learns to read the question in a minute.
    encoder = dataclasses.replace(
        ner_demo.ENCODER, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )
    files.write_json(arguments["bert_config_file"], dataclasses.asdict(encoder))
    arguments = {
        "do_train": "true",
        "do_predict": "true",
        "train_file": data_dir / "train.json",
        "predict_file": data_dir / "test.json",
        "golden_file": data_dir / "golden.json",
        **arguments,
        "max_seq_length": 64,
        "max_query_length": 20,
        "train_batch_size": 16,
        "learning_rate": 2e-3,
        "num_train_epochs": 4,
    }
    qa_demo.write_corpus(data_dir, ner_demo.SEED)
    words = _command("run_qa.py", arguments)
    qa_run.run(flags.parse(QaConfig, words))
    # A second strategy over the same GPUs would disturb the first.
    device = DeviceConfig(strategy="cpu")
    answerer = Answerer.load(output_dir / "model", device, batch_size=8)
    print(f"\nnew passage\n{qa_demo.PASSAGE}\nanswers found in it")
    passage = NamedText("passage", qa_demo.PASSAGE)
    for question in qa_demo.QUESTIONS:
        [answer] = answerer.answer(question, [passage], num_answers=1)
        print(f"  {answer.probability:.3f}  {question}  {answer.text}")


def _begin(output_dir: Path) -> dict[str, Any]:
    """Creates an empty directory for a demo; returns the flags that all demos share."""
    if output_dir.exists():
        if not (output_dir / _MARK).exists():
            raise InputError(f"{output_dir} exists and is not a demo; choose another")
        shutil.rmtree(output_dir)
    files.write_text(output_dir / _MARK, "")
    config_file = output_dir / "bert_config.json"
    files.write_json(config_file, dataclasses.asdict(ner_demo.ENCODER))
    return {
        "data_dir": output_dir / "data",
        "output_dir": output_dir / "model",
        "bert_config_file": config_file,
        "vocab_file": ner_demo.vocab_file(),
    }


def _command(script: str, arguments: Mapping[str, object]) -> list[str]:
    """Prints the command of a demo; returns its words, the script's name first."""
    words = [script, *(f"--{name}={value}" for name, value in arguments.items())]
    print("The demo is this command:\n\n  " + shlex.join(["python", *words]) + "\n")
    return words
