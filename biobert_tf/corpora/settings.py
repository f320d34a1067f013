# SPDX-License-Identifier: Apache-2.0
"""Settings of reading and writing a corpus."""

import dataclasses
from pathlib import Path

from biobert_tf.common.comma_lists import FileGlobs
from biobert_tf.common.settings import required, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class CorpusConfig:
    """How corpus files are read."""

    strict: bool = setting(
        False, "Stop at the first damaged record instead of skipping it.", free=True
    )
    other_abstracts: bool = setting(
        False,
        "Also read PubMed's OtherAbstract: other languages, plain summaries.",
        free=True,
    )
    allow_single_document: bool = setting(
        False,
        "Take a text file without blank lines as one document; NSP then means little.",
        free=True,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class WriteCorpusConfig:
    """The settings of `biobert corpus`."""

    input: FileGlobs = required(
        "Comma-separated globs of text, PubMed XML, PMC JATS or .tar.gz."
    )
    output: Path = required(
        "Text file: one sentence per line, a blank line between documents."
    )
    corpus: CorpusConfig
