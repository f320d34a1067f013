# SPDX-License-Identifier: Apache-2.0
"""Every reader of what users give, with a small sound file, and what came of reading.

A reader returns the number of things that it has read, and calls `on_bad` with the
error of everything that it left out.
"""

import dataclasses
import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import checkpoint_toys
import document_toys

from biobert_tf.common.errors import InputError

Read = Callable[[Path, Callable[[object], None]], int]


@dataclasses.dataclass(frozen=True)
class Reader:
    """What reads a file that users give.

    Attributes:
        name: What it is called in the table of docs/reliability_input.md.
        file: The name of the file that is damaged.
        seed: A sound file.
        read: Reads it.
        others: Other files that it needs beside it, which stay sound.
        is_json: Whether it is JSON, or lines of it.
        lines: The lines of Python that reading may need besides 500 for every byte.
    """

    name: str
    file: str
    seed: bytes
    read: Read
    others: Mapping[str, bytes] = dataclasses.field(default_factory=dict)
    is_json: bool = False
    lines: int = 20_000


# --- sentences, relations, questions ------------------------------------------------

NER = b"""-DOCSTART-\tO

Breast\tB-Disease
cancer\tI-Disease
and\tO
10\tO
BRCA1\tS-Gene

aspirin\tB-Chemical
"""
PARTIAL = b"<Disease>\tO-Disease\nLiver\tB-Disease\nand\tO-Disease\n"
RE_BIOBERT = b"""@GENE$ causes @DISEASE$ .\t1
We saw "no @GENE$ in @DISEASE$\t0
@CHEMICAL$ binds @GENE$ in 12 cells .\tCPR:4
"""
RE_BLUE = b"""index\tsentence\tlabel
7.T1.T2\t"a ""quoted"" @GENE$ in @DISEASE$"\tCPR:4
7.T1.T3\tplain @GENE$ with @DISEASE$\tfalse
"""
RE_SCIBERT = b"""{"text": "<< aspirin >> binds [[ COX-1 ]] .", "label": "CPR:4"}
{"text": "[[ GAL4 ]] and << zinc >>", "label": "CPR:9", "id": 3}
"""
SQUAD = json.dumps(
    {
        "version": "v2.0",
        "data": [
            {
                "title": "t",
                "paragraphs": [
                    {
                        "context": "Aspirin helps with pain.",
                        "qas": [
                            {
                                "id": "q1",
                                "question": "What helps?",
                                "is_impossible": False,
                                "answers": [{"text": "Aspirin", "answer_start": 0}],
                            },
                            {
                                "id": 2,
                                "question": "Who helps?",
                                "is_impossible": True,
                                "answers": [],
                            },
                        ],
                    }
                ],
            }
        ],
    },
    indent=1,
).encode()
SQUAD_FLAT = b"""{"id": "a", "context": "Zinc helps.", "question": "What?", "answers": \
{"text": ["Zinc"], "answer_start": [0]}}
{"id": "b", "context": "Zinc helps.", "question": "Who?", "answers": \
{"text": [], "answer_start": []}}
"""
YES_NO = b"1\tIs it?\tIt is so .\tyes\n2\tWas it?\tIt was not .\tno\n"
BIOASQ = json.dumps(
    {
        "questions": [
            {
                "id": "5",
                "type": kind,
                "body": "Which gene?",
                "exact_answer": answer,
                "ideal_answer": ["It is BRCA1."],
                "snippets": [
                    {
                        "text": "BRCA1 is one.",
                        "document": "http://www.ncbi.nlm.nih.gov/pubmed/1",
                        "beginSection": "abstract",
                        "offsetInBeginSection": 0,
                    }
                ],
            }
            for kind, answer in (
                ("factoid", [["BRCA1", "breast cancer 1"]]),
                ("list", [["a"], ["b"]]),
                ("yesno", "yes"),
                ("summary", None),
            )
        ]
    }
).encode()


def _ner(compat):
    def read(path, on_bad):
        from biobert_tf.ner import reading

        examples = reading.read_examples(path, compat, needs_labels=False)
        reading.label_list(examples, compat)
        return len(examples)

    return read


