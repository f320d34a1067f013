# SPDX-License-Identifier: Apache-2.0
"""The interface of a problem, for commands, exports and Python.

Every problem folder defines a subclass and one instance of it in its `problem.py`;
`biobert_tf.problems` lists the instances. docs/extending.md adds one step by step.
"""

import abc
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Literal, TypeVar

from biobert_tf.common import remote_path
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import (
    DeviceConfig,
    ModelConfig,
    TextConfig,
    from_dict,
    to_dict,
)

if TYPE_CHECKING:
    from biobert_tf.checkpoints.huggingface import ProblemType
    from biobert_tf.checkpoints.released import Released
    from biobert_tf.training.checking import CheckSettings, Report
    from biobert_tf.training.finetune import Finished
    from biobert_tf.training.planned import Planned
    from biobert_tf.training.reload import Found, Loaded
    from biobert_tf.training.served import Served

# What a directory with a state of a training holds, from which a run resumes.
STATE: Final = "training/checkpoint"

SettingsT = TypeVar("SettingsT")
Command = Callable[[Sequence[str]], None]
"""Takes the program's name and its arguments."""


class Problem(abc.ABC, Generic[SettingsT]):
    """A problem that trained models solve.

    Attributes:
        kinds: The kinds of this problem's models, as exports and `--kind` name them.
        settings: The class of the settings that are recorded beside a model.
        max_seq_length: The number of WordPieces in a row if no settings are recorded;
            None: as many as the model has positions.
        unknown: Values of required settings, by name, for models without recorded
            settings.
        carried: Settings of a training that its model is used with, unless the command
            line names others.
    """

    kinds: ClassVar[tuple[str, ...]]
    settings: type[SettingsT]
    max_seq_length: ClassVar[int | None] = None
    unknown: ClassVar[Mapping[str, str]] = {}
    carried: ClassVar[tuple[str, ...]] = ("max_seq_length",)

    def made(self, recorded: Mapping[str, object]) -> bool:
        """Says whether settings beside a model are of this problem."""
        return False

    def model_of(self, values: Mapping[str, Any]) -> Path | None:
        """Returns the model that a command line uses, by its flags, if it has one."""
        named = values.get("init_checkpoint")
        return remote_path.parse(named) if named else None

    def makes_rows(self, values: Mapping[str, object]) -> bool:
        """Says whether a command line reads text for a model that it is to train."""
        return bool(values.get("do_train"))

    def of_model(
        self, values: Mapping[str, Any], given: Collection[str]
    ) -> dict[str, object]:
        """Returns the settings that the model of a command line brings along.

        These are the case, also for a training, and without one those of `carried`. If
        no run has recorded the case, the tokenizer's files or the vocabulary tell it.

        Args:
            values: The values of all flags, by name.
            given: The names of the flags that the user has given.

        Raises:
            InputError: A file beside the model is malformed.
        """
        model, vocab_file = self.model_of(values), values.get("vocab_file")
        if model is None and vocab_file is None:
            return {}
        # TensorFlow is imported only for a model: `--help` and mistakes need none.
        from biobert_tf.checkpoints import released
        from biobert_tf.training import reload

        found = None if model is None else reload.find(model)
        taken = {} if found is None else self._recorded(found, self.makes_rows(values))
        if "do_lower_case" not in taken:
            if vocab_file is not None:
                case = released.vocabulary_lower_cases(remote_path.parse(vocab_file))
            else:
                assert found is not None
                case = released.lower_cases(found.place, found.recorded)
            taken["do_lower_case"] = case
        return taken

    def _recorded(self, found: "Found", is_new: bool) -> dict[str, object]:
        """Returns what a model's record says of the case and, if not new, `carried`."""
        from biobert_tf.checkpoints import released

        recorded = found.recorded
        source = found.place.beside(released.SETTINGS_NAME) or found.place.path
        known = to_dict(from_dict(TextConfig, recorded, source))
        names = ["do_lower_case"]
        if not is_new:
            names += self.carried
            known |= to_dict(self.settings_of(found)) if self.made(recorded) else {}
        return {
            name: known[name]
            for name in names
            if name in known.keys() & recorded.keys()
        }

    def record_of(self, found: "Found") -> dict[str, object]:
        """Returns what settings.json shall say of a model that Transformers saved.

        Raises:
            InputError: Its config.json cannot be used.
        """
        return {"kind": self.kinds[0]}

    @abc.abstractmethod
    def kind_of(self, found: "Found") -> str | None:
        """Returns the kind of a model by its weights; None for other problems' models.

        Problems are asked in the order of `biobert_tf.problems`.

        Raises:
            InputError: The model is one of this problem, but something it needs is
                missing.
        """

    @abc.abstractmethod
    def serve(self, loaded: "Loaded[SettingsT]") -> "Served":
        """Returns a model as an export holds it: strings in, answers out.

        Raises:
            InputError: The weights do not fit.
        """

    def settings_of(self, found: "Found") -> SettingsT:
        """Returns the settings of the training of a model, as far as it recorded them.

        Raises:
            InputError: A setting is malformed.
        """
        from biobert_tf.checkpoints import released

        source = found.place.beside(released.SETTINGS_NAME) or found.place.path
        folder = str(found.place.folder)
        missing = {"output_dir": folder, "data_dir": folder, **self.unknown}
        return from_dict(self.settings, found.recorded, source, **missing)

    def loaded(
        self,
        found: "Found",
        device: DeviceConfig,
        *,
        do_lower_case: bool | None = None,
        max_seq_length: int | None = None,
    ) -> "Loaded[SettingsT]":
        """Returns a model with its settings, its sizes and its vocabulary.

        By default `do_lower_case` and `max_seq_length` are as they were recorded. Else
        the case is that of the tokenizer's files or of the vocabulary, and the length
        as the problem says, or for a model that Transformers saved all its positions.

        Raises:
            InputError: A file beside the checkpoint is missing or malformed, or does
                not fit the others.
        """
        from biobert_tf.checkpoints import released
        from biobert_tf.training.reload import Loaded

        path, recorded = found.place.path, found.recorded
        settings = self.settings_of(found)
        known = from_dict(TextConfig, recorded, path)
        model = ModelConfig(init_checkpoint=path)
        if do_lower_case is None:
            do_lower_case = released.lower_cases(found.place, recorded)
        if max_seq_length is None:
            if "max_seq_length" in recorded:
                max_seq_length = known.max_seq_length
            elif found.place.format != "huggingface":
                max_seq_length = self.max_seq_length
        if max_seq_length is None:
            shortest = TextConfig(max_seq_length=3)
            sizes, _ = released.load_config(shortest, model, path)
            max_seq_length = sizes.max_position_embeddings
        text = TextConfig(do_lower_case=do_lower_case, max_seq_length=max_seq_length)
        parts = released.load(text, model, path)
        return Loaded(
            found=found,
            encoder_config=parts.encoder_config,
            tokenizer=parts.tokenizer,
            text=text,
            settings=settings,
            device=device,
        )


