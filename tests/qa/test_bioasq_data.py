"""`biobert bioasq-data`: files by hand, what is counted, and what is refused."""

import json
import random
import re

import bioasq_toys
import pytest
from bioasq_toys import converted, question, snippet, write_bioasq, write_pubmed

from biobert_tf.cli import main as cli
from biobert_tf.common import program
from biobert_tf.common.errors import InputError
from biobert_tf.qa import bioasq_form
from biobert_tf.qa import reading as qa_reading
from biobert_tf.qa.bioasq import conversion

MICE = "Mice have Il-2, il 2 and IL-2."
MEN = "Men have il-2."


@pytest.fixture
def path(tmp_path):
    return tmp_path / "in" / "golden.json"


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out" / "made.json"


@pytest.fixture
def make(path, output):
    """Returns what converts questions; it gives counts and paragraphs."""
    path.parent.mkdir()

    def make(questions, question_type="factoid", **flags):
        source = write_bioasq(path, *questions)
        return converted(source, output, question_type, **flags)

    return make


def read_again(output):
    reading = qa_reading.read_examples(output, is_training=True)
    assert reading.unrecoverable == ()
    return {e.qas_id: e.orig_answer_text for e in reading.examples}


# --- training ------------------------------------------------------------------------


def test_factoid_training(make, output):
    counts, paragraphs = make(
        [
            question("q", "factoid", MICE, "Nothing.", MEN, MICE, answer=[["IL-2"]]),
            question("r", "factoid", "A rat.", answer=[["cat", "rat"], ["A"]]),
        ]
    )
    assert paragraphs == [
        {
            "context": MICE,
            "qas": [
                {
                    "id": "q_000",
                    "question": "Which gene?",
                    "answers": [{"text": "IL-2", "answer_start": 25}],
                }
            ],
        },
        {
            "context": MEN,
            "qas": [
                {
                    "id": "q_001",
                    "question": "Which gene?",
                    "answers": [{"text": "il-2", "answer_start": 9}],
                }
            ],
        },
        {
            "context": "A rat.",
            "qas": [
                {
                    "id": "r_000",
                    "question": "Which gene?",
                    "answers": [{"text": "rat", "answer_start": 2}],
                }
            ],
        },
    ]
    assert list(read_again(output)) == ["q_000", "q_001", "r_000"]
    assert counts.summary() == (
        "questions: 2 factoid of 2\n"
        "kept: 2 questions, 3 passages, 3 entries\n"
        "dropped: 0 questions\n"
        "answers found: 2 as written, 1 but for case, 0 in another form\n"
        "1 passages of kept questions dropped: no answer in them"
    )


def test_the_file_as_it_is_written(make, output):
    # Half of a surrogate pair, which JSON can hold, is not in UTF-8.
    make([question("q\ud800", "factoid", "An ä.", answer="ä", body="\ud800?")])
    assert json.loads(output.read_text("utf-8")) == {
        "version": "BioASQ-factoid-train-snippet",
        "data": [
            {
                "title": "BioASQ",
                "paragraphs": [
                    {
                        "context": "An ä.",
                        "qas": [
                            {
                                "id": "q?_000",
                                "question": "??",
                                "answers": [{"text": "ä", "answer_start": 3}],
                            }
                        ],
                    }
                ],
            }
        ],
    }
    assert "ä" in output.read_text("utf-8")
    assert [file.name for file in output.parent.iterdir()] == [output.name]


def test_list_training(make, output):
    # Two items in one place are one; an item that no passage holds is counted.
    items = [["IL-2"], ["zinc", "Zn"], ["ZN"], ["iron"], ["Mice", "mouse"]]
    counts, paragraphs = make(
        [question("q", "list", MICE, "Of zn and mice.", "No.", answer=items)], "list"
    )
    assert [p["context"] for p in paragraphs] == [MICE, "Of zn and mice."]
    assert read_again(output) == {
        "q_000": "IL-2",
        "q_001": "Mice",
        "q_002": "mice",
    }
    counts, _ = make([question("q", "list", "Zn2+, Zinc.", answer=items)], "list")
    assert read_again(output) == {"q_000": "Zinc"}
    assert (counts.num_items, counts.num_items_found) == (5, 1)
    assert counts.num_entries == counts.levels["case"] == 1
    counts, _ = make([question("q", "list", "zinc, ZINC", answer=items)], "list")
    assert read_again(output) == {"q_000": "zinc"}
    items = [["zinc"], ["ZINC"], ["zinC"]]
    counts, _ = make([question("q", "list", "zinc, ZINC", answer=items)], "list")
    assert read_again(output) == {"q_000": "zinc", "q_001": "ZINC"}
    assert (counts.num_items, counts.num_items_found) == (3, 3)
    assert "items of lists: 3 of 3 found" in counts.summary()


