"""`biobert data-check`: which problem a folder is of, and what the command writes."""

import ner_toys
import pytest
import re_toys

from biobert_tf.cli import main as cli
from biobert_tf.common import files, program

WORDS = "a\tB-X\nb\tO\n\na\tO\nb\tO\n"
QUESTIONS = (
    '{"data": [{"paragraphs": [{"context": "c d", "qas": [{"id": "1", "question": '
    '"Who?", "answers": [{"text": "c", "answer_start": 0}]}]}]}]}'
)


@pytest.fixture
def biobert(capsys):
    """Runs the command; returns its status and what it printed."""

    def biobert(*words):
        status = program.run(cli.main, ["biobert", "data-check", *map(str, words)])
        captured = capsys.readouterr()
        return status, captured.out or captured.err

    return biobert


def test_the_files_tell_the_problem(biobert, tmp_path):
    for name, text in (("train.tsv", WORDS), ("test.json", QUESTIONS)):
        (tmp_path / name[:-5]).mkdir()
        files.write_text(tmp_path / name[:-5] / name, text)
    assert "2 sentences" in biobert(tmp_path / "trai")[1]
    assert "1 questions, 1 (100.0%) span" in biobert(tmp_path / "test")[1]
    relations = re_toys.write_data(tmp_path / "data", train=re_toys.TRAIN)
    status, printed = biobert(relations, "--task_name=gad")
    assert status == 0 and "set, form biobert" in printed
    # Folds, and files with a header or of JSON lines.
    folds = tmp_path / "folds"
    re_toys.write_data(folds / "1", train=re_toys.TRAIN)
    assert "set, form" not in biobert(folds)[1].replace("fold 1, form", "")
    files.write_text(folds / "train.jsonl", '{"text": "a", "label": "1"}\n')
    assert "set, form scibert" in biobert(folds)[1]
    files.write_text(folds / "train.tsv", "sentence\tlabel\nA b .\t1\n")
    assert "set, form blue" in biobert(folds)[1]


def test_what_is_asked_for_is_done(biobert, tmp_path):
    files.write_text(tmp_path / "train.tsv", WORDS)
    vocab = tmp_path / "vocab.txt"
    files.write_text(vocab, "\n".join(ner_toys.VOCAB))
    report = tmp_path / "report.json"
    flags = [f"--vocab_file={vocab}", "--max_seq_length=3", f"--json={report}"]
    status, printed = biobert(tmp_path, *flags)
    assert status == 0
    assert "longest: 4 pieces (train.tsv:1); 2 over --max_seq_length=3\n" in printed
    assert "contradiction, 1: sentences of train.tsv with more than one" in printed
    values = files.read_json(report)
    assert values["totals"] == {"contradiction": 1, "duplicate": 1}
    assert values["sets"][0]["files"][0]["longest"]["num_longer"] == 2
    assert "--max_seq_length=128" in biobert(tmp_path, flags[0])[1]
    assert "longest: 2 words (train.tsv:1)\n" in biobert(tmp_path)[1]
    with pytest.raises(SystemExit) as caught:
        biobert(tmp_path, "--strict")
    assert caught.value.code == 1


def test_what_cannot_be_told_is_said(biobert, tmp_path):
    status, error = biobert(tmp_path)
    assert status == 2 and "holds no data that is known; ner: train.tsv, " in error
    assert "qa: a .json or .jsonl in SQuAD's form" in error
    assert "no such directory" in biobert(tmp_path / "gone")[1]
    assert "want one of gad" in biobert(tmp_path, "--task_name=x")[1]
    files.write_text(tmp_path / "train.tsv", WORDS)
    files.write_text(tmp_path / "test.json", QUESTIONS)
    assert "may be data of ner or qa; say which with --kind" in biobert(tmp_path)[1]
    assert "1 questions" in biobert(tmp_path, "--kind=qa")[1]
    assert "2 sentences" in biobert(tmp_path, "--kind=ner")[1]
    for flag, problem in (
        ("--max_seq_length=0", "--max_seq_length=0: must be at least 3"),
        ("--do_lower_case=true", "--do_lower_case needs --vocab_file"),
    ):
        assert problem in biobert(tmp_path, "--kind=ner", flag)[1]
    with pytest.raises(SystemExit):
        biobert(tmp_path, "--kind=pretraining")