class TrainedProblem(Problem[SettingsT]):
    """A problem with a command that trains models and uses them.

    Attributes:
        command: The name of the command; `biobert <command>` and `run_<command>.py`.
        summary: What the command does, in one line of `biobert --help`.
        defaults: Defaults of the command that differ from those of `settings`.
        sign: A setting that no other problem has; it identifies this problem's runs.
        script: The name of the script, for messages.
        method: The method of `biobert_tf.load(path)` that uses its models.
        classifier: What a classifier of this problem labels, for conversions: words
            (`token`), whole texts (`sequence`), or what the labels look like (`auto`).
        architectures: The Transformers classes of this problem's models.
        data_files: The files that `check` reads, for messages; empty if it reads none.
    """

    command: ClassVar[str]
    summary: ClassVar[str]
    defaults: ClassVar[Mapping[str, Any]] = {}
    sign: ClassVar[str]
    script: ClassVar[str]
    method: ClassVar[str] = "embed"
    classifier: ClassVar[Literal["auto", "token", "sequence"]] = "auto"
    architectures: ClassVar[tuple[str, ...]] = ()
    data_files: ClassVar[str] = ""

    def made(self, recorded: Mapping[str, object]) -> bool:
        """Says whether settings beside a model are of this problem.

        A run records its flags; the export of a model of no run records its `kind`.
        """
        return self.sign in recorded or recorded.get("kind") in self.kinds

    def is_saved(self, found: "Found") -> bool:
        """Says whether Transformers saved a model as one of this problem."""
        return found.architecture in self.architectures

    def problem_type(self, found: "Found") -> "ProblemType | None":
        """Returns what Transformers is told that a model of ours predicts, if anything.

        Raises:
            InputError: The settings beside the model are damaged.
        """
        return None

    def untold(self, found: "Found") -> str:
        """Returns what Transformers cannot know of a model of ours; "" if nothing.

        Raises:
            InputError: The settings beside the model are damaged.
        """
        return ""

    def model_of(self, values: Mapping[str, Any]) -> Path | None:
        """Returns the model that the output directory holds, else the one named."""
        if values["output_dir"]:
            output_dir = remote_path.parse(values["output_dir"])
            if (output_dir / STATE).exists():
                return output_dir
        return super().model_of(values)

    @abc.abstractmethod
    def run(self, settings: SettingsT) -> "Finished[Any] | None":
        """Runs the stages that the settings ask for.

        Returns None if no model was needed, or if other processes did the runs.

        Raises:
            InputError: Something given cannot be used.
            TrainingDivergedError: The loss became NaN or infinite.
        """

    def start(self, settings: SettingsT, command: Command) -> "Finished[Any] | None":
        """Does what a command line asks for: one call of `run`, or several runs.

        `command` is the command itself, for runs in other processes.
        """
        return self.run(settings)

    def planned(self, settings: SettingsT, parts: "Released") -> "Planned":
        """Returns the steps of a run, for `biobert tpu-check`; reads none of its files.

        The sizes of the encoder are those of `parts`; its vocabulary may be any.
        """
        raise InputError(f"the steps of {self.script} cannot be checked")

    def has_data(self, data_dir: Path) -> bool:
        """Returns whether a folder holds data of this problem that `check` can read.

        Raises:
            InputError: A file cannot be read.
        """
        return False

    def check(self, settings: "CheckSettings") -> "Report":
        """Returns what is wrong with the data of a folder, for `biobert data-check`.

        Raises:
            InputError: The folder holds no such data, or a file cannot be read.
        """
        raise NotImplementedError

    def load(self, path: Path, device: DeviceConfig) -> "Loaded[SettingsT]":
        """Returns a model that a run of this problem trained, or an export of it.

        One that Transformers saved as one of `architectures` will do too.

        Raises:
            InputError: The directory holds no such model, or its labels are unknown.
        """
        from biobert_tf.checkpoints import hub
        from biobert_tf.training import reload

        found = reload.find(path)
        if found.recorded:
            is_whole = bool(found.labels) or "kind" in found.recorded
            is_own = self.made(found.recorded) and is_whole
        else:
            is_own = self.is_saved(found) and self.kind_of(found) is not None
        if not is_own and not hub.opened(path).exists():
            problem = f"no such directory; give the --output_dir of {self.script}"
            raise InputError.at(path, None, f"{problem}{hub.advice(path)}")
        if not is_own and (path / STATE).exists():
            problem = f"{self.script} has not ended there; start its command again"
            raise InputError.at(path, None, problem)
        if not is_own:
            problem = f"holds no model of {self.script}; give its --output_dir"
            if self.architectures and found.place.format == "huggingface":
                problem += (
                    f", or a {self.architectures[0]} of Transformers; config.json says "
                    f"{found.architecture or 'no architecture'}"
                )
                problem += f" of {found.problem_type}" if found.problem_type else ""
            raise InputError.at(path, None, f"{problem}{hub.advice(path)}")
        return self.loaded(found, device)
