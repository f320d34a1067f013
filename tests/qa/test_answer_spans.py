"""Where answers are found in texts, by which level, and where they are not."""

import pytest

from biobert_tf.qa.bioasq.answer_spans import Answer, Text, fold, is_whole


def found(text, *names, preferred=()):
    """Returns (text of the span, start, level), or None."""
    place = Answer(names).find(Text(text, preferred))
    if place is None:
        return None
    return text[place.start : place.end], place.start, place.level


@pytest.mark.parametrize(
    "text, name, expected",
    [
        ("IL-2 binds IL-2R.", "IL-2", ("IL-2", 0, "exact")),
        ("IL-2R and anti-IL-2.", "IL-2", ("IL-2", 15, "exact")),
        ("(IL-2)", "IL-2", ("IL-2", 1, "exact")),
        ("IL-21, IL-2R", "IL-2", None),
        # What is neither a letter nor a digit ends everywhere.
        ("a(R)-ibuprofen", "(R)-ibuprofen", ("(R)-ibuprofen", 1, "exact")),
        ("the 5'UTR", "5'", ("5'", 4, "exact")),
        ("the 15' end", "5'", None),
        ("CD8+T cells", "CD8+", ("CD8+", 0, "exact")),
        # Numbers are not cut.
        ("2.5 mg, 12, 2,000 and 2%", "2", ("2", 22, "exact")),
        ("of 1.2 and 1,2", "2", None),
        ("in 2, 3 or 4.", "2", ("2", 3, "exact")),
        ("year 2.", "2", ("2", 5, "exact")),
        ("v.2 or so", "2", ("2", 2, "exact")),
        # A word in capitals comes first, wherever it is.
        ("the cat eats CAT", "CAT", ("CAT", 13, "exact")),
        ("the cat eats", "CAT", ("cat", 4, "case")),
        ("as T-4 as", "AS", None),
        ("as T-4 as", "T4", None),
        ("as T-4 as", "as", ("as", 0, "exact")),
        ("a decade", "AD", None),
        ("DAVFs", "DAVF", None),
        # A mark on a letter belongs to its word.
        ("Hela\u0308 cells", "Hela", None),
        ("\u0308Hela", "Hela", None),
    ],
)
def test_whole_words(text, name, expected):
    assert found(text, name) == expected


@pytest.mark.parametrize(
    "text, name, expected",
    [
        # Characters whose lower case has another length are before and in the span.
        ("\u0130\u0130 MÜLLER", "Müller", ("MÜLLER", 3, "case")),
        ("\u0130\u0130 \u0130xy", "\u0130Xy", ("\u0130xy", 3, "case")),
        ("\u1e9e stra\u1e9eE", "straße", ("stra\u1e9eE", 2, "case")),
        ("\ufb01rst TNF", "tnf", ("TNF", 5, "case")),
        ("\u0131 \u0131XY", "\u0131xy", ("\u0131XY", 2, "case")),
        ("\U0001f600 ΝΌΣΟΣ", "νόσος", ("ΝΌΣΟΣ", 2, "case")),
        ("10 \u00b5MO", "\u03bcmo", ("\u00b5MO", 3, "case")),
    ],
)  # fmt: skip
def test_offsets_hold_without_case(text, name, expected):
    assert len(fold(text)) == len(text)
    assert found(text, name) == expected


@pytest.mark.parametrize(
    "text, name, expected",
    [
        ("an IgG 4 test", "IgG4", ("IgG 4", 3, "form")),
        ("an IgG4 test", "IgG-4", ("IgG4", 3, "form")),
        ("NEDD8 activating enzymes, NEDD8\u2010activating enzyme",
         "NEDD8-activating enzyme", ("NEDD8\u2010activating enzyme", 26, "form")),
        ("\u0130 TNF-\u03b1.", "TNFalpha", ("TNF-\u03b1", 2, "form")),
        ("Tnf alpha", "TNF\u03b1", ("Tnf alpha", 0, "form")),
        ("\u03b2 Galactosidase", "beta-galactosidase",
         ("\u03b2 Galactosidase", 0, "form")),
        ("NFκB", "NF-kappa B", ("NFκB", 0, "form")),
        ("18 %", "18%", ("18 %", 0, "form")),
        ("of 18 patients", "18%", None),
        ("cells of mice", "Cells of mice.", ("cells of mice", 0, "form")),
        # Gaps are no part of the span at its ends, and words and numbers stay whole.
        ("- IL 2 -", "IL2", ("IL 2", 2, "form")),
        # A hyphen at an end is a charge, a minus or the like.
        ("CD 4 and CD 4\u2212 cells", "CD4-", ("CD 4\u2212", 9, "form")),
        ("at 2 C, at -2 C", "\u22122\u00b0C", None),
        ("at 2 C, at -2 C", "\u22122C", ("-2 C", 11, "form")),
        ("IL 2R", "IL2", None),
        ("group 2. 5 of", "2.5", None),
        ("IL 2R, IL 2", "IL2", ("IL 2", 7, "form")),
        ("xab ab ab", "ab-ab", ("ab ab", 4, "form")),
        ("alphabet", "\u03b1bet", ("alphabet", 0, "form")),
        # Nothing but signs is looked for as it is.
        ("a - b + c", "+-", None),
        ("a +- b", "+-", ("+-", 2, "exact")),
        ("a ... b", ".", (".", 2, "exact")),
    ],
)  # fmt: skip
def test_other_forms(text, name, expected):
    assert found(text, name) == expected


def test_the_first_synonym_of_the_best_level_counts():
    assert found("beta, a", "a", "beta") == ("a", 6, "exact")
    assert found("the cat, catalase", "CAT", "catalase") == ("catalase", 9, "exact")
    assert found("the Cat, IL 2", "IL2", "CAT") == ("Cat", 4, "case")
    assert found("nothing", "IL2", "CAT") is None
    assert found("nothing") is None


def test_preferred_places_come_first():
    text = "IL-2, il-2, IL-2 and IL-2"
    assert found(text, "IL-2", preferred=[(11, 25)]) == ("IL-2", 12, "exact")
    assert found(text, "IL-2", preferred=[(13, 16), (20, 25)]) == ("IL-2", 21, "exact")
    # A place is no reason to take a worse level, or nothing.
    assert found(text, "IL-2", preferred=[(6, 10)]) == ("IL-2", 0, "exact")


def test_whole_at_the_ends_of_a_text():
    assert is_whole("IL2", 0, 3)
    assert not is_whole("IL2", 0, 2)
    assert not is_whole("IL2", 1, 3)
    assert is_whole("2", 0, 1)
    assert is_whole(".2", 1, 2)
    assert is_whole("2,", 0, 1)
