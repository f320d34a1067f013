# SPDX-License-Identifier: Apache-2.0
"""BioC files with one broken document: the others come out, and are written back."""

import io
import json
import random
import tracemalloc
from pathlib import Path

import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.common.streams import Stream
from biobert_tf.documents import formats, json_pieces
from biobert_tf.documents.framed import Frame

NUMBER = 5
LAYOUTS = {
    "compact": {"separators": (",", ":")},
    "plain": {},
    "pretty": {"indent": 2},
}


def document(i):
    """A document with all that BioC has: brackets and quotes in its text, too."""
    text = f'Aspirin [{i}] {{helps}}, "as \\ said".'
    annotation = {
        "id": f"T{i}",
        "infons": {"type": "Chemical", "note": None},
        "text": "Aspirin",
        "locations": [{"offset": 0, "length": 7}],
    }
    passage = {"offset": 0, "infons": {}, "text": text, "annotations": [annotation]}
    relation = {"id": "R1", "infons": {"a": "b"}, "nodes": []}
    return {
        "id": str(i),
        "infons": {},
        "passages": [passage, {"offset": 99, "text": "[]", "annotations": []}],
        "relations": [relation],
    }


DOCUMENTS = [document(i) for i in range(1, NUMBER + 1)]
HEAD = {"source": "S", "date": "", "infons": {"x": "[1]"}}
SHAPES = {
    "collection": HEAD | {"documents": DOCUMENTS, "key": "end"},
    "PubTator3": {"PubTator3": DOCUMENTS},
    "list": DOCUMENTS,
}


def file_of(shape, layout):
    """A file, and where its documents stand in it."""
    text = json.dumps(SHAPES[shape], **LAYOUTS[layout])
    places = []
    for i in range(1, NUMBER + 1):
        colon = ":" if layout == "compact" else ": "
        start = text.rindex("{", 0, text.index(f'"id"{colon}"{i}"'))
        _, end = json.JSONDecoder().raw_decode(text, start)
        places.append((start, end))
    return text, places


def read(path, kind="bioc_json"):
    told = []
    documents = list(formats.read(path, kind, told.append))
    return documents, [str(error) for error in told]


def ids(documents):
    return [loaded.document.id for loaded in documents]


def without(text, position):
    return text[:position] + text[position + 1 :]


def damages(text):
    """Ways to break one document, each at every place that it can be at."""
    for mark in '[]{}"':
        for position in [i for i, each in enumerate(text) if each == mark]:
            yield f"no {mark} at {position}", without(text, position)
            again = text[:position] + mark + text[position:]
            yield f"two {mark} at {position}", again
    for position in range(1, len(text)):
        yield f"cut at {position}", text[:position]


