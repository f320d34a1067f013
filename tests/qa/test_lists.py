# SPDX-License-Identifier: Apache-2.0
import pytest

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.qa.lists import ListSettings, is_whole, list_answers, number_named

# --- numbers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "question, number",
    [
        ("Which two drugs are included in the Harvoni pill?", 2),
        ("Which 2 medications are included in the Qsymia pill?", 2),
        ("Entresto is composed of which two drugs?", 2),
        ("The MMR vaccine protects against what 3 viruses?", 3),
        ("List 3 indications for Bupropion", 3),
        ("LIST THREE GENES", 3),
        ("Please list the 3 findings in HELLP syndrome.", 3),
        ("List the three most abundant bacterial phyla.", 3),
        ("name four", 4),
        ("Name the top 10 drugs.", 10),
        ("Give at least five examples.", 5),
        ("Give us up to 100 examples.", 100),
        ("which are the 5 most common symptoms?", 5),
        ("What are the main six causes of anemia?", 6),
        ("In which two ways is it used?", 2),
        ("Who were the first two patients?", 2),
        ("Which twelve nerves leave the skull?", 12),
        ("Dupilumab is an antibody. Name two of its targets.", 2),
        ("Can you list the classic 3 signs?", 3),
        ("Name one drug.", 1),
        ("List 1 drug.", 1),
        # Names of groups say how many they are.
        ("List Kartagener Syndrome Triad.", 3),
        ("List symptoms of Hakim Triad.", 3),
        ("Which are the triad symptoms of pheochromocytoma?", 3),
        ("What is the classical triad of symptoms?", 3),
        ("List Pentalogy of Fallot.", 5),
        ("List the defects of the tetralogy of Fallot.", 4),
    ],
)
def test_numbers_of_answers(question, number):
    assert number_named(question) == number


@pytest.mark.parametrize(
    "question",
    [
        "",
        "List kinases that phosphorylate Bora.",
        # Names
        "List SGLT2 inhibitors approved for type 2 diabetes mellitus treatment.",
        "List type 2 diabetes drugs.",
        "Name the phase 3 clinical trials for tofacitinib in colitis.",
        "Which interleukin 6 inhibitors are there?",
        "List IL-2 receptors.",
        "Which COVID-19 vaccines are there?",
        "List features of the Triple A syndrome.",
        "Which markers are screened with the triple test?",
        "What traits can be evaluated with the Ten Item Personality Inventory.",
        "Which are the additions of the JASPAR 2016 database?",
        "List 5-HT3 antagonists.",
        "Which 5 alpha reductase inhibitors are used?",
        "Which 3D printing methods exist?",
        # Years, measures, shares
        "Which drugs were approved in 2017?",
        "Which 2017 trials failed?",
        "Which 24 hour rhythms are known?",
        "List 2.5 mg tablets.",
        "Which 20% are ill?",
        # Not the number of what is asked for
        "Which two-component systems are there?",
        "Which two component systems are there?",
        "List three dimensional structures.",
        "Which of the 5 subtypes are curable?",
        "Which syndromes are in the five-part classification system?",
        "Which ones are the ESKAPE organisms?",
        "Which one is the target?",
        "List one of the symptoms.",
        "Name one or more drugs.",
        "Name 2 to 5 drugs.",
        "Name 2, 3 or 4 drugs.",
        "List 0 drugs.",
        "Which 101 dalmatians?",
        "Which genes are associated with the tetralogy of Fallot?",
        "List genes of the tetralogy of Fallot.",
        "List symptoms associated with the Hakim triad.",
        "Which syndrome has the triad of fever, rash and pain?",
        "List drugs. They treat the triad.",
    ],
)
def test_other_numbers(question):
    assert number_named(question) is None


@pytest.mark.data
def test_numbers_of_real_questions(data):
    found, different = {}, []
    for name in ("4B", "5B"):
        golden = files.read_json(data / f"qa/BioASQ/{name}_golden.json")
        lists = [q for q in golden["questions"] if q["type"] == "list"]
        numbers = [(number_named(q["body"]), q) for q in lists]
        named = [(number, q) for number, q in numbers if number is not None]
        found[name] = len(lists), len(named)
        different += [
            (number, len(q["exact_answer"]), q["body"])
            for number, q in named
            if number != len(q["exact_answer"])
        ]
        # No question of another type names a number of answers.
        others = [q["body"] for q in golden["questions"] if q["type"] != "list"]
        assert others and not any(map(number_named, others))
    assert found == {"4B": (88, 6), "5B": (87, 15)}
    # The gold has more than the question asks for.
    assert different == [(2, 7, "Please list 2 treatments for a torn roator cuff")]


