"""Learning and judging vocabularies: by hand on toys, then on real articles."""

import itertools
import json
import random
from collections import Counter

import pytest

from biobert_tf.common.comma_lists import CommaList, FileGlobs
from biobert_tf.common.errors import InputError
from biobert_tf.text import tokenization
from biobert_tf.vocabularies import learning, report, words
from biobert_tf.vocabularies.settings import LearnConfig, ReportConfig, SampleConfig

# Kanji stand alone; the block signs are SentencePiece's own marks.
AWKWARD = (
    "Naïve T-cells (CD4+) express β-catenin.\n"
    "IL-2 and IL-2R\u03b1 bind; p < 0.05.\n"
    "日本語 text, x\u0301tude \u2581mark\u2581 a\u2585b.\n"
    "\n"
    "The BRCA1 gene; the BRCA2 gene; naïve cells.\n"
    "Immunohistochemistry of phosphorylated receptors in transgenic mice.\n"
    "Transcription factors regulate differentiation of mesenchymal stem cells.\n"
    "Overexpression induced apoptosis, inflammation and hypertension in rats.\n"
    f"{'ACGT' * 60} is long.\n"
)
HUGS = {"hug": 10, "pug": 5, "pun": 12, "bun": 4, "hugs": 5}


def sample_of(path, **settings):
    return SampleConfig(input=FileGlobs.parse(str(path)), **settings)


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text(AWKWARD, encoding="utf-8")
    return path


@pytest.fixture
def learn(corpus, tmp_path):
    """Learns from the awkward corpus; returns what was done and the entries."""

    def inner(vocab_size=300, path=corpus, sample=None, **settings):
        config = LearnConfig(
            output=tmp_path / "vocab.txt",
            vocab_size=vocab_size,
            sample=sample or sample_of(path),
            **settings,
        )
        learned = learning.learn(config)
        return learned, config.output.read_text(encoding="utf-8").split("\n")[:-1]

    return inner


def base_of(counts):
    return learning.base_vocabulary(sorted(set("".join(counts))), do_lower_case=False)


# --- learning, by hand -----------------------------------------------------------


