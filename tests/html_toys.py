"""A page of documents that are hard to show, and a reader of such pages."""

from html.parser import HTMLParser

from biobert_tf.documents import formats
from biobert_tf.documents.document import (
    AnnotatedDocument,
    Loaded,
    Mention,
    Passage,
    Relation,
)


def mention(document, text, kind, probability=None, concepts=(), name=""):
    whole = document.slice(0, document.passages[-1].end)
    start = whole.index(text)
    return Mention(
        name, kind, ((start, start + len(text)),), text, concepts, probability
    )


def bare(name, *texts):
    passages = []
    for text in texts:
        offset = passages[-1].end + 1 if passages else 0
        passages.append(Passage(offset, text))
    return AnnotatedDocument(name, tuple(passages), (), ())


def _annotated():
    """Yields documents and mentions: nested, crossing, in parts, in any script."""
    one = bare(
        "29768149",
        "Aspirin and ibuprofen in breast cancer",
        "HER2-positive breast cancer cells take tumour necrosis factor alpha.\r\n"
        "\n  Indented\tline, another\rend. BRCA1 p.V600E in Homo sapiens. "
        "breast and ovarian cancer",
    )
    start = one.passages[1].offset
    ovarian = one.slice(0, one.passages[1].end).index("breast and ovarian")
    yield (
        one,
        [
            mention(one, "Aspirin", "Chemical", 0.9987, ("MESH:D001241",), "A"),
            mention(one, "ibuprofen", "Chemical", 0.95, (), "I"),
            mention(one, "breast cancer", "Disease", 1.0),
            mention(one, "HER2-positive breast cancer", "Disease", 0.71),
            mention(one, "HER2", "Gene", 0.99),
            # Crosses the one before the last.
            Mention("", "CellLine", ((start + 14, start + 33),), "breast cancer cells"),
            mention(one, "tumour necrosis", "Disease", 0.5),
            mention(one, "necrosis factor", "Protein", 0.5),
            mention(one, "factor alpha", "Gene", 0.25),
            mention(one, "Indented\tline, another\rend", "Species", 0.1),
            Mention(
                *(
                    "",
                    "Disease",
                    ((ovarian, ovarian + 6), (ovarian + 19, ovarian + 25)),
                ),
                *("breast cancer", (), 0.4),
            ),
            # Two models agree on the place.
            mention(one, "BRCA1", "Gene", 0.9),
            mention(one, "BRCA1", "DNA", 0.8),
            Relation("CPR:4", "A", "I", 0.875),
        ],
    )
    hostile = bare(
        '<b>"&\u202e',
        '<script>document.title = "hacked"</script> <!-- & &amp; \'quoted\' "'
        "\u202eoverride zero\u200bwidth \ufeff\u2066isolate\u2069 \x00\x01\x85\u2028 "
        "]]> </p></article>",
    )
    yield (
        hostile,
        [
            mention(hostile, "<script>", 'a "type" <i>&\r\n\u202e'),
            mention(hostile, "zero\u200bwidth", "\u0393-type", 0.3, ('"><script>',)),
            mention(hostile, "\x00\x01\x85", "", 0.2),
        ],
    )
    hebrew = bare(
        "\u05e2\u05d1\u05e8\u05d9\u05ea",
        "\u05d1\u05d3\u05d9\u05e7\u05d4 \u05e9\u05dc COX-2 e\u0301 "
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    )
    yield (
        hebrew,
        [
            mention(hebrew, "COX-2", "Gene", 0.5),
            mention(
                hebrew, "\U0001f468\u200d\U0001f469\u200d\U0001f467", "Species", 0.5
            ),
        ],
    )
    yield bare("none", "No entity is here."), []
    wide = bare("x" * 150, "Averylongword" * 30, "A" + "\u00a0wide" * 40)
    yield wide, [mention(wide, "Averylongword" * 20, "Averylongtypename" * 8, 0.5)]


DOCUMENTS = [(Loaded(document), added) for document, added in _annotated()]


def write(path, documents=DOCUMENTS):
    formats.write(path, "html", documents)
    return path


def shown(text):
    """The text as a page has it."""
    return text.replace("\0", "\u2400")


class Reader(HTMLParser):
    """Gathers what a page says: passages, marks with their text, other elements."""

    def __init__(self):
        super().__init__()
        self.articles = []
        self.tags = []
        self.attributes = []
        self._marks = []
        self._passage = None

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append(tag)
        self.attributes.append((tag, values))
        if tag == "article":
            self.articles.append([])
        elif tag == "p" and values.get("class") == "text":
            self._passage = {
                "offset": int(values["data-offset"]),
                "text": "",
                "marks": [],
            }
            self.articles[-1].append(self._passage)
        elif tag == "mark":
            mark = {"values": values, "text": ""}
            self._marks.append(mark)
            self._passage["marks"].append(mark)

    def handle_endtag(self, tag):
        if tag == "p":
            self._passage = None
        elif tag == "mark":
            self._marks.pop()

    def handle_data(self, data):
        if self._passage is not None:
            self._passage["text"] += data
            for mark in self._marks:
                mark["text"] += data


def read(path):
    """Returns a `Reader` of a page."""
    reader = Reader()
    reader.feed(path.read_bytes().decode("utf-8"))
    reader.close()
    return reader


def require_true(articles, documents):
    """Checks passages and marks of a page against what was written.

    Args:
        articles: For each document its passages with "offset", "text" and "marks",
            each with "values" (the attributes) and "text".
        documents: What was written.
    """
    assert len(articles) == len(documents)
    for passages, (loaded, added) in zip(articles, documents, strict=True):
        document = loaded.document
        assert [(one["offset"], one["text"]) for one in passages] == [
            (passage.offset, shown(passage.text)) for passage in document.passages
        ]
        mentions = [each for each in added if isinstance(each, Mention)]
        marks = [mark for passage in passages for mark in passage["marks"]]
        found = {}
        for mark in marks:
            values = mark["values"]
            start, end = int(values["data-start"]), int(values["data-end"])
            assert mark["text"] == shown(document.slice(start, end))
            found.setdefault(values["data-id"], []).append((start, end, values))
        assert len(found) == len(mentions)
        by_place = sorted(
            (covered([part[:2] for part in parts]), parts[0][2]["data-type"])
            for parts in found.values()
        )
        assert by_place == sorted(
            (covered(one.spans), one.type or "Entity") for one in mentions
        )
        for parts in found.values():
            # Reached by the tab key once, named once.
            assert sum("tabindex" in values for _, _, values in parts) == 1
            assert sum("part" not in values["class"] for _, _, values in parts) == 1


def covered(spans):
    return tuple(sorted(i for start, end in spans for i in range(start, end)))
