# SPDX-License-Identifier: Apache-2.0
"""The checkpoints of `--models`: where they are, and whose column of the paper."""

import dataclasses
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from biobert_tf import checkpoints
from biobert_tf.checkpoints import Place, released, tokenizer_files
from biobert_tf.common import files, processes, remote_path
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import ModelConfig, TextConfig
from biobert_tf.model.config import EncoderConfig
from biobert_tf.published import manifest
from biobert_tf.published.manifest import Column
from biobert_tf.text.tokenization import FullTokenizer

_NO_LENGTH: Final = TextConfig(max_seq_length=3)  # The shortest: no text is read here.
_PREFIX: Final = "bert_model.ckpt"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_LAYER: Final = re.compile(r"bert/encoder/layer_([0-9]+)/")
_STEPS: Final = re.compile(r"ckpt-([0-9]+)$")


@dataclasses.dataclass(frozen=True)
class Model:
    """A checkpoint to fine-tune.

    Attributes:
        name: Its name in the report and in the folders of its runs.
        path: What to give to `--init_checkpoint`.
        column: The name of the paper's column whose checkpoint it is; None if it is no
            column's.
        why: Why it is no column's.
        steps: The number of its steps of pre-training on biomedical text, if known.
    """

    name: str
    path: Path
    column: str | None
    why: str
    steps: int | None

    def tokenizer(self) -> FullTokenizer:
        """Returns the tokenizer of its vocabulary.

        Raises:
            InputError: There is none beside the checkpoint.
        """
        place = checkpoints.locate(self.path)
        vocab_file = place.beside(*released.VOCAB_SOURCES)
        if vocab_file is None:
            raise InputError.at(self.path, None, "has no vocabulary beside it")
        if vocab_file.suffix == ".json":
            vocab_file = tokenizer_files.as_list(vocab_file)
        lower = released.lower_cases(place, released.read_settings(place))
        return FullTokenizer(vocab_file, lower)


def find(texts: Sequence[str], weights: Path | None) -> list[Model]:
    """Returns the checkpoints that `--models` names.

    Raises:
        InputError: One is not there, is no whole checkpoint, or two have one name.
    """
    found = [_find(text, weights) for text in texts]
    names = [model.name for model in found]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(
            f"--models: two are called {twice[0]}; name them, as in a=folder,b=folder"
        )
    return found


def cut(model: Model, num_layers: int, output: Path) -> Model:
    """Returns a checkpoint of the first layers of a model, written once below a folder.

    Raises:
        InputError: The model has fewer layers, or the folder cannot be written.
    """
    config, _ = released.load_config(
        _NO_LENGTH, ModelConfig(init_checkpoint=model.path), None
    )
    if config.num_hidden_layers < num_layers:
        raise InputError(
            f"--num_hidden_layers={num_layers}: {model.path} has "
            f"{config.num_hidden_layers} layers"
        )
    if config.num_hidden_layers == num_layers:
        return model
    folder = output / f"{model.name}-{num_layers}-layers"
    if not folder.is_dir() and processes.call(_cut, model.path, num_layers, folder):
        raise InputError.at(folder, None, "the cut checkpoint was not written")
    return dataclasses.replace(
        model,
        name=folder.name,
        path=folder,
        column=None,
        why=f"cut to {num_layers} of its {config.num_hidden_layers} layers",
    )


def _cut(source: Path, num_layers: int, folder: Path) -> int:
    """Writes the first layers of a checkpoint, its sizes and its tokenizer.

    It runs in a process of its own: TensorFlow would stay in memory beside the runs.
    """
    from biobert_tf.checkpoints import tf1

    place = checkpoints.locate(source)
    config, _ = released.load_config(
        _NO_LENGTH, ModelConfig(init_checkpoint=source), None
    )
    weights = {
        name: value
        for name, value in place.read().weights.items()
        if not (layer := _LAYER.match(name)) or int(layer[1]) < num_layers
    }
    sizes = dataclasses.replace(config, num_hidden_layers=num_layers)
    with files.replacing(folder) as temporary:
        files.write_json(
            temporary / released.CONFIG_NAMES[0], dataclasses.asdict(sizes)
        )
        for name in (*released.VOCAB_SOURCES, "tokenizer_config.json"):
            if (path := place.beside(name)) is not None:
                (temporary / name).write_bytes(path.read_bytes())
        tf1.write(weights, temporary / _PREFIX, 0)
    return 0