def is_whole(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("which", [0, 2, NUMBER - 1])
def test_a_broken_document_costs_no_other(tmp_path, shape, layout, which):
    text, places = file_of(shape, layout)
    start, end = places[which]
    others = [str(i) for i in range(1, NUMBER + 1) if i != which + 1]
    rng = random.Random(which)
    # All of them take minutes; one in eight, others for each file, shows the same.
    chosen = [each for each in damages(text[start:end]) if rng.random() < 0.125]
    assert len(chosen) > 50
    path = tmp_path / "in.json"
    for name, broken in chosen:
        if is_whole(broken):
            continue
        path.write_text(text[:start] + broken + text[end:], encoding="utf-8")
        documents, told = read(path)
        found = ids(documents)
        assert [each for each in found if each in others] == others, name
        assert told, name
        line = text.count("\n", 0, start) + 1
        first = int(told[0].removeprefix(f"{path}:").split(":")[0])
        assert line <= first <= line + broken.count("\n") + 3, (name, told)
        for loaded in documents:
            loaded.document.check()
        require_written(tmp_path / "out.json", documents, shape, which, name)


def require_written(path, documents, shape, which, name):
    """Checks that the others are written into what stood around them."""
    formats.write(path, "bioc_json", ((one, []) for one in documents))
    again = json.loads(path.read_text("utf-8"))
    if shape != "list":
        key = "documents" if shape == "collection" else shape
        around = {name: value for name, value in SHAPES[shape].items() if name != key}
        if which == NUMBER - 1:
            # What is behind the last document may be lost with it.
            around.pop("key", None)
        assert again.items() >= around.items(), name
        again = again[key]
    wanted = [each for i, each in enumerate(DOCUMENTS) if i != which]
    assert [each for each in again if each in wanted] == wanted, name


def test_what_is_told(tmp_path):
    text, [_, (start, end), *_] = file_of("collection", "pretty")
    path = tmp_path / "in.json"
    path.write_text(text[:start] + text[start : end - 30] + text[end:])
    documents, [told] = read(path)
    assert ids(documents) == ["1", "3", "4", "5"]
    line = text.count("\n", 0, end - 30) + 1
    behind = text[: end - 30].count("\n") + text[end:].split("{")[0].count("\n") + 1
    assert told == (
        f"{path}:{line}: not JSON: Invalid control character at; "
        f"skipped up to the next document, line {behind}"
    )
    with pytest.raises(InputError) as caught:
        list(formats.read(path, "bioc_json"))
    assert str(caught.value) == told


def test_documents_that_seem_to_stand_in_another(tmp_path):
    """The end of the second is missing, and those of the file could be its own."""
    text, [_, (start, end), *_] = file_of("collection", "plain")
    own = text[start:end]
    for stop in (own.index(']}, {"offset": 99'), own.index("]}]"), len(own) - 2):
        path = tmp_path / "in.json"
        path.write_text(text[:start] + own[:stop] + text[end:])
        documents, told = read(path)
        assert ids(documents) == ["1", "3", "4", "5"]
        assert len(told) == 1
        assert ":1: not JSON: " in told[0]


def test_two_broken_documents(tmp_path):
    text, places = file_of("list", "pretty")
    for first, second in ((0, 1), (1, 3), (3, 4)):
        broken = text
        for i in (second, first):
            start, end = places[i]
            broken = (
                broken[:start] + broken[start + 1 : end].replace('"', "") + broken[end:]
            )
        path = tmp_path / "in.json"
        path.write_text(broken)
        wanted = [str(i + 1) for i in range(NUMBER) if i not in (first, second)]
        documents, told = read(path)
        assert ids(documents) == wanted
        assert told


@pytest.mark.parametrize("which", [0, 2, NUMBER - 1])
def test_marks_between_documents(tmp_path, which):
    """What is written is JSON, whatever stands where a comma should."""
    text, places = file_of("collection", "plain")
    start, end = places[which]
    for broken in (
        text[:start] + text[start + 1 :],
        text[:end] + "," + text[end:],
        text[:end] + "}" + text[end:],
        text[:end] + "]" + text[end:],
        text[:end] + ' "x": 1' + text[end:],
        text[:end] + text[end:].lstrip(","),
    ):
        path = tmp_path / "in.json"
        path.write_text(broken)
        documents, told = read(path)
        if broken == text[:end] + text[end:]:
            assert not told
            continue
        assert told, broken
        wanted = [str(i + 1) for i in range(NUMBER)]
        if broken == text[:start] + text[start + 1 :]:
            wanted.remove(str(which + 1))
        assert [each for each in ids(documents) if each in wanted] == wanted
        require_written(tmp_path / "out.json", documents, "collection", which, broken)


def test_collections_in_a_list(tmp_path):
    """If the last document of one is broken, what begins the next is lost with it."""
    parts = [DOCUMENTS[:2], DOCUMENTS[2:]]
    text = json.dumps([{"n": i, "documents": part} for i, part in enumerate(parts)])
    for broken in ("1", "2", "3", "5"):
        path = tmp_path / "in.json"
        path.write_text(text.replace(f'"id": "{broken}"', f'"id": "{broken}'))
        documents, told = read(path)
        assert ids(documents) == [each for each in "12345" if each != broken]
        assert told
        formats.write(tmp_path / "out.json", "bioc_json", ((x, []) for x in documents))
        again = json.loads((tmp_path / "out.json").read_text())
        assert [each["n"] for each in again] == [0] if broken == "2" else [0, 1]
        assert [one["id"] for each in again for one in each["documents"]] == ids(
            documents
        )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_broken_beginning(tmp_path, layout):
    text, _ = file_of("collection", layout)
    path = tmp_path / "in.json"
    path.write_text(text.replace('"S"', '"S'))
    documents, told = read(path)
    assert ids(documents) == ["1", "2", "3", "4", "5"]
    assert len(told) == 1
    formats.write(tmp_path / "out.json", "bioc_json", ((x, []) for x in documents))
    again = json.loads((tmp_path / "out.json").read_text())
    assert again["documents"] == DOCUMENTS
    assert again["key"] == "end"


def test_a_document_per_line(tmp_path):
    lines = [json.dumps(each) for each in DOCUMENTS]
    for broken in range(NUMBER):
        some = [line[:-9] if i == broken else line for i, line in enumerate(lines)]
        path = tmp_path / "in.json"
        path.write_text("\n".join(some))
        documents, told = read(path)
        wanted = [each for i, each in enumerate("12345") if i != broken]
        assert (ids(documents), len(told)) == (wanted, 1)
        assert told[0].startswith(f"{path}:{broken + 1}: not JSON: ")
        formats.write(tmp_path / "out", "bioc_json", ((x, []) for x in documents))
        written = (tmp_path / "out").read_text().splitlines()
        assert [json.loads(line)["id"] for line in written] == wanted


# --- size ----------------------------------------------------------------------------

GARBAGE = {
    "words": "garbage ",
    "objects": '{"a": [1, 2, {"b": null}]}, ',
    "open": '{"a": [{"b": ',
    "quotes": '{"a": "b, ',
    "brackets": "[[[[",
    "closed": "}]",
    "keys": '"passages": [',
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_costs_its_size(kind):
    """What is looked at again and again would take hours."""
    good = json.dumps(document(1))
    garbage = GARBAGE[kind] * (2_000_000 // len(GARBAGE[kind]))
    text = f'{{"documents": [{good}, {{"id": {garbage}, {good}]}}'
    stream = Stream(Path("in"), io.BytesIO(text.encode()))
    pieces = list(json_pieces.pieces(stream, Frame(",")))
    found = [piece.text for piece in pieces if piece.error is None]
    assert found == [good, good]


def test_garbage_is_not_held(monkeypatch):
    monkeypatch.setattr(json_pieces, "LONGEST_HELD", 1 << 17)
    good = json.dumps(document(1)).encode()

    def chunks():
        yield b'{"documents": [' + good + b', {"id": '
        for _ in range(100):
            yield b"garbage \n" * 5000
        yield b", " + good + b"]}"

    stream = Stream(Path("in"), Chunks(chunks()))
    tracemalloc.start()
    pieces = list(json_pieces.pieces(stream, frame := Frame(",")))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [piece.error is None for piece in pieces] == [True, False, True]
    assert "line 500001" in str(pieces[1].error)
    assert frame.tail == "]}"
    assert peak < 2 << 20


class Chunks(io.RawIOBase):
    """Bytes that are made as they are read."""

    def __init__(self, chunks):
        super().__init__()
        self._chunks = chunks

    def read1(self, size=-1):
        return next(self._chunks, b"")

    read = read1


# --- XML -----------------------------------------------------------------------------
