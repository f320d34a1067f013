# SPDX-License-Identifier: Apache-2.0
"""What is compared: the works, and the sides of each.

A further side is a further line. Sides of the same group, which is the precision where
there are several, are compared: each of ours with each of the others.
"""

import dataclasses
import json
from typing import Final, Literal

Environment = Literal["ours", "peers"]


@dataclasses.dataclass(frozen=True)
class Side:
    """One way to do a work.

    Attributes:
        group: What it is compared within.
        name: What it is called in tables.
        is_ours: Whether it is this package's way.
        environment: Where it runs.
        program: The arguments of Python. `{inputs}` is the folder of the inputs,
            `{output}` an empty folder for every turn.
        is_kept: Whether the process stays and does the work once for every turn
            (`worker`); else it is started for every turn, and its start counts.
    """

    group: str
    name: str
    is_ours: bool
    environment: Environment
    program: tuple[str, ...]
    is_kept: bool

    @property
    def key(self) -> str:
        """Returns what tells it from the other sides of its work."""
        return f"{self.group} {self.name}"


@dataclasses.dataclass(frozen=True)
class Work:
    """A work: what it is, in a few words, and its sides."""

    title: str
    sides: tuple[Side, ...]
    warms: bool = False
    """Whether sides that are started have a turn before that is not counted."""


OURS: Final = "biobert_tf"
TRANSFORMERS: Final = "Transformers"
PIPELINE: Final = "Transformers' pipeline"
# Groups: the precision, or none.
ONE, F32, BF16, INT8 = "", "float32", "bfloat16", "int8"
IN_BF16: Final = "--mixed_precision=bfloat16"
IN_OPENVINO: Final = "--engine=openvino"
OURS_OPENVINO: Final = f"{OURS}, --engine=openvino"


def _kept(
    environment: Environment, group: str, name: str, function: str, **options: object
) -> Side:
    program = ("-m", "benchmarks.peers.worker", function, json.dumps(options))
    is_ours = name.startswith(OURS)
    return Side(group, name, is_ours, environment, (*program, "{inputs}"), True)


def _ours(group: str, function: str, *given: str, name: str = OURS) -> Side:
    """Returns a side of ours; `given` are flags of its command."""
    return _kept("ours", group, name, f"ours.{function}", given=given)


def _peer(group: str, name: str, function: str, **options: object) -> Side:
    """Returns a side of another program; the group is its type of numbers."""
    return _kept("peers", group, name, function, **options, dtype=group)


def _started(environment: Environment, group: str, name: str, *program: str) -> Side:
    return Side(group, name, name.startswith(OURS), environment, program, False)


TRAIN, PREDICT, ANNOTATE = (
    f"torch_sides.{name}" for name in ("training", "prediction", "annotate")
)
OV, ORT = "runtimes.openvino", "runtimes.onnx"
OV_NAME, OV_OURS = "OpenVINO by hand", "OpenVINO by hand on our export"
THEIR_FILE, OUR_EXPORT = "openvino.xml", "export/tokens"
PADDED, DYNAMIC, SORTED = (
    f"{TRANSFORMERS}, {how}"
    for how in ("padded to 128", "padded to the batch's longest", "sorted by length")
)

