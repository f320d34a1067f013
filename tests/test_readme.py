"""What the README and the pages of docs/ say is so: flags, files, counts.

`python tests/test_readme.py` rewrites docs/flags.md.
"""

import dataclasses
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import qa_toys

from biobert_tf import problems
from biobert_tf.classification.settings import ClassifyConfig
from biobert_tf.cli import main as cli
from biobert_tf.common import files, flags, settings
from biobert_tf.corpora.settings import WriteCorpusConfig
from biobert_tf.demo import ner as ner_demo
from biobert_tf.doctor.settings import DoctorConfig
from biobert_tf.embeddings import settings as feature_settings
from biobert_tf.export import settings as export_settings
from biobert_tf.ner import settings as annotate_settings
from biobert_tf.pretraining.data.settings import CreatePretrainingDataConfig
from biobert_tf.qa import reading
from biobert_tf.qa.bioasq import settings as question_settings
from biobert_tf.qa.settings import AskConfig
from biobert_tf.relations import settings as relation_settings
from biobert_tf.reproduce.settings import ReproduceConfig
from biobert_tf.tpu.settings import TpuCheckConfig

ROOT = Path(__file__).parents[1]
# Scripts of the original that the pages name too.
ORIGINALS = {
    "re_eval.py",
    "extract_features.py",
    "run_classifier.py",
    "transform_nbset2bioasqform.py",
}
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("*/README.md")])
README = (ROOT / "README.md").read_text("utf-8")
PAGES.append(ROOT / "tests" / "recorded" / "README.md")
COMMANDS = {
    **{each.script: (each.settings, each.defaults) for each in problems.TRAINED},
    "biobert create-pretraining-data": (CreatePretrainingDataConfig, {}),
    "biobert corpus": (WriteCorpusConfig, {}),
    "biobert extract-features": (feature_settings.ExtractFeaturesConfig, {}),
    "biobert export": (export_settings.ExportConfig, {}),
    "biobert re-predict": (relation_settings.RePredictConfig, {}),
    "biobert re-data chemprot": (relation_settings.ReleaseConfig, {}),
    "biobert re-data drugprot": (relation_settings.ReleaseConfig, {}),
    "biobert re-data pairs": (relation_settings.PairsConfig, {}),
    "biobert re-eval": (relation_settings.ReEvalConfig, {}),
    "biobert annotate": (annotate_settings.AnnotateConfig, {}),
    "biobert classify": (ClassifyConfig, {}),
    "biobert ask": (AskConfig, {}),
    "biobert doctor": (DoctorConfig, {}),
    "biobert bioasq-data": (question_settings.BioAsqDataConfig, {}),
    "biobert reproduce": (ReproduceConfig, {}),
    "biobert blurb": (ReproduceConfig, {"table": "blurb"}),
    "biobert blue": (ReproduceConfig, {"table": "blue"}),
    "biobert tpu-check": (TpuCheckConfig, {}),
}


def flag_table(config_type, defaults):
    """The rows of a command's table; rewrite docs/flags.md with them."""
    rows = ["| flag | default | meaning |", "|---|---|---|"]
    for _, fields in settings.groups(config_type):
        for field in fields:
            is_required = field.default is dataclasses.MISSING
            default = flags._shown(flags._default(field, defaults))
            shown = "required" if is_required else default
            rows.append(f"| `--{field.name}` | {shown} | {field.metadata['help']} |")
    return "\n".join(rows) + "\n"


def flags_page():
    """The whole of docs/flags.md."""
    parts = [
        "# Flags\n",
        "`--flagfile=FILE` reads flags from a file, one per line. Booleans take\n"
        "`--name`, `--noname` and `--name=false`.\n",
        "Every command has `--verbosity`, by default `info`: log progress and\n"
        "warnings. `warning` (-1) and `error` (-2) say less. `debug` (1) also shows\n"
        "what TensorFlow says. The numbers are absl's. `TF_CPP_MIN_LOG_LEVEL` decides\n"
        "about TensorFlow's C++ code if it is set.\n",
    ]
    for name, (config_type, defaults) in COMMANDS.items():
        parts += [f"## {name}\n", flag_table(config_type, defaults)]
    return "\n".join(parts)


