# SPDX-License-Identifier: Apache-2.0
import dataclasses
import itertools
import random

import numpy as np
import pytest

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.relations import reading
from biobert_tf.relations.features import Featurizer, view
from biobert_tf.relations.reading import RelationExample
from biobert_tf.relations.sets import SETS, custom
from biobert_tf.text.tokenization import FullTokenizer

# A placeholder is three pieces, and four if it is of a chemical.
PIECES = """
[PAD] [UNK] [CLS] [SEP] [MASK] [unused1] [unused2] [unused3] [unused4]
@ GENE CHEM ##ICAL $ a b c d ##e ##f . < > [ ]
"""
ID = {piece: i for i, piece in enumerate(PIECES.split())}


@pytest.fixture
def tokenizer(tmp_path):
    files.write_text(tmp_path / "vocab.txt", PIECES.strip().replace(" ", "\n"))
    return FullTokenizer(tmp_path / "vocab.txt")


def example(text, label=None, data_format="biobert"):
    entities = reading.entity_spans(text, data_format)
    return RelationExample("id7", text, label, entities, line=9)


def featurize(tokenizer, example, max_seq_length, **changes):
    settings = {"relation_set": SETS["gad"], "entity_markers": False, "compat": "fixed"}
    featurizer = Featurizer(
        tokenizer=tokenizer, max_seq_length=max_seq_length, **(settings | changes)
    )
    return featurizer.record(example)


def inside(record):
    """The pieces between `[CLS]` and `[SEP]`."""
    assert (record.pieces[0], record.pieces[-1]) == ("[CLS]", "[SEP]")
    return " ".join(record.pieces[1:-1])


# --- records --------------------------------------------------------------------------


def test_a_small_sentence(tokenizer):
    record = featurize(tokenizer, example("aef @GENE$ x.", "1"), 12)
    assert " ".join(record.pieces) == "[CLS] a ##e ##f @ GENE $ [UNK] . [SEP]"
    assert record.features == {
        "input_ids": [2, 14, 18, 19, 9, 10, 13, 1, 20, 3, 0, 0],
        "input_mask": [1] * 10 + [0, 0],
        "segment_ids": [0] * 12,
        "label_ids": [1],
        "is_real_example": [1],
    }
    assert (record.is_cut, record.is_windowed) == (False, False)


def test_a_sentence_without_pieces(tokenizer):
    record = featurize(tokenizer, example("", "0"), 4)
    assert record.features["input_ids"] == [2, 3, 0, 0]
    assert record.features["input_mask"] == [1, 1, 0, 0]


@pytest.mark.parametrize(
    ("relation_set", "label", "expected"),
    [
        (SETS["gad"], "0", 0),
        (SETS["gad"], "1", 1),
        (SETS["gad"], None, 0),
        (SETS["chemprot"], "cpr:3", 0),
        (SETS["chemprot"], "cpr:9", 4),
        (SETS["chemprot"], None, 5),
        (SETS["ddi13"], None, 4),
        (custom(["a", "b", "c"], "b"), None, 1),
        (custom(["a", "b", "c"], ""), None, 0),
        (custom(["a", "b", "c"], ""), "c", 2),
    ],
)
def test_label_ids(tokenizer, relation_set, label, expected):
    record = featurize(tokenizer, example("a", label), 4, relation_set=relation_set)
    assert record.features["label_ids"] == [expected]


@pytest.mark.parametrize("compat", ["fixed", "master"])
def test_what_fits_is_not_cut(tokenizer, compat):
    sentence = example("a b c @GENE$ d @CHEMICAL$")
    record = featurize(tokenizer, sentence, 13, compat=compat)
    assert inside(record) == "a b c @ GENE $ d @ CHEM ##ICAL $"
    assert (record.is_cut, record.is_windowed) == (False, False)
    assert featurize(tokenizer, sentence, 12, compat=compat).is_cut


@pytest.mark.parametrize("compat", ["fixed", "master"])
def test_a_beginning_with_the_entities_is_kept_as_the_original_does(tokenizer, compat):
    sentence = example("a @GENE$ b @GENE$ c d")
    record = featurize(tokenizer, sentence, 10, compat=compat)
    assert inside(record) == "a @ GENE $ b @ GENE $"
    assert (record.is_cut, record.is_windowed) == (True, False)


