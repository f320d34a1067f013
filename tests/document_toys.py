"""Annotated documents small enough to write down, in every format, and their model.

Nothing here imports TensorFlow before it is called for.
"""

import dataclasses
import gzip
import json

import ner_toys
import re_toys

from biobert_tf.common import files, flags, streams
from biobert_tf.common import settings as config
from biobert_tf.common.errors import InputError
from biobert_tf.relations.problem import RELATIONS
from biobert_tf.relations.settings import RelationConfig

VOCAB = [*re_toys.VOCAB, "CHEMICAL", "zinc", "Severe", "<", ">", "[", "]", "-", "and"]
# With weights this wide a model without training has an opinion on every sentence.
CONFIG = dataclasses.replace(
    re_toys.CONFIG,
    vocab_size=len(VOCAB),
    max_position_embeddings=24,
    initializer_range=0.9,
)
MAX_SEQ_LENGTH = 20
LONG = "Severe Liver cancer with severe cancer and severe cancer with severe cancer"


@dataclasses.dataclass(frozen=True)
class Document:
    """A title, an abstract, one character between them; (type, text, which one)."""

    id: str
    title: str
    abstract: str
    mentions: tuple[tuple[str, str, int], ...] = ()
    relations: tuple[tuple[str, str, str], ...] = ()

    @property
    def text(self):
        return f"{self.title} {self.abstract}"

    def places(self):
        """Yields (id, type, start, end, text) of the mentions."""
        for i, (kind, text, which) in enumerate(self.mentions, start=1):
            start = -1
            for _ in range(which + 1):
                start = self.text.index(text, start + 1)
            yield f"T{i}", kind, start, start + len(text), text


# The second aspirin of the title is no mention; T8 is inside T7.
DOCUMENTS = (
    Document(
        "7",
        "aspirin causes COX-1 \U0001f48a with aspirin.",
        "Liver aspirin helps COX-1 and GAL4. Severe GAL4 causes aspirin receptor.",
        (
            ("Chemical", "aspirin", 0),
            ("Gene", "COX-1", 0),
            ("Chemical", "aspirin", 2),
            ("GENE-Y", "COX-1", 1),
            ("Gene", "GAL4", 0),
            ("Gene", "GAL4", 1),
            ("Gene", "aspirin receptor", 0),
            ("Chemical", "aspirin", 3),
            ("Disease", "Liver", 0),
        ),
        (("cpr:4", "T1", "T2"), ("cpr:9", "T3", "T5")),
    ),
    Document("8", "zinc helps.", "", (("Chemical", "zinc", 0),)),
    Document("9", "Severe cancer.", "Liver."),
    Document(
        "10",
        "Of zinc.",
        f"{LONG} zinc causes severe GAL4. Severe zinc with GAL4 helps.",
        (
            ("Chemical", "zinc", 1),
            ("Gene", "GAL4", 0),
            ("Gene", "GAL4", 1),
            ("Chemical", "zinc", 2),
        ),
    ),
)  # fmt: skip
# Sentences of DOCUMENTS for Chemical-Gene, by pair.
TEXTS = {
    "7.T1.T2": "@CHEMICAL$ causes @GENE$ \U0001f48a with aspirin.",
    "7.T3.T4": "Liver @CHEMICAL$ helps @GENE$ and GAL4.",
    "7.T3.T5": "Liver @CHEMICAL$ helps COX-1 and @GENE$.",
    "7.T8.T6": "Severe @GENE$ causes @CHEMICAL$ receptor.",
    "7.T8.T7": "Severe GAL4 causes @CHEM-GENE$.",
    "10.T1.T2": f"{LONG} @CHEMICAL$ causes severe @GENE$.",
    "10.T4.T3": "Severe @CHEMICAL$ with @GENE$ helps.",
}


# --- files ---------------------------------------------------------------------------


def pubtator(documents):
    blocks = []
    for one in documents:
        lines = [f"{one.id}|t|{one.title}", f"{one.id}|a|{one.abstract}"]
        for _, kind, start, end, text in one.places():
            lines.append(f"{one.id}\t{start}\t{end}\t{text}\t{kind}")
        lines += ["\t".join((one.id, *relation)) for relation in one.relations]
        blocks.append("".join(f"{line}\n" for line in lines))
    return "\n".join(blocks)


def _passages(document):
    """Yields offset, text and mentions of title and abstract."""
    offset = 0
    for text in (document.title, document.abstract):
        inside = [
            place
            for place in document.places()
            if offset <= place[2] and place[3] <= offset + len(text)
        ]
        yield offset, text, inside
        offset += len(text) + 1


