# SPDX-License-Identifier: Apache-2.0
"""Settings of the three `biobert vocab` commands: learn, report, extend."""

import dataclasses
from pathlib import Path
from typing import Literal

from biobert_tf.common.comma_lists import CommaList, FileGlobs
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import at_least, required, setting
from biobert_tf.corpora.settings import CorpusConfig

Place = Literal["unused", "append"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SampleConfig:
    """The text to count words in."""

    input: FileGlobs = required(
        "Corpus: comma-separated globs of text, PubMed XML, PMC JATS or .tar.gz."
    )
    # Two million sentences are some 50 million words and half a gigabyte.
    max_sentences: int = setting(
        2_000_000, "Most sentences to read; a larger corpus is sampled at random."
    )
    seed: int = setting(12345, "Seed of that sample.")
    strict: bool = setting(False, "Stop at the first damaged record.")
    other_abstracts: bool = setting(False, "Also read PubMed's OtherAbstract.")

    def __post_init__(self) -> None:
        """Rejects an empty sample."""
        at_least(self, max_sentences=1, seed=0)

    @property
    def corpus(self) -> CorpusConfig:
        """How to read the files; where documents end does not matter here."""
        return CorpusConfig(
            strict=self.strict,
            other_abstracts=self.other_abstracts,
            allow_single_document=True,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class LearnConfig:
    """The settings of `biobert vocab learn`."""

    output: Path = required("The vocabulary to write: vocab.txt.")
    vocab_size: int = setting(28996, "Entries, special ones included.")
    do_lower_case: bool = setting(
        False, "Lower-case the text and strip its accents: an uncased vocabulary."
    )
    character_coverage: float = setting(
        0.999999,
        "Share of the text's characters that get pieces of their own, most frequent "
        "first; words with other characters become [UNK].",
    )
    sample: SampleConfig

    def __post_init__(self) -> None:
        """Rejects a size below 1 and a share outside (0, 1]."""
        at_least(self, vocab_size=1)
        if not 0 < self.character_coverage <= 1:
            raise InputError(
                f"--character_coverage={self.character_coverage}: must be in (0, 1]"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportConfig:
    """The settings of `biobert vocab report`."""

    vocab_file: CommaList = required(
        "Vocabularies, comma-separated; several are compared side by side."
    )
    top: int = setting(20, "Number of words to list of each kind.")
    output: Path | None = setting(None, "Also write the report here, as JSON.")
    suggest: int = setting(
        0, "Number of words to suggest for extending the first vocabulary."
    )
    suggestions_file: Path | None = setting(
        None, "File for the suggestions, one per line; `vocab extend --add` reads it."
    )
    sample: SampleConfig

    def __post_init__(self) -> None:
        """Rejects counts below zero, and --suggest without a file or the reverse."""
        at_least(self, top=0, suggest=0)
        if bool(self.suggest) != (self.suggestions_file is not None):
            raise InputError("--suggest and --suggestions_file go together; give both")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExtendConfig:
    """The settings of `biobert vocab extend`."""

    add: CommaList = required(
        "New pieces: a file with one per line, or the pieces, comma-separated."
    )
    output_dir: Path = required("New or empty directory of the extended model.")
    place: Place = setting(
        "unused",
        "unused: replace [unusedN] entries, sizes stay; append: after the last entry.",
    )
    init_checkpoint: Path | None = setting(
        None,
        "Model to extend: TF1 prefix, .index, directory, .tar.gz, or a Hugging Face "
        "directory. Without it only the vocabulary is extended.",
    )
    vocab_file: Path | None = setting(
        None, "Vocabulary to extend; default: vocab.txt beside the checkpoint."
    )
    bert_config_file: Path | None = setting(
        None, "Sizes of the encoder; default: the file beside the checkpoint."
    )

    def __post_init__(self) -> None:
        """Rejects a command without anything to extend."""
        if self.vocab_file is None and self.init_checkpoint is None:
            raise InputError("--vocab_file or --init_checkpoint must be given")
