"""Runs of kernels as in a program, compared with the primitives themselves, and values for them."""

import numpy as np

from dataflow.expr.tensor import as_tensor
from estimators.graph.primitives.normalization import batch_norm, moments
from estimators.graph.registry import KERNELS


def fresh(spec):
    """Return an array as a kernel may get it: full of what must not be seen again."""
    return np.full(spec.shape, np.nan if spec.dtype.kind == "f" else 99, spec.dtype)


def batch_norm_train(x, gamma, beta, *, epsilon, relu=False):
    """Return x normalized with its own mean and variance, and these."""
    mean, variance = moments(x)
    return batch_norm(x, gamma, beta, mean, variance, epsilon=epsilon, relu=relu), mean, variance


def run_kernel(primitive, *inputs, **attributes):
    tensors = [as_tensor(value) for value in inputs]
    kernel = KERNELS[primitive.name]
    specs = primitive.infer(*tensors, **attributes)
    out = tuple(map(fresh, specs if isinstance(specs, tuple) else (specs,)))
    wanted = kernel.scratch(*(t.spec for t in tensors), **attributes) if kernel.scratch else ()
    kernel.run(out, tuple(map(fresh, wanted)), *inputs, **attributes)
    return out


def assert_kernel(primitive, *inputs, **attributes):
    """Fail if the kernel's results are not those of the reference, to float rounding of the largest."""
    found = run_kernel(primitive, *inputs, **attributes)
    wanted = primitive.compute(0, *inputs, **attributes)
    for a, b in zip(found, wanted if isinstance(wanted, tuple) else (wanted,), strict=True):
        assert a.dtype == b.dtype
        tolerance = {"f4": 1e-5, "f8": 1e-12}.get(b.dtype.str[1:], 0)
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max(initial=0))


def arrays(*shapes, dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def settings(strides=(1, 1), padding="valid", dilation=(1, 1)):
    return {"strides": strides, "padding": padding, "dilation": dilation}
