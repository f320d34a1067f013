# SPDX-License-Identifier: Apache-2.0
"""Typed settings: checked once at the edge of the program, then only read.

Every number that can change a result is a field here, with its unit in its help text.
A module receives the smallest config it needs; none looks at the command line,
the environment or a global. `flags` makes the command line from these classes:
a field is a flag of the same name, with its help text. `to_dict` makes the record that
a run keeps in settings.json; `from_dict` reads it.

`__post_init__` rejects invalid values wherever they come from. A `check` method rejects
settings that make no command but may stand in the record of a finished run, such as a
run with nothing to do; only the command line calls it.

Names and defaults are those of the original scripts (run_ner.py:25-97 of
dmis-lab/biobert) unless a help text says otherwise.
"""

import abc
import dataclasses
import math
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeVar

from biobert_tf.common import remote_path
from biobert_tf.common.errors import InputError

Compat = Literal["fixed", "master", "paper"]
StrategyName = Literal["auto", "cpu", "gpu", "multi_worker", "tpu"]
MixedPrecision = Literal["off", "bfloat16", "float16", "auto"]
Xla = Literal["auto", "on", "off"]
EngineName = Literal["tensorflow", "openvino"]
OptimizerName = Literal["adamw", "lamb"]
PackSequences = Literal["auto", "on", "dense", "off"]

LOWER_CASE: Final = (
    "Lower-case the text; unless given, as the model was trained, or else as its "
    "tokenizer's files or its vocabulary say."
)
"""The help of `--do_lower_case`, which must match the vocabulary."""

ConfigT = TypeVar("ConfigT")

Field = dataclasses.Field[Any]
"""A field of a config class, with a value of any type."""


def setting(
    default: object,
    doc: str,
    *,
    free: bool = False,
    continued: bool = False,
    recorded: bool = True,
    any_case: bool = False,
    alias: str = "",
) -> Any:
    """Returns a dataclass field, which `doc` explains in `--help` and docs/flags.md.

    A run may be resumed with another value of a `free` setting; every other setting
    shapes the result of the run. One that is `continued` may change with `--continue`.
    One that is not `recorded` has no effect: it is there so that command lines of the
    original can be pasted. The command line takes the values of a `Literal` in
    `any_case` if that is said, and the flag under the name `alias` too.
    """
    metadata = {
        "help": doc,
        "free": free,
        "continued": continued,
        "recorded": recorded,
        "any_case": any_case,
        "alias": alias,
    }
    return dataclasses.field(default=default, metadata=metadata)


def required(doc: str, *, free: bool = False, any_case: bool = False) -> Any:
    """Returns a dataclass field without a default: a flag that must be given."""
    return setting(dataclasses.MISSING, doc, free=free, any_case=any_case)


@dataclasses.dataclass(frozen=True)
class FlagValue(abc.ABC):
    """The value of a flag that is a small language: parsed once, then only read.

    The text of the flag as it was given stands in settings.json and in messages.
    """

    text: str = ""

    @classmethod
    @abc.abstractmethod
    def parse(cls, text: str) -> Self:
        """Returns the value that a text means.

        Raises:
            InputError: It means none; the message names the flag if that is unclear.
        """

    def __str__(self) -> str:
        """Returns the flag as it was given."""
        return self.text

    def __bool__(self) -> bool:
        """Whether anything was given."""
        return bool(self.text)


def check(config: Any) -> None:
    """Calls `check`, which raises InputError, of a config and its groups, if any."""
    for value in vars(config).values():
        if is_group(type(value)):
            check(value)
    if hasattr(config, "check"):
        config.check()


def at_least(config: object, **minimum: float) -> None:
    """Rejects fields of `config` that are below their minimum or not finite.

    Raises:
        InputError: The message names the flag.
    """
    for name, least in minimum.items():
        value = getattr(config, name)
        # Written so that NaN, which compares with nothing, is rejected too.
        if not least <= value < math.inf:
            raise InputError(f"--{name}={value}: must be at least {least}, and finite")