def test_the_original_cuts_entities(tokenizer):
    sentence = example("a b @GENE$ c @GENE$ d")
    record = featurize(tokenizer, sentence, 10, compat="master")
    assert inside(record) == "a b @ GENE $ c @ GENE"
    assert (record.is_cut, record.is_windowed) == (True, False)
    record = featurize(tokenizer, sentence, 10)
    assert inside(record) == "b @ GENE $ c @ GENE $"
    assert (record.is_cut, record.is_windowed) == (True, True)


def test_a_long_sentence_is_cut_around_its_entities(tokenizer):
    sentence = example("a b c d a b @CHEMICAL$ . @GENE$ d c b a d c")
    assert inside(featurize(tokenizer, sentence, 10)) == "@ CHEM ##ICAL $ . @ GENE $"
    record = featurize(tokenizer, sentence, 13)
    assert inside(record) == "a b @ CHEM ##ICAL $ . @ GENE $ d"
    assert record.features["input_ids"][:4] == [2, ID["a"], ID["b"], ID["@"]]
    assert record.features["input_mask"] == [1] * 13
    assert record.is_windowed


def test_entities_far_apart_keep_what_is_near_each(tokenizer):
    sentence = example("a b @GENE$ a b c d a b c d @GENE$ c d")
    record = featurize(tokenizer, sentence, 12)
    assert inside(record) == "b @ GENE $ a d @ GENE $ c"
    assert (record.is_cut, record.is_windowed) == (True, True)


def test_all_entities_of_a_sentence_are_kept(tokenizer):
    sentence = example("a @GENE$ a a a @GENE$ b b b @GENE$ c")
    record = featurize(tokenizer, sentence, 11)
    assert inside(record) == "@ GENE $ @ GENE $ @ GENE $"


def test_without_entities_the_beginning_is_kept(tokenizer):
    record = featurize(tokenizer, example("a b c d"), 5)
    assert inside(record) == "a b c"
    assert (record.is_cut, record.is_windowed) == (True, False)


def test_entities_inside_words_are_seen_with_all_their_pieces(tokenizer):
    sentence = example("a a a a be@CHEMICAL$@GENE$fd b")
    record = featurize(tokenizer, sentence, 9)
    assert inside(record) == "@ CHEM ##ICAL $ @ GENE $"


def test_offsets_are_those_of_the_text_and_not_of_the_cleaned_text(tokenizer):
    sentence = example("\u200b\u200b\u200b a a \x00\x00 a @GENE$ b \u4e2d c")
    record = featurize(tokenizer, sentence, 5)
    assert inside(record) == "@ GENE $"


def test_marks_of_scibert_are_kept_with_their_entity(tokenizer):
    sentence = example("a a << be >> c [[ d ]] a a", data_format="scibert")
    record = featurize(tokenizer, sentence, 14)
    assert inside(record) == "< < b ##e > > c [ [ d ] ]"


@pytest.mark.parametrize("entity_markers", [False, True])
def test_entities_longer_than_a_record_are_refused(tokenizer, entity_markers):
    sentence = example("a @GENE$ b @CHEMICAL$ c")
    size = 7 + 4 * entity_markers
    record = featurize(tokenizer, sentence, size + 2, entity_markers=entity_markers)
    assert len(record.pieces) == size + 2
    for max_seq_length in (3, size + 1):
        with pytest.raises(InputError) as error:
            featurize(
                tokenizer, sentence, max_seq_length, entity_markers=entity_markers
            )
        assert str(error.value) == (
            f"line 9 (id id7): its entities are {size} pieces long, "
            f"--max_seq_length={max_seq_length} leaves {max_seq_length - 2}; raise it"
        )
    # The original takes what there is room for.
    record = featurize(
        tokenizer, sentence, 4, entity_markers=entity_markers, compat="master"
    )
    assert len(record.pieces) == 4


# --- entity markers -------------------------------------------------------------------


