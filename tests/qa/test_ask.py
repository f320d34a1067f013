# SPDX-License-Identifier: Apache-2.0
"""`biobert ask`, of models that `run_qa.py` has trained on `qa_toys`."""

import gzip
import io
import json
import re
from types import SimpleNamespace

import pytest
import qa_toys as toys

from biobert_tf.cli import exporting
from biobert_tf.cli import main as cli
from biobert_tf.common import files, program
from biobert_tf.common.comma_lists import FileGlobs
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.export.settings import ExportConfig
from biobert_tf.qa import ask as qa_ask
from biobert_tf.qa.contexts import NamedText, read_contexts
from biobert_tf.qa.decoding import Answer, Prediction

QUESTION, PASSAGE, _ = toys.TRAIN[0]
CPU = DeviceConfig(strategy="cpu")


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return toys.Toy(tmp_path_factory.mktemp("toy"))


def train(toy, output, **flags):
    given = {"num_train_epochs": 30, "do_predict": None, "predict_file": None, **flags}
    cli.qa(toy.argv(output_dir=output, **given))
    return output


@pytest.fixture(scope="module")
def trained(toy, tmp_path_factory):
    return train(toy, tmp_path_factory.mktemp("trained") / "output")


@pytest.fixture(scope="module")
def answerer(trained):
    return qa_ask.Answerer.load(trained, CPU, batch_size=4)


def ask(model, capsys, **values):
    """Runs `biobert ask`; returns its status, what it prints and its error."""
    flags = {"model": model, "question": QUESTION, "strategy": "cpu", **values}
    argv = [f"--{name}={value}" for name, value in flags.items()]
    status = program.run(cli.ask, ["biobert ask", *argv])
    return status, *capsys.readouterr()


# --- answers --------------------------------------------------------------------------


def test_the_answer_is_a_part_of_its_text(answerer):
    # Line ends and wide spaces count as characters; letters beyond U+FFFF as one each.
    text = NamedText(
        "a.txt", "\r\n\U0001d4b3 in men\u00a0\r\n  cancer  is\r\ncured .\r\n"
    )
    found = answerer.answer(QUESTION, [text, NamedText("empty", " \n")], 20)
    assert len(found) > 3
    for answer in found:
        assert answer.source == "a.txt"
        assert text.text[answer.start : answer.end] == answer.text
        assert " ".join(answer.text.split()) in answer.around
    probabilities = [answer.probability for answer in found]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1)
    assert answerer.answer(QUESTION, [text], 2) == found[:2]


def test_answers_in_several_texts_share_one_softmax(answerer):
    texts = [NamedText(name, PASSAGE) for name in ("first", "second")]
    alone = answerer.answer(QUESTION, texts[:1], 20)
    both = answerer.answer(QUESTION, texts, 20)
    assert both[0].text == "cancer"
    assert {answer.source for answer in both} == {"first"}
    # The same text twice says nothing new.
    assert [answer.text for answer in both] == [answer.text for answer in alone]
    for one, two in zip(alone, both, strict=True):
        assert two.probability == pytest.approx(one.probability, abs=1e-6)


def test_no_text_no_answer(answerer):
    assert (
        answerer.answer(QUESTION, [NamedText("a", ""), NamedText("b", "\n")], 5) == []
    )


def prediction(*answers, text="x"):
    return Prediction("q", text, tuple(Answer(*answer) for answer in answers), 0.0)


def test_probabilities_by_hand():
    texts = [NamedText("a", "ab AB"), NamedText("b", "cd Ab")]
    predictions = [
        prediction(("ab", 0.9, 1.0, 1.0, (0, 2)), ("AB", 0.1, 0.5, 0.5, (3, 5))),
        prediction(("cd", 0.9, 1.0, 0.5, (0, 2)), ("Ab", 0.1, 1.0, 2.0, (3, 5))),
    ]
    first, second = qa_ask._ranked(texts, predictions)
    # exp(2), exp(1), exp(1.5), exp(3): three of them are one answer.
    total = 7.38906 + 2.71828 + 4.48169 + 20.08554
    assert (first.text, first.source, first.start, first.end) == ("Ab", "b", 3, 5)
    assert first.probability == pytest.approx(1 - 4.48169 / total, rel=1e-5)
    assert (second.text, second.source) == ("cd", "b")
    assert second.probability == pytest.approx(4.48169 / total, rel=1e-5)