def test_the_page_of_flags_is_the_code():
    assert (ROOT / "docs" / "flags.md").read_text("utf-8") == flags_page()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_named_exists(page):
    text = page.read_text("utf-8")
    named = set(re.findall(r"`([\w/]+\.(?:py|flags))`", text))
    places = [ROOT, ROOT / "biobert_tf", page.parent]
    for path in named - ORIGINALS:
        found = any((place / path).exists() for place in places)
        # A page on what every problem has names files that stand in many folders.
        assert found or list((ROOT / "biobert_tf").glob(f"*/{path}")), path


def anchors(page):
    """The names of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
    for heading in re.findall(r"^#+ (.+)$", text, re.M):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    links = re.findall(
        r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", page.read_text("utf-8")
    )
    for path, anchor in links:
        target = page.parent / path if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), (path, anchor)


def test_the_front_page_is_short_and_shows_the_demo():
    assert len(README.splitlines()) <= 170
    assert ner_demo.RAW_SENTENCE in README
    assert len(re.findall(r"^!\[", README, re.M)) == 1


def test_files_are_named():
    assert re.findall(r"`([\w/]+\.py)`", README)


def commands(page):
    """The commands of a page's blocks: their words without flags, and their flags."""
    text = re.sub(r"\\\n\s*", "", page.read_text("utf-8"))
    blocks = [*re.findall(r"^```.*?^```", text, re.M | re.S)]
    for block in [*blocks, *re.findall(r"^ {4}(.*)", text, re.M)]:
        for line in re.findall(
            # docs/extending.md adds `triage` to a copy of the package.
            r"(?:^|\| |\$ )(?:python )?((?:biobert(?! triage)|run_\w+\.py) .*)$",
            block,
            re.M,
        ):
            # `biobert tpu-check` takes a whole command line behind its flags.
            for command in line.split(" -- "):
                words = re.sub(r"'[^']*'", "", command).split()
                yield line, words, re.findall(r"--\w+", " ".join(words))


def flags_of(words, capsys):
    """The flags that the help of a command lists."""
    name = words[0].removesuffix(".py").removeprefix("run_")
    argv = words[1:] if name == "biobert" else [name]
    with pytest.raises(SystemExit) as error:
        cli.main(["biobert", *argv[: 1 + (argv[0] in ("vocab", "re-data"))], "--help"])
    assert not error.value.code
    return {"--flagfile", "--help", *re.findall(r"--\w+", capsys.readouterr().out)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_has_the_flags_it_is_given(page, capsys):
    for line, words, given in commands(page):
        known = flags_of(words, capsys)
        for flag in given:
            off = "--" + flag.removeprefix("--no")
            assert flag in known or (flag[2:4] == "no" and off in known), line


def test_commands_are_found():
    found = [line for line, _, _ in commands(ROOT / "README.md")]
    assert sum(line.startswith("run_") for line in found) > 5
    assert sum(line.startswith("biobert ") for line in found) > 5


@pytest.mark.parametrize("page", ["README.md", "docs/results.md"])
def test_the_command_that_cuts_squad_in_two(page, tmp_path):
    [line] = re.findall(r"^python -c .*squad.*$", (ROOT / page).read_text(), re.M)
    rows = [(str(i), *qa_toys.TRAIN[0]) for i in range(12)]
    articles = [article for row in rows for article in qa_toys.squad([row])["data"]]
    for article in articles:
        article["paragraphs"][0]["qas"][0]["answers"] *= 3
    files.write_json(tmp_path / "dev-v1.1.json", {"data": articles})
    subprocess.run([sys.executable, *shlex.split(line)[1:]], check=True, cwd=tmp_path)
    # As run_qa.py reads them: an example to train on must have one answer.
    for name, numbers in (("held", [5, 11]), ("train", [0, 1, 2, 3, 4, *range(6, 11)])):
        path = tmp_path / f"squad-{name}.json"
        found = reading.read_examples(path, is_training=name == "train")
        assert [each.qas_id for each in found.examples] == [*map(str, numbers)]


def test_the_number_of_parity_marks_is_the_one_said():
    marks = sum(
        path.read_text("utf-8").count("PARITY(")
        for path in (ROOT / "biobert_tf").rglob("*.py")
    )
    differences = (ROOT / "docs" / "differences.md").read_text("utf-8")
    [said] = re.findall(
        r"`PARITY\(file:line\)` in the code, (\d+) of them", differences
    )
    assert int(said) == marks


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_nothing_is_left_to_fill_in(page):
    assert "@@" not in page.read_text("utf-8")


if __name__ == "__main__":
    (ROOT / "docs" / "flags.md").write_text(flags_page(), "utf-8")
