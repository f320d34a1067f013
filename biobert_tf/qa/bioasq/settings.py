# SPDX-License-Identifier: Apache-2.0
"""Settings of `biobert bioasq-data`."""

import dataclasses
from pathlib import Path
from typing import Literal

from biobert_tf.common.comma_lists import FileGlobs
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import at_least, required, setting

QuestionType = Literal["factoid", "list", "yesno"]
Split = Literal["train", "test"]
Strategy = Literal["snippet", "appended", "abstract"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class BioAsqDataConfig:
    """The settings of `biobert bioasq-data`."""

    input: FileGlobs = required(
        "BioASQ's JSON files, training or golden: comma-separated paths or globs."
    )
    output: Path = required("The JSON file to write, in SQuAD's format.")
    question_type: QuestionType = required("Questions to take: factoid, list or yesno.")
    split: Split = setting(
        "train", "train (with answers, where they are found) or test (without)."
    )
    strategy: Strategy = setting(
        "snippet",
        "What a passage is: a snippet, a snippet with sentences around it (appended), "
        "or the whole abstract.",
    )
    abstracts: FileGlobs = setting(
        FileGlobs(),
        "PubMed XML files with the abstracts, comma-separated globs; for appended and "
        "abstract.",
    )
    appended_sentences: int = setting(
        1, "Sentences to append on either side of a snippet; for appended."
    )

    def __post_init__(self) -> None:
        """Rejects a strategy that lacks abstracts, and abstracts that nothing reads."""
        at_least(self, appended_sentences=1)
        if self.strategy != "snippet" and not self.abstracts:
            raise InputError(
                f"--strategy={self.strategy} needs abstracts: give PubMed's XML files "
                "with --abstracts='pubmed/*.xml.gz'"
            )
        if self.strategy == "snippet" and self.abstracts:
            raise InputError(
                "--abstracts is of no use with --strategy=snippet; leave it out, or "
                "choose appended or abstract"
            )
