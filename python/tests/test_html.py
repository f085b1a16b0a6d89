"""What a notebook shows."""

import html
import re
from html.parser import HTMLParser

import pytest
import stance


class Balanced(HTMLParser):
    """Collects the text inside the first paragraph, and checks that tags close in order."""

    def __init__(self):
        super().__init__()
        self.open, self.shown, self.marked = [], [], []

    def handle_starttag(self, tag, attributes):
        self.open.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        tags = [tag for tag, _ in self.open]
        if tags[:2] == ["div", "p"] and "dir" in self.open[1][1] and "lang" in self.open[1][1]:
            self.shown.append(data)
            if tags[-1] == "span":
                self.marked.append((data, self.open[-1][1]))


def parse(prediction):
    parser = Balanced()
    parser.feed(prediction._repr_html_())
    parser.close()
    assert not parser.open
    return parser


@pytest.mark.parametrize("unit", ["char", "byte", "utf16"])
def test_the_text_is_whole_and_its_mentions_are_marked(classifier, unit):
    text = "<b>Spain</b> & 🙂: España has never been a better neighbour.\nFrance is far."
    parser = parse(classifier.classify(text, offset_unit=unit, clean=False))
    assert "".join(parser.shown) == text
    bold = [data for data, attributes in parser.marked if "bold" in attributes["style"]]
    assert "Spain" in bold and "France" in bold
    assert any("Spain:" in attributes["title"] for _, attributes in parser.marked)


def test_right_to_left_texts_say_so(classifier):
    shown = classifier.classify("إسبانيا لم تكن يوما جارا أفضل.")._repr_html_()
    assert '<p dir="rtl" lang="ar"' in shown
    assert '<p dir="auto" lang="en"' in classifier.classify("Spain is a neighbour.")._repr_html_()


def test_colours_are_those_of_the_stances(classifier):
    prediction = classifier.classify("Spain has never been a better neighbour.")
    (spain,) = prediction.stances
    shown = prediction._repr_html_()
    colours = {"favor": "0,158,115", "against": "213,94,0", "neutral": "128,128,128"}
    said = "neutral" if spain.abstained else spain.stance
    assert f"border-bottom:3px solid rgb({colours[said]})" in shown


def test_names_of_the_caller_are_escaped(classifier):
    name = "<script>alert(1)</script>"
    prediction = classifier.classify("The Lake met.", actors=[{"id": "x", "names": [name]}])
    shown = prediction._repr_html_()
    assert "<script" not in shown and html.escape(name) in shown
    parse(prediction)


def test_a_prediction_without_its_text_shows_the_rest(classifier):
    data = classifier.classify("Spain is a neighbour.").to_dict()
    shown = stance.Prediction.from_dict(data)._repr_html_()
    assert "<table>" in shown and not re.search("<p dir=.* lang=", shown)
