# SPDX-License-Identifier: Apache-2.0
"""Reads and writes model directories of Hugging Face Transformers without Transformers.

This module has `config.json` and `model.safetensors`; `tokenizer_files` has the rest.
"""

import dataclasses
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np

from biobert_tf.checkpoints import base, names, tokenizer_files
from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.model.config import EncoderConfig
from biobert_tf.text.labels import are_of_words

Classifier = Literal["auto", "token", "sequence"]
ProblemType = Literal[
    "single_label_classification", "multi_label_classification", "regression"
]
"""What a classifier of texts predicts: one label, any number of labels, or a number."""

NUMBER: Final = "number"
"""What the output of a regression is called if nothing names it."""

_WEIGHTS_FILE: Final = "model.safetensors"
_TORCH_FILE: Final = "pytorch_model.bin"
_TORCH_ONLY: Final = (
    "holds pytorch_model.bin only; install torch here, or run this in a copy of the "
    "folder on a computer that has torch: "
    'python -c "import torch, safetensors.torch as s; '
    "w = torch.load('pytorch_model.bin', map_location='cpu', weights_only=True); "
    "s.save_file({k: v.clone().contiguous() for k, v in w.items()}, "
    "'model.safetensors', dict(format='pt'))\""
)
# Another value means another network whose weights have the same names.
_REQUIRED: Final[Mapping[str, object]] = {
    "model_type": "bert",
    "position_embedding_type": "absolute",
    "layer_norm_eps": 1e-12,
}
# The masked-LM head stores these twice; TF1 stores them once.
_TIED: Final[Mapping[str, str]] = {
    "cls.predictions.decoder.weight": "bert/embeddings/word_embeddings",
    "cls.predictions.decoder.bias": "cls/predictions/output_bias",
}
# Heads whose outputs have names, in order of precedence.
_LABELLED: Final = ("output_weights", "cls/squad/output_weights")
_HEADS: Final[Mapping[str, str]] = {
    "cls/squad/output_weights": "BertForQuestionAnswering",
    "cls/predictions/output_bias": "BertForMaskedLM",
    "cls/seq_relationship/output_weights": "BertForNextSentencePrediction",
}
_WITHOUT_POOLER: Final = frozenset(
    {"BertForTokenClassification", "BertForQuestionAnswering", "BertForMaskedLM"}
)


def is_checkpoint(directory: Path) -> bool:
    """Returns whether `directory` holds a Hugging Face model in any weights format."""
    return (directory / "config.json").is_file() and (
        bool(_weights_files(directory)) or (directory / _TORCH_FILE).is_file()
    )


def encoder_config(directory: Path) -> EncoderConfig:
    """Returns the sizes stored in the `config.json` of `directory`.

    Raises:
        InputError: The file is missing, or it has impossible sizes or describes a
            network that is not BERT's.
    """
    path = directory / "config.json"
    values = files.read_json(path)
    for key, want in _REQUIRED.items():
        if values.get(key, want) != want:
            raise InputError.at(
                path, None, f"{key} is {values[key]!r}; only {want!r} can be used"
            )
    return EncoderConfig.from_dict(values, source=path)


def labels(directory: Path) -> list[str] | None:
    """Returns the labels named in `config.json`, in the order of their ids.

    Returns None if they have no names, or those that Transformers makes: `LABEL_0`.
    The number of a regression needs no name; it is `NUMBER` then. A label
    that is a number in the file is returned as text.

    Raises:
        InputError: The ids are not 0, 1, 2, ..., or `problem_type` raises.
    """
    path = directory / "config.json"
    id2label = files.read_json(path).get("id2label")
    if id2label is None:
        return None
    try:
        found = [str(id2label[str(i)]) for i in range(len(id2label))]
    except (KeyError, TypeError):
        raise InputError.at(path, None, "id2label must map 0, 1, 2, ...") from None
    if found != _default_labels(len(found)):
        return found
    return [NUMBER] if problem_type(directory) == "regression" else None


def _default_labels(num_labels: int) -> list[str]:
    return [f"LABEL_{i}" for i in range(num_labels)]


def read(directory: Path) -> base.Checkpoint:
    """Reads the BERT weights of a Hugging Face directory.

    Names with and without `bert.` and the older `LayerNorm.gamma` and `.beta` are
    understood; float16 and bfloat16 become float32.

    Raises:
        InputError: It is not a BERT model, it has no safetensors file or a damaged
            one, or the package safetensors is not installed.
    """
    encoder_config(directory)
    weights: base.Weights = {}
    tied: base.Weights = {}
    ignored: list[str] = []
    for stored, array in _tensors(directory):
        name = _lookup(stored)
        if name is not None and name.tf1 not in weights:
            layout = array.T if name.transposed else array
            weights[name.tf1] = np.ascontiguousarray(layout, np.float32)
        elif stored in _TIED:
            tied[stored] = np.asarray(array, np.float32)
        else:
            ignored.append(stored)
    if not weights:
        raise InputError.at(
            directory, None, f"holds no BERT weight, but {base.some(ignored)}"
        )
    ignored += _drop_untied_head(weights, tied, directory)
    return base.Checkpoint(weights, tuple(sorted(ignored)), directory)