def _relations(path, on_bad):
    from biobert_tf.relations import reading

    return len(reading.read_examples(path, "auto", None, needs_labels=False))


def _squad(path, on_bad):
    from biobert_tf.qa import reading

    found = reading.read_examples(path, is_training=True, version_2_with_negative=True)
    for example in found.examples:
        # What training takes from it: the answer is in the words.
        assert example.start_position <= example.end_position < len(example.doc_tokens)
    return len(found.examples)


def _squad_to_predict(path, on_bad):
    from biobert_tf.qa import reading

    return len(reading.read_examples(path, is_training=False).examples)


def _yes_no(path, on_bad):
    from biobert_tf.qa import yesno_reading

    return len(yesno_reading.read_examples(path, needs_labels=False))


def _bioasq(path, on_bad):
    from biobert_tf.qa.bioasq import reading

    found = list(reading.read_questions(path))
    for question in found:
        assert question.verdict in ("yes", "no", None)
        question.body.encode()
    return len(found)


def _bioasq_gold(path, on_bad):
    from biobert_tf.common import files
    from biobert_tf.qa.bioasq import answers

    return len(files.parse_json(path, lambda values: answers.read_gold(values, 8)))


# --- texts with a label -------------------------------------------------------------

TEXTS_TSV = b"""text\tlabel\tid
"a ""quoted"" text"\tgood\t1
another text\tbad\t2
"""
TEXTS_CSV = b'sentence,label\n"one, two",a\nthree four,b\n'
TEXTS_JSONL = b"""{"text": "severe cancer .", "pair": "and", "label": 4.0, "id": 3}
{"text": "aspirin helps .", "pair": "x", "label": 1}
"""
SEVERAL = b"""{"text": "severe cancer .", "label": ["bad", "ill"]}
{"text": "aspirin helps .", "label": []}
"""
MEDNLI = b"""{"sentence1": "It hurts.", "sentence2": "He is ill.", "gold_label": \
"entailment", "pairID": "p1"}
{"sentence1": "It hurts.", "sentence2": "No.", "gold_label": "contradiction"}
"""
PUBMEDQA = json.dumps(
    {
        str(number): {
            "QUESTION": "Does it help?",
            "CONTEXTS": ["It was tried.", "It helped."],
            "LABELS": ["METHODS", "RESULTS"],
            "LONG_ANSWER": "It does.",
            "final_decision": ("yes", "no", "maybe")[number % 3],
        }
        for number in range(6)
    },
    indent=1,
).encode()


def _texts(target="auto"):
    def read(path, on_bad):
        from biobert_tf.classification import reading
        from biobert_tf.classification.settings import ReadingConfig

        found = reading.open_set(path.parent, ReadingConfig(target=target))
        return sum(len(found.rows(split)) for split in ("train", "test"))

    return read


# --- corpora ------------------------------------------------------------------------

PUBMED = b"""<?xml version="1.0" encoding="UTF-8"?>
<PubmedArticleSet>
<PubmedArticle><MedlineCitation Status="MEDLINE"><PMID Version="1">17</PMID>
<Article><ArticleTitle>On <i>zinc</i> &amp; others.</ArticleTitle><Abstract>
<AbstractText Label="METHODS">We tried 10<sup>-6</sup> M.</AbstractText>
<AbstractText>It helped (n &gt; 3).</AbstractText></Abstract></Article>
</MedlineCitation></PubmedArticle>
<PubmedArticle><MedlineCitation><PMID>18</PMID><Article>
<ArticleTitle>Another.</ArticleTitle></Article></MedlineCitation></PubmedArticle>
<DeleteCitation><PMID>5</PMID></DeleteCitation>
</PubmedArticleSet>
"""
JATS = b"""<article xmlns:mml="http://www.w3.org/1998/Math/MathML"><front><article-meta>
<article-id pub-id-type="pmc">PMC12</article-id><title-group>
<article-title>On zinc.</article-title></title-group>
<abstract><sec><title>Aim</title><p>To help.</p></sec></abstract></article-meta></front>
<body><sec><title>Results</title><p>It is <mml:math><mml:msup><mml:mi>x</mml:mi>
<mml:mn>2</mml:mn></mml:msup></mml:math> [<xref ref-type="bibr" rid="B1">1</xref>].</p>
</sec></body><back><ref-list><ref>R</ref></ref-list></back></article>
"""
PLAIN = b"One sentence.\nAnother one.\n\nA second document.\n\nA third.\n"


