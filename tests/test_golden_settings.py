"""The settings of every command and recipe are those of `golden_settings/`.

A default that changes shows in these files. To rewrite them:

    python tests/test_golden_settings.py
"""

import contextlib
import dataclasses
import re
from pathlib import Path

import pytest
from test_readme import COMMANDS

from biobert_tf import problems
from biobert_tf.common import flags, settings
from biobert_tf.vocabularies.settings import ExtendConfig, LearnConfig, ReportConfig

ROOT = Path(__file__).parents[1]
GOLDEN = Path(__file__).parent / "golden_settings"
EVERY_COMMAND = {
    **COMMANDS,
    "biobert vocab learn": (LearnConfig, {}),
    "biobert vocab extend": (ExtendConfig, {}),
    "biobert vocab report": (ReportConfig, {}),
}
# Recipes of other commands than run_pretraining.py.
OF_COMMAND = {
    "pubmed_512": "biobert create-pretraining-data",
    "squad": "run_qa.py",
    "bioasq_factoid": "run_qa.py",
}


def resolved(command, *words):
    """The settings of a command with some flags, one per line, class by class."""
    config_type, defaults = EVERY_COMMAND[command]
    # A recipe names others by their paths from the top of the clone.
    with contextlib.chdir(ROOT):
        values, *_ = flags._read(config_type, [command, *words], defaults)
    lines = [" ".join([f"# {command}", *words])]
    for group, fields in settings.groups(config_type):
        lines += ["", group.__name__] if fields else []
        for field in fields:
            value = values[field.name]
            is_required = field.default is dataclasses.MISSING and value is None
            # An empty text and none at all are shown alike in --help, but not here.
            shown = '""' if value == "" else flags._shown(value)
            shown = "required" if is_required else shown
            lines.append(f"{field.name} = {shown}")
    return "\n".join(lines) + "\n"


def everything():
    """What every file holds, by its name."""
    found = {}
    for command in EVERY_COMMAND:
        name = command.removeprefix("biobert ").removesuffix(".py").replace(" ", "_")
        found[f"{name}.txt"] = (command,)
    for path in sorted((ROOT / "recipes").glob("*.flags")):
        command = OF_COMMAND.get(path.stem, "run_pretraining.py")
        flag = f"--flagfile=recipes/{path.name}"
        found[f"recipe_{path.stem}.txt"] = (command, flag)
    return found


@pytest.mark.parametrize("name", everything())
def test_settings_are_those_of_the_file(name):
    words = everything()[name]
    wanted = (GOLDEN / name).read_text("utf-8") if (GOLDEN / name).exists() else ""
    assert resolved(*words) == wanted, (
        "settings changed; if they should, run python tests/test_golden_settings.py"
    )


def test_no_file_is_left_over():
    assert {path.name for path in GOLDEN.iterdir()} == set(everything())


def test_every_command_with_flags_is_known():
    """Each parses its flags once; those of all problems do so at one place."""
    sources = (ROOT / "biobert_tf/cli").glob("*.py")
    texts = [path.read_text("utf-8") for path in sources]
    parsed = [name for text in texts for name in re.findall(r"flags\.parse\(", text)]
    assert len(parsed) - 1 + len(problems.TRAINED) == len(EVERY_COMMAND)


def write():
    """Rewrites all files."""
    GOLDEN.mkdir(exist_ok=True)
    for path in GOLDEN.iterdir():
        path.unlink()
    for name, words in everything().items():
        (GOLDEN / name).write_text(resolved(*words), "utf-8")


if __name__ == "__main__":
    write()
