"""Answers found inside a graph are those of `qa.decoding`."""

import functools
import json
import random

import ner_toys
import numpy as np
import pytest
import tensorflow as tf

from biobert_tf import checkpoints
from biobert_tf.checkpoints import native
from biobert_tf.model import heads
from biobert_tf.model.config import EncoderConfig
from biobert_tf.qa import decoding as qa_decoding
from biobert_tf.qa import graph as qa_graph
from biobert_tf.qa import reading as qa_reading
from biobert_tf.qa.decoding import WindowScores
from biobert_tf.qa.features import Featurizer
from biobert_tf.qa.reading import QaExample
from biobert_tf.qa.settings import DecodingSettings
from biobert_tf.text.tokenization import FullTokenizer

STRINGS = tf.TensorSpec([None], tf.string)


class World:
    """A model as a graph, and as a run decodes it."""

    def __init__(self, model, tokenizer, **settings):
        sizes = {"max_seq_length": 16, "doc_stride": 4, "max_query_length": 5}
        values = {"n_best_size": 10, "max_answer_length": 5, **settings}
        sizes |= {name: values.pop(name) for name in sizes if name in values}
        self.model = model
        self.featurizer = Featurizer(tokenizer=tokenizer, **sizes)
        self.is_lower = tokenizer.basic_tokenizer.do_lower_case
        self.settings = DecodingSettings(**values)
        graph = qa_graph.QaGraph(model, self.featurizer, self.settings)
        self.answer = tf.function(
            graph.answer, input_signature=[STRINGS, STRINGS], autograph=False
        )

    def wanted(self, question, context):
        """The prediction of a run."""
        example = QaExample(
            qas_id="q",
            question_text=question,
            context=context,
            doc_tokens=tuple(
                context[start:end] for start, end in qa_reading.word_offsets(context)
            ),
        )
        rows = list(self.featurizer.featurize([example]))
        names = ("input_ids", "input_mask", "segment_ids")
        windows = []
        if rows:
            batch = {
                name: tf.constant(np.stack([getattr(row, name) for row in rows]))
                for name in names
            }
            outputs = self.model(batch)
            logits = (outputs["start_logits"].numpy(), outputs["end_logits"].numpy())
            windows = [WindowScores(*w) for w in zip(rows, *logits, strict=True)]
        [prediction] = qa_decoding.decode(
            [example], windows, self.settings, do_lower_case=self.is_lower
        )
        return prediction

    def compare(self, questions, contexts):
        """Checks all answers; returns how many questions have one."""
        found = self.answer(questions, contexts)
        found = {name: values.numpy() for name, values in found.items()}
        num_answers = 0
        for i, pair in enumerate(zip(questions, contexts, strict=True)):
            wanted = self.wanted(*pair)
            nbest = [answer for answer in wanted.nbest if answer.text != "empty"]
            texts = [answer.text for answer in nbest]
            assert [t.decode() for t in found["answers"][i, : len(nbest)]] == texts
            np.testing.assert_allclose(
                found["probabilities"][i, : len(nbest)],
                [answer.probability for answer in nbest],
                atol=1e-5,
            )
            assert not found["probabilities"][i, len(nbest) :].any()
            for k, text in enumerate(texts):
                span = found["starts"][i, k], found["ends"][i, k]
                assert sliced(pair[1], *span) == text
            assert found["answer"][i].decode() == (wanted.text if texts else "")
            self._check_odds(found, i, wanted)
            num_answers += bool(texts)
        return num_answers

    def _check_odds(self, found, i, wanted):
        odds = wanted.null_odds
        if odds is not None and odds != qa_decoding.NO_SPAN_ODDS:
            np.testing.assert_allclose(found["null_odds"][i], odds, atol=1e-4)


def sliced(context, start, end):
    """What stands in a context, with one space for white space; "" for no place."""
    if start < 0:
        return ""
    return " ".join(
        word
        for word in context.encode()[start:end]
        .decode()
        .translate(str.maketrans("\t\r\n\u202f", "    "))
        .split(" ")
        if word
    )