def test_markers_of_placeholders_are_by_order(tokenizer):
    sentence = example("a@CHEMICAL$ b @GENE$c @GENE$.", "1")
    record = featurize(tokenizer, sentence, 30, entity_markers=True)
    assert inside(record) == (
        "a [unused1] @ CHEM ##ICAL $ [unused2] b "
        "[unused3] @ GENE $ [unused4] c [unused3] @ GENE $ [unused4] ."
    )
    assert record.features["label_ids"] == [1]
    assert {len(record.features[name]) for name in record.features} == {1, 30}
    assert sum(record.features["input_mask"]) == len(record.pieces) == 22


def test_markers_take_the_place_of_the_marks_of_scibert_and_are_by_kind(tokenizer):
    sentence = example("a [[ bef ]] c << d a >>.", data_format="scibert")
    record = featurize(tokenizer, sentence, 20, entity_markers=True)
    assert inside(record) == (
        "a [unused3] b ##e ##f [unused4] c [unused1] d a [unused2] ."
    )
    plain = featurize(tokenizer, sentence, 20)
    assert inside(plain) == "a [ [ b ##e ##f ] ] c < < d a > > ."


def test_markers_are_kept_with_their_entity(tokenizer):
    sentence = example("a b c @GENE$ a b c d a b c @GENE$ d")
    record = featurize(tokenizer, sentence, 12, entity_markers=True)
    assert inside(record) == (
        "[unused1] @ GENE $ [unused2] [unused3] @ GENE $ [unused4]"
    )
    record = featurize(tokenizer, sentence, 14, entity_markers=True)
    assert inside(record) == (
        "c [unused1] @ GENE $ [unused2] a [unused3] @ GENE $ [unused4]"
    )
    assert record.is_windowed


def test_a_vocabulary_without_markers_is_refused(tmp_path):
    files.write_text(tmp_path / "vocab.txt", "[UNK]\n[CLS]\n[SEP]\n@\nGENE\n$\n")
    tokenizer = FullTokenizer(tmp_path / "vocab.txt")
    with pytest.raises(InputError, match=r"vocab\.txt: has no token '\[unused1\]'"):
        featurize(tokenizer, example("@GENE$"), 9, entity_markers=True)


# --- which pieces are shown -----------------------------------------------------------


@pytest.mark.parametrize(
    ("num_pieces", "entities", "room", "expected"),
    [
        # All fit.
        (0, [], 4, []),
        (3, [], 4, [0, 1, 2]),
        (4, [range(3, 4)], 4, [0, 1, 2, 3]),
        # The beginning holds the entities, or there are none.
        (5, [], 4, [0, 1, 2, 3]),
        (9, [range(0, 2), range(3, 4)], 4, [0, 1, 2, 3]),
        # A window with the entities in its middle; of an odd rest the left has more.
        (20, [range(9, 11)], 6, [7, 8, 9, 10, 11, 12]),
        (20, [range(9, 10), range(12, 13)], 6, [8, 9, 10, 11, 12, 13]),
        (20, [range(9, 10), range(12, 13)], 7, [7, 8, 9, 10, 11, 12, 13]),
        (20, [range(9, 10), range(14, 15)], 6, [9, 10, 11, 12, 13, 14]),
        # As far left as a window can be, and as far right.
        (9, [range(1, 5)], 4, [1, 2, 3, 4]),
        (9, [range(2, 5)], 4, [1, 2, 3, 4]),
        (9, [range(4, 5)], 4, [2, 3, 4, 5]),
        (9, [range(8, 9)], 4, [5, 6, 7, 8]),
        (9, [range(6, 7), range(8, 9)], 5, [4, 5, 6, 7, 8]),
        (5, [range(4, 5)], 4, [1, 2, 3, 4]),
        # Too far apart: near comes first, then left.
        (20, [range(5, 6), range(15, 16)], 2, [5, 15]),
        (20, [range(5, 6), range(15, 16)], 3, [4, 5, 15]),
        (20, [range(5, 6), range(15, 16)], 6, [4, 5, 6, 14, 15, 16]),
        (20, [range(5, 6), range(15, 16)], 8, [3, 4, 5, 6, 7, 14, 15, 16]),
        (20, [range(0, 2), range(18, 20)], 6, [0, 1, 2, 17, 18, 19]),
        (9, [range(0, 1), range(4, 5), range(8, 9)], 5, [0, 1, 3, 4, 8]),
        # They do not fit.
        (9, [range(3, 8)], 4, None),
        (20, [range(0, 3), range(10, 12)], 4, None),
        (9, [range(8, 9)], 0, None),
    ],
)
def test_view(num_pieces, entities, room, expected):
    assert view(num_pieces, entities, room) == expected


