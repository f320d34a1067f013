"""`biobert ner-detokenize`: the files of the original, and ours."""

import json

import ner_toys as toys
import pytest

from biobert_tf.cli import main as cli
from biobert_tf.common.errors import InputError
from biobert_tf.ner import detokenize

TOKENS = "[CLS] Liver cancer [SEP] [CLS] BRCA ##1 / 2 and Sj ##ög [SEP]"
LABELS = "[CLS] B I [SEP] [CLS] B X I X [PAD] O X [SEP]"
ANSWER = "Liver\tB\ncancer\tI\n\nBRCA1/2\tB\nand\tO\nSjögren\tI\nlast\tB\n"
CONLL = (
    "Liver B-MISC B-MISC\ncancer I-MISC I-MISC\n\n"
    "BRCA1/2 B-MISC B-MISC\nand O-MISC O-MISC\n"
    "Sjögren I-MISC O-MISC\nlast B-MISC O-MISC\n\n"
)


@pytest.fixture
def run(tmp_path):
    """Writes the three files and runs the command; returns the folder."""

    def run(*words, tokens=TOKENS, labels=LABELS, answer=ANSWER):
        for name, text in (("token", tokens), ("label", labels)):
            lines = "".join(f"{word}\n" for word in text.split())
            (tmp_path / f"{name}_test.txt").write_text(lines, "utf-8")
        return detokenized(*words, answer=answer)

    def detokenized(*words, answer):
        (tmp_path / "test.tsv").write_text(answer, "utf-8")
        cli.main(
            [
                *("biobert", "ner-detokenize"),
                f"--token_test_path={tmp_path / 'token_test.txt'}",
                f"--label_test_path={tmp_path / 'label_test.txt'}",
                f"--answer_path={tmp_path / 'test.tsv'}",
                f"--output_dir={tmp_path / 'out'}",
                *words,
            ]
        )
        return tmp_path / "out"

    run.only = detokenized
    return run


def test_a_word_of_several_chunks_and_a_cut_sentence(run, capsys):
    """The original takes `/` and `2` for words, so that all labels behind shift."""
    folder = run()
    assert (folder / "NER_result_conll.txt").read_text("utf-8") == CONLL
    assert not (folder / "NER_result_sent-debug.txt").exists()
    assert capsys.readouterr().out == (
        f"{folder / 'NER_result_conll.txt'}: 2 sentences, 6 words, "
        "1 of them cut off at --max_seq_length: O\n"
    )


def test_debug(run):
    text = (run("--debug") / "NER_result_sent-debug.txt").read_text("utf-8")
    assert text.startswith("ANS (2): Liver cancer\nPRD (2): Liver cancer\n\nANS (4): ")
    assert text.endswith("PRD (5): BRCA1 / 2 and Sjög\n\n")


def test_pieces_of_a_lower_cased_vocabulary(run):
    folder = run(
        tokens="[CLS] liver [UNK] sjo ##gren [SEP]",
        labels="[CLS] B I [SEP] X [SEP]",
        answer="Liver\tB\nKrankheit\tI\nSjögren\tO\n",
    )
    assert (folder / "NER_result_conll.txt").read_text("utf-8") == (
        "Liver B-MISC B-MISC\nKrankheit I-MISC I-MISC\nSjögren O-MISC O-MISC\n\n"
    )


def test_an_accent_proves_a_cased_vocabulary(run):
    """Its pieces have no capital; a lower-casing tokenizer would drop the accent."""
    folder = run(
        tokens="[CLS] sj ##ö ##gren of us [SEP]",
        labels="[CLS] B X X O I [SEP]",
        answer="sjögren\tB\nof\tO\nus\tI\n",
    )
    assert (folder / "NER_result_conll.txt").read_text("utf-8") == (
        "sjögren B-MISC B-MISC\nof O-MISC O-MISC\nus I-MISC I-MISC\n\n"
    )