def test_special_entries_have_the_ids_of_bert():
    ids = {piece: i for i, piece in enumerate(learning.SPECIAL)}
    names = ["[PAD]", "[unused1]", "[unused99]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert [ids[name] for name in names] == [0, 1, 99, 100, 101, 102, 103]
    assert len(learning.SPECIAL) == 104


@pytest.mark.data
def test_special_entries_are_those_of_the_released_vocabulary(data):
    released = data / "vocab" / "bert-base-cased-vocab.txt"
    lines = released.read_text(encoding="utf-8").split("\n")
    assert tuple(lines[:104]) == learning.SPECIAL


@pytest.mark.parametrize(
    ("piece", "expected"), [("▁cell", "cell"), ("s", "##s"), ("cell", "##cell")]
)
def test_sentencepiece_to_wordpiece(piece, expected):
    assert learning.to_wordpiece(piece) == expected


@pytest.mark.parametrize(
    ("coverage", "expected"),
    [
        (1.0, (["b", "a", "c", "d"], [])),
        (0.95, (["b", "a", "c", "d"], [])),
        (0.9, (["b", "a", "c"], ["d"])),
        (0.91, (["b", "a", "c", "d"], [])),
        (0.5, (["b"], ["a", "c", "d"])),
        (0.51, (["b", "a"], ["c", "d"])),
    ],
)
def test_alphabet_by_hand(coverage, expected):
    # b 5, a 3, c 1, d 1 of ten characters
    assert learning.alphabet({"abb": 2, "ab": 1, "cd": 1}, coverage) == expected


def test_base_vocabulary_by_hand():
    entries = learning.base_vocabulary(
        ["\u03b1", "中", "日", "—", "é"], do_lower_case=False
    )
    assert entries[:104] == list(learning.SPECIAL)
    single = [piece for piece in entries[104:] if not piece.startswith("##")]
    assert single == sorted(single)
    assert {"a", "Z", "0", "!", "~", "\u03b1", "中", "—", "é"} <= set(single)
    inner = {piece.removeprefix("##") for piece in entries if piece.startswith("##")}
    assert {"a", "Z", "0", "\u03b1", "é"} <= inner
    assert not inner & {"!", "~", "中", "日", "—"}
    # ASCII: 62 letters and digits, 32 marks
    assert len(single) == 62 + 32 + 5
    assert len(inner) == 62 + 2


def test_uncased_base_vocabulary_has_no_capitals():
    entries = learning.base_vocabulary(["\u03b1"], do_lower_case=True)
    assert tokenization.is_lower_cased(entries)
    assert len(entries) == 104 + (36 + 32 + 1) + (36 + 1)


def test_a_lone_hash_is_kept_apart_from_the_continuation_mark():
    entries = learning.base_vocabulary([], do_lower_case=False)
    assert "#" in entries
    assert "###" not in entries


@pytest.mark.parametrize(
    ("wanted", "merged"),
    [
        (0, []),
        # ug 20; then ▁p 17, which is there already; then un 16; ▁h and hug 15
        (1, ["##ug"]),
        (2, ["##ug", "##un"]),
        (3, ["##ug", "##un", "hug"]),
        (4, ["##ug", "##un", "hug", "pun"]),
        # pug 5, then hugs 5: with pug and hug whole, ##ug is of no use and goes.
        (5, ["##un", "hug", "pun", "pug", "hugs"]),
    ],
)
def test_merges_by_hand(wanted, merged):
    base = base_of(HUGS)
    vocabulary = learning.grow(base, HUGS, len(base) + wanted)
    assert vocabulary[: len(base)] == base
    assert vocabulary[len(base) :] == merged


def test_words_have_only_so_many_parts():
    # bun would be the sixth, but takes the place of ##un.
    base = base_of(HUGS)
    with pytest.raises(InputError, match=f"make {len(base) + 5} entries"):
        learning.grow(base, HUGS, len(base) + 6)


def test_counts_decide():
    base = base_of("abxy")
    for often, rarely in (("ab", "xy"), ("xy", "ab")):
        grown = learning.grow(base, {often: 5, rarely: 3}, len(base) + 1)
        assert grown[-1] == often


def test_no_character_is_changed():
    # A ligature and a superscript, which NFKC would take apart.
    counts = {"\ufb01n": 9, "x\u00b2": 8}
    base = base_of(counts)
    assert learning.grow(base, counts, len(base) + 2)[len(base) :] == list(counts)


def test_words_with_characters_left_out_teach_nothing():
    base = base_of("abcd")
    assert learning.grow(base, {"\u03b1b": 9, "cd": 8}, len(base) + 1)[-1] == "cd"


@pytest.mark.parametrize("counts", [{}, {"a": 9}, {"\u2585a": 9}])
def test_nothing_to_merge(counts):
    base = base_of("a\u2585")
    assert learning.grow(base, counts, len(base)) == base
    with pytest.raises(InputError, match=f"make {len(base)} entries"):
        learning.grow(base, counts, len(base) + 1)


def test_digits_and_scripts_may_be_merged():
    counts = {"p53": 9, "R\u03b1": 8}
    base = base_of(counts)
    assert learning.grow(base, counts, len(base) + 2)[len(base) :] == ["p53", "R\u03b1"]


# --- learning, from a file -------------------------------------------------------


@pytest.mark.parametrize("do_lower_case", [False, True])
def test_learnt_vocabulary(learn, do_lower_case):
    learned, entries = learn(280, do_lower_case=do_lower_case)
    assert len(entries) == len(set(entries)) == 280 == learned.num_entries
    assert tuple(entries[:104]) == learning.SPECIAL
    vocab = {piece: i for i, piece in enumerate(entries)}
    tokenization.check_case(vocab, do_lower_case, learned.vocab_file)
    assert tokenization.is_lower_cased(vocab) == do_lower_case
    basic = tokenization.BasicTokenizer(do_lower_case)
    for piece in entries[104:]:  # none crosses a border of BasicTokenizer
        word = f"a{piece[2:]}" if piece.startswith("##") else piece
        assert basic.tokenize(word) == [word]
    tokenizer = tokenization.FullTokenizer(learned.vocab_file, do_lower_case)
    cut = {word: tokenizer.tokenize(word) for word in AWKWARD.split()}
    unknown = {word for word, pieces in cut.items() if "[UNK]" in pieces}
    assert unknown == {"ACGT" * 60}  # longer than any word the tokenizer cuts
    used = {piece for pieces in cut.values() for piece in pieces}
    merged = entries[104 + learned.num_single :]
    assert merged
    assert set(merged) <= used


def test_characters_stand_alone_and_inside(learn):
    _, entries = learn(300)
    vocab = set(entries)
    for char in set(AWKWARD) - set(" \n"):
        assert char in vocab
        if char.isalpha() and not "\u4e00" <= char <= "\u9fff":
            assert f"##{char}" in vocab
    assert {"\u2581", "##\u2581", "\u2585", "##\u2585", "\u0301", "##\u0301"} <= vocab


def test_the_same_text_gives_the_same_file(learn, corpus, tmp_path):
    _, entries = learn()
    assert learn()[1] == entries
    # In another order too: only counts matter.
    blocks = AWKWARD.split("\n\n")
    other = tmp_path / "other.txt"
    other.write_text("\n\n".join(reversed(blocks)), encoding="utf-8")
    assert learn(path=other)[1] == entries
    half = [tmp_path / "1.txt", tmp_path / "2.txt"]
    for path, block in zip(half, blocks, strict=True):
        path.write_text(f"{block}\n\nIL-2.\n", encoding="utf-8")
    assert learn(path=f"{half[0]},{half[1]}")[1][:104] == entries[:104]


def test_rare_characters_can_be_left_out(learn):
    learned, entries = learn(300, character_coverage=0.98)
    assert learned.left_out
    assert not set(learned.left_out) & set(entries)
    assert "rare characters have no piece" in learned.summary()
    learned, _ = learn(300)
    assert not learned.left_out


def test_summary(learn):
    learned, entries = learn(300)
    number = sum(len(piece.removeprefix("##")) == 1 for piece in entries)
    assert learned.num_single == number
    assert learned.summary().splitlines() == [
        f"looked at {learned.num_words} words, {learned.num_distinct} different",
        f"wrote {learned.vocab_file}: 300 entries: 104 special, {number} single "
        f"characters, {300 - 104 - number} longer pieces",
    ]
    assert learned.num_words == len(
        tokenization.BasicTokenizer(False).tokenize(AWKWARD)
    )


def test_too_small_says_the_least(learn, tmp_path):
    with pytest.raises(InputError, match=r"--vocab_size=200: must be at least (\d+)"):
        learn(200)
    assert not (tmp_path / "vocab.txt").exists()
    _, entries = learn(300)
    least = 104 + sum(len(piece.removeprefix("##")) == 1 for piece in entries)
    assert len(learn(least)[1]) == least
    with pytest.raises(InputError, match=f"must be at least {least},"):
        learn(least - 1)


def test_too_large_says_the_most(learn):
    with pytest.raises(InputError, match=r"--vocab_size=30000: .* make ") as error:
        learn(30000)
    most = int(str(error.value).split(" make ")[1].split()[0])
    assert len(learn(most)[1]) == most


@pytest.mark.parametrize("text", ["", "\n\n  \n", "\x00\x01\n"])
def test_empty_corpus(learn, tmp_path, text):
    path = tmp_path / "empty.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=r"empty\.txt"):
        learn(path=path)
    assert not (tmp_path / "vocab.txt").exists()


@pytest.mark.parametrize(
    "settings",
    [{"vocab_size": 0}, {"character_coverage": 0}, {"character_coverage": 2}],
)
def test_bad_settings(settings):
    with pytest.raises(InputError, match=f"--{next(iter(settings))}="):
        LearnConfig(output="v.txt", sample=sample_of("x"), **settings)


# --- the sample ------------------------------------------------------------------


def test_a_small_corpus_is_taken_whole_and_in_order():
    assert words.sample(range(10), sample_of("x", max_sentences=10)) == list(range(10))


def test_sample_is_uniform_and_repeatable():
    def draw(seed):
        config = sample_of("x", max_sentences=5, seed=seed)
        return words.sample(iter(range(20)), config)

    assert draw(1) == draw(1) != draw(2)
    counts = Counter(itertools.chain.from_iterable(map(draw, range(8000))))
    # 8000 * 5 / 20 = 2000 each; five standard deviations are 194
    assert set(counts) == set(range(20))
    assert all(abs(count - 2000) < 194 for count in counts.values())
    assert all(len(set(draw(seed))) == 5 for seed in range(50))


def test_sample_limits_what_is_counted(corpus):
    tokens = words.read_tokens(sample_of(corpus, max_sentences=1))
    lines = [line for line in AWKWARD.split("\n") if line]
    assert tokens in [Counter(line.split(" ")) for line in lines]


def test_damage_is_named_and_only_live_records_count(tmp_path, caplog):
    def write(name, *titles):
        articles = "".join(
            "<PubmedArticle><MedlineCitation><PMID>7</PMID><Article><ArticleTitle>"
            f"{title}</ArticleTitle></Article></MedlineCitation></PubmedArticle>"
            for title in titles
        )
        text = f"<PubmedArticleSet>{articles}</PubmedArticleSet>"
        (tmp_path / name).write_text(text, encoding="utf-8")

    write("1.xml", "Old title.", "No &such; entity.")
    write("2.xml", "New title.")
    tokens = words.read_tokens(sample_of(tmp_path / "*.xml"))
    assert tokens == {"New": 1, "title.": 1}
    caplog.clear()
    (tmp_path / "2.xml").unlink()
    write("1.xml", "No &such; entity.")
    (tmp_path / "2.txt").write_text("Some text.\n\nMore text.\n")
    tokens = words.read_tokens(sample_of(f"{tmp_path}/1.xml,{tmp_path}/2.txt"))
    assert tokens == {"Some": 1, "More": 1, "text.": 2}
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "1.xml: record 1" in caplog.text
    assert caplog.records[0].message.endswith("; skipped")
    # A record without text is no damage.
    caplog.clear()
    write("1.xml", "")
    words.read_tokens(sample_of(f"{tmp_path}/1.xml,{tmp_path}/2.txt"))
    assert not caplog.records


def test_strict(tmp_path):
    path = tmp_path / "1.xml"
    path.write_text("<PubmedArticleSet><PubmedArticle>", encoding="utf-8")
    with pytest.raises(InputError, match=r"1\.xml.*--strict"):
        words.read_tokens(sample_of(path, strict=True))


def test_text_of_one_document_is_taken(tmp_path):
    path = tmp_path / "one.txt"
    path.write_text("Some text.\nMore text.\n")
    assert words.read_tokens(sample_of(path)).total() == 4


def test_counting_tokens_is_counting_sentences():
    rng = random.Random(7)
    letters = "aB\u00e9,.-中 \u3000\t\x1c\x85\u2028\u200b"
    texts = ["".join(rng.choices(letters, k=30)) for _ in range(200)]
    tokens = Counter(token for text in texts for token in text.split(" "))
    for do_lower_case in (False, True):
        basic = tokenization.BasicTokenizer(do_lower_case)
        expected = Counter(chunk for text in texts for chunk in basic.tokenize(text))
        assert words.count_words(tokens, do_lower_case) == expected


@pytest.mark.parametrize(
    ("vocab", "expected"),
    [
        (["[UNK]", "a", "##b", "中"], True),
        (["[UNK]", "a", "##B"], False),
        (["[UNK]", "中", "5", "\u0915"], False),  # shows nothing
    ],
)
def test_is_lower_cased(vocab, expected):
    assert tokenization.is_lower_cased(vocab) is expected


# --- the report ------------------------------------------------------------------

CASED = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "The", "gene", "##s", "p", "##5", "##3"]
CASED += ["is", ".", "in", "##hib", "##it", "##ed", "5", "x"]
UNCASED = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "genes", "p", "##53", "is", "."]
TEXT = "The genes p53 is inhibited.\n\nThe gene 53.\nThe κ genes ~ 53 x 53.\n"
# 5 sorts of word pieces, cased, over all occurrences:
#   The x3: 1    genes x2: 2    p53: 3    is: 1    inhibited: 4    gene: 1    53 x3: 2
#   κ: [UNK]    x: 1; and the marks . x3: 1    ~: [UNK]


