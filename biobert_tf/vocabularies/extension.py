# SPDX-License-Identifier: Apache-2.0
"""Adds pieces to a vocabulary and its trained model: `biobert vocab extend`.

The embedding of a new piece, and its bias in the masked language model, are the means
over the pieces that it was cut into before. Every other weight stays the same, bit for
bit.
"""

import dataclasses
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from biobert_tf import checkpoints
from biobert_tf.checkpoints import base, released, tf1
from biobert_tf.checkpoints.released import CONFIG_NAMES, LABELS_NAME, VOCAB_NAMES
from biobert_tf.common import files, remote_path
from biobert_tf.common.comma_lists import CommaList
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import ModelConfig, TextConfig
from biobert_tf.text.tokenization import FullTokenizer, WordpieceTokenizer
from biobert_tf.vocabularies.settings import ExtendConfig, Place

PREFIX: Final = "bert_model.ckpt"
# The weights with one row per entry of the vocabulary.
_BY_ENTRY: Final = ("bert/embeddings/word_embeddings", "cls/predictions/output_bias")
_CONTINUATION: Final = "##"
# A character that the tokenizer drops, so no piece has it.
_START: Final = "\x00"
_UNUSED: Final = re.compile(r"\[unused[0-9]+\]")
# The shortest length that the settings accept; no sequence is built here.
_NO_LENGTH: Final = 3


class NewPiece(NamedTuple):
    """A new piece, its id, and the old pieces that it was cut into, or `[UNK]`."""

    piece: str
    id: int
    old_pieces: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Extended:
    """What `extend` did.

    The new pieces were `placed` in the order given; those that were `present` already
    include repetitions. `source` is the checkpoint that was read, if any.
    """

    output_dir: Path
    placed: tuple[NewPiece, ...]
    present: tuple[str, ...]
    num_entries: int
    source: Path | None

    def summary(self) -> str:
        """Returns a report of what was done, with one line for each new piece."""
        lines = [
            f"{piece}: {id_}, was {' '.join(old)}" for piece, id_, old in self.placed
        ]
        if self.present:
            lines.append(f"already present: {' '.join(self.present)}")
        model = "" if self.source is None else f"the model of {self.source}, "
        lines.append(
            f"wrote {self.output_dir}: {model}{self.num_entries:,} entries, "
            f"{len(self.placed):,} of them new"
        )
        return "\n".join(lines)


def extend(config: ExtendConfig) -> Extended:
    """Adds new pieces to a vocabulary and, if a checkpoint is given, to its model.

    The extended model is a folder of `vocab.txt`, `bert_config.json`, a TF1
    checkpoint and, if the source has labels, `labels.json`. Optimizer state is not
    copied: it belongs to the weights as they were.

    Raises:
        InputError: A file cannot be read, a new piece can never occur, there are
            fewer `[unusedN]` entries than new pieces, the vocabulary does not belong
            to the model, or the directory is not empty.
    """
    folder = config.output_dir
    # Hidden files are allowed: a killed run may have left them.
    if folder.exists() and (
        not folder.is_dir() or any(path.name[0] != "." for path in folder.iterdir())
    ):
        raise InputError.at(folder, None, "exists; give a new or empty directory")
    tokenizer = FullTokenizer(_vocab_file(config), None)
    pieces, present = _new_pieces(config.add, tokenizer)
    lines, placed = _place(pieces, tokenizer, config.place)
    text = "".join(f"{line}\n" for line in lines)
    if config.init_checkpoint is None:
        files.write_text(folder / VOCAB_NAMES[0], text)
    else:
        _write_model(config, tokenizer, placed, text)
    return Extended(folder, placed, tuple(present), len(lines), config.init_checkpoint)


def _vocab_file(config: ExtendConfig) -> Path:
    """Returns the vocabulary that was given, or the one beside the checkpoint."""
    if config.vocab_file is not None:
        return config.vocab_file
    assert config.init_checkpoint is not None, "ExtendConfig requires one of the two"
    found = checkpoints.locate(config.init_checkpoint).beside(*VOCAB_NAMES)
    if found is None:
        raise InputError.at(
            config.init_checkpoint, None, "no vocab.txt beside it; give --vocab_file"
        )
    return found


def _new_pieces(
    add: CommaList, tokenizer: FullTokenizer
) -> tuple[list[str], list[str]]:
    """Returns the pieces to add, and those that the vocabulary already has.

    The given pieces are the lines of a file, or the parts of the flag itself.
    """
    path = remote_path.parse(str(add)).expanduser()
    # No piece has a slash or a full stop inside. A long list of pieces is too long for
    # a file name: then Path.is_file raises, but os.path.isfile returns False.
    is_file = os.path.isfile(path) or "/" in add.text or bool(path.suffix)
    texts = files.read_text(path).split("\n") if is_file else add.parts
    given = [(line, text.strip()) for line, text in enumerate(texts, start=1)]
    if not any(piece for _, piece in given):
        raise InputError(f"--add={add}: holds no piece")
    pieces: dict[str, None] = {}
    present = []
    for line, piece in given:
        if not piece:
            continue
        if piece in tokenizer.vocab or piece in pieces:
            present.append(piece)
        elif problem := _impossible(piece, tokenizer):
            place = str(add) if is_file else "--add"
            raise InputError.at(place, line if is_file else None, problem)
        else:
            pieces[piece] = None
    return list(pieces), present