def entities_at_random(rng, num_pieces):
    """Disjoint ranges in order, some of them adjacent."""
    num_cuts = 2 * rng.randint(0, 3)
    cuts = sorted(rng.choices(range(num_pieces + 1), k=num_cuts))
    pairs = zip(cuts[::2], cuts[1::2], strict=True)
    return [range(a, b) for a, b in pairs if a < b]


def test_properties_of_views():
    rng = random.Random(20240811)
    seen = dict.fromkeys(("whole", "head", "window", "parts", "none"), 0)
    for _ in range(5000):
        num_pieces, room = rng.randint(0, 40), rng.randint(1, 20)
        entities = entities_at_random(rng, num_pieces)
        must = [i for entity in entities for i in entity]
        kept = view(num_pieces, entities, room)
        if len(must) > room:
            assert kept is None
            seen["none"] += 1
            continue
        assert len(kept) == min(num_pieces, room)
        assert kept == sorted(set(kept))
        assert set(must) <= set(kept) <= set(range(num_pieces))
        if num_pieces <= room:
            seen["whole"] += 1
        elif not must or must[-1] < room:
            assert kept == list(range(room))
            seen["head"] += 1
        elif must[-1] - must[0] < room:
            assert kept == list(range(kept[0], kept[0] + room))
            left, right = must[0] - kept[0], kept[-1] - must[-1]
            is_clamped = kept[-1] == num_pieces - 1
            assert left - right in (0, 1) or (is_clamped and left > right)
            seen["window"] += 1
        else:

            def distance(piece, must=must):
                return min(abs(piece - other) for other in must)

            left_out = set(range(num_pieces)) - set(kept)
            assert max(map(distance, kept)) <= min(map(distance, left_out))
            seen["parts"] += 1
    assert min(seen.values()) > 200, seen


# --- random text ----------------------------------------------------------------------

ALPHABETS = (
    "abcdef  .,<>[]@$",
    "áÉñß İıΣς \u0301\u0328\u200d\u00a0",
    "日本語 한국어 \u0e33\u0937\u093f \u1100\u1161",
    "\x00\t\n\u2028\ufffd\ue000\ud800\U0001f600\U00020000",
)
PLACEHOLDERS = ("@GENE$", "@CHEMICAL$", "@a$", "@GENE-a_b$", "@fGENE2$")


def text_at_random(rng):
    parts = []
    for _ in range(rng.randint(0, 6)):
        alphabet = rng.choice(ALPHABETS) + rng.choice(ALPHABETS)
        parts.append("".join(rng.choices(alphabet, k=rng.randint(0, 25))))
    for _ in range(rng.randint(0, 3)):
        parts.insert(rng.randint(0, len(parts)), rng.choice(PLACEHOLDERS))
    return "".join(parts)


def holds_in_order(pieces, parts):
    """Whether `parts` stand whole in `pieces`, one after the other."""
    start = 0
    for part in parts:
        places = range(start, len(pieces) - len(part) + 1)
        found = [i for i in places if list(pieces[i : i + len(part)]) == part]
        if not found:
            return False
        start = found[0] + len(part)
    return True