def _tar(files, mode):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _corpus(path, on_bad):
    from biobert_tf.corpora import reading
    from biobert_tf.corpora.settings import CorpusConfig

    options = reading.ReadOptions(CorpusConfig())
    return sum(1 for _ in reading.documents(path, options, on_bad))


# --- annotated documents ------------------------------------------------------------

CONLL = b"""-DOCSTART-\t7\tO

Breast\tNN\tB-Disease
cancer\tNN\tI-Disease

# doc_id = 8
aspirin\tNN\tB-Chemical
"""
# What has no text in the toys: an identifier, a note, a line that is only kept.
BRAT_MORE = b"""N1\tReference T1 MESH:D1\taspirin
#1\tAnnotatorNotes T1\tprobability 0.5
A1\tNegation T1
*\tEquiv T1 T2
"""


def _documents(format):
    """Reads documents, writes them in the same format and as ours, reads them again."""

    def read(path, on_bad):
        from biobert_tf.documents import formats

        found = list(formats.read(path, format, on_bad, bad_mentions="keep"))
        for loaded in found:
            for mention in loaded.document.mentions:
                assert mention.probability is None or 0 <= mention.probability <= 1
                assert mention.problem or loaded.document.text_at(mention.spans)
        if format in formats.WRITTEN:
            _write(path, format, found)
        _write(path, "jsonl", found)
        skipped = list(formats.read(path, format, lambda _: None, bad_mentions="skip"))
        assert len(skipped) == len(found)
        return len(found)

    return read


def _write(path, format, found):
    from biobert_tf.documents import formats

    target = path.parent.parent / f"written-{format}"
    bad = []
    # Documents of one name twice become two.
    written = formats.write(target, format, ((one, []) for one in found), bad.append)
    assert written.documents + len(bad) == len(found)


def _brat(path, on_bad):
    return _documents("brat")(path.parent, on_bad)


def _as_found(path, on_bad):
    """Reads a file whose format is to be found out."""
    from biobert_tf.documents import formats

    return sum(1 for _ in formats.read(path, "auto", on_bad))


# --- models -------------------------------------------------------------------------

VOCAB = "\n".join([*checkpoint_toys.VOCAB, ""]).encode()
CONFIG = json.dumps(dataclasses.asdict(checkpoint_toys.CONFIG), indent=1).encode()
HF_CONFIG = json.dumps(
    {
        **dataclasses.asdict(checkpoint_toys.CONFIG),
        "model_type": "bert",
        "id2label": {"0": "O", "1": "B", "2": "I"},
        "layer_norm_eps": 1e-12,
    }
).encode()
TOKENIZER = json.dumps(
    {
        "added_tokens": [{"id": 0, "content": "[PAD]"}],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [{"type": "BertNormalizer", "lowercase": False}],
        },
        "model": {
            "type": "WordPiece",
            "continuing_subword_prefix": "##",
            "vocab": {piece: i for i, piece in enumerate(checkpoint_toys.VOCAB)},
        },
    }
).encode()
LABELS = b'{"labels": ["O", "B-Disease", "I-Disease"]}'
SETTINGS = json.dumps(
    {
        "data_dir": "d",
        "output_dir": "o",
        "init_checkpoint": None,
        "do_train": True,
        "learning_rate": 5e-5,
        "train_batch_size": 32,
        "compat": "fixed",
        "strategy": "auto",
        "entity_type": "",
        "earlier": [{"until_step": 3, "settings": {"learning_rate": 1}}],
    },
    indent=1,
).encode()
FLAGS = b"""# of a run
--data_dir=d
--output_dir=o
--learning_rate=3e-5
--train_batch_size=8
--nodo_train
--compat=fixed
"""


