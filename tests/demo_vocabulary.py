# SPDX-License-Identifier: Apache-2.0
"""Makes the demo vocabulary; `tests/demo/test_ner.py` compares it with the file.

python tests/demo_vocabulary.py > vocab/demo-vocab.txt
"""

import collections
import itertools
import string
from collections.abc import Mapping
from typing import Final

from biobert_tf.demo import grammar
from biobert_tf.demo import ner as demo
from biobert_tf.text import tokenization

# Number of pieces that are whole words, the most frequent ones. Small on purpose: if
# the training entities were whole pieces, the model would not see their morphemes.
NUM_WHOLE_WORDS: Final = 260


def build_vocab() -> list[str]:
    """Returns the 1,000 pieces of `vocab/demo-vocab.txt`, in its order.

    These are BERT's special pieces; every character, and every letter or digit also as
    a continuation, so that no word is unknown; the `NUM_WHOLE_WORDS` most frequent
    words of the training file; then the pieces that byte-pair merging (Sennrich et al.
    2016) finds in the file's other words: `##itis`, `##azole`, `hyper`.
    """
    special = ["[PAD]", *(f"[unused{i}]" for i in range(1, 10))]
    special += ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    inside = sorted(
        {c for c in grammar.text("ner") + grammar.text("ner_held_out") if c.isalnum()}
        | set(string.ascii_letters + string.digits)
    )
    alone = [*string.punctuation, "±", *inside]
    tokenizer = tokenization.BasicTokenizer(do_lower_case=False)
    counts = collections.Counter(
        chunk
        for words, _ in demo.corpus(demo.SEED)["train"]
        for chunk in tokenizer.tokenize(" ".join(words))
        if len(chunk) > 1 and not chunk.isdigit()
    )
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    whole = ranked[:NUM_WHOLE_WORDS]
    pieces = [*special, *alone, *(f"##{c}" for c in inside), *whole]
    rare = {word: counts[word] for word in ranked[NUM_WHOLE_WORDS:]}
    return _merge(rare, pieces, size=demo.ENCODER.vocab_size)


def _merge(counts: Mapping[str, int], pieces: list[str], size: int) -> list[str]:
    """Returns `size` pieces: `pieces`, then merges of the most frequent neighbours."""
    splits = {word: [word[0], *(f"##{c}" for c in word[1:])] for word in counts}
    merged = dict.fromkeys(pieces)
    while len(merged) < size:
        pairs: collections.Counter[tuple[str, str]] = collections.Counter()
        for word, split in splits.items():
            for pair in itertools.pairwise(split):
                pairs[pair] += counts[word]
        # Ties are broken by spelling: the order of the words must not matter.
        first, second = min(pairs, key=lambda pair: (-pairs[pair], pair))
        joined = first + second.removeprefix("##")
        for split in splits.values():
            for i in range(len(split) - 2, -1, -1):
                if split[i : i + 2] == [first, second]:
                    split[i : i + 2] = [joined]
        merged[joined] = None
    return list(merged)


if __name__ == "__main__":
    print(*build_vocab(), sep="\n")
