"""A prediction in a notebook: the text with its mentions and evidence, coloured by stance."""

from __future__ import annotations

from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._prediction import ActorStance, Prediction

# Legible on light and dark pages alike; the words stand beside the colours.
_COLOURS = {"favor": "0,158,115", "against": "213,94,0", "neutral": "128,128,128"}
_RIGHT_TO_LEFT = {"ar", "arc", "ckb", "dv", "fa", "he", "iw", "ks", "ps", "sd", "ug", "ur", "yi"}


def page(prediction: Prediction) -> str:
    """The text, then its actors and topics. Everything of the document is escaped."""
    parts = ['<div class="stance" style="max-width:50em">']
    if prediction.source is not None:
        parts.append(_text(prediction, prediction.source))
    parts += [_actors(prediction), _topics(prediction), "</div>"]
    return "".join(parts)


def _text(prediction: Prediction, text: str) -> str:
    place = _Places(text, prediction.offset_unit)
    # (start, end, is a mention, stance, weight, what the pointer shows)
    spans: list[tuple[int, int, bool, str, float, str]] = []
    for entry in prediction.stances:
        shown = _verdict(entry)
        colour = "neutral" if entry.abstained else entry.stance
        for mention in entry.mentions:
            start, end = place(mention.start), place(mention.end)
            spans.append((start, end, True, colour, 1.0, f"{entry.actor.name}: {shown}"))
        for proof in entry.evidence:
            title = f"{entry.actor.name}: {proof.stance} {proof.probability:.0%}"
            start, end = place(proof.start), place(proof.end)
            spans.append((start, end, False, proof.stance, proof.probability, title))
    cuts = sorted({0, len(text)} | {span[0] for span in spans} | {span[1] for span in spans})
    pieces = []
    for start, end in pairwise(cuts):
        piece = escape(text[start:end])
        covering = [span for span in spans if span[0] <= start and span[1] >= end]
        if covering:
            style = []
            evidence = [span for span in covering if not span[2]]
            if evidence:
                strongest = max(evidence, key=lambda span: span[4])
                style.append(f"background:rgba({_COLOURS[strongest[3]]},.18)")
            mentions = [span for span in covering if span[2]]
            if mentions:
                style.append(
                    f"font-weight:bold;border-bottom:3px solid rgb({_COLOURS[mentions[0][3]]})"
                )
            title = escape("; ".join(dict.fromkeys(span[5] for span in covering)))
            piece = f'<span style="{";".join(style)}" title="{title}">{piece}</span>'
        pieces.append(piece)
    code = prediction.language.code
    direction = "rtl" if code in _RIGHT_TO_LEFT else "auto"
    style = "white-space:pre-wrap;line-height:1.7;text-align:start;unicode-bidi:plaintext"
    return f'<p dir="{direction}" lang="{escape(code)}" style="{style}">{"".join(pieces)}</p>'


def _verdict(entry: ActorStance) -> str:
    return "not sure" if entry.abstained else entry.stance


def _actors(prediction: Prediction) -> str:
    if not prediction.stances:
        return "<p><em>no actor found</em></p>"
    rows = []
    for entry in prediction.stances:
        said = entry.probabilities
        colour = _COLOURS["neutral" if entry.abstained else entry.stance]
        cells = [
            f'<td dir="auto">{escape(entry.actor.name)}</td>',
            f'<td style="border-inline-start:.6em solid rgb({colour});padding-inline-start:.5em">'
            f"{escape(_verdict(entry))}</td>",
        ]
        cells += [f"<td>{value:.0%}</td>" for value in (said.favor, said.against, said.neutral)]
        cells.append(f"<td>{len(entry.mentions)}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    names = ("actor", "stance", "favor", "against", "neutral", "mentions")
    head = "".join(f"<th>{name}</th>" for name in names)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _topics(prediction: Prediction) -> str:
    topics = ", ".join(f"{escape(t.label)} {t.probability:.0%}" for t in prediction.topics)
    return f'<p dir="auto">{topics}</p>' if topics else ""


class _Places:
    """From offsets in a unit to places in a Python string."""

    def __init__(self, text: str, unit: str) -> None:
        self._places: dict[int, int] | None = None
        if unit != "char":
            self._places, offset = {0: 0}, 0
            for place, character in enumerate(text, start=1):
                if unit == "byte":
                    offset += len(character.encode("utf-8", "surrogatepass"))
                else:
                    offset += 2 if ord(character) > 0xFFFF else 1
                self._places[offset] = place

    def __call__(self, offset: int) -> int:
        return offset if self._places is None else self._places[offset]
