# SPDX-License-Identifier: Apache-2.0
"""The words of a corpus and how often each occurs, as the tokenizer sees them.

Reading order is data order:
    files -> documents -> sentences -> a sample of them -> what stands between
    spaces -> words (chunks of `BasicTokenizer`)

All counts are of the sample. Its memory is bounded by `max_sentences`, whatever the
size of the corpus.
"""

import logging
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from biobert_tf.common.comma_lists import FileGlobs
from biobert_tf.corpora import reading
from biobert_tf.corpora.document import Skipped, sentences
from biobert_tf.corpora.settings import CorpusConfig
from biobert_tf.text.tokenization import BasicTokenizer
from biobert_tf.vocabularies.settings import SampleConfig

_LOG = logging.getLogger(__name__)
ItemT = TypeVar("ItemT")


def read_tokens(config: SampleConfig) -> Counter[str]:
    """Reads a corpus and counts what stands between its spaces.

    A damaged record is named in a warning and left out.

    Returns:
        Occurrences in the sampled sentences. `count_words` makes words of them: the
        tokenizer is slow, and the same token need not go through it twice.

    Raises:
        InputError: A glob matches no file, a file cannot be read, or there is no
            document in them.
    """
    chosen = sample(_sentences(config.input, config.corpus), config)
    # BasicTokenizer splits at every white space, so also at every space: token by
    # token it gives what it gives for the whole sentence.
    return Counter(token for sentence in chosen for token in sentence.split(" "))


def sample(items: Iterable[ItemT], config: SampleConfig) -> list[ItemT]:
    """Returns `max_sentences` of `items`, each with the same chance; or all.

    This is reservoir sampling (algorithm R): one pass, and never more items held
    than are returned.
    """
    rng = random.Random(config.seed)
    kept: list[ItemT] = []
    for i, item in enumerate(items):
        if i < config.max_sentences:
            kept.append(item)
        elif (place := rng.randrange(i + 1)) < config.max_sentences:
            kept[place] = item
    return kept


def count_words(tokens: Mapping[str, int], do_lower_case: bool) -> Counter[str]:
    """Returns how often each chunk of `BasicTokenizer` occurs in `tokens`."""
    tokenizer = BasicTokenizer(do_lower_case)
    words: Counter[str] = Counter()
    for token, count in tokens.items():
        for word in tokenizer.tokenize(token):
            words[word] += count
    return words


def _sentences(patterns: FileGlobs, config: CorpusConfig) -> Iterator[str]:
    """Yields the sentences of a corpus, those that `biobert corpus` would write."""

    def warn(skipped: Skipped) -> None:
        if skipped.is_damage:
            place = f"{skipped.path}: {skipped.position}"
            _LOG.warning("%s: %s; skipped", place, skipped.reason)

    paths = patterns.files()
    options = reading.ReadOptions(config, reading.find_current(paths, config))
    for document in reading.corpus(paths, options, warn):
        yield from sentences(document)