def test_yesno_training(make):
    counts, paragraphs = make(
        [
            question("q", "yesno", "One.", "Two.", answer="Yes."),
            question("r", "yesno", "One.", answer="no"),
            question("s", "yesno", "One.", answer="perhaps"),
            question("t", "yesno", "One."),
            question("u", "yesno", answer="yes"),
        ],
        "yesno",
    )
    same = {"question": "Which gene?"}
    yes, no = (
        {"is_impossible": False, "answers": "yes"},
        {"is_impossible": True, "answers": "no"},
    )
    assert paragraphs == [
        {"context": "One.", "qas": [{"id": "q_000", **same, **yes}]},
        {"context": "Two.", "qas": [{"id": "q_001", **same, **yes}]},
        {"context": "One.", "qas": [{"id": "r_000", **same, **no}]},
    ]
    assert counts.dropped == {
        conversion.NO_VERDICT: ["s"],
        conversion.NO_ANSWER: ["t"],
        conversion.NO_PASSAGE: ["u"],
    }


def test_questions_that_are_dropped_are_named(make):
    bad = [question(f"n{i}", "factoid", "No.", answer="IL-2") for i in range(4)]
    counts, _ = make(
        [
            *bad,
            question("none", "factoid", "No."),
            question("bare", "factoid", answer="IL-2"),
            question("blank", "factoid", " ", answer="IL-2"),
            question("q", "factoid", MEN, answer="IL-2"),
            question("q", "factoid", MICE, answer="IL-2"),
            question("other", "list", MICE, answer="IL-2"),
        ]
    )
    assert counts.summary() == (
        "questions: 8 factoid of 10\n"
        "kept: 1 questions, 1 passages, 1 entries\n"
        "dropped: 7 questions\n"
        "  4 x no passage holds an answer: n0, n1, n2, ...\n"
        "  1 x no exact answer: none\n"
        "  2 x no snippet: bare, blank\n"
        "answers found: 0 as written, 1 but for case, 0 in another form\n"
        "1 questions left out: their id comes twice\n"
        "1 snippets without text"
    )


def test_answers_are_taken_where_the_evidence_is(make, tmp_path, output):
    pubmed = write_pubmed(
        tmp_path / "p.xml", {1: ("On two.", "One or two. The two did it. Of two.")}
    )
    asked = question("q", "factoid", "The two did it.", answer=[["two"]])
    flags = {"strategy": "abstract", "abstracts": str(pubmed)}
    counts, [paragraph] = make([asked], **flags)
    assert paragraph["context"] == "On two. One or two. The two did it. Of two."
    assert paragraph["qas"][0]["answers"] == [{"text": "two", "answer_start": 24}]
    assert read_again(output) == {"q_000": "two"}
    assert "abstracts: 1\n" in f"{counts.summary()}\n"


# --- test ----------------------------------------------------------------------------


@pytest.mark.parametrize("question_type", ["factoid", "list", "yesno"])
def test_test_files_have_no_answers(make, question_type):
    counts, paragraphs = make(
        [
            question("q", question_type, MICE, MEN, MICE, answer="no"),
            question("r", question_type, "Nothing.", body=" Why? "),
            question("s", question_type),
        ],
        question_type,
        split="test",
    )
    assert paragraphs == [
        {"context": MICE, "qas": [{"id": "q_000", "question": "Which gene?"}]},
        {"context": MEN, "qas": [{"id": "q_001", "question": "Which gene?"}]},
        {"context": "Nothing.", "qas": [{"id": "r_000", "question": " Why? "}]},
    ]
    assert counts.summary() == (
        f"questions: 3 {question_type} of 3\n"
        "kept: 2 questions, 3 passages, 3 entries\n"
        "dropped: 1 questions\n"
        "  1 x no snippet: s"
    )


def test_no_question_vanishes_with_its_documents(make, tmp_path):
    pubmed = write_pubmed(tmp_path / "p.xml", {1: ("One.", "Here it is.")})
    missing = [snippet(f"Text {i}.", str(i)) for i in range(5, 9)]
    questions = [
        question("q", "list", "it", "lost", missing[0]),
        question("r", "list", *missing),
    ]
    flags = {"split": "test", "strategy": "abstract", "abstracts": str(pubmed)}
    counts, paragraphs = make(questions, "list", **flags)
    assert [(p["context"], p["qas"][0]["id"]) for p in paragraphs] == [
        ("One. Here it is.", "q_000"),
        ("Text 5.", "q_001"),
        *((f"Text {i}.", f"r_00{i - 5}") for i in range(5, 9)),
    ]
    assert counts.summary().endswith(
        "abstracts: 1\n"
        "1 snippets not found in their abstract\n"
        "4 documents not in the files, their snippets used: 5, 6, 7, ..."
    )


