# SPDX-License-Identifier: Apache-2.0
"""Settings of `biobert create-pretraining-data`."""

import dataclasses
from typing import Literal

from biobert_tf.common.beam_settings import BeamConfig
from biobert_tf.common.comma_lists import CommaList, FileGlobs
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import (
    TextConfig,
    at_least,
    required,
    setting,
)
from biobert_tf.corpora.settings import CorpusConfig

Masking = Literal["static", "dynamic"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairConfig:
    """How documents become masked sentence pairs (create_pretraining_data.py)."""

    max_predictions_per_seq: int = setting(20, "Most masked pieces per pair.")
    dupe_factor: int = setting(
        10,
        "Passes over the corpus, each cut and masked anew; one with dynamic masking.",
        free=True,
    )
    masked_lm_prob: float = setting(0.15, "Share of the pieces that are masked.")
    short_seq_prob: float = setting(
        0.1, "Share of documents cut into pairs of a random, shorter length.", free=True
    )
    do_whole_word_mask: bool = setting(
        False, "Mask all pieces of a word or none, as google-research/bert can."
    )
    random_seed: int = setting(
        12345, "Seed of cutting, pairing and static masking.", free=True
    )
    masking: Masking = setting(
        "static",
        "static (stored in the records), or dynamic (drawn anew in every epoch).",
        free=True,
    )

    def __post_init__(self) -> None:
        """Rejects settings that mask nothing or cannot be drawn."""
        at_least(self, max_predictions_per_seq=1, dupe_factor=1, random_seed=0)
        if not 0 < self.masked_lm_prob <= 1:
            raise InputError(
                f"--masked_lm_prob={self.masked_lm_prob}: must be in (0, 1]"
            )
        if not 0 <= self.short_seq_prob <= 1:
            raise InputError(
                f"--short_seq_prob={self.short_seq_prob}: must be in [0, 1]"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConversionConfig(BeamConfig):
    """How a conversion is spread over files, processes or a cluster."""

    exact: bool = setting(
        False,
        "Write the original scripts' exact records; keeps the whole corpus in memory.",
        free=True,
    )
    num_shards: int = setting(
        1,
        "Number of TFRecord files if --output_file names one file (several are "
        "written as named); 0: by the size of the corpus.",
        free=True,
    )
    num_workers: int = setting(
        0, "Number of processes; 0: one per processor.", free=True
    )

    def __post_init__(self) -> None:
        """Rejects counts below zero and an exact conversion on a cluster."""
        at_least(self, num_shards=0, num_workers=0)
        if self.exact and not self.is_local:
            raise InputError(f"--exact contradicts --runner={self.runner}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class CreatePretrainingDataConfig:
    """The settings of `biobert create-pretraining-data`."""

    input_file: FileGlobs = required(
        "Corpus: comma-separated globs of text, PubMed XML, PMC JATS or .tar.gz."
    )
    output_file: CommaList = required("TFRecord files to write, comma-separated.")
    text: TextConfig
    pairs: PairConfig
    corpus: CorpusConfig
    conversion: ConversionConfig

    def __post_init__(self) -> None:
        """Requires a vocabulary: there is no checkpoint to find one beside."""
        if self.text.vocab_file is None:
            raise InputError("--vocab_file must be given; see --help")