def test_a_word_without_pieces_is_not_cut_off(run, capsys):
    folder = run(
        tokens="[CLS] Liver cancer [SEP]",
        labels="[CLS] B I [SEP]",
        answer="Liver\tB\n\u200b\tO\ncancer\tI\n",
    )
    text = (folder / "NER_result_conll.txt").read_text("utf-8")
    assert "\n\u200b O-MISC O-MISC\ncancer I-MISC I-MISC\n" in text
    assert capsys.readouterr().out.endswith(": 1 sentences, 3 words\n")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"labels": "[CLS] B"}, "label_test.txt: 2 lines, but .*token_test.txt has 13"),
        ({"answer": "Liver\tB\n"}, "token_test.txt: 2 sentences, but .*test.tsv has 1"),
        (
            {"answer": ANSWER.replace("cancer", "colour")},
            r"token_test.txt:3: is not 'colour' in line 2 of .*give the test file",
        ),
        (
            {"answer": ANSWER.replace("cancer\tI\n", "")},
            r"token_test.txt:3: is not the end of a sentence after line 1 of",
        ),
        (
            {"tokens": TOKENS[6:] + " x"},
            r"token_test.txt:1: 'Liver' where \[CLS\] must",
        ),
        (
            {"tokens": TOKENS.replace("cancer [SEP]", "cancer x")},
            r"token_test.txt:5: '\[CLS\]' where \[SEP\] must come first",
        ),
        ({"answer": "Liver\ncancer\n"}, "test.tsv:1: one column, no label"),
        (
            {
                "tokens": TOKENS.removesuffix(" [SEP]"),
                "labels": LABELS.removesuffix(" [SEP]"),
            },
            r"token_test.txt:12: ends inside a sentence, without \[SEP\]$",
        ),
    ],
)
def test_files_that_do_not_belong_together(run, given, problem):
    with pytest.raises(InputError, match=problem):
        run(**given)


def test_our_own_predictions(run, tmp_path, capsys):
    """A run with --compat=fixed writes no pieces; the command is the same."""
    rows = [
        {"words": ["Liver", "cancer"], "labels": ["B-Dis", "I-Dis"]},
        {"words": ["aspirin"], "labels": ["B"]},
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "predictions.jsonl").write_text(lines)
    answer = "Liver\tO\ncancer\tB-Dis\n\naspirin\tB\n"
    folder = run.only("--debug", answer=answer)
    expected = "Liver O B-Dis\ncancer B-Dis I-Dis\n\naspirin B-MISC B-MISC\n\n"
    assert (folder / "NER_result_conll.txt").read_text() == expected
    with pytest.raises(InputError, match=r"predictions.jsonl:2: is not aspirins of"):
        run.only(answer=answer.replace("aspirin", "aspirins"))
    empty = lines.replace('["B"]', '[""]')
    (tmp_path / "predictions.jsonl").write_text(empty)
    with pytest.raises(InputError, match=r"predictions.jsonl:2: want {"):
        run.only(answer=answer)
    (tmp_path / "predictions.jsonl").write_text('{"words": []}\n{}\n')
    with pytest.raises(InputError, match=r"predictions.jsonl:1: want {"):
        run.only(answer=answer)


def test_labels_are_needed_for_pieces(tmp_path):
    (tmp_path / "token_test.txt").write_text("[CLS]\nLiver\n[SEP]\n")
    toys.write_data(tmp_path, test=toys.untyped(toys.TEST))
    paths = (tmp_path / "token_test.txt", None, tmp_path / "test.tsv", tmp_path)
    with pytest.raises(InputError, match="--label_test_path must be given"):
        detokenize.detokenize(*paths)


@pytest.mark.golden
def test_the_original_on_its_own_files(golden, tmp_path):
    """Its columns are ours; it shows the beginning of a word that was cut."""
    num_compared = num_repaired = 0
    for folder in sorted(golden.glob("ner/*/master*")):
        if not (folder / "detokenize.json").exists():
            continue
        outcome = json.loads((folder / "detokenize.json").read_text("utf-8"))
        answer = folder.parent / "data" / "test.tsv"
        for name in ("random_model", "noisy_gold"):
            theirs = folder / f"detokenized_{name}"
            labels = theirs if name == "noisy_gold" else folder
            paths = (folder / "token_test.txt", labels / "label_test.txt", answer)
            detokenize.detokenize(*paths, tmp_path)
            ours = (tmp_path / "NER_result_conll.txt").read_text("utf-8").splitlines()
            # It dies on the first set, and takes a first blank line for a sentence.
            if outcome[name]["returncode"] or folder.parent.name == "edge_blank_first":
                num_repaired += 1
                continue
            expected = (theirs / "NER_result_conll.txt").read_text("utf-8").splitlines()
            for mine, other in zip(ours, expected, strict=True):
                assert mine.split(" ")[1:] == other.split(" ")[1:], theirs
                assert mine.startswith(other.split(" ")[0]), theirs
            num_compared += 1
    assert num_compared
    assert num_repaired
