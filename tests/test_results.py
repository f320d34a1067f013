# SPDX-License-Identifier: Apache-2.0
"""What the methods of a model return: lists, dictionaries, tables, and HTML."""

import copy
import json
import pickle
import re
import sys

import pytest

from biobert_tf.classification.classifier import Classification
from biobert_tf.common.errors import InputError
from biobert_tf.qa.ask import FoundAnswer
from biobert_tf.qa.contexts import NamedText
from biobert_tf.relations.predict import Relation
from biobert_tf.results import (
    Annotations,
    Answers,
    Classifications,
    Entities,
    Entity,
    Relations,
)

TEXT = "aspirin <b>helps</b> with nephritis"
ENTITY = Entity(26, 35, "nephritis", "Dis", 0.75)
ENTITIES = Entities([ENTITY], TEXT)
ANNOTATIONS = Annotations([ENTITIES, Entities([], "")])
SENTENCES = ["@GENE$ causes @DISEASE$ .", "<< a >> helps [[ b ]] ."]
RELATIONS = Relations(
    [
        Relation(SENTENCES[0], "1", {"0": 0.25, "1": 0.75}),
        Relation(SENTENCES[1], "0", {"0": 1.0, "1": 0.0}),
    ]
)
PASSAGE = "word " * 30 + "cured by\naspirin today. " + "word " * 30
START = PASSAGE.index("aspirin")
ANSWERS = Answers(
    [
        FoundAnswer.at(NamedText("<PMID>", PASSAGE), START, START + 7),
        FoundAnswer("yes", 0.5, "<PMID>"),
        FoundAnswer("", 0.25, ""),
    ],
    "what is <cured> ?",
    {"<PMID>": PASSAGE},
)
SINGLE = Classifications(
    [Classification("<cured>", None, "no", ("no",), {"no": 0.75, "yes": 0.25})]
)
MULTI = Classifications(
    [
        Classification("a", None, None, ("x", "y"), {"x": 0.75, "y": 0.5}),
        Classification("b", None, None, (), {"x": 0.25, "y": 0.125}),
    ]
)
NUMBERS = Classifications([Classification("<cured>", "<PMID>", value=2.5)])
ALL = {
    **{"ner": ANNOTATIONS, "one": ENTITIES, "re": RELATIONS, "qa": ANSWERS},
    **{"single": SINGLE, "multi": MULTI, "number": NUMBERS},
}


def bare(html):
    """The words of a piece of HTML, without its style."""
    html = re.sub(r"(?s)<style>.*?</style>|</?bdi>|</?b>", "", html)
    return " ".join(re.sub(r"<[^>]*>", "|", html).split())


