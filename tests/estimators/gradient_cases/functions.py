"""Element-wise functions beside the four operations."""

import numpy as np

from dataflow.tensors import stop_gradient

A, B = np.array([[1.5, -2.0, 0.25], [0.5, 3.0, -1.0]]), np.array([[2.0, 0.5, -1.5]])
POSITIVE, SMALL = np.abs(A), A / 4.0

CASES = {
    "arccos": (np.arccos, [SMALL]),
    "arccosh": (np.arccosh, [POSITIVE + 1.0]),
    "arcsin": (np.arcsin, [SMALL]),
    "arcsinh": (np.arcsinh, [A]),
    "arctan": (np.arctan, [A]),
    "arctan2": (np.arctan2, [A, B]),
    "arctanh": (np.arctanh, [SMALL]),
    "cbrt": (np.cbrt, [A]),
    "copysign": (lambda x: np.copysign(x, B), [A]),
    "cos": (np.cos, [A]),
    "cosh": (np.cosh, [A]),
    "degrees": [(np.degrees, [A]), (np.rad2deg, [A])],
    "exp2": (np.exp2, [A]),
    "expm1": (np.expm1, [A]),
    "float_power": (np.float_power, [POSITIVE, B]),
    "floor_divide": (lambda x: x + np.floor_divide(x, B), [A + 0.1]),
    "fmax": (np.fmax, [A, B]),
    "fmin": (np.fmin, [A, B]),
    "fmod": (np.fmod, [A + 0.1, B]),
    "full_like": [
        (lambda x: x * np.full_like(x, 3.0), [A]),
        (lambda x, y: x + np.full_like(x, y), [A, B]),
    ],
    "hypot": (np.hypot, [A, B]),
    "log10": (np.log10, [POSITIVE]),
    "log2": (np.log2, [POSITIVE]),
    "logaddexp": (np.logaddexp, [A, B]),
    "logaddexp2": (np.logaddexp2, [A, B]),
    "radians": [(np.radians, [A]), (np.deg2rad, [A])],
    "reciprocal": [(np.reciprocal, [A]), (lambda x: x**-1, [A])],
    "remainder": (np.remainder, [A + 0.1, B]),
    "sign": (lambda x: np.sign(x) * x, [A]),
    "sin": (np.sin, [A]),
    "sinh": (np.sinh, [A]),
    "stop_gradient": (lambda x: x * stop_gradient(x * 0.0 + 2.0), [A]),
    "tan": (np.tan, [A]),
}