def toy_model():
    return heads.SpanClassifier(ner_toys.STRONG, seed=3)


def write_tokenizer(folder, do_lower_case=False):
    vocab = ner_toys.VOCAB
    if do_lower_case:
        vocab = [piece if piece[0] == "[" else piece.lower() for piece in vocab]
    path = ner_toys.write_vocab(folder / "vocab.txt", vocab)
    return FullTokenizer(path, do_lower_case)


@pytest.fixture(scope="module", params=[False, True], ids=["cased", "lower"])
def worlds(request, tmp_path_factory):
    """Returns the world with or without null answers; a graph is traced once."""
    tokenizer = write_tokenizer(tmp_path_factory.mktemp("vocab"), request.param)

    @functools.cache
    def world(has_null):
        return World(toy_model(), tokenizer, version_2_with_negative=has_null)

    return world


def texts(seed, number, sizes):
    rng = random.Random(seed)
    words = ["aspirin", "Liver", "cancer.", "nephritis", "nephritiss", "severe", "with"]
    words += ["zebra", ".", "(aspirin", "Liver\u00ad", "helps\u00a0with", "\u00ad"]
    words += ["cancer\n", "\u0301"]
    return [
        rng.choice(["", " "])
        + rng.choice([" ", "  ", "\u202f"]).join(
            rng.choices(words, k=rng.choice(sizes))
        )
        for _ in range(number)
    ]


@pytest.mark.parametrize("has_null", [False, True])
def test_equal_to_the_run(worlds, has_null):
    questions, contexts = texts(1, 80, [0, 2, 9]), texts(2, 80, [0, 7, 30])
    assert worlds(has_null).compare(questions, contexts) > 20


def test_a_threshold_above_every_score(tmp_path):
    world = World(
        toy_model(),
        write_tokenizer(tmp_path),
        version_2_with_negative=True,
        null_score_diff_threshold=-1e3,
    )
    found = world.answer(["with"], ["aspirin helps"])
    assert found["answer"].numpy().tolist() == [b""]
    assert found["start"].numpy().tolist() == [-1]


def test_no_question(worlds):
    found = worlds(False).answer(*[tf.constant([], tf.string)] * 2)
    assert found["answer"].shape == (0,)
    assert found["answers"].shape == (0, 0)


def test_a_question_without_context_has_no_answer(worlds):
    found = worlds(False).answer(["with"], [" "])
    assert found["answer"].numpy().tolist() == [b""]
    assert found["start"].numpy().tolist() == [-1]
    assert found["probability"].numpy().tolist() == [0]


@pytest.mark.golden
def test_answers_of_the_recorded_run(golden):
    run = json.loads((golden / "qa/end_to_end/run.json").read_text())
    flags = dict(flag.removeprefix("--").split("=") for flag in run["flags"])
    checkpoint = golden / run["checkpoint"]
    config = EncoderConfig.from_json(golden / "model/bert_config.json")
    model = heads.SpanClassifier(config, seed=0)
    found = checkpoints.locate(checkpoint).read()
    native.assign(model.variables, found.weights, source=checkpoint)
    world = World(
        model,
        FullTokenizer(golden / run["vocab"], flags["do_lower_case"] == "true"),
        **{
            name: int(flags[name])
            for name in (
                "max_seq_length",
                "doc_stride",
                "max_query_length",
                "n_best_size",
                "max_answer_length",
            )
        },
    )
    path = golden / run["predict_file"]
    examples = qa_reading.read_examples(path, is_training=False).examples
    answers = world.answer(
        [example.question_text for example in examples],
        [example.context for example in examples],
    )["answer"]
    recorded = json.loads((golden / "qa/end_to_end/predictions.json").read_text())
    assert [answer.decode() for answer in answers.numpy()] == [
        recorded[example.qas_id] for example in examples
    ]