TRAINING: Final = Work(
    "Training steps: one pass over the sentences, batches of 32, with optimizer",
    (
        _ours(F32, "training"),
        _ours(BF16, "training", IN_BF16),
        _peer(F32, PADDED, TRAIN, batches="padded"),
        _peer(F32, DYNAMIC, TRAIN, batches="dynamic"),
        _peer(F32, SORTED, TRAIN, batches="sorted"),
        _peer(BF16, SORTED, TRAIN, batches="sorted"),
    ),
)
PREDICTION: Final = Work(
    "Prediction of the sentences, sorted by length, best batch size",
    (
        _ours(F32, "prediction"),
        _ours(BF16, "prediction", IN_BF16),
        _ours(F32, "prediction", IN_OPENVINO, name=OURS_OPENVINO),
        _ours(BF16, "prediction", IN_BF16, IN_OPENVINO, name=OURS_OPENVINO),
        _kept("ours", INT8, f"{OURS}'s export in LiteRT", "runtimes.litert"),
        _peer(F32, TRANSFORMERS, PREDICT),
        _peer(F32, OV_NAME, OV, model=THEIR_FILE),
        _peer(F32, OV_OURS, OV, model=OUR_EXPORT),
        _peer(F32, "ONNX Runtime", ORT),
        _peer(BF16, TRANSFORMERS, PREDICT),
        _peer(BF16, OV_NAME, OV, model=THEIR_FILE),
        _peer(BF16, OV_OURS, OV, model=OUR_EXPORT),
        _peer(INT8, "ONNX Runtime", ORT),
    ),
)
ANNOTATION: Final = Work(
    "Documents to entities, the model loaded",
    (
        _ours(F32, "annotate"),
        _ours(BF16, "annotate", IN_BF16),
        _ours(F32, "annotate", IN_OPENVINO, name=OURS_OPENVINO),
        _ours(BF16, "annotate", IN_BF16, IN_OPENVINO, name=OURS_OPENVINO),
        _peer(F32, PIPELINE, ANNOTATE),
        _peer(BF16, PIPELINE, ANNOTATE),
    ),
)
RUN: Final = Work(
    "Whole NER run: start, train one epoch, predict, score",
    (
        _started(
            *("ours", F32, OURS, "-m", "biobert_tf", "ner"),
            *("--data_dir={inputs}/ner", "--output_dir={output}"),
            *("--init_checkpoint={inputs}/model", "--do_train", "--train_on=train"),
            *("--do_predict", "--num_train_epochs=1", "--learning_rate=1e-4"),
            *("--max_seq_length=128", "--train_batch_size=32"),
            "--predict_batch_size=32",
        ),
        _started(
            *("peers", F32, f"{TRANSFORMERS}, plain script"),
            *("-m", "benchmarks.peers.plain_ner"),
            *("{inputs}/ner", "{inputs}/model", "{output}"),
        ),
    ),
)
CONVERSION: Final = Work(
    "Labelled words to TFRecord",
    (
        _kept("ours", ONE, OURS, "conversion.ours"),
        _kept("ours", ONE, "the original's way", "conversion.original"),
    ),
)
TOKENIZER: Final = Work(
    "Sentences to ids of WordPieces",
    (
        _kept("ours", ONE, f"{OURS}, empty cache", "tokenizers.ours", is_warm=False),
        _kept("ours", ONE, f"{OURS}, warm cache", "tokenizers.ours", is_warm=True),
        *(
            _kept(
                *("peers", ONE, f"tokenizers, {how}", "tokenizers.huggingface"),
                together=together,
            )
            for how, together in (("one by one", False), ("all cores", True))
        ),
        _kept("ours", ONE, "TensorFlow Text", "tokenizers.tensorflow_text"),
    ),
)
START: Final = Work(
    "Start of a process to the entities of one sentence",
    (
        _started(
            *("ours", ONE, f"{OURS} annotate", "-m", "biobert_tf", "annotate"),
            *("--model={inputs}/model", "--input={inputs}/sentence.txt"),
            "--output={output}/found.jsonl",
        ),
        _started(
            *("peers", ONE, PIPELINE, "-m", "benchmarks.peers.plain_pipeline"),
            *("{inputs}/model", "{inputs}/sentence.txt"),
        ),
    ),
    warms=True,
)
WORKS: Final = {
    "training": TRAINING,
    "prediction": PREDICTION,
    "annotate": ANNOTATION,
    "run": RUN,
    "conversion": CONVERSION,
    "tokenizer": TOKENIZER,
    "start": START,
}
