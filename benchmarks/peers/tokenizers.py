# SPDX-License-Identifier: Apache-2.0
"""Text to ids of WordPieces: ours, Hugging Face's tokenizers, TensorFlow Text."""

import importlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.peers import rows as sides
from benchmarks.peers.rows import Prepared


def _prepared(cut: Callable[[], Iterable[Iterable[int]]]) -> Prepared:
    return Prepared(cut, [i for ids in cut() for i in ids])


def ours(folder: Path, is_warm: bool) -> Prepared:
    """Cuts with our tokenizer, whose cache of words is warm or empty."""
    make: Any = importlib.import_module("biobert_tf.text.tokenization").FullTokenizer
    texts = sides.read(folder, "sentences")
    kept = make(folder / "model" / "vocab.txt", None)

    def cut() -> list[list[int]]:
        tokenizer = kept if is_warm else make(folder / "model" / "vocab.txt", None)
        return [tokenizer.ids(text) for text in texts]

    return _prepared(cut)


def huggingface(folder: Path, together: bool) -> Prepared:
    """Cuts with `tokenizers`: texts one by one, or all together on all cores."""
    transformers: Any = importlib.import_module("transformers")
    found = transformers.AutoTokenizer.from_pretrained(folder / "model")
    tokenizer = found.backend_tokenizer
    tokenizer.no_truncation()
    texts = sides.read(folder, "sentences")

    def cut() -> list[list[int]]:
        if together:
            many = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
            return [each.ids for each in many]
        return [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]

    return _prepared(cut)


def tensorflow_text(folder: Path) -> Prepared:
    """Cuts with TensorFlow Text's fast tokenizer, all texts together."""
    module: Any = importlib.import_module("tensorflow_text")
    vocabulary = (folder / "model" / "vocab.txt").read_text("utf-8").splitlines()
    tokenizer = module.FastBertTokenizer(
        vocabulary, lower_case_nfd_strip_accents=True, support_detokenization=False
    )
    texts = sides.read(folder, "sentences")
    return _prepared(lambda: tokenizer.tokenize(texts).to_list())
