"""Flags with exceptions for single data sets."""

import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.reproduce.by_set import BySet, Numbers, WholeNumbers


def test_a_set_has_its_own_values_or_those_of_all():
    found = BySet.parse("fixed, GAD=fixed, GAD=master,NCBI-disease = paper")
    assert found.sets == ("GAD", "NCBI-disease")
    assert found.values("GAD") == ("fixed", "master")
    assert found.values("NCBI-disease") == ("paper",)
    assert found.values("BC2GM") == ("fixed",)
    assert BySet.parse("fixed,gad=master").values("GAD") == ("master",)


def test_a_set_has_one_number():
    found = WholeNumbers.parse("1,GAD=3")
    assert (found.number("GAD"), found.number("BC2GM")) == (3, 1)
    assert Numbers.parse("GAD=1e-4").number("BC2GM") is None
    assert Numbers.parse("GAD=1e-4").number("GAD") == 1e-4
    assert WholeNumbers().number("GAD") is None


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        (WholeNumbers, "0", "'0' is not a whole number above 0"),
        (WholeNumbers, "1,GAD=2.5", "'2.5' is not a whole number above 0"),
        (Numbers, "nan", "'nan' is not a number above 0"),
        (Numbers, "inf", "'inf' is not a number above 0"),
        (Numbers, "1e-4,GAD=", "'' is not a number above 0"),
        (Numbers, "1,2", "there are two numbers; want one, and SET=NUMBER"),
        (Numbers, "1,GAD=1,GAD=2", "GAD has two numbers"),
    ],
)
def test_what_is_no_number_is_refused(kind, text, why):
    with pytest.raises(InputError, match=why):
        kind.parse(text)