@pytest.mark.parametrize("do_lower_case", [False, True])
@pytest.mark.parametrize("entity_markers", [False, True])
def test_random_text_loses_no_entity(tokenizer, do_lower_case, entity_markers):
    if do_lower_case:
        tokenizer = FullTokenizer(tokenizer.vocab_file, do_lower_case=True)
    rng = random.Random(7)
    num_windowed = num_refused = 0
    for _ in range(800):
        sentence, room = example(text_at_random(rng)), rng.randint(6, 40)
        parts = [
            tokenizer.tokenize(sentence.text[span.start : span.end])
            for span in sentence.entities
        ]
        if entity_markers:
            markers = itertools.chain(
                [("[unused1]", "[unused2]")],
                itertools.repeat(("[unused3]", "[unused4]")),
            )
            pairs = zip(parts, markers, strict=False)
            parts = [[before, *part, after] for part, (before, after) in pairs]
        try:
            record = featurize(
                tokenizer, sentence, room + 2, entity_markers=entity_markers
            )
        except InputError:
            assert sum(map(len, parts)) > room
            num_refused += 1
            continue
        assert holds_in_order(record.pieces, parts), sentence
        assert len(record.features["input_ids"]) == room + 2
        assert len(record.pieces) == sum(record.features["input_mask"])
        assert record.is_cut <= (len(record.pieces) == room + 2)
        assert record.is_windowed <= record.is_cut
        if not entity_markers:
            pieces = tokenizer.tokenize(sentence.text)
            assert len(record.pieces) == min(len(pieces), room) + 2
            assert record.is_cut == (len(pieces) > room)
            is_head = list(record.pieces[1:-1]) == pieces[:room]
            assert is_head or record.is_windowed
        num_windowed += record.is_windowed
    assert num_windowed > 50
    assert num_refused > 10


# --- recorded outputs -----------------------------------------------------------------


def folders(golden):
    """Yields the folders of features, with the name of their task."""
    for path in sorted(golden.glob("re/*/*/features_train.npz")):
        yield path.parent.parent.name, path.parent


def recorded_featurizer(golden, task, folder, max_seq_length, compat):
    is_uncased = folder.name.startswith("uncased")
    name = "vocab_uncased.txt" if is_uncased else "vocab_cased.txt"
    vocab_file = golden / "tokenization" / name
    return Featurizer(
        tokenizer=FullTokenizer(vocab_file, do_lower_case=is_uncased),
        relation_set=SETS[task],
        max_seq_length=max_seq_length,
        entity_markers=False,
        compat=compat,
    )


def recorded_examples(task, folder, split):
    """Reads what the original saw: the labels of a test file are unknown to it."""
    path = folder.parent / "data" / f"{split}.tsv"
    found = reading.read_examples(path, "biobert", SETS[task], needs_labels=True)
    if split == "test":
        return [dataclasses.replace(example, label=None) for example in found]
    return found


def num_placeholders(pieces):
    """How many stand whole in a row of pieces."""
    text = "".join(pieces).replace("##", "")
    return len(reading.PLACEHOLDER.findall(text))


@pytest.mark.golden
def test_features_are_the_originals_but_where_it_loses_an_entity(golden):
    num_folders = num_lost = 0
    for task, folder in folders(golden):
        for split in reading.SPLITS:
            with np.load(folder / f"features_{split}.npz") as arrays:
                expected = {name: arrays[name] for name in arrays.files}
            found = recorded_examples(task, folder, split)
            max_seq_length = expected["input_ids"].shape[1]
            records = {}
            for compat in ("master", "fixed"):
                featurizer = recorded_featurizer(
                    golden, task, folder, max_seq_length, compat
                )
                records[compat] = [featurizer.record(example) for example in found]
            where = f"{folder} {split}"
            for name, values in expected.items():
                actual = np.array([r.features[name] for r in records["master"]])
                np.testing.assert_array_equal(
                    actual, values.reshape(actual.shape), f"{where} {name}"
                )
            assert set(expected) == set(records["master"][0].features)
            assert not any(record.is_windowed for record in records["master"])
            for i, (sentence, record) in enumerate(
                zip(found, records["fixed"], strict=True)
            ):
                ids = expected["input_ids"][i][: expected["input_mask"][i].sum()]
                pieces = featurizer.tokenizer.convert_ids_to_tokens(ids.tolist())
                num_entities = len(reading.PLACEHOLDER.findall(sentence.text))
                is_lost = num_placeholders(pieces) < num_entities
                is_equal = record.features["input_ids"] == [*expected["input_ids"][i]]
                assert (is_equal, record.is_windowed) == (not is_lost, is_lost), where
                assert num_placeholders(record.pieces) == num_entities, where
                # All else is as in the original's row: as many pieces, and one label.
                for name in set(expected) - {"input_ids"}:
                    assert (
                        record.features[name] == expected[name][i].reshape(-1).tolist()
                    )
                assert record.is_cut >= is_lost
                num_lost += is_lost
        num_folders += 1
    assert num_folders
    assert num_lost
