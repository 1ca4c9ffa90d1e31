"""LSTM and GRU."""

import numpy as np

from estimators.graph.primitives.gru import gru_sequence
from estimators.graph.primitives.lstm import lstm_sequence
from estimators.graph.primitives.recurrent import zero_state

RNG = np.random.default_rng(11)
LENGTHS = np.array([4, 0, 2])
STATE, CELL, BIAS = RNG.normal(size=(3, 2)), RNG.normal(size=(3, 2)), RNG.normal(size=6)
LSTM = [RNG.normal(size=(3, 4, 8)), RNG.normal(size=(2, 8)), STATE, CELL]
GRU = [RNG.normal(size=(3, 4, 6)), RNG.normal(size=(2, 6)), STATE]


def lstm(part, *rest, backwards=False):
    return lambda *points: lstm_sequence(*points, *rest, backwards=backwards)[part]


def lstm_all(*points):
    outputs, hidden, cell, *_ = lstm_sequence(*points, LENGTHS, backwards=False)
    return outputs.sum(axis=1) * hidden + cell


def gru(part, *rest, reset_after=True, backwards=False):
    return lambda *points: gru_sequence(*points, *rest, reset_after=reset_after, backwards=backwards)[part]


def gru_all(*points):
    outputs, hidden, *_ = gru_sequence(*points, LENGTHS, reset_after=True, backwards=True)
    return outputs.sum(axis=1) * hidden


CASES = {
    "gru_sequence": [
        (gru(0), [*GRU, BIAS]),
        (gru(1, LENGTHS), [*GRU, BIAS]),
        (gru_all, [*GRU, BIAS]),
        (gru(0, reset_after=False, backwards=True), GRU),
        (gru(1, LENGTHS, reset_after=False), GRU),
    ],
    "lstm_sequence": [
        (lstm(0), LSTM),
        (lstm(0, LENGTHS, backwards=True), LSTM),
        (lstm(1), LSTM),
        (lstm(2, LENGTHS), LSTM),
        (lstm_all, LSTM),
    ],
    "zero_state": (lambda x: zero_state(x, units=2) + x, [STATE]),
}
