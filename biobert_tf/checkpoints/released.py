# SPDX-License-Identifier: Apache-2.0
"""The files that are released together: sizes, vocabulary, weights, labels.

Files that no flag names are searched beside the checkpoint. The parts are checked to
belong together before anything is computed.
"""

import dataclasses
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from biobert_tf import checkpoints
from biobert_tf.checkpoints import Place, huggingface, prefixes, tokenizer_files
from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import ModelConfig, TextConfig
from biobert_tf.model.config import EncoderConfig
from biobert_tf.text.labels import untyped
from biobert_tf.text.tokenization import FullTokenizer, check_case, is_lower_cased

CONFIG_NAMES: Final = ("bert_config.json", "config.json")
VOCAB_NAMES: Final = (tokenizer_files.VOCAB_NAME,)
VOCAB_SOURCES: Final = (*VOCAB_NAMES, tokenizer_files.TOKENIZER_NAME)
"""The files to read a vocabulary from; Transformers 5 saves only the second."""
LABELS_NAME: Final = "labels.json"
SETTINGS_NAME: Final = "settings.json"
"""The settings of a training, by flag; every run writes them beside its model."""

_LOG = logging.getLogger(__name__)

_PADDED_TO: Final = 8


@dataclasses.dataclass(frozen=True)
class Released:
    """The parts that a run starts from; without a checkpoint, weights are random."""

    encoder_config: EncoderConfig
    tokenizer: FullTokenizer
    init_checkpoint: Path | None


def load(text: TextConfig, model: ModelConfig, output_dir: Path | None) -> Released:
    """Reads the configuration and the vocabulary of a run.

    A file that no flag names is searched beside `--init_checkpoint`, then in the
    output directory, where a finished run left its own.

    Raises:
        InputError: The checkpoint or a file is missing or malformed, the vocabulary's
            case is not what `--do_lower_case` says, or the sizes do not fit the
            vocabulary or the sequence length.
    """
    config, config_file = load_config(text, model, output_dir)
    vocab_file = find_vocab(text, model, output_dir)
    if vocab_file is None:
        raise _not_found("vocab_file", _places(model, output_dir), VOCAB_SOURCES)
    tokenizer = load_tokenizer(vocab_file, text, config, config_file)
    return Released(config, tokenizer, model.init_checkpoint)


def load_config(
    text: TextConfig, model: ModelConfig, output_dir: Path | None
) -> tuple[EncoderConfig, Path]:
    """Returns the sizes of a run's model, and their file; see `load`.

    Raises:
        InputError: There is no checkpoint or no such file, or the sequence length is
            beyond the positions.
    """
    if model.init_checkpoint:
        checkpoints.locate(model.init_checkpoint).require()
    places = _places(model, output_dir)
    config_file = model.bert_config_file or _find(places, CONFIG_NAMES)
    if config_file is None:
        raise _not_found("bert_config_file", places, CONFIG_NAMES)
    config = EncoderConfig.from_json(config_file)
    most = config.max_position_embeddings
    if text.max_seq_length > most:
        raise InputError(
            f"--max_seq_length={text.max_seq_length} is above the "
            f"max_position_embeddings of {config_file}, {most}; lower it"
        )
    return config, config_file


def find_vocab(
    text: TextConfig, model: ModelConfig, output_dir: Path | None
) -> Path | None:
    """Returns the vocabulary of a run, if there is one; see `load`.

    Transformers 5 saves only a `tokenizer.json`. For such a model, the result is a
    temporary list of its pieces, which is removed when the process ends.

    Raises:
        InputError: A `tokenizer.json` is not a tokenizer like BERT's, or its case
            contradicts `--do_lower_case`.
    """
    found = text.vocab_file or _find(_places(model, output_dir), VOCAB_SOURCES)
    if found is None or found.suffix != ".json":
        return found
    listed = tokenizer_files.as_list(found)
    stored = tokenizer_files.lower_cases(found.parent)
    if stored not in (None, text.do_lower_case):
        raise InputError.at(
            found,
            None,
            f"the tokenizer {'lower-cases' if stored else 'does not lower-case'} but "
            f"do_lower_case is {str(not stored).lower()}; set it to "
            f"{str(stored).lower()}",
        )
    if odd := tokenizer_files.peculiarities(found.parent):
        _LOG.warning("%s: these options are ignored: %s", found, ", ".join(odd))
    return listed


def lower_cases(
    place: Place, recorded: Mapping[str, object], vocab: Iterable[str] | None = None
) -> bool:
    """Says whether text is lower-cased for a checkpoint.

    The recorded settings of the training decide, else the tokenizer's files, else the
    vocabulary, by default that beside the checkpoint; false if there is none of them.

    Raises:
        InputError: One of these files is damaged.
    """
    stored = tokenizer_files.lower_cases(place.folder)
    for known in (recorded.get("do_lower_case"), stored):
        if isinstance(known, bool):
            return known
    if vocab is None:
        vocab_file = place.beside(*VOCAB_SOURCES)
        if vocab_file is None:
            return False
        vocab = tokenizer_files.read_vocabulary(vocab_file).ids
    return is_lower_cased(vocab)


