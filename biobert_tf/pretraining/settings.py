# SPDX-License-Identifier: Apache-2.0
"""Settings of `run_pretraining.py`: corpus, conversion and training.

Names and defaults are those of create_pretraining_data.py:30-61 and
run_pretraining.py:31-106 of dmis-lab/biobert unless a help text
says otherwise.

The settings that make the records are free: a resumed training needs only the record
files and the sizes of the model, so these settings may be left out or changed.
"""

import dataclasses
from pathlib import Path
from typing import Literal

from biobert_tf.common.comma_lists import FileGlobs
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import (
    LOWER_CASE,
    DeviceConfig,
    ModelConfig,
    OptimizerName,
    RunConfig,
    TextConfig,
    at_least,
    require_rate,
    required,
    setting,
)
from biobert_tf.corpora.settings import CorpusConfig
from biobert_tf.pretraining.data.settings import ConversionConfig, PairConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainingStageConfig:
    """What to read, where to write, and which stages to run."""

    output_dir: Path = required("Directory for everything the run writes.", free=True)
    input_file: FileGlobs = setting(
        FileGlobs(),
        "TFRecords to train and evaluate on, comma-separated globs; default: those "
        "that --do_convert writes.",
        free=True,
    )
    corpus_file: FileGlobs = setting(
        FileGlobs(),
        "Corpus to convert: comma-separated globs of text, PubMed XML, PMC JATS or "
        ".tar.gz.",
        free=True,
    )
    do_convert: bool = setting(False, "Convert --corpus_file to TFRecords.", free=True)
    do_train: bool = setting(False, "Train on the TFRecords.", free=True)
    do_eval: bool = setting(False, "Evaluate on the TFRecords.", free=True)
    do_export: bool = setting(
        False, "At the end, write a SavedModel to <output_dir>/export.", free=True
    )

    def check(self) -> None:
        """Rejects a run with nothing to do or nothing to do it on."""
        if not (self.do_convert or self.do_train or self.do_eval):
            raise InputError(
                "nothing to do: set --do_convert, --do_train or --do_eval to true"
            )
        if self.do_export and not (self.do_train or self.do_eval):
            raise InputError("--do_export needs --do_train or --do_eval; see --help")
        if self.do_convert != bool(self.corpus_file):
            raise InputError("--do_convert and --corpus_file go together; give both")
        if not self.do_convert and not self.input_file:
            raise InputError("--input_file must be given; see --help")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainingTextConfig(TextConfig):
    """How text becomes WordPieces."""

    # Free here: only the conversion reads text; the training reads records.
    do_lower_case: bool = setting(False, LOWER_CASE, free=True)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainingOptimizerConfig:
    """How pre-training learns: a rate with linear warm-up and decay."""

    learning_rate: float = setting(
        5e-5, "Peak rate, reached after warm-up.", continued=True
    )
    num_train_steps: int = setting(100000, "Number of training steps.", continued=True)
    num_warmup_steps: int = setting(
        10000, "Number of these steps that warm up.", continued=True
    )
    optimizer: OptimizerName = setting(
        "adamw", "adamw (BERT's AdamWeightDecay), or lamb for very large batches."
    )
    max_eval_steps: int = setting(
        100, "Most batches per evaluation; 0: all.", free=True
    )

    def __post_init__(self) -> None:
        """Rejects a rate that cannot train and counts out of range."""
        require_rate(self.learning_rate)
        at_least(self, num_train_steps=1, num_warmup_steps=0, max_eval_steps=0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainingConfig:
    """The settings of `run_pretraining.py`."""

    stages: PretrainingStageConfig
    text: PretrainingTextConfig
    model: ModelConfig
    pretraining: PretrainingOptimizerConfig
    run: RunConfig
    device: DeviceConfig
    pairs: PairConfig
    corpus: CorpusConfig
    conversion: ConversionConfig
    compat: Literal["fixed", "master"] = setting(
        "fixed",
        "fixed (repaired) or master: gradients are clipped as dmis-lab/biobert e283eaa "
        "clips them, with --use_tpu core by core; nothing else differs.",
    )