def bioc_xml(documents):
    parts = []
    for one in documents:
        parts.append(f"<document><id>{one.id}</id>")
        for offset, text, inside in _passages(one):
            parts.append(f"<passage><offset>{offset}</offset><text>{text}</text>")
            parts += [
                f'<annotation id="{name}"><infon key="type">{kind}</infon>'
                f'<location offset="{start}" length="{end - start}"/>'
                f"<text>{surface}</text></annotation>"
                for name, kind, start, end, surface in inside
            ]
            parts.append("</passage>")
        parts += [
            f'<relation id="R{i}"><infon key="type">{kind}</infon>'
            f'<node refid="{first}" role="a"/><node refid="{second}" role="b"/>'
            "</relation>"
            for i, (kind, first, second) in enumerate(one.relations)
        ]
        parts.append("</document>\n")
    return f"<collection><source>S</source>{''.join(parts)}</collection>\n"


def bioc_json(documents):
    return json.dumps(
        {"source": "S", "documents": [_bioc_document(one) for one in documents]}
    )


def _bioc_document(document):
    passages = [
        {
            "offset": offset,
            "text": text,
            "annotations": [
                {
                    "id": name,
                    "infons": {"type": kind},
                    "text": surface,
                    "locations": [{"offset": start, "length": end - start}],
                }
                for name, kind, start, end, surface in inside
            ],
        }
        for offset, text, inside in _passages(document)
    ]
    relations = [
        {
            "id": f"R{i}",
            "infons": {"type": kind},
            "nodes": [{"refid": first}, {"refid": second}],
        }
        for i, (kind, first, second) in enumerate(document.relations)
    ]
    return {"id": document.id, "passages": passages, "relations": relations}


def ann(document):
    lines = [
        f"{name}\t{kind} {start} {end}\t{text}"
        for name, kind, start, end, text in document.places()
    ]
    lines += [
        f"R{i}\t{kind} Arg1:{first} Arg2:{second}"
        for i, (kind, first, second) in enumerate(document.relations, start=1)
    ]
    return "".join(f"{line}\n" for line in lines)


def jsonl(documents):
    names = ("id", "type", "start", "end", "text")
    return "".join(
        json.dumps(
            {
                "id": one.id,
                "text": one.text,
                "entities": [
                    dict(zip(names, place, strict=True)) for place in one.places()
                ],
                "relations": [
                    {"type": kind, "first": first, "second": second}
                    for kind, first, second in one.relations
                ],
                "year": 2020,
            }
        )
        + "\n"
        for one in documents
    )


TEXT_OF = {
    "pubtator": pubtator,
    "bioc_xml": bioc_xml,
    "bioc_json": bioc_json,
    "jsonl": jsonl,
}
FORMATS = (*TEXT_OF, "brat")


def read(module, path, *args):
    """Returns the documents of a file, read by the module of its format."""
    with streams.reading(path) as stream:
        return [refusing(loaded) for loaded in module.read(stream, *args)]


def refusing(loaded):
    """Returns a document, or raises the error of its first bad mention."""
    for mention in loaded.document.bad_mentions:
        raise InputError(mention.problem)
    return loaded


def write(path, kind, documents=DOCUMENTS):
    """Writes documents, packed if the name says so; returns the path."""
    if kind == "brat":
        for one in documents:
            files.write_text(path / f"{one.id}.txt", one.text)
            files.write_text(path / f"{one.id}.ann", ann(one))
        return path
    data = TEXT_OF[kind](documents).encode("utf-8")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


# --- model ---------------------------------------------------------------------------


def write_model(folder, labels, seed=1, **given):
    """Writes a model with wide random weights, as a training with flags leaves it."""
    from biobert_tf.model import heads

    ner_toys.write_vocab(folder / "vocab.txt", VOCAB)
    model = heads.SequenceClassifier(CONFIG, len(labels), seed=seed, dropout=0.1)
    ner_toys.save_model(model, labels, folder)
    values = {
        "data_dir": "data",
        "output_dir": folder,
        "do_train": True,
        "max_seq_length": MAX_SEQ_LENGTH,
        **given,
    }
    argv = ["run_re.py", *(f"--{name}={value}" for name, value in values.items())]
    settings = flags.parse(RelationConfig, argv, RELATIONS.defaults)
    files.write_json(folder / "settings.json", config.to_dict(settings))
    return folder


def write_chemprot_model(folder, **given):
    return write_model(folder, re_toys.CHEMPROT, task_name="chemprot", **given)


ARTICLE = (
    "<PubmedArticle><MedlineCitation><PMID>{0}</PMID><Article>"
    "<ArticleTitle>Aspirin <i>{0}</i> &amp; more.</ArticleTitle><Abstract>"
    '<AbstractText Label="AIM">To\n see.</AbstractText>'
    "<AbstractText>Ca<sup>2+</sup> \U0001f48a.</AbstractText></Abstract></Article>"
    "</MedlineCitation></PubmedArticle>\n"
)


def pubmed(*numbers):
    articles = "".join(ARTICLE.format(number) for number in numbers)
    return f'<?xml version="1.0"?>\n<PubmedArticleSet>\n{articles}</PubmedArticleSet>\n'