@pytest.mark.parametrize("found", ALL.values(), ids=ALL)
def test_they_are_lists(found):
    plain = list(found)
    assert found == plain
    assert plain == found
    assert isinstance(found, list)
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()
    for twin in (copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert twin == found
        assert twin._repr_html_() == found._repr_html_()


@pytest.mark.parametrize("found", ALL.values(), ids=ALL)
def test_what_was_text_is_text(found):
    html = found._repr_html_()
    tags = {*re.findall(r"</?(\w+)", re.sub(r"(?s)<style>.*?</style>", "", html))}
    assert tags <= {"div", "p", "b", "bdi", "mark"}
    assert "<cured>" not in html
    assert "<PMID>" not in html


def test_dictionaries():
    entity = {
        **{"start": 26, "end": 35, "text": "nephritis", "type": "Dis"},
        "probability": 0.75,
    }
    one = {"text": TEXT, "entities": [entity]}
    assert ENTITIES.to_dict() == one
    assert ANNOTATIONS.to_dict() == {"texts": [one, {"text": "", "entities": []}]}
    assert ANNOTATIONS.texts == [TEXT, ""]
    assert RELATIONS.to_dict()["relations"][0] == {
        **{"text": SENTENCES[0], "label": "1", "probability": 0.75},
        "probabilities": {"0": 0.25, "1": 0.75},
    }
    assert RELATIONS.texts == SENTENCES
    answers = ANSWERS.to_dict()
    assert answers["question"] == "what is <cured> ?"
    assert answers["answers"] == [each.to_dict() for each in ANSWERS]


def test_tables():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    table = ANNOTATIONS.to_pandas()
    assert isinstance(table, pandas.DataFrame)
    assert table.to_dict("records") == [{"text_index": 0, **ENTITY.to_dict()}]
    assert ENTITIES.to_pandas().to_dict("records") == [ENTITY.to_dict()]
    assert RELATIONS.to_pandas().to_dict("list") == {
        "text": SENTENCES,
        "label": ["1", "0"],
        "probability": [0.75, 1.0],
        "probability_0": [0.25, 1.0],
        "probability_1": [0.75, 0.0],
    }
    assert ANSWERS.to_pandas()["text"].tolist() == ["aspirin", "yes", ""]
    # Without results, the columns are the same.
    assert list(Annotations().to_pandas()) == list(table)
    assert list(Answers([], "", {}).to_pandas()) == list(ANSWERS.to_pandas())
    assert Relations().to_pandas().empty


@pytest.mark.parametrize("found", ALL.values(), ids=ALL)
def test_tables_without_pandas(found, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(
        InputError, match=r"^to_pandas needs the package pandas: pip in"
    ):
        found.to_pandas()


def test_entities_are_marked_in_their_texts():
    html = ANNOTATIONS._repr_html_()
    assert bare(html) == (
        "| |2 texts, 1 entity: Dis 1| |aspirin &lt;b&gt;helps&lt;/b&gt; with "
        "|nephritis|| |[0] 1 entity: Dis 1| || |[1] 0 entities| |"
    )
    [mark] = re.findall(r"<mark [^>]*>", html)
    assert 'data-type="Dis"' in mark
    assert 'title="Dis, probability 0.75"' in mark
    assert "nephritis</mark></p>" in ENTITIES._repr_html_()


def test_relations_are_shown_with_their_entities():
    html = RELATIONS._repr_html_()
    assert re.findall(r"<mark [^>]*>(.*?)</mark>", html) == [
        *("@GENE$", "@DISEASE$"),
        *("a", "b"),
    ]
    types = re.findall(r'data-type="(.*?)"', html)
    assert types == ["GENE", "DISEASE", "first", "second"]
    assert "|1, probability 0.75|" in bare(html)
    for kind in re.findall(r'<mark class="(\w+)"', html):
        assert f".biobert-tf .{kind} {{" in html


def test_relations_keep_their_texts_in_any_order():
    found = copy.copy(RELATIONS)
    found.sort(key=lambda each: each.label)
    assert found.texts == SENTENCES[::-1]
    assert found.to_dict()["relations"] == [RELATIONS[1].to_dict(), found[1].to_dict()]
    assert re.findall(r"<mark [^>]*>(.*?)</mark>", found._repr_html_()) == [
        *("a", "b"),
        *("@GENE$", "@DISEASE$"),
    ]
    assert found.pop(0).text == SENTENCES[1]
    assert found.texts == [each["text"] for each in found.to_dict()["relations"]]
    assert found.texts == SENTENCES[:1]
    assert re.findall(r"<mark [^>]*>(.*?)</mark>", found._repr_html_()) == [
        *("@GENE$", "@DISEASE$"),
    ]


def test_answers_are_shown_with_probability_and_source():
    words = bare(ANSWERS._repr_html_())
    assert words.startswith("| |what is &lt;cured&gt; ?| |... word word")
    assert "cured by |aspirin| today. word" in words
    place = f"in &lt;PMID&gt; at {START}\u2013{START + 7}"
    assert f"|aspirin, probability 0, {place}|" in words
    assert "|yes, probability 0.5, in &lt;PMID&gt;|" in words
    assert "|(no answer), probability 0.25|" in words
    assert "no answer: the texts hold no word" in Answers([], "x", {})._repr_html_()


def test_not_everything_is_shown():
    many = Annotations([ENTITIES] * 1030)
    html = many._repr_html_()
    assert html.count("<mark ") == 25
    assert "1,030 texts, 1,030 entities" in bare(html)
    assert "|and 1,005 more|" in bare(html)
    html = Relations([RELATIONS[0]] * 30)._repr_html_()
    assert html.count("<mark ") == 50
    assert "|and 5 more|" in bare(html)


def test_classifications():
    assert SINGLE.to_dict() == {
        "texts": [
            {
                **{"text": "<cured>", "label": "no", "probability": 0.75},
                "probabilities": {"no": 0.75, "yes": 0.25},
            }
        ]
    }
    assert MULTI.to_dict()["texts"][1] == {
        **{"text": "b", "labels": []},
        "probabilities": {"x": 0.25, "y": 0.125},
    }
    assert NUMBERS.to_dict() == {
        "texts": [{"text": "<cured>", "pair": "<PMID>", "value": 2.5}]
    }
    assert (SINGLE[0].probability, MULTI[0].probability) == (0.75, None)
    assert MULTI.texts == ["a", "b"]
    assert bare(SINGLE._repr_html_()) == (
        "| |1 text| |&lt;cured&gt;| |no, probability 0.75| |"
    )
    assert bare(MULTI._repr_html_()) == (
        "| |2 texts| |a| |x, probability 0.75| |y, probability 0.5| |b| |no label| |"
    )
    assert bare(NUMBERS._repr_html_()) == (
        "| |1 text| |&lt;cured&gt;| |&lt;PMID&gt;| |2.5| |"
    )


def test_tables_of_classifications():
    pytest.importorskip("pandas", reason="pandas is not installed")
    assert SINGLE.to_pandas().to_dict("records") == [
        {
            **{"text": "<cured>", "label": "no", "probability": 0.75},
            **{"probability_no": 0.75, "probability_yes": 0.25},
        }
    ]
    assert MULTI.to_pandas().to_dict("list") == {
        "text": ["a", "b"],
        **{"is_x": [True, False], "is_y": [True, False]},
        **{"probability_x": [0.75, 0.25], "probability_y": [0.5, 0.125]},
    }
    assert NUMBERS.to_pandas().to_dict("records") == [NUMBERS[0].to_dict()]
    assert Classifications().to_pandas().empty
