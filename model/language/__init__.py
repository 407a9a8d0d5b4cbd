"""The language that protocols are written in, once, to be read in several ways (`model.readings`)."""

from model.language.errors import IllegalStepError, LanguageError
from model.language.machine import Action, Field, Guard, Header, Machine, State, Step
from model.language.sorts import (
    BOOLEAN,
    NUMBER,
    OptionOf,
    RecordOf,
    SequenceOf,
    SetOf,
    Sizes,
    Sort,
    named,
)
from model.language.structures import NONE, Option, Record, some
from model.language.words import allof, anyof, greatest, iff, implies, ite, least, no

__all__ = [
    "BOOLEAN",
    "NONE",
    "NUMBER",
    "Action",
    "Field",
    "Guard",
    "Header",
    "IllegalStepError",
    "LanguageError",
    "Machine",
    "Option",
    "OptionOf",
    "Record",
    "RecordOf",
    "SequenceOf",
    "SetOf",
    "Sizes",
    "Sort",
    "State",
    "Step",
    "allof",
    "anyof",
    "greatest",
    "iff",
    "implies",
    "ite",
    "least",
    "named",
    "no",
    "some",
]
