# SPDX-License-Identifier: Apache-2.0
"""Converts a corpus with the chosen engine: local processes, or a Beam runner."""

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
    """Writes the masked sentence pairs of a corpus with the engine of `--runner`.

    See `conversion.convert` and `beam_pipeline.convert`.
    """
    if settings.runner == "local":
        paths = [Path(name).expanduser() for name in output_files]
        return conversion.convert(input_patterns, paths, text, pairs, corpus, settings)
    # Imported here, as it needs Apache Beam, which is optional.
    from biobert_tf.pretraining.data import beam_pipeline

    return beam_pipeline.convert(
        input_patterns, output_files, text, pairs, corpus, settings
    )
