# SPDX-License-Identifier: Apache-2.0
import json
from collections import Counter

import pytest

from biobert_tf.common.errors import InputError, one_line
from biobert_tf.ner import conlleval
from biobert_tf.text.labels import Chunk, chunks


def write(tmp_path, text):
    path = tmp_path / "results.conll"
    path.write_bytes(text.encode("utf-8"))
    return path


@pytest.mark.parametrize(
    "labels, expected",
    [
        ("", []),
        ("O O", []),
        ("B I O", [Chunk("", 0, 2)]),
        ("O B", [Chunk("", 1, 2)]),  # runs to the end
        ("B B I", [Chunk("", 0, 1), Chunk("", 1, 3)]),  # adjacent ones stay apart
        ("I-D B-D", [Chunk("D", 0, 1), Chunk("D", 1, 2)]),
        ("O I I", [Chunk("", 1, 3)]),  # a stray I opens a phrase
        ("I-D O I-D", [Chunk("D", 0, 1), Chunk("D", 2, 3)]),
        ("B-D I-G", [Chunk("D", 0, 1), Chunk("G", 1, 2)]),  # type change
        ("B-D I", [Chunk("D", 0, 1), Chunk("", 1, 2)]),
        ("B-D I-D E-D O", [Chunk("D", 0, 3)]),
        ("O E E I", [Chunk("", 1, 2), Chunk("", 2, 3), Chunk("", 3, 4)]),
        ("I O E O", [Chunk("", 0, 1), Chunk("", 2, 3)]),
        ("E-D B-D", [Chunk("D", 0, 2)]),  # no rule parts an E from a B
        ("S-D O S-G S-D", [Chunk("D", 0, 1), Chunk("G", 2, 3), Chunk("D", 3, 4)]),
        ("S-D S-D", [Chunk("D", 0, 2)]),  # S is not known: it is inside
        ("[ [ ] O", [Chunk("", 0, 1), Chunk("", 1, 2), Chunk("", 2, 3)]),
        ("O-D . B-D .-G O", [Chunk("D", 2, 3)]),  # "." is outside, as O is
        ("B-D .-D O O", [Chunk("D", 0, 4)]),  # but it does not close
        ("B-D-2 I-D-2 I-D", [Chunk("D-2", 0, 2), Chunk("D", 2, 3)]),
        ("B-0 I", [Chunk("", 0, 2)]),  # Perl takes "0" for no type
        ("S O", []),  # an untyped S opens nothing
        ("B X O O", [Chunk("", 0, 4)]),  # and nothing closes an X
        ("B X O B", [Chunk("", 0, 3), Chunk("", 3, 4)]),
    ],
)
def test_chunks(labels, expected):
    assert chunks(labels.split()) == expected


def test_counts_by_hand():
    gold = ["B-D I-D O B-G", "O B-D"]
    predicted = ["B-D I-D O B-D", "B-G I-D"]
    counts = conlleval.evaluate(
        (left.split(), right.split())
        for left, right in zip(gold, predicted, strict=True)
    )
    assert (counts.num_tokens, counts.num_correct_tags) == (6, 3)
    assert counts.gold == {"D": 2, "G": 1}
    assert counts.found == {"D": 3, "G": 1}
    assert counts.correct == {"D": 2}
    assert (counts.gold.total(), counts.found.total(), counts.correct.total()) == (
        3,
        4,
        2,
    )


def test_only_the_second_counts_where_nothing_closes_the_first():
    labels = ["B", "X", "O", "B"]
    counts = conlleval.evaluate([(labels, labels)])
    assert (counts.gold.total(), counts.found.total(), counts.correct.total()) == (
        2,
        2,
        1,
    )


@pytest.mark.parametrize(
    "gold, predicted",
    [
        ("B-D I-D O", "B-D I-D I-D"),  # too long
        ("B-D I-D I-D", "B-D I-D O"),  # too short
        ("O B-D I-D", "B-D I-D I-D"),  # too early
        ("B-D I-D O", "B-G I-G O"),  # another type
        ("B-D I-D B-D", "B-D I-D I-D"),  # two taken for one
        ("B X O O-D", "B X O O"),  # open in both, until the types part
    ],
)
def test_only_exact_phrases_count(gold, predicted):
    counts = conlleval.evaluate([(gold.split(), predicted.split())])
    assert counts.found.total() == 1
    assert counts.correct.total() == 0


