"""Layers, one family per file: each has a class, and a function that makes and applies one."""

from estimators.layers.base import Layer
from estimators.layers.convolution import Conv2D, average_pooling2d, conv2d, max_pooling2d
from estimators.layers.core import Dense, Embedding, dense, dropout, embedding, flatten
from estimators.layers.normalization import (
    BatchNormalization,
    LayerNormalization,
    batch_normalization,
    layer_norm,
)
from estimators.layers.recurrent import GRU, LSTM, SimpleRNN, gru, lstm, simple_rnn
from estimators.layers.rnn import RNN, GRUCell, LSTMCell, SimpleRNNCell, rnn

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "BatchNormalization",
    "Conv2D",
    "Dense",
    "Embedding",
    "GRUCell",
    "LSTMCell",
    "Layer",
    "LayerNormalization",
    "SimpleRNN",
    "SimpleRNNCell",
    "average_pooling2d",
    "batch_normalization",
    "conv2d",
    "dense",
    "dropout",
    "embedding",
    "flatten",
    "gru",
    "layer_norm",
    "lstm",
    "max_pooling2d",
    "rnn",
    "simple_rnn",
]
