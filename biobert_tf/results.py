# SPDX-License-Identifier: Apache-2.0
"""What the methods of a model return: lists that notebooks show with their texts.

Each is a list of results, equal to any list of the same results. It also knows the
texts that they are about, shows them (`_repr_html_`), and becomes a dictionary ready
for JSON, or a pandas table with one row per result.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from biobert_tf.classification.classifier import Classification
from biobert_tf.common.errors import InputError
from biobert_tf.documents import html_fragment, html_marks
from biobert_tf.documents.document import Mention
from biobert_tf.qa import ask
from biobert_tf.qa.ask import FoundAnswer
from biobert_tf.relations import predict
from biobert_tf.relations.predict import Relation
from biobert_tf.relations.reading import EntitySpan

if TYPE_CHECKING:
    import pandas

# A notebook stays usable if somebody shows the results of a whole corpus.
_MOST_SHOWN: Final = 25
_ANSWER: Final = "Answer"


@dataclasses.dataclass(frozen=True)
class Entity:
    """An entity in a text, at the characters `[start, end)`.

    `probability` is that of exactly this entity, in [0, 1].
    """

    start: int
    end: int
    text: str
    type: str
    probability: float

    def to_dict(self) -> dict[str, object]:
        """Returns everything by name, ready for JSON."""
        return dataclasses.asdict(self)


class Entities(list[Entity]):
    """The entities of one text, in its order.

    Attributes:
        text: The text that they are in.
    """

    def __init__(self, found: Iterable[Entity], text: str) -> None:
        """Makes a list that knows its text."""
        super().__init__(found)
        self.text = text

    def to_dict(self) -> dict[str, object]:
        """Returns `{"text": ..., "entities": [...]}`, ready for JSON."""
        return {"text": self.text, "entities": [each.to_dict() for each in self]}

    def to_pandas(self) -> "pandas.DataFrame":
        """Returns a table: one row per entity, one column per field.

        Raises:
            InputError: The package pandas is not installed.
        """
        return _table((each.to_dict() for each in self), _columns(Entity))

    def _repr_html_(self) -> str:
        return html_fragment.fragment(self._body(), self._types())

    def _body(self, number: str = "") -> list[str]:
        mentions = [
            Mention(str(i), x.type, ((x.start, x.end),), x.text, (), x.probability)
            for i, x in enumerate(self)
        ]
        found = html_fragment.info(f"{number}{html_marks.by_type(self._types())}")
        return [html_fragment.text(self.text, mentions), found]

    def _types(self) -> Counter[str]:
        return Counter(each.type for each in self)


class _OfText(Protocol):
    """A result that knows its text."""

    @property
    def text(self) -> str:
        """The text."""

    def to_dict(self) -> dict[str, object]:
        """Returns everything by name, with the text, ready for JSON."""


ResultT = TypeVar("ResultT", bound=_OfText)


class _OfTexts(list[ResultT]):
    """A result for each of several texts, in the order of the texts."""

    @property
    def texts(self) -> list[str]:
        """The texts."""
        return [each.text for each in self]

    def to_dict(self) -> dict[str, object]:
        """Returns `{"texts": [...]}`, each with its text, ready for JSON."""
        return {"texts": [each.to_dict() for each in self]}


class Annotations(_OfTexts[Entities]):
    """The entities of several texts: `Entities` for each, in the order of the texts."""

    def to_pandas(self) -> "pandas.DataFrame":
        """Returns one row per entity; `text_index` is the number of its text.

        Raises:
            InputError: The package pandas is not installed.
        """
        rows = (
            {"text_index": i, **entity.to_dict()}
            for i, entities in enumerate(self)
            for entity in entities
        )
        return _table(rows, ["text_index", *_columns(Entity)])

    def _repr_html_(self) -> str:
        types: Counter[str] = sum((each._types() for each in self), Counter())
        num_texts = html_marks.counted(len(self), "text")
        body = [html_fragment.head(f"{num_texts}, {html_marks.by_type(types)}")]
        for i, each in enumerate(self[:_MOST_SHOWN]):
            body += each._body(f"<b>[{i}]</b> ")
        return html_fragment.fragment([*body, *_rest(self)], types)


class Relations(_OfTexts[Relation]):
    """The relations that texts state: one for each, in the order of the texts."""

    def to_dict(self) -> dict[str, object]:
        """Returns `{"relations": [...]}`, each with its text, ready for JSON."""
        return {"relations": [each.to_dict() for each in self]}

    def to_pandas(self) -> "pandas.DataFrame":
        """Returns one row per text, with the probability of its label and of each.

        Raises:
            InputError: The package pandas is not installed.
        """
        labels = self[0].probabilities if self else ()
        several = {f"probability_{label}": label for label in labels}
        rows = (
            {
                **each.to_dict(),
                **{name: each.probabilities[x] for name, x in several.items()},
            }
            for each in self
        )
        return _table(rows, ["text", "label", "probability", *several])

    def _repr_html_(self) -> str:
        body = [html_fragment.head(html_marks.counted(len(self), "text"))]
        types: set[str] = set()
        for each in self[:_MOST_SHOWN]:
            spans = enumerate(predict.entities_of(each.text))
            mentions = [_mention(i, each.text, span) for i, span in spans]
            types.update(mention.type for mention in mentions)
            body.append(html_fragment.text(each.text, mentions, is_bare=True))
            body.append(_remarks(each.label, each.probability))
        return html_fragment.fragment([*body, *_rest(self)], types)


class Classifications(_OfTexts[Classification]):
    """What a model says of texts: one for each, in the order of the texts."""

    def to_pandas(self) -> "pandas.DataFrame":
        """Returns one row per text, with its labels and the probability of each.

        Of several labels, each is a column, `is_LABEL`.

        Raises:
            InputError: The package pandas is not installed.
        """
        rows = [_flat(each) for each in self]
        return _table(rows, [*rows[0]] if rows else ["text"])

    def _repr_html_(self) -> str:
        body = [html_fragment.head(html_marks.counted(len(self), "text"))]
        for each in self[:_MOST_SHOWN]:
            body.append(html_fragment.text(each.text, ()))
            if each.pair is not None:
                body.append(html_fragment.text(each.pair, ()))
            body.append(_said(each))
        return html_fragment.fragment([*body, *_rest(self)], ())


class Answers(list[FoundAnswer]):
    """The answers to a question, best first.

    Attributes:
        question: The question.
        texts: The texts in which the answers were searched, by name.
    """

    def __init__(
        self, found: Iterable[FoundAnswer], question: str, texts: Mapping[str, str]
    ) -> None:
        """Makes a list that knows its question and texts."""
        super().__init__(found)
        self.question, self.texts = question, texts

    def to_dict(self) -> dict[str, object]:
        """Returns `{"question": ..., "answers": [...]}`, as `biobert ask --json`."""
        return {
            "question": self.question,
            "answers": [each.to_dict() for each in self],
        }

    def to_pandas(self) -> "pandas.DataFrame":
        """Returns one row per answer, best first, one column per field.

        Raises:
            InputError: The package pandas is not installed.
        """
        return _table((each.to_dict() for each in self), _columns(FoundAnswer))

    def _repr_html_(self) -> str:
        body = [html_fragment.head(html_marks.isolated(self.question))]
        if not self:
            body.append(html_fragment.info("no answer: the texts hold no word"))
        for each in self[:_MOST_SHOWN]:
            body.append(self._shown(each))
            place = each.source and f"in {html_marks.isolated(each.source)}"
            if each.start is not None:
                place += f" at {each.start:,}\u2013{each.end:,}"
            body.append(_remarks(each.text or "(no answer)", each.probability, place))
        return html_fragment.fragment([*body, *_rest(self)], [_ANSWER])

    def _shown(self, answer: FoundAnswer) -> str:
        """Returns the HTML of the words around an answer that is in a text."""
        if answer.start is None or answer.end is None:
            return ""
        text = self.texts[answer.source]
        before, after = ask.around(text, answer.start, answer.end)
        start = len(before)
        span = start, start + len(answer.text)
        mention = Mention("0", _ANSWER, (span,), answer.text, (), answer.probability)
        return html_fragment.text(f"{before}{answer.text}{after}", [mention], True)


def _mention(number: int, text: str, span: EntitySpan) -> Mention:
    """Returns an entity of a relation; its type is its placeholder's, or its role."""
    words = text[span.inner_start : span.inner_end]
    kind = words.strip("@$") if words[:1] == "@" else ("first", "second")[span.role]
    return Mention(str(number), kind, ((span.inner_start, span.inner_end),), words)