def test_a_final_boundary_can_decide():
    sentence = (["B", "X"], ["B", "I"])  # a blank line closes the I, not the X
    assert conlleval.evaluate([sentence]).correct.total() == 1
    assert conlleval.evaluate([sentence, ([], [])]).correct.total() == 0


def test_type_at_the_end_gets_the_credit():
    # Nothing closes the X; the program credits the type of the last label it saw.
    labels = ["B", "X", "O", "O-D"]
    counts = conlleval.evaluate([(labels, labels)])
    assert (counts.gold, counts.correct) == ({"": 1}, {"D": 1})


def test_labels_must_be_equally_many():
    with pytest.raises(ValueError, match="zip"):
        conlleval.evaluate([(["O"], ["O", "O"])])


def test_report_by_hand():
    counts = conlleval.Counts(
        num_tokens=7,
        num_correct_tags=4,
        gold=Counter({"Disease": 2, "é": 1}),
        found=Counter({"Disease": 3}),
        correct=Counter({"Disease": 1}),
    )
    assert conlleval.format_report(counts) == (
        "processed 7 tokens with 3 phrases; found: 3 phrases; correct: 1.\n"
        "accuracy:  57.14%; precision:  33.33%; recall:  33.33%; FB1:  33.33\n"
        "          Disease: precision:  33.33%; recall:  50.00%; FB1:  40.00  3\n"
        "               é: precision:   0.00%; recall:   0.00%; FB1:   0.00  0\n"
    )


def test_ratios_are_rounded_as_in_c():
    # 100 * 23 / 160 is 14.375 exactly; 100 * (23 / 160) is a little less.
    counts = conlleval.Counts(160, 0, *(Counter(D=n) for n in (160, 160, 23)))
    assert conlleval.format_report(counts).count("14.38%") == 4


def test_untyped_phrases_are_listed_twice_where_both_columns_have_some():
    one, none = Counter({"": 1}), Counter()
    for found, num_lines in ((one, 2), (none, 1)):
        report = conlleval.format_report(conlleval.Counts(1, 1, one, found, one))
        assert report.count(" " * 17 + ": ") == num_lines


def test_nothing_read_reports_no_accuracy():
    counts = conlleval.evaluate([])
    assert conlleval.format_report(counts) == (
        "processed 0 tokens with 0 phrases; found: 0 phrases; correct: 0.\n"
    )


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_read_sentences(tmp_path, end):
    lines = ["w x B I", "\u2028  O O", "-X- a b c", "w x I B-D  ", "   ", ""]
    path = write(tmp_path, end.join(lines) + end)
    assert conlleval.read_sentences(path) == [
        (["B", "O"], ["I", "O"]),
        (["I"], ["B-D"]),
        ([], []),
        ([], []),
    ]


def test_a_boundary_may_stand_alone(tmp_path):
    assert conlleval.read_sentences(write(tmp_path, "-X-\n")) == [([], []), ([], [])]


@pytest.mark.parametrize("delimiter", ["\t", r"\t"])
def test_a_tab_can_be_spelt(tmp_path, delimiter):
    path = write(tmp_path, "a b\tB\tI\n")
    assert conlleval.read_sentences(path, delimiter) == [(["B"], ["I"])]


@pytest.mark.parametrize(
    "text, delimiter, message",
    [
        ("\na B I\nb I\n", " ", ":3: unexpected number of features: 2 (3);"),
        ("\na\n", " ", ":2: unexpected number of features in line a;"),
        ("a B I\n-X-\n", " ", ":2: unexpected number of features: 1 (3);"),
        ("a B I\n", "", "the delimiter is empty"),
        ("a B I\n", "[ ", "the delimiter '[ ' is no pattern: unterminated"),
    ],
)
def test_bad_files_are_refused_by_line(tmp_path, text, delimiter, message):
    with pytest.raises(InputError) as error:
        conlleval.report_file(write(tmp_path, text), delimiter)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


