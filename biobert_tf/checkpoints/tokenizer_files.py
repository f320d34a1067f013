# SPDX-License-Identifier: Apache-2.0
"""Reads and writes the vocabulary and the tokenizer files of Hugging Face models.

The files are `vocab.txt`, `tokenizer.json` and `tokenizer_config.json`.
"""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.text import tokenization

VOCAB_NAME: Final = "vocab.txt"
TOKENIZER_NAME: Final = "tokenizer.json"
CONFIG_NAME: Final = "tokenizer_config.json"

# The keys of Transformers for BERT's special tokens.
_SPECIAL: Final[Mapping[str, str]] = {
    "pad_token": "[PAD]",
    "unk_token": tokenization.UNKNOWN,
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
_REQUIRED: Final = (tokenization.UNKNOWN, "[CLS]", "[SEP]")
# Longer words become `[UNK]`; the limit of Transformers' own BertTokenizer is 100.
_MAX_WORD: Final = tokenization.WordpieceTokenizer({}).max_input_chars_per_word


class Vocabulary(NamedTuple):
    """The bytes of a `vocab.txt`, and the id of every token."""

    data: bytes
    ids: dict[str, int]


def read_vocabulary(path: Path) -> Vocabulary:
    """Reads the vocabulary of a `vocab.txt`, or of a `tokenizer.json`.

    Transformers 5 saves `tokenizer.json` only. Tokens that were added to its
    vocabulary are included.

    Raises:
        InputError: The file cannot be read, or is not a BERT vocabulary.
    """
    if path.suffix == ".json":
        vocabulary = _of_tokenizer(path)
    else:
        ids = tokenization.load_vocab(path)
        vocabulary = Vocabulary(path.read_bytes(), ids)
    if missing := [token for token in _REQUIRED if token not in vocabulary.ids]:
        problem = f"lacks {', '.join(missing)}" if vocabulary.ids else "is empty"
        raise InputError.at(path, None, f"{problem}; give a BERT vocabulary")
    return vocabulary


def _of_tokenizer(path: Path) -> Vocabulary:
    """Reads the vocabulary of a `tokenizer.json`."""
    values = files.read_json(path)
    try:
        model = values["model"]
        added = {token["content"]: token["id"] for token in values["added_tokens"]}
        ids: dict[str, int] = {**model["vocab"], **added}
        prefix = model["continuing_subword_prefix"]
        tokens = sorted(ids, key=ids.__getitem__)
        # JSON can hold half of a surrogate pair, which is not a character.
        "".join(tokens).encode()
    except (KeyError, TypeError, UnicodeEncodeError):
        prefix = None
    if prefix != "##":
        raise InputError.at(path, None, "is not a WordPiece tokenizer like BERT's")
    if [ids[token] for token in tokens] != list(range(len(tokens))):
        raise InputError.at(path, None, "the ids of its tokens are not 0, 1, 2, ...")
    for token in tokens:
        if token != token.strip() or {"\n", "\r"} & set(token):
            raise InputError.at(
                path, None, f"the token {token!r} cannot be a line of {VOCAB_NAME}"
            )
    return Vocabulary("".join(f"{token}\n" for token in tokens).encode(), ids)


def as_list(path: Path) -> Path:
    """Returns a `vocab.txt` with the vocabulary of a `tokenizer.json`.

    The file is written below the system's temporary directory (`TMPDIR`), and removed
    when the process ends.

    Raises:
        InputError: See `read_vocabulary`.
    """
    return _as_list(path.resolve(), read_vocabulary(path).data)


@functools.cache
def _as_list(path: Path, data: bytes) -> Path:
    listed = files.folder_until_exit(f"biobert-{path.stem}-") / VOCAB_NAME
    listed.write_bytes(data)
    return listed


def lower_cases(directory: Path) -> bool | None:
    """Returns whether the tokenizer stored in a directory lower-cases, if it says so.

    Raises:
        InputError: A file is not a JSON object.
    """
    config, normalizer = _stored(directory)
    for stored in (config.get("do_lower_case"), normalizer.get("lowercase")):
        if isinstance(stored, bool):
            return stored
    return None


def peculiarities(directory: Path) -> list[str]:
    """Returns the settings of a stored tokenizer that this program cannot reproduce.

    Raises:
        InputError: A file is not a JSON object.
    """
    config, normalizer = _stored(directory)
    accents = config.get("strip_accents", normalizer.get("strip_accents"))
    chinese = config.get(
        "tokenize_chinese_chars", normalizer.get("handle_chinese_chars")
    )
    found = []
    if isinstance(accents, bool) and accents != lower_cases(directory):
        found.append(f"strip_accents={accents}")
    if chinese is False:
        found.append("tokenize_chinese_chars=False")
    return found


def _stored(directory: Path) -> tuple[dict[str, object], dict[str, object]]:
    """Returns the tokenizer's configuration and normalizer, empty if missing."""
    found = [directory / name for name in (CONFIG_NAME, TOKENIZER_NAME)]
    config, tokenizer = (files.read_json(x) if x.is_file() else {} for x in found)
    try:
        return config, _normalizer(tokenizer)
    except (AttributeError, TypeError):
        problem = "its normalizer is none of Transformers"
        raise InputError.at(found[1], None, problem) from None


def _normalizer(tokenizer: Mapping[str, Any]) -> dict[str, object]:
    """Returns the normalizer of a tokenizer's file as one step; empty if missing."""
    normalizer = tokenizer.get("normalizer") or {}
    if normalizer.get("type") == "Sequence":
        steps = normalizer.get("normalizers") or []
        kinds = {step.get("type"): step for step in steps}
        bert = kinds.get("BertNormalizer", {})
        accents = bert.get("strip_accents")
        if accents is None:
            # BERT's step strips them where it lower-cases itself.
            accents = bool(bert.get("lowercase"))
        normalizer = {
            **bert,
            "lowercase": bool(bert.get("lowercase")) or "Lowercase" in kinds,
            "strip_accents": accents or "StripAccents" in kinds,
        }
    return {**normalizer}


def write(
    directory: Path, vocabulary: Vocabulary, do_lower_case: bool, max_length: int
) -> None:
    """Writes the files with which Transformers cuts text as our tokenizer does.

    Transformers' class BertTokenizer would suit most texts, but in Transformers 5 it
    maps words of more than 100 characters to `[UNK]`. The files name the class that
    takes all its settings from `tokenizer.json` instead.

    Args:
        directory: An existing directory.
        vocabulary: The vocabulary of the model.
        do_lower_case: Whether to lower-case, and to strip accents.
        max_length: Most pieces of a text.

    Raises:
        InputError: The directory cannot be written.
    """
    ids = vocabulary.ids
    special = {name: token for name, token in _SPECIAL.items() if token in ids}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    added = [
        {"id": ids[token], "content": token, **flags, "special": True}
        for token in sorted(special.values(), key=ids.__getitem__)
    ]
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "do_lower_case": do_lower_case,
        "strip_accents": do_lower_case,
        "tokenize_chinese_chars": True,
        "model_max_length": max_length,
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        **special,
    }
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": do_lower_case,
            "lowercase": do_lower_case,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": _template(ids),
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": tokenization.UNKNOWN,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": _MAX_WORD,
            "vocab": ids,
        },
    }
    (directory / VOCAB_NAME).write_bytes(vocabulary.data)
    files.write_json(directory / TOKENIZER_NAME, tokenizer)
    files.write_json(directory / CONFIG_NAME, config)


def _template(ids: Mapping[str, int]) -> dict[str, object]:
    """Returns the template that places `[CLS]` and `[SEP]` around one or two texts."""

    def special(token: str, segment: int) -> dict[str, object]:
        return {"SpecialToken": {"id": token, "type_id": segment}}

    def text(name: str, segment: int) -> dict[str, object]:
        return {"Sequence": {"id": name, "type_id": segment}}

    single = [special("[CLS]", 0), text("A", 0), special("[SEP]", 0)]
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, text("B", 1), special("[SEP]", 1)],
        "special_tokens": {
            token: {"id": token, "ids": [ids[token]], "tokens": [token]}
            for token in ("[CLS]", "[SEP]")
        },
    }
