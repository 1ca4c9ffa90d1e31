"""Functions of tensors that models are built of, with the names of tf.nn."""

from estimators.functions.activations import (
    elu,
    erf,
    gelu,
    hard_sigmoid,
    l2_normalize,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    normalize,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    softmax,
    softplus,
    softsign,
    tanh,
)
from estimators.functions.activations import silu as swish
from estimators.functions.embedding import embedding_lookup
from estimators.functions.images import avg_pool2d, batch_normalization, conv2d, max_pool2d, moments
from estimators.functions.noise import dropout, random_normal, random_uniform

__all__ = [
    "avg_pool2d",
    "batch_normalization",
    "conv2d",
    "dropout",
    "elu",
    "embedding_lookup",
    "erf",
    "gelu",
    "hard_sigmoid",
    "l2_normalize",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "max_pool2d",
    "moments",
    "normalize",
    "random_normal",
    "random_uniform",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "swish",
    "tanh",
]