@pytest.fixture
def toy(tmp_path):
    for name, entries in (("cased", CASED), ("uncased", UNCASED)):
        text = "".join(f"{piece}\n" for piece in entries)
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_text(TEXT, encoding="utf-8")
    return tmp_path


def report_of(folder, vocab_file, **settings):
    sample = sample_of(folder / "text" / "*.txt")
    return report.report(
        ReportConfig(
            vocab_file=CommaList.parse(str(vocab_file)), sample=sample, **settings
        )
    )


def test_report_by_hand(toy):
    report_of(toy, f"{toy}/cased.txt", output=toy / "report.json", top=2)
    (found,) = json.loads((toy / "report.json").read_text("utf-8"))
    assert found.pop("vocab_file") == str(toy / "cased.txt")
    num_word_pieces = 3 * 1 + 2 * 2 + 3 + 1 + 4 + 1 + 3 * 2 + 1 + 1
    assert found == {
        "do_lower_case": False,
        "num_entries": 18,
        "num_entries_used": 14,  # all but the special ones
        "num_words": 14,
        "num_distinct_words": 9,
        "num_word_pieces": num_word_pieces,
        "num_whole_words": 3 + 1 + 1 + 1,
        "num_pieces": num_word_pieces + 4,
        "num_unknown": 2,
        "pieces_per_word": num_word_pieces / 14,
        "whole_word_rate": 6 / 14,
        "unknown_rate": 2 / (num_word_pieces + 4),
        # 53 costs three pieces too, but has no letter
        "most_split": [
            {
                "word": "inhibited",
                "count": 1,
                "pieces": ["in", "##hib", "##it", "##ed"],
            },
            {"word": "genes", "count": 2, "pieces": ["gene", "##s"]},
        ],
        "most_unknown": [
            {"word": "~", "count": 1, "pieces": ["[UNK]"]},
            {"word": "κ", "count": 1, "pieces": ["[UNK]"]},
        ],
    }


