"""The benchmark that watches commands that run for long."""

import gzip
import json
import math
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from benchmarks.long_runs import page, processes, watching, works
from biobert_tf.corpora import reading
from biobert_tf.corpora.document import sentences
from biobert_tf.corpora.settings import CorpusConfig

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "long_runs.md"
HOLDER = """
import sys, threading
files = [open("/dev/null") for _ in range(7)]
wait = threading.Event()
threads = [threading.Thread(target=wait.wait, daemon=True) for _ in range(3)]
for thread in threads:
    thread.start()
print("ready", flush=True)
sys.stdin.read()
"""
PARENT = f"""
import subprocess, sys
sys.exit(subprocess.call([sys.executable, "-c", {HOLDER!r}]))
"""
WORKER = """
import sys, time
print("I 12:00:00 starting", file=sys.stderr)
for step in (0, 50, 100):
    print(f"I 12:00:00 training: {step}/100 steps, 1 steps/s", file=sys.stderr)
    sys.stderr.flush()
    time.sleep(0.3)
"""

needs_proc = pytest.mark.skipif(not processes.is_available(), reason="no /proc")


def work(script, output):
    phases = {"training": 0}
    return works.Work("toy", "plays", "steps", 1000, ["-c", script], output, phases)


@needs_proc
def test_a_tree_counts_its_children():
    alone = processes.of_tree(os.getpid())
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", PARENT], **pipes) as parent:
        assert parent.stdout.readline() == b"ready\n"
        tree = processes.of_tree(parent.pid)
        whole = processes.of_tree(os.getpid())
        parent.stdin.close()
    # One of the parent, and four of its child.
    assert tree.threads == 5
    assert tree.files >= 3 + 3 + 7
    assert tree.mib > 5
    assert whole.threads >= alone.threads + 5
    assert processes.of_tree(parent.pid) == processes.Usage()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("I 15:08:14 training: 142/5000 steps, 12.37 steps/s", ("training", 0.0284)),
        ("I 15:35:31 reading: 5.24M/10.48MB, 42.0kB/s", ("reading", 0.5)),
        ("I 15:35:31 annotating: 250 documents, 9 documents/s", ("annotating", 0.25)),
        ("I 15:35:31 annotating: 250 documents", ("annotating", 0.25)),
        ("I 15:35:31 predicting: 5/10 rows", None),
        ("I 15:35:31 training on train.tsv", None),
        ("W 15:35:31 training: 1/2 steps", None),
        ("training: 142/5000 steps", None),
    ],
)
def test_progress_is_read_from_the_log(line, said):
    totals = {"training": 0, "reading": 0, "annotating": 1000}
    assert watching.reported(line, totals) == said


@needs_proc
def test_a_command_is_watched_to_its_end(tmp_path):
    output = tmp_path / "output"
    output.mkdir()
    (output / "of an earlier run").touch()
    script = f"{WORKER}\nimport os\nos.makedirs({str(output / 'tensorboard')!r})\n"
    script += f"open({str(output / 'tensorboard' / 'a')!r}, 'w').write(123 * 'a')"
    seen = watching.watch(work(script, output), tmp_path / "log", 0.05)
    assert os.listdir(output) == ["tensorboard"]
    samples = seen["phases"]["training"]
    done = [sample[0] for sample in samples]
    assert done == sorted(done) and 0 <= done[0] <= done[-1] <= 1000
    assert all(mib > 1 and threads == 1 for _, mib, threads, _ in samples)
    assert all(files >= 3 for *_, files in samples)
    assert seen["event_bytes"] == 123
    assert seen["log_bytes"] == (tmp_path / "log").stat().st_size > 100
    json.dumps(seen)


@needs_proc
def test_a_command_that_fails_is_named(tmp_path):
    with pytest.raises(watching.CommandError, match=r"toy: status 3; see .*/log"):
        watching.watch(
            work("raise SystemExit(3)", tmp_path / "output"), tmp_path / "log", 0.05
        )


def test_quarters_and_slopes():
    samples = [[done, 10 + done / 500, 4, 9] for done in range(0, 1001, 10)]
    assert page.medians(samples, 1) == [10.25, 11.75]
    assert page.slope(samples, 1) == pytest.approx(2)
    assert page.slope(samples, 2) == 0
    # What is there for a moment does not count.
    samples[90][1] = 1000
    assert page.slope(samples, 1) == pytest.approx(2)
    assert math.isnan(page.slope(samples[:1], 1))


def test_every_sentence_has_a_word_of_its_own():
    held = list(works._documents(None, 4321))
    assert [*map(len, held)] == [10] * 432 + [1]
    words = [re.search(r"(\w+)\.$", one)[1] for part in held for one in part]
    assert len(set(words)) == 4321


def test_the_records_are_read_as_pubmed(tmp_path):
    (tmp_path / "data").mkdir()
    rows = "A\tO\n<\tO\nB\tO\n&\tO\nC\tO\n.\tO\n\n"
    (tmp_path / "data" / "train.tsv").write_text(rows)
    made = works.work("corpus", tmp_path, tmp_path / "data", works.Sizes(1, 1, 12))
    assert made.words[3:] == [
        f"--input={tmp_path}/pubmed/*.xml.gz",
        f"--output={tmp_path}/corpus.txt",
    ]
    path = tmp_path / "pubmed" / "0000.xml.gz"
    assert gzip.decompress(path.read_bytes()).count(b"<PubmedArticle>") == 2
    skipped = []
    options = reading.ReadOptions(CorpusConfig())
    found = [sentences(one) for one in reading.corpus([path], options, skipped.append)]
    assert [*map(len, found)] == [10, 2] and not skipped
    assert found[0][0] == "A < B & C with aaaaaa."


def test_the_page_shows_its_json():
    results = json.loads(PAGE.with_suffix(".json").read_text("utf-8"))
    text = PAGE.read_text("utf-8")
    assert page.update(text, results) == text
    assert page.tables(results) in text
    assert results["works"].keys() == set(works.NAMES)
    picture = page.picture(results)
    assert PAGE.with_suffix(".svg").read_text("utf-8") == picture
    assert "prefers-color-scheme: dark" in picture
    drawn = [each for each in ET.fromstring(picture) if each.tag.endswith("polyline")]
    assert len(drawn) == 3 * len([*page._series(results)])
