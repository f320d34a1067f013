# SPDX-License-Identifier: Apache-2.0
"""Which engine converts a corpus: processes of this machine, or a Beam runner."""

from collections.abc import Sequence
from pathlib import Path

from biobert_tf.common.comma_lists import FileGlobs
from biobert_tf.common.settings import TextConfig
from biobert_tf.corpora.settings import CorpusConfig
from biobert_tf.pretraining.data import conversion
from biobert_tf.pretraining.data.manifest import Manifest
from biobert_tf.pretraining.data.settings import ConversionConfig, PairConfig


def convert(
    input_patterns: FileGlobs,
    output_files: Sequence[str],
    text: TextConfig,
    pairs: PairConfig,
    corpus: CorpusConfig,
    settings: ConversionConfig,
) -> Manifest:
    """Writes the masked sentence pairs of a corpus where `--runner` says.

    Args:
        input_patterns: Globs of corpus files.
        output_files: The TFRecord files, or one name for all; URLs for some runners.
        text: Vocabulary, which must be given, case and length.
        pairs: How to pair and to mask.
        corpus: How to read.
        settings: The engine, number of files and of workers.

    Raises:
        InputError: As `conversion.convert` and `beam_pipeline.convert`.
    """
    if settings.runner == "local":
        paths = [Path(name).expanduser() for name in output_files]
        return conversion.convert(input_patterns, paths, text, pairs, corpus, settings)
    # Imports Apache Beam, which not everybody has.
    from biobert_tf.pretraining.data import beam_pipeline

    return beam_pipeline.convert(
        input_patterns, output_files, text, pairs, corpus, settings
    )