def vocabulary_lower_cases(vocab_file: Path) -> bool:
    """Says whether text is lower-cased for a vocabulary alone.

    A `tokenizer.json` says it; else the tokens show it.

    Raises:
        InputError: The file is not a BERT vocabulary.
    """
    vocab = tokenizer_files.read_vocabulary(vocab_file).ids
    is_json = vocab_file.suffix == ".json"
    stored = tokenizer_files.lower_cases(vocab_file.parent) if is_json else None
    return is_lower_cased(vocab) if stored is None else stored


def load_tokenizer(
    vocab_file: Path, text: TextConfig, config: EncoderConfig, config_file: Path
) -> FullTokenizer:
    """Reads a vocabulary and checks that it belongs to a model.

    Raises:
        InputError: The vocabulary has another case than `--do_lower_case` says, or
            another size than the model.
    """
    tokenizer = FullTokenizer(vocab_file, text.do_lower_case)
    check_case(tokenizer.vocab, text.do_lower_case, vocab_file)
    require_size(tokenizer.vocab, vocab_file, config, config_file)
    return tokenizer


def require_size(
    vocab: Mapping[str, int], vocab_file: Path, config: EncoderConfig, config_file: Path
) -> None:
    """Refuses a vocabulary whose size is not that of a model.

    A model may have more entries up to the next multiple of 8: for the sake of tensor
    cores, NVIDIA fills its embeddings up so.

    Raises:
        InputError: The sizes differ.
    """
    size = max(vocab.values()) + 1
    filled = size + -size % _PADDED_TO
    if config.vocab_size not in (size, filled):
        raise InputError.at(
            vocab_file,
            None,
            f"has {size} entries, but the vocab_size of {config_file} is "
            f"{config.vocab_size}, neither the same nor the next multiple of "
            f"{_PADDED_TO}; give the vocabulary that belongs to the model",
        )


def _places(model: ModelConfig, output_dir: Path | None) -> list[Path]:
    return [path for path in (model.init_checkpoint, output_dir) if path]


def _find(places: Sequence[Path], names: Sequence[str]) -> Path | None:
    found = (checkpoints.locate(place).beside(*names) for place in places)
    return next((path for path in found if path), None)


def _not_found(flag: str, places: Sequence[Path], names: Sequence[str]) -> InputError:
    return InputError(
        f"--{flag} is not given, and there is no {' or '.join(names)} at "
        f"{' or '.join(dict.fromkeys(map(str, places)))}"
    )


def load_labels(places: Sequence[Path | None]) -> tuple[str, ...] | None:
    """Returns the labels beside the first of these checkpoints that has any."""
    for place in places:
        if place and (labels := read_labels(checkpoints.locate(place))):
            return tuple(labels)
    return None


def read_labels(place: Place) -> list[str] | None:
    """Returns the labels beside a checkpoint, in the order of their ids, if any.

    They are in `labels.json`, or else in the `id2label` of a Hugging Face model. There,
    `convert` gives labels without a type the one that the training has recorded.

    Raises:
        InputError: `labels.json` is not `{"labels": ["...", ...]}`.
    """
    file = place.beside(LABELS_NAME)
    if file is None and place.format == "huggingface":
        named = huggingface.labels(place.folder)
        entity_type = recorded_type(read_settings(place))
        return untyped(named, entity_type) if named and entity_type else named
    if file is None:
        return None
    labels = files.read_json(file).get("labels")
    if not isinstance(labels, list) or not all(isinstance(x, str) for x in labels):
        raise InputError.at(file, None, 'expected {"labels": ["...", ...]}')
    return labels


def read_settings(place: Place) -> dict[str, object]:
    """Returns the settings that a run of ours, if any, has recorded, by flag.

    Raises:
        InputError: The file is not a JSON object.
    """
    file = place.beside(SETTINGS_NAME)
    return files.read_json(file) if file else {}


def recorded_type(recorded: Mapping[str, object]) -> str:
    """Returns the type of entities whose labels have none; "" if none is recorded."""
    return str(recorded.get("entity_type") or "")


def recorded_pooling(recorded: Mapping[str, object]) -> object:
    """Returns what a classifier of texts reads; see `model.config.Pooling`."""
    return recorded.get("pooling") or "cls"


def is_saved(output_dir: Path, global_step: int) -> bool:
    """Says whether `save` has completely written the model of this step."""
    return prefix(output_dir, global_step) in prefixes.prefixes_in(output_dir)


def prefix(output_dir: Path, global_step: int) -> Path:
    """Returns where the weights of a step are written."""
    return output_dir / f"model.ckpt-{global_step}"


def save(
    config: EncoderConfig,
    vocab_file: Path | None,
    weights: checkpoints.Weights,
    output_dir: Path,
    global_step: int,
    labels: Sequence[str] | None = None,
) -> Path:
    """Writes a model in the form of a release; returns its `prefix`.

    A release is a TF1 checkpoint, its sizes and, if known, its vocabulary and labels.
    """
    if labels is not None:
        files.write_json(output_dir / LABELS_NAME, {"labels": list(labels)})
    files.write_json(output_dir / CONFIG_NAMES[0], dataclasses.asdict(config))
    copy = output_dir / VOCAB_NAMES[0]
    if vocab_file is not None and vocab_file.resolve() != copy.resolve():
        with files.replacing(copy) as temporary:
            temporary.write_bytes(vocab_file.read_bytes())
    from biobert_tf.checkpoints import tf1

    target = prefix(output_dir, global_step)
    tf1.write(weights, target, global_step)
    _LOG.info("wrote %s", target)
    return target
