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


def _kept(
    environment: Environment, group: str, name: str, function: str, **options: object
) -> Side:
    program = ("-m", "benchmarks.peers.worker", function, json.dumps(options))
    is_ours = name.startswith(OURS)
    return Side(group, name, is_ours, environment, (*program, "{inputs}"), True)


def _started(environment: Environment, group: str, name: str, *program: str) -> Side:
    return Side(group, name, name.startswith(OURS), environment, program, False)


OURS: Final = "biobert_tf"
TRANSFORMERS: Final = "Transformers"
ONE, F32, BF16, INT8 = "", "float32", "bfloat16", "int8"
BF16_FLAG: Final = "--mixed_precision=bfloat16"
NER: Final = (
    *("--data_dir={inputs}/ner", "--output_dir={output}"),
    *("--init_checkpoint={inputs}/model", "--do_train", "--train_on=train"),
    *("--do_predict", "--num_train_epochs=1", "--learning_rate=1e-4"),
    *("--max_seq_length=128", "--train_batch_size=32", "--predict_batch_size=32"),
)
PIPELINE: Final = """
import sys, transformers
print(transformers.pipeline(
    "token-classification", model=sys.argv[1], aggregation_strategy="simple"
)(open(sys.argv[2], encoding="utf-8").read()))
"""

TRAIN, PREDICT, ANNOTATE = "torch_sides.training", "ours.prediction", "ours.annotate"
OPENVINO, OV_OURS = "OpenVINO by hand", "OpenVINO by hand on our export"
EXPORT: Final = "export/tokens"

WORKS: Final = {
    "training": Work(
        "Training steps: one pass over the sentences, batches of 32, with optimizer",
        (
            _kept("ours", F32, OURS, "ours.training"),
            _kept("ours", BF16, OURS, "ours.training", given=[BF16_FLAG]),
            *(
                _kept(
                    "peers",
                    dtype,
                    f"{TRANSFORMERS}, {how}",
                    TRAIN,
                    batches=key,
                    dtype=dtype,
                )
                for dtype, key, how in (
                    (F32, "padded", "padded to 128"),
                    (F32, "dynamic", "padded to the batch's longest"),
                    (F32, "sorted", "sorted by length"),
                    (BF16, "sorted", "sorted by length"),
                )
            ),
        ),
    ),
    "prediction": Work(
        "Prediction of the sentences, sorted by length, best batch size",
        (
            _kept("ours", F32, OURS, PREDICT),
            _kept("ours", BF16, OURS, PREDICT, given=[BF16_FLAG]),
            _kept("ours", INT8, f"{OURS}'s export in LiteRT", "runtimes.litert"),
            *(
                side
                for dtype in (F32, BF16)
                for side in (
                    _kept(
                        "peers",
                        dtype,
                        TRANSFORMERS,
                        "torch_sides.prediction",
                        dtype=dtype,
                    ),
                    *(
                        _kept(
                            "peers",
                            dtype,
                            name,
                            "runtimes.openvino",
                            dtype=dtype,
                            model=model,
                        )
                        for name, model in (
                            (OPENVINO, "openvino.xml"),
                            (OV_OURS, EXPORT),
                        )
                    ),
                )
            ),
            *(
                _kept("peers", dtype, "ONNX Runtime", "runtimes.onnx", dtype=dtype)
                for dtype in (F32, INT8)
            ),
        ),
    ),
    "annotate": Work(
        "Documents to entities, the model loaded",
        (
            _kept("ours", F32, OURS, ANNOTATE),
            _kept("ours", BF16, OURS, ANNOTATE, given=[BF16_FLAG]),
            *(
                _kept(
                    *("peers", dtype, f"{TRANSFORMERS}' pipeline"),
                    "torch_sides.annotate",
                    dtype=dtype,
                )
                for dtype in (F32, BF16)
            ),
        ),
    ),
    "run": Work(
        "Whole NER run: start, train one epoch, predict, score",
        (
            _started("ours", F32, OURS, "-m", "biobert_tf", "ner", *NER),
            _started(
                *("peers", F32, f"{TRANSFORMERS}, plain script"),
                *("-m", "benchmarks.peers.plain_ner"),
                *("{inputs}/ner", "{inputs}/model", "{output}"),
            ),
        ),
    ),
    "conversion": Work(
        "Labelled words to TFRecord",
        (
            _kept("ours", ONE, OURS, "conversion.ours"),
            _kept("ours", ONE, "the original's way", "conversion.original"),
        ),
    ),
    "tokenizer": Work(
        "Sentences to ids of WordPieces",
        (
            _kept(
                "ours", ONE, f"{OURS}, empty cache", "tokenizers.ours", is_warm=False
            ),
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
    ),
    "start": Work(
        "Start of a process to the entities of one sentence",
        (
            _started(
                *("ours", ONE, f"{OURS} annotate", "-m", "biobert_tf", "annotate"),
                *("--model={inputs}/model", "--input={inputs}/sentence.txt"),
                "--output={output}/found.jsonl",
            ),
            _started(
                *("peers", ONE, f"{TRANSFORMERS}' pipeline", "-c", PIPELINE),
                *("{inputs}/model", "{inputs}/sentence.txt"),
            ),
        ),
        warms=True,
    ),
}