def _vocabulary(path, on_bad):
    from biobert_tf.text.tokenization import FullTokenizer

    tokenizer = FullTokenizer(path, do_lower_case=None)
    pieces = tokenizer.tokenize_with_offsets("a B\u00e9 [MASK] " + "x" * 300)
    assert all(piece.start < piece.end for piece in pieces)
    return len(tokenizer.vocab)


def _tokenizer(path, on_bad):
    from biobert_tf.checkpoints import tokenizer_files

    found = tokenizer_files.read_vocabulary(path)
    tokenizer_files.lower_cases(path.parent)
    tokenizer_files.peculiarities(path.parent)
    return len(found.ids)


def _config(path, on_bad):
    from biobert_tf.model.config import EncoderConfig

    config = EncoderConfig.from_json(path)
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        assert not isinstance(value, bool)
        assert isinstance(value, str) or 0 <= value < 2**31
    return 1


def _hf_config(path, on_bad):
    from biobert_tf.checkpoints import huggingface

    huggingface.encoder_config(path.parent)
    huggingface.labels(path.parent)
    return 1


def _labels(path, on_bad):
    from biobert_tf.checkpoints import Place, released

    return len(released.read_labels(Place(path.parent, "tf1", path.parent)) or ())


def _settings(path, on_bad):
    from biobert_tf.common import files, settings
    from biobert_tf.ner.settings import NerConfig

    config = settings.from_dict(NerConfig, files.read_json(path), path)
    assert settings.to_dict(config)["data_dir"] == str(config.stages.data_dir)
    return 1


def _resumed(path, on_bad):
    from biobert_tf.common import flags
    from biobert_tf.ner.settings import NerConfig
    from biobert_tf.training import run_directory

    config = flags.parse(NerConfig, ["ner", "--data_dir=d", "--output_dir=o"])
    run_directory.require_resumable(path.parent, config)
    return 1


def _flagfile(path, on_bad):
    from biobert_tf.common import flags
    from biobert_tf.ner.settings import NerConfig

    try:
        flags.parse(NerConfig, ["ner", f"--flagfile={path}"])
    except InputError as error:
        # The fault is in a flag, which the message names; not every one has a file.
        raise InputError.at(path, None, str(error)) from None
    except SystemExit:
        # After --help.
        return 0
    return 1


# --- archives -----------------------------------------------------------------------

PACKED = {"a/b.txt": b"hello", "a/c.txt": b"there" * 20}


