"""What comes out: the answer for a document, as objects (docs/output.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from . import _html


@dataclass(frozen=True)
class Language:
    """A language, given or identified: ISO 639-1 code (``und`` when unknown), and how sure."""

    code: str
    confidence: float


@dataclass(frozen=True)
class Topic:
    """A topic of the IPTC Media Topics with its calibrated probability."""

    id: str
    label: str
    probability: float


@dataclass(frozen=True)
class Actor:
    """Who is judged."""

    id: str
    name: str
    kind: str


@dataclass(frozen=True)
class Probabilities:
    """Calibrated probabilities of the three stances; they add up to 1."""

    favor: float
    against: float
    neutral: float


@dataclass(frozen=True)
class Mention:
    """A place where the text names an actor: ``[start, end)`` in the prediction's offset unit."""

    start: int
    end: int
    text: str
    weak: bool


@dataclass(frozen=True)
class Evidence:
    """A sentence that shows a stance."""

    start: int
    end: int
    text: str
    stance: str
    probability: float


@dataclass(frozen=True)
class ActorStance:
    """The author's stance toward one actor.

    ``stance`` is the most probable one, also when the model ``abstained``. ``sentences`` is there
    when ``sentence_scores`` was asked for.
    """

    actor: Actor
    stance: str
    probabilities: Probabilities
    abstained: bool
    reason: str | None
    mentions: tuple[Mention, ...]
    evidence: tuple[Evidence, ...]
    sentences: tuple[Evidence, ...] | None = None


@dataclass(frozen=True)
class Model:
    """Which model answered."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Warning:
    """Something to know that is no error."""

    code: str
    message: str


@dataclass(frozen=True)
class Prediction:
    """The answer for a document: topics, most probable first, and stances, most mentioned first.

    Spans count in ``offset_unit`` (``char`` unless another was asked for) in the text that was
    judged, which ``source`` holds; with ``input="html"`` that is the text of the page, ``text``.
    """

    schema_version: str
    id: str | None
    language: Language
    topics: tuple[Topic, ...]
    stances: tuple[ActorStance, ...]
    offset_unit: str
    windows: int
    model: Model
    warnings: tuple[Warning, ...]
    text: str | None = None
    source: str | None = field(default=None, repr=False, compare=False)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str | None = None) -> Prediction:
        """The prediction of a line of JSON, as the program and the service write it."""
        return cls(
            schema_version=data["schema_version"],
            id=data["id"],
            language=Language(**data["language"]),
            topics=tuple(Topic(**topic) for topic in data["topics"]),
            stances=tuple(_stance(stance) for stance in data["stances"]),
            offset_unit=data["offset_unit"],
            windows=data["windows"],
            model=Model(**data["model"]),
            warnings=tuple(Warning(**warning) for warning in data["warnings"]),
            text=data.get("text"),
            source=data.get("text") or source,
        )

    def to_dict(self) -> dict[str, Any]:
        """The same as the program's JSON, without ``source``."""
        data = _plain(self)
        del data["source"]
        return data

    def _repr_html_(self) -> str:
        return _html.page(self)


# Fields that JSON leaves out where they are absent; others are null.
_LEFT_OUT = {"text", "sentences"}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        pairs = ((f.name, getattr(value, f.name)) for f in fields(value))
        return {
            name: _plain(entry)
            for name, entry in pairs
            if not (entry is None and name in _LEFT_OUT)
        }
    return [_plain(entry) for entry in value] if isinstance(value, tuple) else value


def _stance(data: Mapping[str, Any]) -> ActorStance:
    sentences = data.get("sentences")
    return ActorStance(
        actor=Actor(**data["actor"]),
        stance=data["stance"],
        probabilities=Probabilities(**data["probabilities"]),
        abstained=data["abstained"],
        reason=data["reason"],
        mentions=tuple(Mention(**mention) for mention in data["mentions"]),
        evidence=tuple(Evidence(**evidence) for evidence in data["evidence"]),
        sentences=None if sentences is None else tuple(Evidence(**s) for s in sentences),
    )