def _lookup(stored: str) -> names.Name | None:
    """Returns the weight of a tensor named `stored` by any version of Transformers."""
    text = stored.replace("LayerNorm.gamma", "LayerNorm.weight")
    text = text.replace("LayerNorm.beta", "LayerNorm.bias")
    found = names.lookup("huggingface", text)
    return found or names.lookup("huggingface", f"bert.{text}")


def _drop_untied_head(
    weights: base.Weights, tied: base.Weights, directory: Path
) -> list[str]:
    """Removes a masked-LM head that BERT cannot represent; returns its names.

    BERT predicts words with the word embedding matrix. If a model has two separately
    trained matrices, its encoder can still be used.
    """
    for stored, array in tied.items():
        if np.array_equal(weights.setdefault(_TIED[stored], array), array):
            continue
        logging.getLogger(__name__).warning(
            "%s: %s differs from the weights it is tied to in BERT; the masked-LM "
            "head is dropped",
            directory,
            stored,
        )
        head = [name for name in weights if name.startswith("cls/predictions/")]
        for name in head:
            del weights[name]
        return [*head, *tied]
    return []


def _weights_files(directory: Path) -> list[Path]:
    """Returns the safetensors file of a directory, or its shards; empty if none."""
    whole = directory / _WEIGHTS_FILE
    if whole.is_file():
        return [whole]
    return sorted(directory.glob("model-*-of-*.safetensors"))


