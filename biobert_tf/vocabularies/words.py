# SPDX-License-Identifier: Apache-2.0
"""Counts the words of a sample of a corpus, as the tokenizer sees them.

Reading order is data order:
    files -> documents -> sentences -> a sample of them -> tokens between spaces
    -> words (chunks of `BasicTokenizer`)

All counts are of the sample. `max_sentences` bounds its memory, whatever the size of
the corpus.
"""

import logging
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeVar

from biobert_tf.common.clock import Meter
from biobert_tf.corpora import reading
from biobert_tf.corpora.document import Skipped, sentences
from biobert_tf.text.tokenization import BasicTokenizer
from biobert_tf.vocabularies.settings import SampleConfig

_LOG = logging.getLogger(__name__)
ItemT = TypeVar("ItemT")


def read_tokens(config: SampleConfig) -> Counter[str]:
    """Counts the tokens, the strings between spaces, of the sampled sentences.

    A damaged record is skipped; the log names it in a warning. Pass the result to
    `count_words`: the tokenizer is slow and then cuts every token only once.

    Raises:
        InputError: A glob matches no file, a file cannot be read, or no file has a
            document.
    """

    def warn(skipped: Skipped) -> None:
        if skipped.is_damage:
            _LOG.warning("%s; skipped", skipped)

    paths = config.input.files()
    options = reading.ReadOptions(
        config.corpus, reading.find_current(paths, config.corpus)
    )
    documents = Meter("reading", "documents").over(reading.corpus(paths, options, warn))
    chosen = sample((text for each in documents for text in sentences(each)), config)
    # BasicTokenizer splits at all white space, so it cuts a sentence token by token as
    # it would cut the whole.
    return Counter(token for sentence in chosen for token in sentence.split(" "))


def sample(items: Iterable[ItemT], config: SampleConfig) -> list[ItemT]:
    """Returns a uniform random sample of `max_sentences` items; all if there are fewer.

    This is reservoir sampling (algorithm R): one pass, and no more items in memory.
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
