# SPDX-License-Identifier: Apache-2.0
"""Real articles, citations and sentences annotated, written, read back, re-sliced.

The suite takes a part of every file; BIOBERT_ALL=1 takes all, which needs minutes.
"""

import collections
import itertools
import os
import re

import document_toys
import ner_toys
import pytest

from biobert_tf.common import files
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.documents import conll, formats
from biobert_tf.documents.document import Mention
from biobert_tf.ner import document_entities
from biobert_tf.ner.annotator import Annotator

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
VOCAB = [*ner_toys.SPECIAL, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
KINDS = ("jsonl", "pubtator", "bioc_xml", "bioc_json", "brat", "conll")
IS_ALL = bool(os.environ.get("BIOBERT_ALL"))
# Documents of a file that the suite takes; articles are long, and one in seven taken.
PARTS = {".nxml": 1, ".gz": 25, ".xml": 1, ".tsv": 30}
FOLDERS = {"pretrain": 31, "ner": 12}

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def annotator(tmp_path_factory):
    """A model without training whose every letter tells: it calls much an entity."""
    from biobert_tf.model import heads

    folder = tmp_path_factory.mktemp("model")
    config = ner_toys.dataclasses.replace(
        document_toys.CONFIG, vocab_size=len(VOCAB), max_position_embeddings=128
    )
    ner_toys.write_vocab(folder / "vocab.txt", VOCAB)
    model = heads.TokenClassifier(config, len(ner_toys.LABELS), seed=1)
    ner_toys.save_model(model, ner_toys.LABELS, folder)
    settings = {"train_on": "train", "do_lower_case": False, "max_seq_length": 128}
    files.write_json(folder / "settings.json", settings)
    return Annotator.load([folder], DeviceConfig(strategy="cpu"), batch_size=64)


def annotated(path, annotator):
    """Yields the documents of a file with what is found in them."""
    documents = formats.read(path, "auto")
    if not IS_ALL:
        documents = itertools.islice(documents, PARTS[path.suffix])
    waiting, held = itertools.tee(documents)
    found = annotator.annotate(map(document_entities.text_of, waiting))
    for loaded, entities in zip(held, found, strict=True):
        yield loaded, [mention(loaded.document, entity) for entity in entities]


def mention(document, entity):
    spans = ((entity.start, entity.end),)
    text = document.slice(entity.start, entity.end)
    return Mention("", entity.type, spans, text, (), entity.probability)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_annotation_is_what_the_source_has(data, tmp_path, annotator, folder):
    paths = sorted(path for path in (data / folder).rglob("*") if path.suffix in PARTS)
    assert len(paths) >= FOLDERS[folder]
    counts = collections.Counter()
    if not IS_ALL:
        paths = [x for i, x in enumerate(paths) if x.suffix != ".nxml" or i % 7 == 0]
    for path in paths:
        documents = list(annotated(path, annotator))
        counts["documents"] += len(documents)
        counts["entities"] += sum(len(added) for _, added in documents)
        for kind in KINDS:
            target = tmp_path / kind / path.name
            written = formats.write(target, kind, documents)
            assert written.documents == len(documents)
            counts[kind] += require_all(target, kind, documents)
    print(dict(counts))
    assert counts["entities"] > 20 * len(paths)
    assert {counts[kind] for kind in KINDS} == {counts["entities"]}


def require_all(target, kind, documents):
    """Checks what was written of a file; returns how many annotations it holds."""
    again = formats.read(target, kind)
    if kind == "brat":
        found = {one.document.id: one for one in again}
        again = [found[loaded.document.id] for loaded, _ in documents]
    check = require_rows if kind == "conll" else require_mentions
    return sum(
        check(loaded, added, read)
        for (loaded, added), read in zip(documents, again, strict=True)
    )


def require_mentions(loaded, added, read):
    """Checks that what is new came back, each the characters of the source there."""
    document = loaded.document
    back = collections.Counter(key(document, one) for one in read.document.mentions)
    together = [*document.mentions, *added]
    assert back == collections.Counter(key(document, one) for one in together)
    for one in read.document.mentions:
        own = [read.document.slice(*span) for span in one.spans]
        source = [document.slice(*span) for span in one.spans]
        assert squeezed("".join(own)) == squeezed("".join(source)) == squeezed(one.text)
    return len(added)


def key(document, one):
    """Place, type and text, white space aside; BRAT has no entity without a type."""
    start, end = one.extent
    shown = document.slice(start, end)
    first = start + len(shown) - len(shown.lstrip())
    return first, start + len(shown.rstrip()), one.type or "Entity", squeezed(one.text)


def require_rows(loaded, added, read):
    """Checks the new column against the words that the entities cover."""
    if isinstance(loaded.source, conll.Source):
        return require_column(loaded, added, read)
    places = [index for index, each in enumerate(whole(loaded)) if not each.isspace()]
    text = whole(read)
    assert squeezed(text) == squeezed(whole(loaded))
    numbers = list(
        itertools.accumulate((not each.isspace() for each in text), initial=0)
    )
    kept = collections.Counter(
        (one.spans[0][0], one.type, squeezed(one.text)) for one in added
    )
    for one in read.document.mentions:
        start, end = one.extent
        assert text[start:end] == one.text
        place = places[numbers[start]]
        kept[place, one.type, squeezed(one.text)] -= 1
    assert set(kept.values()) <= {0}
    return len(read.document.mentions)


def require_column(loaded, added, read):
    """Checks the labels of words; a sentence begins with "B" or "O"."""
    entities = sorted(added, key=lambda one: one.extent)
    labels = []
    for sentence in loaded.source.sentences:
        before = None
        for word in sentence:
            inside = next((one for one in entities if covers(one, word)), None)
            goes_on = "I" if inside is before else "B"
            labels.append("O" if inside is None else f"{goes_on}-{inside.type}")
            before = inside
    rows, old = (
        [word.row for sentence in one.source.sentences for word in sentence]
        for one in (read, loaded)
    )
    ends = [row.removeprefix(each) for row, each in zip(rows, old, strict=True)]
    assert [end.strip() for end in ends] == labels
    return sum(label[0] == "B" for label in labels)


def covers(entity, word):
    start, end = entity.extent
    return start < word.end and word.start < end


def whole(loaded):
    """The text of a document from its first character on."""
    passages = loaded.document.passages
    if not passages:
        return ""
    return loaded.document.slice(passages[0].offset, passages[-1].end)


def squeezed(text):
    return re.sub(r"\s", "", text)
