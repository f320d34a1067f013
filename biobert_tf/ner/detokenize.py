# SPDX-License-Identifier: Apache-2.0
"""`biobert ner-detokenize`: predicted pieces and gold words -> `NER_result_conll.txt`.

It does what `biocodes/ner_detokenize.py` of dmis-lab/biobert does with the files that
run_ner.py writes. There every piece without `##` is a word, so that a word that the
tokenizer splits at punctuation shifts all labels behind it. Here the pieces of a word
are counted by splitting the word again.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import Compat
from biobert_tf.ner import reading, results
from biobert_tf.ner.reading import OUTSIDE, NerExample
from biobert_tf.text.tokenization import UNKNOWN, BasicTokenizer

# What a run with `--compat=fixed` writes instead of token_test.txt and label_test.txt.
_OWN: Final = "predictions.jsonl"


class _Piece(NamedTuple):
    line: int
    text: str
    label: str


def detokenize(
    token_test_path: Path,
    label_test_path: Path | None,
    answer_path: Path,
    output_dir: Path,
    debug: bool = False,
) -> str:
    """Writes `NER_result_conll.txt`; returns a line about it.

    Where there is no `token_test_path`, the `predictions.jsonl` in its folder is read.

    Args:
        token_test_path: A piece on each line, sentences from `[CLS]` to `[SEP]`.
        label_test_path: The label of each piece.
        answer_path: The test file: a word and its gold label on each line.
        output_dir: The folder to write to.
        debug: Also write `NER_result_sent-debug.txt`.

    Raises:
        InputError: A file cannot be read, or they are not of the same sentences.
    """
    compat: Compat = "master"
    own = token_test_path.with_name(_OWN)
    if not token_test_path.exists() and own.is_file():
        compat = "fixed"
    elif label_test_path is None:
        raise InputError("--label_test_path must be given; see --help")
    else:
        sentences = _sentences(token_test_path, label_test_path)
    examples = reading.read_examples(answer_path, compat, needs_labels=True)
    words = [example.words for example in examples]
    num_cut = 0
    if compat == "fixed":
        source, predicted = own, _own_labels(own, words, answer_path)
        pieces: Sequence[Sequence[str]] = words
    else:
        source = token_test_path
        predicted, num_cut = _word_labels(source, sentences, examples, answer_path)
        pieces = [[piece.text for piece in sentence] for sentence in sentences]
    gold = (example.labels or () for example in examples)
    columns = results.printed(zip(gold, predicted, strict=True), compat)
    target = output_dir / "NER_result_conll.txt"
    files.write_text(target, results.conll(words, columns))
    if debug:
        report = results.debug_report(zip(words, pieces, strict=True))
        files.write_text(output_dir / "NER_result_sent-debug.txt", report)
    cut = f", {num_cut} of them cut off at --max_seq_length: O" if num_cut else ""
    return f"{target}: {len(words)} sentences, {sum(map(len, words))} words{cut}"


def _own_labels(
    path: Path, words: Sequence[Sequence[str]], answer_path: Path
) -> list[list[str]]:
    """Returns the labels of the words in a `predictions.jsonl`."""
    lines = files.read_text(path).removesuffix("\n").split("\n")
    _require_equal(path, len(lines), answer_path, len(words))
    labels = []
    for number, (line, sentence) in enumerate(zip(lines, words, strict=True), start=1):
        try:
            row = json.loads(line)
            found, own = list(row["words"]), [str(label) for label in row["labels"]]
            if not all(own):
                raise ValueError("a label is empty")
        except (ValueError, KeyError, TypeError):
            problem = 'want {"words": [...], "labels": [...]}'
            raise InputError.at(path, number, problem) from None
        if found != list(sentence) or len(own) != len(found):
            raise _other(path, number, answer_path, " ".join(sentence))
        labels.append(own)
    return labels


def _sentences(token_path: Path, label_path: Path) -> list[list[_Piece]]:
    """Returns the pieces between `[CLS]` and `[SEP]`, and their labels."""
    tokens, labels = (
        [line.strip() for line in files.read_text(path).removesuffix("\n").split("\n")]
        for path in (token_path, label_path)
    )
    if len(tokens) != len(labels):
        problem = f"{len(labels)} lines, but {token_path} has {len(tokens)}"
        raise InputError.at(label_path, None, f"{problem}; give the files of one run")
    sentences: list[list[_Piece]] = []
    is_inside = False
    for piece in map(_Piece, range(1, len(tokens) + 1), tokens, labels):
        if (piece.text == "[CLS]") == is_inside:
            wanted = "[SEP]" if is_inside else "[CLS]"
            problem = f"{piece.text!r} where {wanted} must come first"
            raise InputError.at(
                token_path, piece.line, f"{problem}; want token_test.txt"
            )
        if piece.text == "[CLS]":
            sentences.append([])
            is_inside = True
        elif piece.text == "[SEP]":
            is_inside = False
        else:
            sentences[-1].append(piece)
    if is_inside:
        problem = "ends inside a sentence, without [SEP]"
        raise InputError.at(token_path, len(tokens), problem)
    return sentences


def _word_labels(
    path: Path,
    sentences: Sequence[Sequence[_Piece]],
    examples: Sequence[NerExample],
    answer_path: Path,
) -> tuple[list[list[str]], int]:
    """Returns the labels of the words, and how many words are cut off.

    PARITY(ner_detokenize.py:137-146): words without pieces are O.
    """
    _require_equal(path, len(sentences), answer_path, len(examples))
    tokenizer = BasicTokenizer(do_lower_case=True)
    texts = {piece.text for sentence in sentences for piece in sentence} - {UNKNOWN}
    bare = {text.removeprefix("##") for text in texts}
    # A capital or an accent.
    if any("".join(tokenizer.tokenize(text)) != text for text in bare):
        tokenizer = BasicTokenizer(do_lower_case=False)
    found, num_cut = [], 0
    for sentence, example in zip(sentences, examples, strict=True):
        rest = iter(_whole(sentence))
        labels = []
        for offset, word in enumerate(example.words):
            chunks = tokenizer.tokenize(word)
            own = [piece for _, piece in zip(chunks, rest, strict=False)]
            for chunk, piece in zip(chunks, own, strict=False):
                is_end = piece.line == sentence[-1].line
                if piece.text not in (chunk, UNKNOWN) and not (
                    chunk.startswith(piece.text) and is_end
                ):
                    place = f"{word!r} in line {example.line + offset}"
                    raise _other(path, piece.line, answer_path, place)
            labels.append(reading.of_word(own[0].label) if own else OUTSIDE)
            # A word of invisible characters has no pieces anywhere.
            num_cut += bool(chunks and not own)
        left = next(rest, None)
        if left:
            place = f"the end of a sentence after line {example.line + offset}"
            raise _other(path, left.line, answer_path, place)
        found.append(labels)
    return found, num_cut


def _whole(sentence: Iterable[_Piece]) -> list[_Piece]:
    """Returns the pieces with those that begin with `##` added to their first.

    The line is that of the last piece, the label that of the first.
    """
    whole: list[_Piece] = []
    for piece in sentence:
        if piece.text[:2] == "##" and whole:
            whole[-1] = _Piece(
                piece.line, whole[-1].text + piece.text[2:], whole[-1].label
            )
        else:
            whole.append(piece)
    return whole


def _require_equal(path: Path, number: int, answer_path: Path, wanted: int) -> None:
    if number != wanted:
        problem = f"{number} sentences, but {answer_path} has {wanted}"
        raise InputError.at(path, None, f"{problem}; give the test file of this run")


def _other(path: Path, line: int, answer_path: Path, place: str) -> InputError:
    problem = f"is not {place} of {answer_path}; give the test file of this run"
    return InputError.at(path, line, problem)