def _find(text: str, weights: Path | None) -> Model:
    """Returns the checkpoint that one part of `--models` names."""
    name, equals, given = text.partition("=")
    # A folder's own name may have "=".
    if not equals or remote_path.parse(text).expanduser().exists():
        name, equals, given = "", "", text
    if not given:
        raise InputError(f"--models: {text} names no folder; want name=folder")
    path = remote_path.parse(given).expanduser()
    named = _column_of(name if equals else given)
    if not equals and named is not None and not path.exists():
        path = _below(weights, named)
    place = checkpoints.locate(path)
    place.require()
    # Of `folder/model.ckpt-5`, the folder says more.
    own = place.folder.resolve().name if place.format == "tf1" else path.resolve().name
    shown = named.source if named else (name if equals else own)
    column, why = _recognised(place, named)
    steps = column.pretraining_steps if column else _steps_of(place)
    shown = _UNSAFE.sub("-", shown).strip("-.") or "model"
    return Model(shown, path, column.name if column else None, why, steps)


def _column_of(name: str) -> Column | None:
    """Returns the column of a name as the paper or `biobert download` writes it."""
    for column in manifest.load().columns:
        if name.casefold() in (column.name.casefold(), column.source.casefold()):
            return column
    return None


def _below(weights: Path | None, column: Column) -> Path:
    """Returns the folder of a column's checkpoint below `--weights`."""
    if weights is None:
        raise InputError(
            f"--models: {column.name} is looked for below --weights; give it, or "
            "name=folder"
        )
    names = dict.fromkeys([column.source, *column.folders])
    for name in names:
        if (weights / name).is_dir():
            return weights / name
    raise InputError.at(
        weights,
        None,
        f"holds no folder {' or '.join(names)}; `biobert download {column.source} "
        f"--to={weights}` gets it",
    )


def _recognised(place: Place, named: Column | None) -> tuple[Column | None, str]:
    """Returns the column whose checkpoint this is, or None and why it is none."""
    known = manifest.load()
    config, _ = released.load_config(
        _NO_LENGTH, ModelConfig(init_checkpoint=place.path), None
    )
    if different := _other_sizes(config):
        return None, f"{different}, unlike the paper's checkpoints"
    vocab_file = place.beside(*released.VOCAB_NAMES)
    data = vocab_file.read_bytes() if vocab_file else b""
    # Some copies end their lines as Windows does.
    data = data.replace(b"\r\n", b"\n")
    if hashlib.sha256(data).hexdigest() != known.encoder.vocabulary_sha256:
        return None, "its vocabulary is not that of the paper's checkpoints"
    if named is not None:
        return named, ""
    folder = place.folder.resolve().name.casefold()
    prefix = place.prefix().name if place.format == "tf1" else None
    for column in known.columns:
        is_called = folder in [each.casefold() for each in column.folders]
        if is_called or (prefix is not None and prefix == column.prefix):
            return column, ""
    return None, (
        "nothing says which checkpoint of the paper it is; call its folder as it was "
        "released, or name the column: 'BioBERT v1.1 (+ PubMed)=folder'"
    )


def _other_sizes(config: EncoderConfig) -> str:
    """Returns the first size that is not the paper's, in words; "" if all are."""
    wanted = manifest.load().encoder
    for name in ("num_hidden_layers", "hidden_size", "num_attention_heads"):
        if getattr(config, name) != getattr(wanted, name):
            return f"its {name} is {getattr(config, name)}"
    return ""


def _steps_of(place: Place) -> int | None:
    """Returns the step that the name of a TF1 checkpoint tells, if it does."""
    found = _STEPS.search(place.prefix().name) if place.format == "tf1" else None
    return int(found[1]) if found else None
