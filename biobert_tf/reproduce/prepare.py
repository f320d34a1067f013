# SPDX-License-Identifier: Apache-2.0
"""Makes the training files that published data lacks, below `--output`.

Each is made anew by every command, because the data may have changed.
"""

from pathlib import Path
from typing import Any, Final

from biobert_tf.common import files
from biobert_tf.common.comma_lists import FileGlobs
from biobert_tf.common.errors import InputError
from biobert_tf.ner import reading as ner_reading
from biobert_tf.published import untyped as untyping
from biobert_tf.qa.bioasq.settings import BioAsqDataConfig
from biobert_tf.relations import reading

_FOLDER: Final = "prepared"


def questions(golden: Path, output: Path) -> Path:
    """Returns a training file of the factoid questions of one of BioASQ's files.

    Raises:
        InputError: The file cannot be read or has no question with an answer.
    """
    target = output / _FOLDER / f"{golden.stem}-factoid.json"
    from biobert_tf.qa.bioasq import conversion

    conversion.convert(
        BioAsqDataConfig(
            input=FileGlobs.parse(str(golden)),
            output=target,
            question_type="factoid",
        )
    )
    return target


def first_answers(squad: Path, output: Path) -> Path:
    """Returns a file of SQuAD whose questions have one answer, as training wants.

    Raises:
        InputError: The file is not JSON, or not in SQuAD's form.
    """
    target = output / _FOLDER / f"squad-{squad.name}"
    values = files.read_json(squad)
    try:
        for article in values["data"]:
            for paragraph in article["paragraphs"]:
                for question in paragraph["qas"]:
                    _keep_first(question)
    except (LookupError, TypeError):
        problem = "is not in SQuAD's form; get it again, or say --squad=false"
        raise InputError.at(squad, None, problem) from None
    files.write_json(target, values)
    return target


def _keep_first(question: dict[str, Any]) -> None:
    question["answers"] = question["answers"][:1]


def untyped(folder: Path, name: str, output: Path) -> Path:
    """Returns a folder of named entities whose labels have no types.

    Raises:
        InputError: A file cannot be read, or has a row of another form.
    """
    target = output / _FOLDER / name
    for split in ("train", "devel", "test"):
        source = folder / f"{split}.tsv"
        if split == "devel":
            source = ner_reading.devel_file(folder)
        if source.is_file():
            untyping.convert(source, target / f"{split}.tsv")
    return target


def train_and_devel(folder: Path, name: str, output: Path) -> Path:
    """Returns a folder of relations whose training file has the development rows too.

    The files stay in their form; the header of the second is left out.

    Raises:
        InputError: A file cannot be read.
    """
    target = output / _FOLDER / name
    train, devel, test = (reading.find(folder, x) for x in ("train", "dev", "test"))
    assert train and devel and test, "the survey has found them"
    texts = [files.read_verbatim(train), files.read_verbatim(devel)]
    if reading.header(texts[1].partition("\n")[0].split("\t")):
        texts[1] = texts[1].partition("\n")[2]
    if texts[0] and not texts[0].endswith("\n"):
        texts[0] += "\n"
    files.write_text(target / train.name, "".join(texts))
    files.write_text(target / test.name, files.read_verbatim(test))
    return target