# --- answers ------------------------------------------------------------------------


def chosen(answers, question="List drugs.", **settings):
    return list_answers(list(answers.items()), question, ListSettings(**settings))


def test_answers_above_the_threshold():
    answers = {"a": 1.5, "b": 0.43, "c": 0.42, "d": 0.1}
    assert chosen(answers) == ["a", "b"]
    assert chosen(answers, list_threshold=0.05) == ["a", "b", "c", "d"]
    assert chosen(answers, list_threshold=1.5) == ["a"]
    assert chosen({}) == []


def test_as_many_answers_as_the_question_names():
    answers = {"a": 1.5, "b": 0.9, "c": 0.42, "d": 0.1}
    assert chosen(answers, "Name one drug.") == ["a"]
    assert chosen(answers, "Name three drugs.") == ["a", "b", "c"]
    assert chosen(answers, "Name 3 drugs.", use_number=False) == ["a", "b"]
    assert chosen(answers, "Name 9 drugs.") == ["a", "b", "c", "d"]
    assert chosen({}, "Name 3 drugs.") == []


def test_answers_cut_short_are_left_out():
    answers = {"p53 (TP53": 2.0, "aspirin,": 1.5, "p53 (TP53)": 1.0, "aspirin": 0.5}
    assert chosen(answers) == ["p53 (TP53)", "aspirin"]
    assert chosen(answers, "Name one drug.") == ["p53 (TP53)"]
    # Better the best of them than none.
    assert chosen({"p53 (TP53": 0.2, "aspirin,": 0.1}) == ["p53 (TP53"]
    assert chosen({"aspirin,": 0.1}, "Name two.") == ["aspirin,"]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("p53", True),
        ("prostaglandin I(2)", True),
        ("[Ca(2+)]", True),
        ("CD4+", True),
        ("8%", True),
        ("5'", True),
        ("p53 (TP53", False),
        ("TP53)", False),
        (")p53(", False),
        ("[p53)", False),
        ("p53.", False),
        ("p53, ", False),
        ("MLL3/", False),
        ("IL-", False),
        ("empty", False),
        ("", False),
        (" ", False),
    ],
)
def test_whole_names(text, expected):
    assert is_whole(text) is expected


@pytest.mark.parametrize(
    "joint", ["A and b", "a, and b", "a or b", "a, b", "a/b", "b and a", "a, b and a"]
)
def test_answers_that_join_others_are_left_out(joint):
    assert chosen({joint: 3.0, "a": 2.0, "B": 1.0}) == ["a", "B"]
    # Its parts have to be among those that are submitted.
    assert chosen({joint: 3.0, "a": 2.0, "B": 0.1}) == [joint, "a"]


def test_a_place_is_not_lost_to_an_answer_that_joins_others():
    answers = {"a and b": 0.4, "a": 0.3, "b": 0.2, "c": 0.1}
    assert chosen(answers, "Name two.") == ["a and b", "a"]
    assert chosen(answers, "Name three.") == ["a", "b", "c"]
    assert chosen(answers, "Name four.") == ["a", "b", "c"]


def test_joints_within_a_name():
    answers = {"lip and face swelling": 1.0, "swelling": 0.9, "sand": 0.8, "/": 0.7}
    assert chosen(answers) == ["lip and face swelling", "swelling", "sand"]


def test_settings():
    assert ListSettings() == ListSettings(list_threshold=0.42, use_number=True)
    for threshold in (-0.1, float("nan")):
        with pytest.raises(InputError, match="--list_threshold"):
            ListSettings(list_threshold=threshold)


@pytest.mark.data
def test_gold_names_are_whole(data):
    """The rules would cut no answer that is right."""
    names = []
    for name in ("4B", "5B"):
        for question in files.read_json(data / f"qa/BioASQ/{name}_golden.json")[
            "questions"
        ]:
            if question["type"] == "list":
                items = question["exact_answer"]
                texts = [text for item in items for text in item]
                names += texts
                firsts = {item[0]: 1.0 for item in items}
                assert chosen(firsts, use_number=False) == list(firsts)
    assert len(names) == 799
    assert all(map(is_whole, names))