def test_two_vocabularies_side_by_side(toy):
    text = report_of(toy, f"{toy}/cased.txt,{toy}/uncased.txt", top=1)
    assert text.splitlines() == [
        f"(1) {toy}/cased.txt",
        f"(2) {toy}/uncased.txt",
        "                           (1)       (2)",
        "lower-cased                 no       yes",
        "entries                     18        10",
        "entries used                14         6",
        "words                       14        14",
        "different words              9         9",
        "pieces per word         1.7143    1.0714",
        "words kept whole        42.86%    42.86%",
        "[UNK] of all pieces    7.1429%  42.1053%",
        "",
        "(1) most split:",
        "       1  inhibited: in ##hib ##it ##ed",
        "",
        "(1) most often [UNK]:",
        "       1  ~: [UNK]",
        "",
        "(2) most split:",
        "       1  p53: p ##53",
        "",
        "(2) most often [UNK]:",
        "       3  53: [UNK]",
    ]


def test_an_empty_list_has_no_heading(toy):
    (toy / "text" / "a.txt").write_text("The gene.\n\nThe gene is.\n", encoding="utf-8")
    text = report_of(toy, f"{toy}/cased.txt")
    assert "most split" not in text
    assert "most often" not in text


def test_text_without_words(toy):
    (toy / "text" / "a.txt").write_text(". .\n\n.\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"text/\*\.txt: the corpus has no words"):
        report_of(toy, f"{toy}/cased.txt")


def test_suggestions_by_hand():
    cut = [
        report.CutWord("whole", 50, ("whole",)),
        report.CutWord("genes", 4, ("gene", "##s")),
        report.CutWord("mRNA", 4, ("m", "##RNA")),
        report.CutWord("inhibited", 3, ("in", "##hib", "##ited")),
        report.CutWord("κ-light", 5, ("[UNK]",)),
        report.CutWord("once", 1, ("o", "##n", "##c", "##e")),
        report.CutWord("2005", 90, ("2", "##0", "##05")),
        report.CutWord("pH", 90, ("p", "##H")),
    ]
    expected = ["inhibited", "κ-light", "genes", "mRNA"]
    assert report.suggestions(cut, 10) == expected
    assert report.suggestions(cut, 2) == expected[:2]


def test_suggestions_are_written(toy):
    text = "genes p53 genes p53 inhibited\n\nThe genes p53.\n"
    (toy / "text" / "a.txt").write_text(text, encoding="utf-8")
    path = toy / "new.txt"
    report_of(toy, f"{toy}/cased.txt", suggest=5, suggestions_file=path)
    assert path.read_text(encoding="utf-8") == "p53\ngenes\n"


@pytest.mark.parametrize(
    "settings", [{"suggest": 3}, {"suggestions_file": "x"}, {"top": -1}]
)
def test_bad_report_settings(settings):
    with pytest.raises(InputError, match=r"--(suggest|top)"):
        ReportConfig(vocab_file=CommaList.parse("v"), sample=sample_of("x"), **settings)


def test_sample_of_nothing():
    with pytest.raises(InputError, match="--max_sentences=0"):
        sample_of("x", max_sentences=0)


# --- on real articles ------------------------------------------------------------


@pytest.mark.data
def test_learnt_beats_the_general_vocabulary_on_unseen_articles(data, tmp_path):
    pretrain = data / "pretrain"
    output = tmp_path / "vocab.txt"
    learnt_from = ["craft/BMC_[BD]*", "craft/A*", "pmc/*", "medline16*"]
    learned = learning.learn(
        LearnConfig(
            output=output,
            vocab_size=8000,
            sample=sample_of(",".join(f"{pretrain}/{glob}" for glob in learnt_from)),
        )
    )
    assert learned.num_entries == 8000
    released = data / "vocab" / "bert-base-cased-vocab.txt"
    report.report(
        ReportConfig(
            vocab_file=CommaList.parse(f"{output},{released}"),
            sample=sample_of(f"{pretrain}/craft/BMC_C*.nxml"),
            output=tmp_path / "report.json",
        )
    )
    ours, general = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert ours["num_words"] == general["num_words"] > 10000
    assert ours["unknown_rate"] < 0.001
    assert 1 < ours["pieces_per_word"] < general["pieces_per_word"]
    assert ours["whole_word_rate"] > general["whole_word_rate"]
