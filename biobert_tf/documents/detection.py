# SPDX-License-Identifier: Apache-2.0
"""Detects the format of a file from its beginning, else from its name."""

import itertools
import json
import re
from collections.abc import Container, Iterable
from pathlib import Path
from typing import Final, Literal

from biobert_tf.common.errors import InputError
from biobert_tf.common.streams import BOM, STANDARD_INPUT, Stream
from biobert_tf.corpora import xml_records
from biobert_tf.documents import json_pieces, pubtator
from biobert_tf.text import labels, rows

Format = Literal[
    "auto",
    "text",
    "lines",
    "jsonl",
    "pubtator",
    "bioc_xml",
    "bioc_json",
    "pubmed_xml",
    "brat",
    "conll",
    "html",
]
"""`auto` detects; `html` is only written, `text`, `lines`, `pubmed_xml` only read."""

SUFFIXES: Final[dict[str, Format]] = {
    ".txt": "text",
    ".text": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".pubtator": "pubtator",
    ".xml": "bioc_xml",
    ".json": "bioc_json",
    ".conll": "conll",
    ".conllu": "conll",
    ".bio": "conll",
    ".iob": "conll",
    ".iob2": "conll",
    ".tsv": "conll",
    ".html": "html",
    ".htm": "html",
}

NAME_IT: Final = "name the format if it is one of them"
HTML_IS_WRITTEN: Final = "HTML pages are written, never read"
_BIOC_KEYS: Final = (*json_pieces.LIST_KEYS, "passages")
_ROOT: Final = re.compile(
    r"(?:<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*(?:\[[^\]]*\])?[^>]*>|\s)*<([^\W\d][\w:.-]*)",
    re.DOTALL,
)
# The first of these keys in an object decides what the object is.
_KEY: Final = re.compile(r'"(documents|PubTator3|passages|text)"\s*:')
_ROWS_LOOKED_AT: Final = 20
_FEWEST_ROWS: Final = 3
_FEWEST_WORDS: Final = 3


def suffix(path: Path) -> str:
    """Returns the suffix of a file's name in lower case, ignoring `.gz`."""
    name = path.name.lower()
    return Path(name.removesuffix(".gz")).suffix


def require_known_suffix(
    output: Path, sources: Iterable[Path], wanted: Container[Format], remedy: str
) -> None:
    """Refuses a file to write whose suffix no format has, and no file that is read.

    A name without a suffix says nothing, and is good. The message lists the suffixes of
    the `wanted` formats.

    Raises:
        InputError: The suffix is unknown; the message ends with the remedy.
    """
    own = suffix(output)
    if own in ("", *SUFFIXES, *map(suffix, sources)):
        return
    known = ", ".join(name for name, kind in SUFFIXES.items() if kind in wanted)
    problem = f"no format has the suffix {own}; want one of {known}{remedy}"
    raise InputError.at(output, None, problem)


def detect(stream: Stream) -> Format:
    """Returns the format of a file from its head, else from its name; reads nothing.

    Raises:
        InputError: Neither the beginning nor the name tells the format.
    """
    kind = SUFFIXES.get(suffix(stream.path))
    found = of_content(stream, kind)
    if found is not None:
        return found
    if kind == "html":
        raise InputError.at(stream.path, 1, HTML_IS_WRITTEN)
    if kind == "conll" and _is_table(stream.head):
        problem = "is a table of texts, and no CoNLL, which has a word in each row; "
        problem += 'give JSON lines with "text", or lines and --input_format=lines'
        raise InputError.at(stream.path, 1, problem)
    if kind is not None:
        return kind
    if stream.path == STANDARD_INPUT:
        return "text"
    known = "PubTator, BioC XML or JSON, JSON lines, PubMed XML, CoNLL, a .txt"
    problem = f"neither {known} nor a BRAT folder; {NAME_IT}"
    raise InputError.at(stream.path, 1, problem)


def of_content(stream: Stream, named: Format | None = None) -> Format | None:
    """Returns the format of a file from its head; None if that does not tell.

    `named` is the format that its name tells: a text and a word may begin with "<" too.
    """
    head = stream.head.decode("utf-8", "replace").removeprefix(BOM)
    start = head.lstrip()
    if start.startswith("<"):
        return "conll" if _is_conll(head) else _of_xml(start, named)
    if re.match(r'\{\s*(?:["}]|$)', start):
        return "jsonl" if _is_json_line(start) else "bioc_json"
    if re.match(r"\[\s*(?:[{\]]|$)", start):
        key = _KEY.search(start)
        return "jsonl" if key is not None and key[1] == "text" else "bioc_json"
    if pubtator.is_text_line(start.partition("\n")[0]):
        return "pubtator"
    return "conll" if _is_conll(head) else None


def _of_xml(start: str, named: Format | None) -> Format | None:
    root = _ROOT.match(start)
    name = root[1].rpartition(":")[2] if root else ""
    if name in xml_records.ROOTS:
        return "pubmed_xml"
    if name == "collection":
        return "bioc_xml"
    is_declared = start.startswith(("<?", "<!"))
    is_xml = is_declared or (root is not None and named in (None, "bioc_xml"))
    return "bioc_xml" if is_xml and named != "text" and name.lower() != "html" else None


def _is_json_line(start: str) -> bool:
    """Returns whether a JSON object is a document of JSON lines and not of BioC."""
    line = start.partition("\n")[0]
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        # The line is cut by the end of the head, damaged, or only part of an object.
        key = _KEY.search(start)
        return key is not None and key[1] == "text"
    return isinstance(values, dict) and not any(key in values for key in _BIOC_KEYS)


def _is_table(head: bytes) -> bool:
    """Says whether cells of the first rows hold texts: three words or more."""
    lines = head.decode("utf-8", "replace").splitlines()[:_ROWS_LOOKED_AT]
    cells = (cell for line in lines if "\t" in line for cell in line.split("\t"))
    return any(len(cell.split(" ")) >= _FEWEST_WORDS for cell in cells)


def _is_conll(head: str) -> bool:
    sentences = rows.sentences(head)
    first = next(sentences, None)
    if first is None:
        return False
    words = (word for one in (first, *sentences) for word in one.words)
    found = list(itertools.islice(words, _ROWS_LOOKED_AT))
    if first.is_conllu or (found and found[0].text == labels.DOCUMENT_START):
        return True
    return (
        len(found) >= _FEWEST_ROWS
        and all(labels.LABEL.fullmatch(word.last or "") for word in found)
        and any((word.last or "")[0] == labels.OUTSIDE.tag for word in found)
    )
