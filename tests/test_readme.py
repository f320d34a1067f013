"""What the README says is so: its flags, its files, its counts."""

import dataclasses
import re
from pathlib import Path

from biobert_tf import cli, config, flags

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def flag_rows() -> list[str]:
    rows = []
    for _, fields in flags._groups(config.NerConfig):
        for field in fields:
            is_required = field.default is dataclasses.MISSING
            default = flags._shown(flags._default(field, cli.NER_DEFAULTS))
            shown = "required" if is_required else default
            rows.append(f"| `--{field.name}` | {shown} | {field.metadata['help']} |")
    return rows


def test_every_flag_stands_in_the_table_with_its_default():
    table = re.findall(r"^\| `--\w+` .*$", README, re.MULTILINE)
    assert table == flag_rows()


def test_every_source_file_named_exists():
    named = set(re.findall(r"`([\w/]+\.(?:py|txt))`", README))
    sources = {path for path in named if path.endswith(".py")}
    assert sources
    for path in sources:
        assert (ROOT / path).exists() or (ROOT / "biobert_tf" / path).exists(), path


def test_the_number_of_parity_marks_is_the_one_said():
    marks = sum(
        path.read_text("utf-8").count("PARITY(")
        for path in (ROOT / "biobert_tf").rglob("*.py")
    )
    [said] = re.findall(r"`PARITY\(file:line\)` in the code, (\d+) of them", README)
    assert int(said) == marks


def test_nothing_is_left_to_fill_in():
    assert "@@" not in README