def _impossible(piece: str, tokenizer: FullTokenizer) -> str:
    """Returns why the tokenizer can never produce `piece`; empty if it can."""
    word = piece.removeprefix(_CONTINUATION)
    if not word:
        return f"{piece!r} has no characters after the {_CONTINUATION}"
    if piece.startswith(_CONTINUATION):
        word = f"x{word}"
    chunks = tokenizer.basic_tokenizer.tokenize(word)
    if chunks != [word]:
        made = " ".join(map(repr, chunks)) or "nothing"
        return f"{piece!r} can never occur: the tokenizer makes {made} of {word!r}"
    longest = tokenizer.wordpiece_tokenizer.max_input_chars_per_word
    if len(word) > longest:
        return f"{piece[:20]}... can never occur: longer than {longest} characters"
    return ""


def _place(
    pieces: Sequence[str], tokenizer: FullTokenizer, where: Place
) -> tuple[list[str], tuple[NewPiece, ...]]:
    """Returns the lines of the extended vocabulary, and the pieces with their ids.

    "unused" replaces the `[unusedN]` entries with the lowest ids; "append" adds entries
    after the last.
    """
    # The unchanged lines, split as `text.tokenization.load_vocab` does.
    text = tokenizer.vocab_file.read_bytes().decode("utf-8")
    lines = text.removesuffix("\n").split("\n")
    if where == "append":
        ids = list(range(len(lines), len(lines) + len(pieces)))
        lines += pieces
    else:
        ids = [i for i, line in enumerate(lines) if _UNUSED.fullmatch(line.strip())]
        if len(ids) < len(pieces):
            raise InputError.at(
                tokenizer.vocab_file,
                None,
                f"{len(ids)} [unusedN] entries for {len(pieces)} new pieces; give "
                "--place=append",
            )
    cutter = WordpieceTokenizer({**tokenizer.vocab, _START: 0})
    placed = []
    for id_, piece in zip(ids, pieces, strict=False):
        lines[id_] = piece
        # What follows the start of a word is cut into `##` pieces.
        word = re.sub(f"^{_CONTINUATION}", _START, piece)
        old = tuple(token for token, _, _ in cutter.cut(word) if token != _START)
        placed.append(NewPiece(piece, id_, old))
    return lines, tuple(placed)


def _write_model(
    config: ExtendConfig,
    tokenizer: FullTokenizer,
    placed: Sequence[NewPiece],
    vocab_text: str,
) -> None:
    """Writes the folder of the extended model, whole or not at all."""
    assert config.init_checkpoint is not None, "the caller has checked"
    text = TextConfig(
        vocab_file=tokenizer.vocab_file,
        do_lower_case=tokenizer.basic_tokenizer.do_lower_case,
        max_seq_length=_NO_LENGTH,
    )
    model = ModelConfig(
        bert_config_file=config.bert_config_file, init_checkpoint=config.init_checkpoint
    )
    old = released.load(text, model, config.output_dir).encoder_config
    source = checkpoints.locate(config.init_checkpoint)
    checkpoint = source.read()
    base.require_fit(checkpoint.weights, old, checkpoint.source)
    weights = _extended(checkpoint.weights, placed, tokenizer.vocab)
    new = dataclasses.replace(old, vocab_size=len(weights[_BY_ENTRY[0]]))
    with base.staged(config.output_dir, key=f"{PREFIX}.index") as staging:
        files.write_text(staging / VOCAB_NAMES[0], vocab_text)
        files.write_json(staging / CONFIG_NAMES[0], dataclasses.asdict(new))
        if "output_weights" in weights and (labels := released.read_labels(source)):
            files.write_json(staging / LABELS_NAME, {"labels": labels})
        tf1.write(weights, staging / PREFIX, global_step=0)


def _extended(
    weights: base.Weights, placed: Sequence[NewPiece], vocab: Mapping[str, int]
) -> base.Weights:
    """Returns the weights of a model whose vocabulary has new pieces.

    They are the same except for the word embeddings `[vocab_size, hidden]` and, if the
    model has it, the bias of the masked language model `[vocab_size]`: their row at
    each new id, which may lie beyond the old rows, is the mean of those of the old
    pieces.
    """
    extended = dict(weights)
    for name in weights.keys() & _BY_ENTRY:
        old = weights[name]
        num_rows = max(len(old), *(new.id + 1 for new in placed), 0)
        table = np.zeros((num_rows, *old.shape[1:]), np.float32)
        table[: len(old)] = old
        for new in placed:
            rows = old[[vocab[piece] for piece in new.old_pieces]]
            table[new.id] = rows.mean(axis=0, dtype=np.float64)
        extended[name] = table
    return extended