def _flat(found: Classification) -> dict[str, object]:
    """Returns a classification as a row of a table."""
    row = found.to_dict()
    probabilities = found.probabilities
    if row.pop("labels", None) is not None:
        row |= {f"is_{label}": label in found.labels for label in probabilities}
    row.pop("probabilities", None)
    return row | {f"probability_{label}": p for label, p in probabilities.items()}


def _said(found: Classification) -> str:
    """Returns the HTML of a label with its probability, of several, or of a number."""
    if found.value is not None:
        return html_fragment.info(f"<b>{found.value:.4g}</b>")
    if not found.labels:
        return html_fragment.info("no label")
    return "".join(
        _remarks(label, found.probabilities[label]) for label in found.labels
    )


def _remarks(label: str, probability: float, *more: str) -> str:
    parts = [
        f"<b>{html_marks.isolated(label)}</b>",
        *html_marks.probability(probability),
    ]
    return html_fragment.info(*parts, *filter(None, more))


def _rest(found: Sequence[object]) -> Iterator[str]:
    """Yields a line if not all results are shown."""
    if len(found) > _MOST_SHOWN:
        yield html_fragment.info(f"and {len(found) - _MOST_SHOWN:,} more")


def _columns(kind: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(kind)]


def _table(
    rows: Iterable[Mapping[str, object]], columns: Sequence[str]
) -> "pandas.DataFrame":
    try:
        import pandas
    except ImportError:
        raise InputError(
            "to_pandas needs the package pandas: pip install pandas; or take to_dict()"
        ) from None
    return pandas.DataFrame(list(rows), columns=list(columns))