def _tensors(directory: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the name and the value of every stored tensor."""
    paths = _weights_files(directory)
    if not paths:
        yield from _torch_tensors(directory)
        return
    safetensors = _safetensors()
    for path in paths:
        try:
            with (
                files.local_copy(path) as local,
                safetensors.safe_open(local, framework="numpy") as stored,
            ):
                for name in sorted(stored.keys()):
                    yield name, stored.get_tensor(name)
        except (safetensors.SafetensorError, OSError) as error:
            raise InputError.at(
                path, None, f"damaged: {error}; copy or download it again"
            ) from None


def _torch_tensors(directory: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the tensors of a file of torch, if torch is installed."""
    path = directory / _TORCH_FILE
    if not path.is_file():
        raise InputError.at(directory, None, f"holds no {_WEIGHTS_FILE}")
    try:
        import torch
    except ImportError:
        raise InputError.at(directory, None, _TORCH_ONLY) from None
    try:
        with files.local_copy(path) as local:
            stored = torch.load(local, map_location="cpu", weights_only=True)
    except Exception as error:  # torch names no common class
        reason = str(error).partition("\n")[0]
        raise InputError.at(
            path, None, f"damaged: {reason}; copy or download it again"
        ) from None
    for name in sorted(stored):
        yield name, stored[name].float().numpy()


def _safetensors() -> Any:
    """Returns the module safetensors, which is optional."""
    try:
        import safetensors.numpy
    except ImportError:
        raise InputError(
            "Hugging Face models need the package safetensors: "
            "pip install biobert_tf[huggingface]"
        ) from None
    return safetensors


def architecture(
    weights: base.Weights,
    labels: Sequence[str] | None = None,
    classifier: Classifier = "auto",
) -> str:
    """Returns the Transformers class that has these weights.

    Args:
        weights: The weights by TF1 name; the heads among them determine the class.
        labels: The labels of the head, in the order of their ids.
        classifier: Whether `output_weights` labels tokens or sequences. "auto" means
            tokens if `text.labels.are_of_words` says so.

    Raises:
        InputError: `classifier` is "auto" and there are no labels.
    """
    if "output_weights" in weights:
        if classifier == "auto" and labels is None:
            raise InputError(
                "cannot tell whether output_weights labels tokens or sequences; "
                "give --classifier=token or --classifier=sequence"
            )
        if classifier == "auto":
            is_token = are_of_words(labels or ())
            classifier = "token" if is_token else "sequence"
        return f"BertFor{classifier.capitalize()}Classification"
    present = [model for name, model in _HEADS.items() if name in weights]
    if present == ["BertForMaskedLM", "BertForNextSentencePrediction"]:
        return "BertForPreTraining"
    return present[0] if present else "BertModel"


def leaves_out(model: str, weights: base.Weights) -> list[str]:
    """Returns the weights that the Transformers class `model` does not have.

    Transformers reports them as unexpected when it loads the model, and drops them when
    it saves the model.
    """
    strangers = [name for name in weights if name.startswith("bert/pooler/")]
    return strangers if model in _WITHOUT_POOLER else []


def stored_architecture(directory: Path) -> str | None:
    """Returns the Transformers class that the `config.json` of `directory` names.

    Raises:
        InputError: The file is missing.
    """
    named = files.read_json(directory / "config.json").get("architectures")
    return str(named[0]) if isinstance(named, list) and named else None


def problem_type(directory: Path) -> ProblemType | None:
    """Returns what the classifier of texts in `directory` predicts.

    `config.json` says it; if not, a single output is a number, as in Transformers.
    Returns None for other models, and for several outputs of which nothing is said:
    Transformers then takes them for labels that exclude each other.

    Raises:
        InputError: The file is missing, or it says something else, or says that there
            is a number though there are several outputs.
    """
    if stored_classifier(directory) != "sequence":
        return None
    path = directory / "config.json"
    values = files.read_json(path)
    # Without names Transformers has two outputs.
    num_outputs = len(values.get("id2label") or ("", ""))
    said = values.get("problem_type")
    if said is None:
        return "regression" if num_outputs == 1 else None
    if said not in get_args(ProblemType):
        wanted = ", ".join(get_args(ProblemType))
        raise InputError.at(path, None, f"problem_type is {said!r}; want {wanted}")
    if said == "regression" and num_outputs != 1:
        problem = f"names {num_outputs} outputs of a regression; only one can be used"
        raise InputError.at(path, None, problem)
    found: ProblemType = said
    return found


def stored_classifier(directory: Path) -> Classifier:
    """Returns the kind of classifier that the `config.json` of `directory` names.

    Raises:
        InputError: The file is missing.
    """
    model = stored_architecture(directory) or ""
    if "ForTokenClassification" in model:
        return "token"
    return "sequence" if "ForSequenceClassification" in model else "auto"


def write(
    weights: base.Weights,
    directory: Path,
    config: EncoderConfig,
    vocabulary: tokenizer_files.Vocabulary,
    do_lower_case: bool,
    labels: Sequence[str] | None = None,
    classifier: Classifier = "auto",
    beside: Mapping[str, Mapping[str, object]] | None = None,
    problem_type: ProblemType | None = None,
) -> str:
    """Writes a directory that Transformers loads, whole or not at all.

    The directory is created if it is missing; files of the same names are replaced.

    Args:
        weights: The weights by TF1 name.
        directory: The directory.
        config: Sizes of the encoder.
        vocabulary: The vocabulary of the model.
        do_lower_case: Whether the tokenizer lower-cases.
        labels: See `architecture`.
        classifier: See `architecture`.
        beside: Contents of further JSON files, by file name.
        problem_type: What a classifier of texts predicts; None: nothing is said.

    Returns:
        The name of the class that `architecture` finds.

    Raises:
        InputError: Sizes or labels do not fit the weights, the directory cannot be
            written, or the package safetensors is not installed.
    """
    safetensors = _safetensors()
    base.require_fit(weights, config, directory)
    model = architecture(weights, labels, classifier)
    values = {"architectures": [model], **_REQUIRED, **dataclasses.asdict(config)}
    values["pad_token_id"] = vocabulary.ids.get("[PAD]", 0)
    values |= _label_values(weights, labels)
    if problem_type:
        values["problem_type"] = problem_type
    with base.staged(directory, key=_WEIGHTS_FILE) as staging:
        for name, content in {**(beside or {}), "config.json": values}.items():
            files.write_json(staging / name, content)
        tokenizer_files.write(
            staging, vocabulary, do_lower_case, config.max_position_embeddings
        )
        # Transformers refuses a file whose metadata does not name a library.
        safetensors.numpy.save_file(
            _renamed(weights, model), staging / _WEIGHTS_FILE, {"format": "pt"}
        )
        # safetensors creates files that only their owner can read.
        shutil.copymode(staging / "config.json", staging / _WEIGHTS_FILE)
    return model


def _label_values(
    weights: base.Weights, labels: Sequence[str] | None
) -> dict[str, dict[str, object]]:
    """Returns the entries of `config.json` that name the head's outputs."""
    rows = [weights[name] for name in _LABELLED if name in weights]
    if not rows:
        return {}
    num_labels = len(rows[0])
    named = _default_labels(num_labels) if labels is None else list(labels)
    if len(named) != num_labels or len(set(named)) != num_labels:
        raise InputError(
            f"the checkpoint has {num_labels} labels, but {len(set(named))} different "
            f"ones are named: {', '.join(named)}"
        )
    return {
        "id2label": {str(i): label for i, label in enumerate(named)},
        "label2id": {label: i for i, label in enumerate(named)},
    }


def _renamed(weights: base.Weights, model: str) -> base.Weights:
    """Returns the weights with the names and layouts of Hugging Face."""
    renamed = {}
    for tf1_name, array in weights.items():
        name = names.lookup("tf1", tf1_name)
        assert name is not None, f"{tf1_name} is not in names.TABLE"
        text = name.huggingface
        if model == "BertModel":
            text = text.removeprefix("bert.")
        # safetensors writes memory as it is, ignoring the strides of a transposed view.
        renamed[text] = np.ascontiguousarray(array.T if name.transposed else array)
    return renamed
