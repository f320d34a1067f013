"""What the benchmarks share: turns, their ratios, and the tables made of them."""

import json
import statistics
import sys
from pathlib import Path

from benchmarks import turns
from benchmarks.peers import inputs, machine, running, table
from benchmarks.peers.sides import WORKS, Side, Work
from biobert_tf.text.tokenization import FullTokenizer

ROOT = Path(__file__).parents[1]
WORKER = """
import json, sys
print(json.dumps({"answer": [1, 2], "notes": {"name": sys.argv[1]}}), flush=True)
for line in sys.stdin:
    print(json.dumps([float(sys.argv[2]), 0.0]), flush=True)
print(json.dumps(7.0), flush=True)
"""


def side(name: str, *program: str, is_ours: bool = False, is_kept: bool = True) -> Side:
    return Side("float32", name, is_ours, "ours", program, is_kept)


def test_ratios_are_those_of_each_turn():
    found = turns.ratios([1.0, 2.0, 4.0], [3.0, 2.0, 6.0])
    assert found == (1.0, 1.5, 3.0)
    assert str(found) == "1.50 (min 1.00, max 3.00)"


def test_every_second_turn_goes_the_other_way():
    order: list[str] = []
    ways = {name: lambda name=name: order.append(name) or len(order) for name in "abc"}
    found = turns.take_turns(ways, 3)
    assert "".join(order) == "abccbaabc"
    assert found == {"a": [1, 6, 7], "b": [2, 5, 8], "c": [3, 4, 9]}


def test_a_side_that_fails_costs_itself_only(tmp_path):
    work = Work(
        "toy",
        (
            side("biobert_tf", "-c", WORKER, "ours", "2", is_ours=True),
            side("slow", "-c", WORKER, "slow", "5"),
            side("broken", "-c", "raise SystemExit('no such thing')"),
            side("sudden", "-c", WORKER.split("for line")[0] + "sys.stdin.readline()"),
            side("started", "-c", "open(1, 'w').write('hello')", is_kept=False),
        ),
    )
    found = running.run(work, 3, {"ours": sys.executable}, tmp_path, tmp_path / "logs")
    ours, slow, broken, sudden, started = found["sides"]
    assert ours["seconds"] == [2, 2, 2]
    assert slow["peak_mib"] == 7 and slow["equal_to_first"] == 1
    assert slow["notes"] == {"name": "slow"}
    assert broken["error"].startswith("no such thing (all of it: ")
    assert sudden["error"]
    assert started["peak_mib"] > 1
    pair = {"group": "float32", "ours": "biobert_tf"}
    assert found["ratios"][0] == {
        **pair,
        **{"other": "slow", "least": 2.5, "median": 2.5, "most": 2.5},
    }
    assert [ratio["other"] for ratio in found["ratios"]] == ["slow", "started"]


def result(name: str, seconds: list[float], is_ours: bool) -> dict[str, object]:
    return {
        "group": "float32",
        "name": name,
        "is_ours": is_ours,
        "seconds": seconds,
        "peak_mib": 1234.5,
        "notes": {"f1": [0.8, 0.9]},
    }


def test_the_tables_are_made_of_the_json():
    entries = [
        result("ours", [1.0, 1.0], True),
        result("slow", [4.0, 2.0], False),
        result("fast", [0.5, 0.6], False),
        {"group": "float32", "name": "bad", "is_ours": False, "error": "no memory"},
    ]
    works = {
        "work": {
            "title": "Work",
            "turns": 2,
            "sides": entries,
            "ratios": running.ratios(entries),
        }
    }
    about = machine.describe({"ours": sys.executable})
    given = {"data": "words", "model": "random weights", "quick": True}
    results = {"machine": about, "inputs": given, "works": works}
    results = json.loads(json.dumps(results))
    assert table.short(results).split("\n")[2] == (
        "| work float32 | ours: 1 s | fast: 0.55 s | 0.55 (0.50 to 0.60) |"
    )
    whole = table.full(results)
    row = "| float32 | ours | 1 | 1,234 | slow | 3 | 1,234 | 3.00 (2.00 to 4.00) |"
    assert row in whole.split("\n")
    assert "- float32 bad: failed: no memory" in whole
    assert "- float32 slow: F1 85.00" in whole
    assert "Data: words; model: random weights; a quarter of the work." in whole
    page = (
        "A\n<!-- short table of make bench -->\nold\n<!-- end of short table -->\nB\n"
    )
    new = table.update(page, results)
    assert new == page.replace("old\n", table.short(results))
    assert table.update(new, results) == new


def test_the_page_shows_its_json():
    page = ROOT / "docs" / "benchmarks.md"
    results = json.loads(page.with_suffix(".json").read_text("utf-8"))
    text = page.read_text("utf-8")
    assert table.update(text, results) == text
    assert table.short(results) in text and table.full(results) in text


def test_the_front_page_shows_rows_of_it():
    results = json.loads((ROOT / "docs" / "benchmarks.json").read_text("utf-8"))
    front = (ROOT / "README.md").read_text("utf-8").splitlines()
    heads, _, *rows = table.short(results).splitlines()
    start = front.index(heads) + 2
    shown = front[start : front.index("", start)]
    assert shown and set(shown) <= set(rows)


def test_made_up_sentences_are_as_long_as_those_of_ncbi(tmp_path):
    vocabulary = inputs.made_up_vocabulary()
    assert len(set(vocabulary)) == len(vocabulary) == inputs.MINILM.vocab_size
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(vocabulary) + "\n", "utf-8")
    tokenizer = FullTokenizer(path, None)
    lengths = []
    for example in inputs.made_up(1000, vocabulary, seed=0):
        pieces = tokenizer.tokenize(" ".join(example.words))
        assert "[UNK]" not in pieces
        assert len(example.words) == len(example.labels)
        lengths.append(len(pieces) + 2)
    # 34.3 in MiniLM's pieces.
    assert 33 < statistics.mean(lengths) < 36
    assert max(lengths) <= inputs.LENGTH


def test_sides_have_names_of_their_own():
    for work in WORKS.values():
        assert len({each.key for each in work.sides}) == len(work.sides)
        assert {each.is_ours for each in work.sides} == {True, False}