def test_a_text_with_an_answer_outweighs_those_without():
    found = [qa_ask.FoundAnswer("cd", 1.0, "b", 0, 2)]
    none = prediction(("", 0.9, 0.0, 0.0, None), text="")
    some = prediction(("cd", 0.8, 1.0, 0.5, (0, 2)), ("", 0.2, 0.0, 0.0, None))
    [answer] = qa_ask._with_none([none, some], found)
    assert (answer.text, answer.probability) == ("cd", pytest.approx(0.8))
    first, answer = qa_ask._with_none([none], found)
    assert (first.text, first.source, first.start) == ("", "", None)
    assert first.probability == pytest.approx(0.9)
    assert answer.probability == pytest.approx(0.1)


# --- the command ----------------------------------------------------------------------


def test_command(trained, tmp_path, capsys):
    path, other = tmp_path / "a.txt", tmp_path / "b.txt.gz"
    path.write_text("Liver .\r\n", newline="")
    other.write_bytes(gzip.compress(f"\n{PASSAGE}".encode()))
    status, printed, _ = ask(
        trained,
        capsys,
        context=tmp_path / "*.txt*",
        json=tmp_path / "answers.json",
        num_answers=2,
    )
    assert status == 0
    first, around, _, _ = printed.splitlines()
    assert first.endswith(f"  cancer  [{other} 8:14]")
    assert around.strip() == PASSAGE
    stored = json.loads((tmp_path / "answers.json").read_text())
    assert stored["question"] == QUESTION
    assert [answer["start"] for answer in stored["answers"]][:1] == [8]
    assert len(stored["answers"]) == 2


def test_articles(trained, tmp_path, capsys):
    path = tmp_path / "pubmed.xml"
    path.write_text(
        "<PubmedArticleSet><PubmedArticle><MedlineCitation><PMID>7</PMID><Article>"
        "<ArticleTitle>What .</ArticleTitle><Abstract><AbstractText>"
        f"{PASSAGE}</AbstractText></Abstract></Article></MedlineCitation>"
        "</PubmedArticle></PubmedArticleSet>"
    )
    [text] = read_contexts(FileGlobs.parse(str(path)))
    assert text == NamedText("PMID:7", f"What . {PASSAGE}")
    status, printed, _ = ask(trained, capsys, context=path)
    assert status == 0
    places = re.findall(r"  (\S.*)  \[PMID:7 (\d+):(\d+)\]\n", printed)
    assert places
    for answer, start, end in places:
        assert text.text[int(start) : int(end)] == answer


def test_contexts_of_questions(trained, tmp_path, capsys):
    """JSON is never taken for prose."""
    path = tmp_path / "train.json"
    files.write_json(path, toys.training([toys.TRAIN[0], toys.TRAIN[0], toys.TRAIN[2]]))
    assert list(read_contexts(FileGlobs.parse(str(path)))) == [
        NamedText(f"{path}#1", PASSAGE),
        NamedText(f"{path}#2", toys.TRAIN[2][1]),
    ]
    status, printed, _ = ask(trained, capsys, context=path, num_answers=1)
    assert status == 0
    assert printed.splitlines()[0].endswith(f"  cancer  [{path}#1 7:13]")
    files.write_json(path, {"text": PASSAGE})
    status, _, error = ask(trained, capsys, context=path)
    assert status == 2
    assert error.splitlines()[-1].startswith(f"error: {path}: lacks 'data', the list ")


def test_standard_input(trained, monkeypatch, capsys):
    stdin = SimpleNamespace(buffer=io.BytesIO(PASSAGE.encode()))
    monkeypatch.setattr("sys.stdin", stdin)
    status, printed, _ = ask(trained, capsys, context="-", num_answers=1)
    assert status == 0
    assert printed.splitlines()[0].endswith("  cancer  [standard input 7:13]")


