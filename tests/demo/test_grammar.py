import random

from biobert_tf.demo import grammar

RULES = grammar.parse("""
start: the $size [Disease $ill] ( # )
  | [Chemical zinc] rose

size: very $size | large |
ill = a-itis b-osis
""")


def drawn(text, num, seed=0, rules=RULES):
    rng = random.Random(seed)
    return [tuple(grammar.expand(text, rules, rng)) for _ in range(num)]


def test_parse():
    assert RULES == {
        "start": ("the $size [Disease $ill] ( # )", "[Chemical zinc] rose"),
        "size": ("very $size", "large", ""),
        "ill": ("a-itis", "b-osis"),
    }


def test_a_later_text_adds_to_a_rule():
    both = grammar.parse("x = a b\ny = c", "x: d e")
    assert both == {"x": ("a", "b", "d e"), "y": ("c",)}


def test_an_alternative_given_twice_is_twice_as_likely():
    rules = grammar.parse("x = a a b")
    words = [word for [(word, _)] in drawn("$x", 600, rules=rules)]
    assert 350 < words.count("a") < 450


def test_expand_gives_all_alternatives():
    assert set(drawn("$start", 3000)) > {
        (
            *(("the", "O"), *[("very", "O")] * num, *[("large", "O")] * is_large),
            (ill, "B-Disease"),
            *(("(", "O"), (digit, "O"), (")", "O")),
        )
        for num in (0, 1)
        for is_large in (0, 1)
        for ill in ("a-itis", "b-osis")
        for digit in "23456789"
    } | {(("zinc", "B-Chemical"), ("rose", "O"))}


def test_all_words_inside_are_labelled():
    [words] = drawn("[Gene $two c] d", 1, rules=grammar.parse("two: a b"))
    assert words == (("a", "B-Gene"), ("b", "I-Gene"), ("c", "I-Gene"), ("d", "O"))


def test_every_digit_is_drawn_anew():
    [words] = drawn(" ".join(["p##"] * 40), 1)
    found = {word for word, _ in words}
    assert len(found) > 20
    assert all(word[0] == "p" and {*word[1:]} <= {*"23456789"} for word in found)


def test_the_generator_is_the_only_randomness():
    random.seed(7)
    before = random.getstate()
    one = drawn("$start", 50)
    assert random.getstate() == before
    assert drawn("$start", 50) == one != drawn("$start", 50, seed=1)