# What conlleval.pl itself prints for RAW, by its options.
RAW = "He NP NP\nsaw X VP\nthe NP NP\n\nbig O X\ndog VP NP\n"
RAW_REPORTS = {
    ("O", False): r"""
processed 5 tokens with 4 phrases; found: 5 phrases; correct: 2.
accuracy:  40.00%; precision:  40.00%; recall:  50.00%; FB1:  44.44
               NP: precision:  66.67%; recall: 100.00%; FB1:  80.00  3
               VP: precision:   0.00%; recall:   0.00%; FB1:   0.00  1
                X: precision:   0.00%; recall:   0.00%; FB1:   0.00  1
""",
    ("X", False): r"""
processed 5 tokens with 3 phrases; found: 4 phrases; correct: 2.
accuracy:  60.00%; precision:  50.00%; recall:  66.67%; FB1:  57.14
               NP: precision:  66.67%; recall: 100.00%; FB1:  80.00  3
               VP: precision:   0.00%; recall:   0.00%; FB1:   0.00  1
""",
    ("X", True): r"""
        & Precision &  Recall  & F$_{\beta=1} \\\hline
NP      &   66.67\% & 100.00\% &  80.00 \\
VP      &    0.00\% &   0.00\% &   0.00 \\\hline
Overall &   50.00\% &  66.67\% &  57.14 \\\hline
""",
}


@pytest.mark.parametrize(("outside", "is_latex"), RAW_REPORTS)
def test_raw_labels_and_latex(tmp_path, outside, is_latex):
    path = write(tmp_path, RAW)
    expected = RAW_REPORTS[outside, is_latex].removeprefix("\n")
    assert conlleval.report_file(path, " ", outside, is_latex) == expected


def test_latex_pads_bytes_and_knows_no_phrases(tmp_path):
    report = conlleval.report_file(
        write(tmp_path, "a B-NP B-NP\nb O B-\u00e9\n"), is_latex=True
    )
    assert report.splitlines()[1:3] == [
        r"NP      &  100.00\% & 100.00\% & 100.00 \\",
        "\u00e9      " + r"&    0.00\% &   0.00\% &   0.00 \\\hline",
    ]
    assert conlleval.report_file(write(tmp_path, ""), is_latex=True) == (
        r"        & Precision &  Recall  & F$_{\beta=1} \\\hline\hline"
        "\n"
        r"Overall &    0.00\% &   0.00\% &   0.00 \\\hline"
        "\n"
    )


@pytest.mark.parametrize(
    ("delimiter", "text"),
    [
        (r"\s+", "a  B\tI\nb \t O O\n"),
        (" +", "a B   I\n"),
        ("|", "a|B|I\n"),
        (".", "a.B.I"),
    ],
)
def test_a_delimiter_may_be_a_pattern(tmp_path, delimiter, text):
    [(gold, found)] = conlleval.read_sentences(write(tmp_path, text), delimiter)
    assert (gold[0], found[0]) == ("B", "I")


def golden_cases(golden):
    folder = golden / "ner" / "conlleval"
    for case in json.loads((folder / "expected.json").read_text("utf-8")):
        flags = dict(zip(case["arguments"][::2], case["arguments"][1::2], strict=True))
        assert set(flags) <= {"-d"}, "a flag that report_file does not have"
        yield case, folder / f"{case['case']}.conll", flags.get("-d", " ")


def test_every_recorded_report(recording):
    cases = [case for case in golden_cases(recording) if case[0]["returncode"] == 0]
    assert cases
    for case, path, delimiter in cases:
        assert conlleval.report_file(path, delimiter) == case["printed"], path.name


def test_every_recorded_refusal(recording):
    cases = [case for case in golden_cases(recording) if case[0]["returncode"]]
    assert cases
    for case, path, delimiter in cases:
        with pytest.raises(InputError) as error:
            conlleval.report_file(path, delimiter)
        # Our message is one printable line, so its tabs are escaped.
        recorded = case["stderr"].removeprefix("conlleval: ").rstrip("\n")
        assert one_line(recorded) in str(error.value), path.name
        assert str(error.value).startswith(f"{path}:")


@pytest.mark.golden
def test_every_report_of_a_run(golden):
    runs = sorted((golden / "ner").glob("*/*/detokenized_*/conlleval.txt"))
    runs += sorted((golden / "finetuning_run").glob("conlleval.txt"))
    assert runs
    for expected in runs:
        path = expected.with_name("NER_result_conll.txt")
        report = conlleval.report_file(path)
        assert report.encode("utf-8") == expected.read_bytes(), str(path)