def test_an_exported_model(trained, tmp_path, capsys):
    exported = tmp_path / "exported"
    exporting.export(ExportConfig(model=trained, output=exported, tokens=False))
    path = tmp_path / "a.txt"
    path.write_text(PASSAGE)
    ours, theirs = (ask(model, capsys, context=path) for model in (exported, trained))
    assert ours[:2] == theirs[:2]
    assert "  cancer  " in ours[1]


def test_a_text_without_words(trained, tmp_path, capsys):
    path = tmp_path / "a.txt"
    path.write_text("\n")
    status, printed, _ = ask(trained, capsys, context=path)
    assert (status, printed) == (0, "no answer: the texts hold no word\n")


def test_lists(toy, trained, tmp_path, capsys):
    """The same model, told that it is asked for lists."""
    for path in trained.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    settings = files.read_json(tmp_path / "settings.json")
    files.write_json(tmp_path / "settings.json", settings | {"question_type": "list"})
    context = tmp_path / "context.txt"
    context.write_text(PASSAGE)
    given = {"context": context, "question": "which 2 men ?", "num_answers": 1}
    status, printed, _ = ask(tmp_path, capsys, **given)
    assert status == 0
    assert len(printed.splitlines()) == 4


def test_yes_or_no(toy, tmp_path, capsys):
    rows = [
        ("a", "is cancer cured ?", "in men cancer is cured .", True),
        ("b", "is cancer cured ?", "cancer is severe in men .", False),
    ]
    path = tmp_path / "train.json"
    files.write_json(path, toys.yes_no(rows * 2))
    model = train(
        toy,
        tmp_path / "output",
        train_file=path,
        question_type="yesno",
        num_train_epochs=100,
        learning_rate=3e-3,
    )
    exported = tmp_path / "exported"
    exporting.export(ExportConfig(model=model, output=exported, tokens=False))
    for i, (_, question, context, is_yes) in enumerate(rows):
        text = tmp_path / f"{i}.txt"
        text.write_text(context)
        status, printed, _ = ask(model, capsys, question=question, context=text)
        assert status == 0
        probability, answer, place = printed.rstrip("\n").split("  ")
        assert (answer, place) == ("yes" if is_yes else "no", f"[{text}]")
        assert float(probability) > 0.5
        again = ask(exported, capsys, question=question, context=text)
        assert again[:2] == (0, printed)


# --- bad input ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values, message",
    [
        ({"question": " "}, "--question is empty; ask something"),
        ({"num_answers": 0}, "--num_answers=0: must be at least 1"),
        ({"context": "absent*.txt"}, "absent*.txt: no file matches"),
        (
            {"model": "absent"},
            "absent: no such directory; give the --output_dir of run_qa.py",
        ),
        ({"json": "/proc/answers.json"}, "/proc/answers.json: cannot be written"),
    ],
)
def test_refusals(trained, tmp_path, capsys, values, message):
    (tmp_path / "a.txt").write_text(PASSAGE)
    flags = {"model": trained, "context": tmp_path / "a.txt", **values}
    status, printed, error = ask(flags.pop("model"), capsys, **flags)
    lines = [line for line in error.splitlines() if line.startswith("error: ")]
    assert (status, printed, len(lines)) == (2, "", 1)
    assert lines[0].startswith(f"error: {message}")


@pytest.mark.parametrize(
    "name, data, message",
    [
        ("a.txt", b"in men\nSj\xf6gren", "a.txt:2: byte 0xf6 is not UTF-8"),
        (
            "a.txt.gz",
            gzip.compress(b"in men", mtime=0)[:-6],
            "a.txt.gz: compressed data is",
        ),
    ],
)
def test_damaged_texts(trained, tmp_path, capsys, name, data, message):
    (tmp_path / name).write_bytes(data)
    status, _, error = ask(trained, capsys, context=tmp_path / name)
    assert status == 2
    assert message in error


def test_a_model_of_another_script(tmp_path, capsys):
    import re_toys

    model = re_toys.write_model(tmp_path / "model", ("0", "1"))
    (tmp_path / "a.txt").write_text(PASSAGE)
    status, _, error = ask(model, capsys, context=tmp_path / "a.txt")
    assert status == 2
    assert error.startswith(f"error: {model}: holds no model of run_qa.py")