def _zip(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


def _unpacked(path, on_bad):
    from biobert_tf.published import unpacking

    target = path.parent / "to"
    try:
        unpacking.unpack(path, target)
    finally:
        # Nothing is beside the target, and there are no links in it.
        found = sorted(path.parent.rglob("*"))
        assert not any(one.is_symlink() for one in found)
        assert {one.name for one in path.parent.iterdir()} <= {path.name, "to"}
    return sum(one.is_file() for one in found)


def _checkpoint_archive(path, on_bad):
    from biobert_tf.checkpoints import archive

    return len(list(archive.opened(path).iterdir()))


TEXT_READERS = [
    Reader("NER", "train.tsv", NER, _ner("fixed")),
    Reader("NER, AIONER's frames", "train.tsv", PARTIAL, _ner("fixed")),
    Reader("NER, as the original", "train.tsv", b"a B\nb I\n\nc O\n", _ner("master")),
    Reader("relations, biobert", "train.tsv", RE_BIOBERT, _relations),
    Reader("relations, blue", "test.tsv", RE_BLUE, _relations),
    Reader("relations, scibert", "train.jsonl", RE_SCIBERT, _relations, {}, True),
    Reader("SQuAD", "train.json", SQUAD, _squad, {}, True),
    Reader("SQuAD, flat", "train.json", SQUAD_FLAT, _squad, {}, True),
    Reader("SQuAD, to predict", "dev.json", SQUAD, _squad_to_predict, {}, True),
    Reader("yes/no questions", "train.tsv", YES_NO, _yes_no),
    Reader("BioASQ", "b.json", BIOASQ, _bioasq, {}, True),
    Reader("BioASQ, gold", "gold.json", BIOASQ, _bioasq_gold, {}, True),
    Reader("texts, TSV", "train.tsv", TEXTS_TSV, _texts()),
    Reader("texts, CSV", "train.csv", TEXTS_CSV, _texts()),
    Reader(
        "texts, JSON lines", "train.jsonl", TEXTS_JSONL, _texts("regression"), {}, True
    ),
    Reader("texts, several labels", "train.jsonl", SEVERAL, _texts("multi"), {}, True),
    Reader("texts, MedNLI", "mli_train_v1.jsonl", MEDNLI, _texts(), {}, True),
    Reader("texts, PubMedQA", "ori_pqal.json", PUBMEDQA, _texts(), {}, True),
]
CORPUS_READERS = [
    Reader("PubMed", "a.xml", PUBMED, _corpus),
    Reader("PubMed, gzip", "a.xml.gz", gzip.compress(PUBMED, mtime=0), _corpus),
    Reader("JATS", "a.nxml", JATS, _corpus),
    Reader("JATS, tar", "a.tar", _tar({"1.nxml": JATS, "2.xml": JATS}, "w"), _corpus),
    Reader("corpus, text", "a.txt", PLAIN, _corpus),
]
_TOYS = document_toys.DOCUMENTS[:2]
DOCUMENT_READERS = [
    Reader(
        "PubTator",
        "a.txt",
        document_toys.pubtator(_TOYS).encode(),
        _documents("pubtator"),
    ),
    Reader(
        "BioC XML",
        "a.xml",
        document_toys.bioc_xml(_TOYS).encode(),
        _documents("bioc_xml"),
    ),
    Reader(
        "BioC JSON",
        "a.json",
        document_toys.bioc_json(_TOYS).encode(),
        _documents("bioc_json"),
        {},
        True,
    ),
    Reader(
        "documents, JSON lines",
        "a.jsonl",
        document_toys.jsonl(_TOYS).encode(),
        _documents("jsonl"),
        {},
        True,
    ),
    Reader("CoNLL", "a.conll", CONLL, _documents("conll")),
    Reader(
        "BRAT",
        "7.ann",
        document_toys.ann(_TOYS[0]).encode() + BRAT_MORE,
        _brat,
        {"7.txt": _TOYS[0].text.encode()},
    ),
    Reader("documents, PubMed", "a.xml", PUBMED, _documents("pubmed_xml")),
    Reader("documents, text", "a.txt", PLAIN, _documents("text")),
    Reader("documents, lines", "a.txt", PLAIN, _documents("lines")),
    Reader(
        "documents, format found",
        "a.json",
        document_toys.bioc_json(_TOYS).encode(),
        _as_found,
        {},
        True,
    ),
]
MODEL_READERS = [
    Reader("vocabulary", "vocab.txt", VOCAB, _vocabulary),
    Reader("tokenizer.json", "tokenizer.json", TOKENIZER, _tokenizer, {}, True),
    Reader("bert_config.json", "bert_config.json", CONFIG, _config, {}, True),
    Reader(
        "config.json of Transformers", "config.json", HF_CONFIG, _hf_config, {}, True
    ),
    Reader("labels.json", "labels.json", LABELS, _labels, {}, True),
    Reader("settings.json", "settings.json", SETTINGS, _settings, {}, True),
    Reader("flagfile", "flags.txt", FLAGS, _flagfile, {}, False, 500_000),
    Reader("archive, zip", "a.zip", _zip(PACKED), _unpacked),
    Reader("archive, tar.gz", "a.tar.gz", _tar(PACKED, "w:gz"), _unpacked),
    Reader(
        "archive of a checkpoint",
        "c.tar.gz",
        _tar({"m/model.ckpt.index": b"x", "m/vocab.txt": VOCAB}, "w:gz"),
        _checkpoint_archive,
    ),
]
