"""Topics, actors, and the author's stance toward each, in any language.

>>> import stance
>>> classifier = stance.Classifier.load()
>>> classifier.classify("Spain has never been a better neighbour.").stances[0].stance
'favor'
"""

from ._classifier import Classifier, Options, TableOptions
from ._errors import StanceError
from ._prediction import (
    Actor,
    ActorStance,
    Evidence,
    Language,
    Mention,
    Model,
    Prediction,
    Probabilities,
    Topic,
    Warning,
)
from ._stance import __version__

__all__ = [
    "Actor",
    "ActorStance",
    "Classifier",
    "Evidence",
    "Language",
    "Mention",
    "Model",
    "Options",
    "Prediction",
    "Probabilities",
    "StanceError",
    "TableOptions",
    "Topic",
    "Warning",
    "__version__",
]
