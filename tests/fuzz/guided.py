"""Lets Atheris look for files that a reader neither reads nor refuses in a line.

    pip install atheris==2.3.0
    PYTHONPATH=tests python -m fuzz.guided PubTator -max_total_time=40

It changes the reader's sound file so that other lines of our code are reached; what is
after the name are flags of libFuzzer. Without a name it prints the readers.
"""

import logging
import sys
import tempfile
from pathlib import Path

import atheris

# Instrumented, this generator of ours crashes the interpreter.
_NOT_OURS = ["biobert_tf.documents.json_pieces"]

with atheris.instrument_imports(include=["biobert_tf"], exclude=_NOT_OURS):
    from fuzz import readers
    from fuzz.test_readers import ALL, require_message

    import biobert_tf.classification.reading
    import biobert_tf.documents.formats
    import biobert_tf.ner.reading
    import biobert_tf.published.unpacking
    import biobert_tf.qa.bioasq.answers
    import biobert_tf.qa.bioasq.reading
    import biobert_tf.qa.reading
    import biobert_tf.qa.yesno_reading
    import biobert_tf.relations.reading  # noqa: F401
    from biobert_tf.common.errors import InputError


def _look(reader: readers.Reader, flags: list[str], folder: Path) -> None:
    inside, corpus = folder / "in", folder / "corpus"
    for path, files in ((inside, reader.others), (corpus, {"seed": reader.seed})):
        path.mkdir()
        for name, data in files.items():
            (path / name).write_bytes(data)

    def one(data: bytes) -> None:
        (inside / reader.file).write_bytes(data)
        bad = []
        try:
            reader.read(inside / reader.file, bad.append)
        except InputError as error:
            bad.append(error)
        for error in bad:
            require_message(error, inside)

    one(reader.seed)
    atheris.Setup([sys.argv[0], str(corpus), *flags], one)
    atheris.Fuzz()


def main() -> None:
    """Runs until a flag of libFuzzer ends it, or something is found."""
    known = {reader.name: reader for reader in ALL}
    if len(sys.argv) < 2:
        print("\n".join(known))
        return
    logging.disable()
    with tempfile.TemporaryDirectory(prefix="guided-") as name:
        _look(known[sys.argv[1]], sys.argv[2:], Path(name))


if __name__ == "__main__":
    main()
