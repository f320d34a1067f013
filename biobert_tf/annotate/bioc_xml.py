# SPDX-License-Identifier: Apache-2.0
"""BioC XML files, read document by document and written back with new relations.

What it says and what is kept: see `bioc_format`. Comments between documents are lost;
the output is UTF-8.
"""

import copy
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from lxml import etree

from biobert_tf.annotate import bioc_format, storage
from biobert_tf.annotate.document import Loaded, Relation
from biobert_tf.errors import InputError

# Nothing outside the file is read, and no entity expands.
_SAFE: Final = {
    "resolve_entities": False,
    "load_dtd": False,
    "no_network": True,
    "huge_tree": False,
}


@dataclass
class _Collection:
    """What an XML file holds besides documents; complete when all of it is read."""

    attributes: dict[str, str] = field(default_factory=dict)
    doctype: str | None = None
    standalone: bool | None = None
    before: list[Any] = field(default_factory=list)
    after: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class XmlSource:
    """The element of a document, its collection, and the ids that it uses."""

    collection: _Collection
    element: Any
    taken: frozenset[str]


def read(path: Path) -> Iterator[Loaded]:
    """Yields the documents of a BioC XML file as they are read.

    Raises:
        InputError: `bioc` is missing; the file cannot be read, is not XML or not BioC,
            declares entities, or a mention is not what the text has at its offsets.
            It names the line.
    """
    bioc_format.library()
    collection = _Collection()
    with storage.reading(path) as stream:
        elements = _elements(path, stream, collection)
        for number, element in enumerate(elements, start=1):
            document, taken = bioc_format.decoded(
                path,
                element.sourceline,
                number,
                _bioc_document,
                element,
            )
            yield Loaded(document, XmlSource(collection, element, taken))


def _elements(path: Path, stream: BinaryIO, collection: _Collection) -> Iterator[Any]:
    """Yields the elements of the documents, and puts all others in `collection`."""
    root, is_begun = None, False
    try:
        for event, element in etree.iterparse(stream, ("start", "end"), **_SAFE):
            if root is None:
                root = element
                _begin(path, root, collection)
            elif event == "end" and element.getparent() is root:
                if element.tag == "document":
                    is_begun = True
                    yield element
                else:
                    others = collection.after if is_begun else collection.before
                    others.append(element)
                # The element itself must stay: what follows it is not yet parsed.
                while root[0] is not element:
                    del root[0]
    except etree.XMLSyntaxError as error:
        reason = f"not XML: {error.msg}"
        raise storage.error_at(path, error.lineno or 1, reason) from None


def _begin(path: Path, root: Any, collection: _Collection) -> None:
    if root.tag != "collection":
        raise InputError.at(
            path,
            root.sourceline,
            f"not BioC: the root is <{root.tag}>, not <collection>",
        )
    info = root.getroottree().docinfo
    if info.internalDTD is not None and any(info.internalDTD.iterentities()):
        raise InputError.at(
            path,
            None,
            "declares entities (<!ENTITY ...>); expand them and remove these",
        )
    collection.attributes = dict(root.attrib)
    collection.doctype = info.doctype or None
    collection.standalone = info.standalone


def _bioc_document(element: Any) -> Any:
    if element.xpath(".//text/node()[not(self::text())]"):
        raise InputError("markup or a comment inside <text>")
    for item in element.iter("annotation"):
        # bioc insists on the id; that it is missing is told in other words.
        item.set("id", item.get("id", ""))
    text = etree.tostring(element, encoding="unicode", with_tail=False)
    biocxml = bioc_format.library().biocxml
    return biocxml.loads(f"<collection>{text}</collection>").documents[0]


def write(path: Path, documents: Iterable[tuple[Loaded, Sequence[Relation]]]) -> int:
    """Writes documents with relations added, and returns their number.

    Args:
        path: The file; packed if its name ends in `.gz`.
        documents: What `read` gave, and new relations between the mentions of each.

    Raises:
        InputError: The directory cannot be written.
    """
    remaining = iter(documents)
    first = next(remaining, None)
    collection = first[0].source.collection if first else _Collection()
    num_documents = 0
    with (
        storage.writing(path) as stream,
        etree.xmlfile(stream, encoding="UTF-8") as out,
    ):
        out.write_declaration(
            standalone=collection.standalone, doctype=collection.doctype
        )
        with out.element("collection", collection.attributes):
            for element in collection.before:
                out.write(element, "\n", with_tail=False)
            for loaded, relations in itertools.chain(
                [first] if first else [], remaining
            ):
                out.write(_with_elements(loaded.source, relations), with_tail=False)
                out.write("\n")
                num_documents += 1
            for element in collection.after:
                out.write(element, "\n", with_tail=False)
    return num_documents


def _with_elements(source: XmlSource, relations: Sequence[Relation]) -> Any:
    if not relations:
        return source.element
    element = copy.deepcopy(source.element)
    tail = element[-1].tail if len(element) else None
    for relation in bioc_format.encoded(relations, source.taken):
        new = bioc_format.library().biocxml.encoder.encode_relation(relation)
        new.tail = tail
        element.append(new)
    return element