def test_documents_that_are_not_of_pubmed(make, tmp_path):
    pubmed = write_pubmed(tmp_path / "p.xml", {1: ("One.",)})
    flags = {"split": "test", "strategy": "abstract", "abstracts": str(pubmed)}
    asked = question("q", "list", snippet("Text.", "../pmc/articles/PMC1"))
    counts, [paragraph] = make([asked], "list", **flags)
    assert paragraph["context"] == "Text."
    assert counts.summary().endswith(
        "1 documents not in the files, their snippets used: "
        "http://www.ncbi.nlm.nih.gov/pubmed/../pmc/articles/PMC1"
    )


# --- ids -----------------------------------------------------------------------------


@pytest.mark.parametrize("split", ["train", "test"])
def test_ids_lead_back_to_their_questions(make, split):
    ids = ["56c1f010ef6e394741000041", "q", "a_001", "b_001_002", "é\n", "x_01", "_000"]
    asked = [
        question(id_, "list", MICE, MEN, answer=[["IL-2"], ["Have"]]) for id_ in ids
    ]
    counts, paragraphs = make(asked, "list", split=split)
    made = [entry["id"] for p in paragraphs for entry in p["qas"]]
    assert len(set(made)) == len(made) == counts.num_entries
    for known in ((), ids):
        grouped = bioasq_form.by_question(dict.fromkeys(made), known)
        assert list(grouped) == ids
        assert {len(passages) for passages in grouped.values()} == {len(made) // 7}


def test_more_entries_than_ids(make):
    texts = [f"{i} is IL-2 or IL-3." for i in range(1001)]
    asked = question("q", "list", *texts, answer=[["IL-2"], ["IL-3"], ["7"]])
    counts, paragraphs = make([asked], "list", split="test")
    assert [p["qas"][0]["id"] for p in paragraphs] == [f"q_{i:03}" for i in range(1000)]
    assert counts.summary().endswith("1 entries dropped: their question has 1,000")
    counts, paragraphs = make([asked], "list")
    made = [entry["id"] for p in paragraphs for entry in p["qas"]]
    assert made == [f"q_{i:03}" for i in range(1000)]
    assert len(paragraphs) == counts.num_passages == 500
    assert (counts.num_entries, counts.num_beyond) == (1000, 1003)


def test_an_id_that_is_that_of_a_passage(make, output):
    asked = [question(id_, "list", "One.", "Two.") for id_ in ("a", "a_001")]
    with pytest.raises(InputError) as caught:
        make(asked, "list", split="test")
    assert str(caught.value) == (
        "question 'a_001' has the id of a passage of question 'a'; rename one of them"
    )
    assert not output.exists()
    make([question(id_, "list", "One.", "Two.") for id_ in ("a", "a_002")], "list",
         split="test")  # fmt: skip


# --- everything written is read ------------------------------------------------------

# Spaces of every kind, line ends, what is invisible, what changes its length or form,
# marks, letters of several scripts, an emoji, half of a surrogate pair.
_ODD = (
    " \t\n\r\x0b\x0c\x1c\x1f\x85\xa0\u1680\u2003\u2028\u2029\u202f\u205f\u3000\ufeff"
    "\u200b\u00ad\u2060\u200d\u0130\u0131ß\u017f\ufb01\u0301\u0308eEaA\u03b1\u03a3\u03c2\u1e9e-\u2010"
    ".,()'%5²½\u0661中\U0001f600\ud800\x00\x1b"
)


def test_every_answer_is_found_again_where_it_is_said_to_be(make, output):
    generator = random.Random(7)

    def text(most):
        return "".join(generator.choices(_ODD, k=generator.randint(1, most)))

    asked = []
    for i in range(400):
        names = [f"{text(3)}-{text(3)}" for _ in range(3)]
        forms = (str, str.swapcase, lambda name: name.replace("-", " "))
        written = [generator.choice(forms)(name) for name in names]
        texts = [f"{text(9)} {name} {text(9)}" for name in written] + [text(60)]
        asked.append(question(f"q{i}", "list", *texts, answer=[[n] for n in names]))
    counts, paragraphs = make(asked, "list")
    for paragraph in paragraphs:
        for entry in paragraph["qas"]:
            [answer] = entry["answers"]
            start = answer["answer_start"]
            end = start + len(answer["text"])
            assert paragraph["context"][start:end] == answer["text"]
    assert len(read_again(output)) == counts.num_entries > 500
    assert min(counts.levels[level] for level in ("exact", "case", "form")) > 20


# --- files and errors ----------------------------------------------------------------


def test_several_files(tmp_path, output):
    for name, ids in (("a1", "pq"), ("a2", "qr"), ("b", "s")):
        asked = [question(id_, "factoid", name) for id_ in ids]
        write_bioasq(tmp_path / f"{name}.json", *asked)
    source = f"{tmp_path}/a*.json,{tmp_path}/b.json"
    counts, paragraphs = converted(source, output, split="test")
    assert [(p["qas"][0]["id"], p["context"]) for p in paragraphs] == [
        ("p_000", "a1"),
        ("q_000", "a1"),
        ("r_000", "a2"),
        ("s_000", "b"),
    ]
    assert counts.pool.num_repeated == 1


def refused(capsys, *words):
    """Runs the command; returns the one line of its error."""
    status = program.run(cli.main, ["biobert", "bioasq-data", *words])
    [line] = capsys.readouterr().err.splitlines()
    assert status == 2
    return line.removeprefix("error: ")


@pytest.mark.parametrize(
    "flags, message",
    [
        ("", "--question_type must be given; see --help"),
        ("--question_type=summary", ".*summary.*"),
        ("LIST --strategy=abstract",
         "--strategy=abstract needs abstracts: give .* with --abstracts='pubmed/.*"),
        ("LIST --strategy=appended", "--strategy=appended needs abstracts: .*"),
        ("LIST --abstracts=p.xml", "--abstracts is of no use .*"),
        ("LIST --strategy=appended --abstracts=none*.xml",
         r"none\*\.xml: no file matches; check the path"),
        ("LIST --appended_sentences=0",
         "--appended_sentences=0: must be at least 1, and finite"),
        ("--question_type=yesno",
         ".*golden.json: no yesno question; there are 1 factoid, 1 list"),
        ("--question_type=factoid",
         ".*golden.json: no factoid question can be kept: 1 x no exact answer; for a "
         "test set give --split=test"),
        ("LIST", ".*golden.json: no list question can be kept: 1 x no snippet"),
        ("LIST --input={output}", ".*made.json: no file matches; .*"),
        ("LIST --output={path}", "--output=.* is an input; choose another"),
    ],
)  # fmt: skip
def test_what_is_refused(path, output, capsys, flags, message):
    path.parent.mkdir()
    write_bioasq(
        path, question("q", "factoid", "A."), question("r", "list", answer="A")
    )
    before = path.read_text()
    flags = flags.replace("LIST", "--question_type=list")
    words = flags.format(path=path, output=output).split()
    line = refused(capsys, f"--input={path}", f"--output={output}", *words)
    assert re.fullmatch(message, line), line
    assert path.read_text() == before
    assert not output.parent.exists()


def test_files_already_converted_are_refused(make, output, capsys):
    make([question("q", "factoid", MEN, answer="IL-2")])
    flags = [f"--input={output}", f"--output={output}.2", "--question_type=factoid"]
    assert refused(capsys, *flags) == (
        f"{output}: has 'data' but no 'questions': it is in the form of SQuAD already; "
        "give BioASQ's own file"
    )


def test_the_command(path, output, tmp_path, capsys):
    path.parent.mkdir()
    write_bioasq(path, question("q", "factoid", "Second", answer=[["Third"]]))
    pubmed = write_pubmed(tmp_path / "p.xml", {1: ("First.", "Second. Third. Fourth.")})
    cli.main(
        [
            *("biobert", "bioasq-data", f"--input={path}", f"--output={output}"),
            *(
                "--question_type=factoid",
                "--strategy=appended",
                f"--abstracts={pubmed}",
            ),
        ]
    )
    assert capsys.readouterr().out.startswith("questions: 1 factoid of 1\nkept: 1 ques")
    [paragraph] = bioasq_toys.read_paragraphs(output)
    assert paragraph["context"] == "First. Second. Third."
    assert read_again(output) == {"q_000": "Third"}


# --- real data -----------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.parametrize(
    "name, question_type, expected",
    [
        # Questions kept, dropped; passages; entries. docs/question_answering_data.md
        # has them too.
        ("5B", "factoid", (115, 35, 327, 327)),
        ("5B", "list", (84, 3, 446, 784)),
        ("5B", "yesno", (130, 0, 655, 655)),
        ("4B", "factoid", (121, 40, 332, 332)),
        ("4B", "list", (86, 2, 404, 709)),
        ("4B", "yesno", (133, 0, 861, 861)),
    ],
)
def test_the_golden_files(data, output, name, question_type, expected):
    path = data / "qa" / "BioASQ" / f"{name}_golden.json"
    counts, _ = converted(path, output, question_type)
    num_dropped = sum(map(len, counts.dropped.values()))
    found = counts.num_kept, num_dropped, counts.num_passages, counts.num_entries
    assert found == expected
    if question_type != "yesno":
        assert len(read_again(output)) == counts.num_entries