@dataclasses.dataclass(frozen=True, kw_only=True)
class StageConfig:
    """Where to write, and which stages to run; a subclass says what is read."""

    output_dir: Path = required("Directory for everything the run writes.", free=True)
    do_train: bool = setting(True, "Train on the training files.", free=True)
    do_predict: bool = setting(
        True, "Predict the test files, and score them if they have labels.", free=True
    )
    do_export: bool = setting(
        False, "At the end, write a SavedModel to <output_dir>/export.", free=True
    )

    def check(self) -> None:
        """Rejects a run with nothing to do."""
        # An export alone is no run: `biobert export` does that.
        names = [name for name in vars(self) if name.startswith("do_")]
        stages = [name for name in names if name != "do_export"]
        if not any(getattr(self, name) for name in stages):
            *others, last = (f"--{name}" for name in stages)
            raise InputError(
                f"nothing to do: set {', '.join(others)} or {last} to true"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class DirectoryStageConfig(StageConfig):
    """What to read (a directory), where to write, and which stages to run."""

    data_dir: Path = required("Directory of the input files.", free=True)
    do_eval: bool = setting(False, "Evaluate on the development file.", free=True)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextConfig:
    """How text becomes WordPieces."""

    vocab_file: Path | None = setting(
        None,
        "WordPiece vocabulary; default: vocab.txt beside the checkpoint.",
        free=True,
    )
    # The original's default depends on the script; here it is BioBERT's everywhere.
    do_lower_case: bool = setting(False, LOWER_CASE)
    max_seq_length: int = setting(
        128,
        "Longest input, in WordPieces; unless given, a trained model that is only used "
        "keeps its own.",
    )

    def __post_init__(self) -> None:
        """Rejects a length with no room for [CLS], a piece and [SEP]."""
        at_least(self, max_seq_length=3)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The network and the weights to start from."""

    bert_config_file: Path | None = setting(
        None,
        "Sizes of the encoder; default: the file beside the checkpoint.",
        free=True,
    )
    init_checkpoint: Path | None = setting(
        None,
        "Weights to start from: TF1 prefix, .index, directory, .tar.gz, Hugging Face "
        "directory, hf://owner/name of its Hub, or SavedModel. Without it training "
        "starts from random weights.",
        free=True,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class FinetuningConfig:
    """How fine-tuning learns, with linear warm-up and decay, and predicts."""

    learning_rate: float = setting(
        5e-5, "Peak rate, reached after warm-up.", continued=True
    )
    num_train_epochs: float = setting(
        3.0, "Passes over the training examples.", continued=True
    )
    warmup_proportion: float = setting(
        0.1, "Share of the steps that warm up, [0, 1].", continued=True
    )
    predict_batch_size: int = setting(
        8, "Examples per prediction step, all devices.", free=True
    )

    def __post_init__(self) -> None:
        """Rejects a rate that cannot train and counts out of range."""
        require_rate(self.learning_rate)
        at_least(self, num_train_epochs=0, predict_batch_size=1)
        if not 0 <= self.warmup_proportion <= 1:
            raise InputError(
                f"--warmup_proportion={self.warmup_proportion}: must be in [0, 1]"
            )


def require_rate(learning_rate: float) -> None:
    """Raises InputError if a learning rate is not positive and finite."""
    if not 0 < learning_rate < math.inf:
        raise InputError(
            f"--learning_rate={learning_rate}: must be positive and finite"
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig:
    """How the Estimator steps, saves and reports."""

    train_batch_size: int = setting(32, "Examples per step, over all devices.")
    eval_batch_size: int = setting(
        8, "Examples per evaluation step, all devices.", free=True
    )
    max_steps: int = setting(
        0, "Stop after this many steps, keeping the schedule; 0: no limit.", free=True
    )
    continue_training: bool = setting(
        False,
        "Let a training in --output_dir go on with another learning rate, number of "
        "epochs or steps, or warm-up; --continue is the same flag.",
        free=True,
        alias="continue",
    )
    gradient_accumulation_steps: int = setting(
        1, "Split every train batch into this many passes to save memory."
    )
    recompute: bool = setting(
        False,
        "Compute activations again in the backward pass instead of keeping them: less "
        "memory, more time.",
        free=True,
    )
    save_checkpoints_steps: int = setting(
        1000, "Steps between two checkpoints.", free=True
    )
    keep_checkpoint_max: int = setting(
        5, "Number of newest checkpoints to keep.", free=True
    )
    iterations_per_loop: int = setting(
        1000,
        "Most steps per compiled call; progress is reported between calls.",
        free=True,
    )
    pack_sequences: PackSequences = setting(
        "auto",
        "Train with several texts in a row: on (the same batches), dense (batches "
        "exchange texts, rows are nearly full), off, or auto: on unless padding counts "
        "in the loss or is rare.",
        free=True,
    )
    log_examples: int = setting(
        0,
        "Log so many examples of each stage as tokens, ids and labels; the original "
        "always logs 4 or 5.",
        free=True,
    )
    seed: int = setting(12345, "Seed of initialisation, dropout and shuffling.")

    def __post_init__(self) -> None:
        """Rejects counts out of range."""
        at_least(
            self,
            train_batch_size=1,
            eval_batch_size=1,
            max_steps=0,
            gradient_accumulation_steps=1,
            save_checkpoints_steps=1,
            keep_checkpoint_max=1,
            iterations_per_loop=1,
            log_examples=0,
            seed=0,
        )
        if self.seed >= 2**31:
            raise InputError(f"--seed={self.seed}: must be below 2147483648")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelectionConfig:
    """When a fine-tuning is evaluated while it trains, and which weights it keeps."""

    eval_every_steps: int = setting(
        0, "Score the development file every so many steps; 0: never."
    )
    eval_every_epochs: int = setting(
        0,
        "Score the development file every so many passes over the training examples; "
        "0: never.",
    )
    keep_best: str = setting(
        "",
        "Keep the weights that the development file scores best by this score, such "
        "as f1; default: the last weights.",
    )
    early_stopping: int = setting(
        0,
        "Stop after so many evaluations without a better --keep_best, by default the "
        "task's main score; 0: never.",
    )

    def __post_init__(self) -> None:
        """Rejects counts out of range, and two intervals at once."""
        at_least(self, eval_every_steps=0, eval_every_epochs=0, early_stopping=0)
        if self.eval_every_steps and self.eval_every_epochs:
            raise InputError(
                "--eval_every_steps contradicts --eval_every_epochs; give one of them"
            )

    @property
    def chooses(self) -> bool:
        """Whether the best weights are kept instead of the last."""
        return bool(self.keep_best or self.early_stopping)

    @property
    def evaluates(self) -> bool:
        """Whether the training is evaluated, by default after every epoch."""
        return bool(self.chooses or self.eval_every_steps or self.eval_every_epochs)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeviceConfig:
    """Where the numbers are computed."""

    strategy: StrategyName = setting(
        "auto",
        "auto (all local GPUs, else CPU), cpu, gpu, multi_worker or tpu.",
        free=True,
    )
    mixed_precision: MixedPrecision = setting(
        "off",
        "off, bfloat16, float16 (with loss scaling), or auto: bfloat16 if the "
        "devices multiply it natively, else off.",
    )
    xla: Xla = setting(
        "auto", "Compile the step with XLA: auto (GPU, TPU), on, off.", free=True
    )
    engine: EngineName = setting(
        "tensorflow",
        "What predicts: tensorflow, or openvino (CPU only, faster there; needs "
        "pip install '.[openvino]'). Trainings are TensorFlow's.",
        free=True,
    )
    use_tpu: bool = setting(False, "Same as --strategy=tpu.", free=True)
    tpu_name: str = setting(
        "", "Cloud TPU name or grpc:// address; empty: local.", free=True
    )
    tpu_zone: str = setting(
        "", "Zone of the Cloud TPU; empty: ask the metadata server.", free=True
    )
    gcp_project: str = setting(
        "", "Project of the Cloud TPU; empty: the default.", free=True
    )
    master: str = setting(
        "", "Address of a TPU worker; an older name of tpu_name.", free=True
    )
    num_tpu_cores: int = setting(
        8, "TPU cores expected; a difference is an error.", free=True
    )

    def __post_init__(self) -> None:
        """Rejects two different devices in one command."""
        if self.use_tpu and self.strategy not in ("auto", "tpu"):
            raise InputError(f"--use_tpu contradicts --strategy={self.strategy}")

    @property
    def is_tpu(self) -> bool:
        """Whether a TPU is asked for, by either flag."""
        return self.use_tpu or self.strategy == "tpu"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScriptConfig:
    """The settings of every fine-tuning script."""

    stages: StageConfig
    text: TextConfig
    model: ModelConfig
    finetuning: FinetuningConfig
    run: RunConfig
    selection: SelectionConfig
    device: DeviceConfig

    def check(self) -> None:
        """Rejects evaluations of a training that is not run."""
        if self.selection.evaluates and not self.stages.do_train:
            raise InputError(
                "--eval_every_steps, --eval_every_epochs, --keep_best and "
                "--early_stopping are for a training; leave them out, or set "
                "--do_train=true (a trained model is used as it was chosen)"
            )


# --- configs and plain values ---------------------------------------------------------


def is_group(kind: object) -> bool:
    """Says whether the type of a field is a config class with fields of its own."""
    return dataclasses.is_dataclass(kind) and not _is_flag_value(kind)


def _is_flag_value(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, FlagValue)


def kind_of(field: Field) -> Any:
    """Returns the type of a field; `X` if it is `X | None`."""
    kind = field.type
    if isinstance(kind, types.UnionType):
        (kind,) = [part for part in typing.get_args(kind) if part is not type(None)]
    return kind


def groups(config_type: type) -> Iterator[tuple[type, list[Field]]]:
    """Yields the config class and its groups, each with its own fields.

    The groups come first, in the order of their fields, then the class itself.
    """
    own = []
    for field in dataclasses.fields(config_type):
        if is_group(kind_of(field)):
            yield from groups(kind_of(field))
        else:
            own.append(field)
    yield config_type, own


def leaves(config: Any) -> Iterator[Field]:
    """Yields the fields of a config, or class, and of its groups."""
    for _, own in groups(config):
        yield from own


def free_names(config: Any) -> frozenset[str]:
    """Returns the settings of a config, or class, that may change in a resumed run."""
    return frozenset(x.name for x in leaves(config) if x.metadata["free"])


def continued_names(config: Any) -> frozenset[str]:
    """Returns the settings of a config, or class, that `--continue` may change."""
    return frozenset(x.name for x in leaves(config) if x.metadata["continued"])


def plain(value: object) -> object:
    """Returns the value of a setting as JSON and the command line have it."""
    return str(value) if isinstance(value, Path | FlagValue) else value


def changed(
    config: Any, recorded: Mapping[str, object]
) -> dict[str, tuple[object, object]]:
    """Returns the settings that differ from those in a record: name to (then, now).

    One that an earlier version did not know had its default then.
    """
    defaults = {x.name: plain(x.default) for x in leaves(type(config))}
    values = to_dict(config)
    then = {name: recorded.get(name, defaults[name]) for name in values}
    return {k: (then[k], now) for k, now in values.items() if then[k] != now}


def to_dict(config: Any) -> dict[str, object]:
    """Returns the settings as one flat JSON-ready mapping, flag name to value."""
    flat: dict[str, object] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if not field.metadata.get("recorded", True):
            continue
        flat |= to_dict(value) if is_group(type(value)) else {field.name: plain(value)}
    return flat


def from_dict(
    config_type: type[ConfigT],
    values: Mapping[str, object],
    source: Path | str,
    **missing: object,
) -> ConfigT:
    """Returns the config whose `to_dict` wrote these values to the file `source`.

    Keys that are not fields of the config are ignored. A field that has no key takes
    its value in `missing`, else its default, so that the record of an earlier version
    can be read.

    Raises:
        InputError: A value is of a wrong type or out of its bounds, or a required
            field has no value.
    """
    fields = {x.name: x for x in leaves(config_type) if x.metadata["recorded"]}
    known = {name: value for name, value in values.items() if name in fields}
    for name, value in known.items():
        if kind_of(fields[name]) is Path and isinstance(value, str):
            known[name] = _recorded_path(value)
    try:
        return build(config_type, {**missing, **known})
    except InputError as error:
        raise InputError.at(source, None, str(error)) from None


def _recorded_path(text: str) -> Path:
    """Returns a path of a record, of which another computer may know more schemes."""
    try:
        return remote_path.parse(text)
    except InputError:
        return Path(text)


def build(config_type: type[ConfigT], values: Mapping[str, object]) -> ConfigT:
    """Returns the config of these values, as `from_dict`; messages name no file."""
    arguments: dict[str, object] = {}
    for field in dataclasses.fields(typing.cast(type, config_type)):
        if is_group(kind_of(field)):
            arguments[field.name] = build(kind_of(field), values)
        elif field.name in values:
            arguments[field.name] = _typed(field, values[field.name])
        elif field.default is dataclasses.MISSING:
            raise InputError(f"lacks {field.name}; want the settings of a whole run")
    return config_type(**arguments)


_WANTED: Final = {bool: "true or false", int: "a whole number", float: "a number"}


def _typed(field: Field, value: object) -> object:
    """Returns a recorded value as its field has it; InputError if its type differs."""
    kind = kind_of(field)
    if value is None and kind is not field.type:
        return None
    if kind is float and type(value) is int:
        # JSON does not tell 3 from 3.0.
        return float(value)
    if isinstance(value, str) and (kind is Path or _is_flag_value(kind)):
        return remote_path.parse(value) if kind is Path else kind.parse(value)
    if choices := typing.get_args(kind):
        is_right, wanted = value in choices, f"one of {', '.join(choices)}"
    else:
        # True is an instance of int, but not a number here.
        is_right = isinstance(value, kind) and isinstance(value, bool) == (kind is bool)
        wanted = _WANTED.get(kind, "a string")
    if not is_right:
        raise InputError(f"{field.name} is {value!r}: want {wanted}")
    return value
