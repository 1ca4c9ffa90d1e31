"""Each gradient rule against central differences in random directions, in float64."""

import numpy as np
import pytest

from estimators.graph.gradients import RowGradient, gradients
from estimators.graph.program import Program
from estimators.graph.registry import RULES
from estimators.graph.variable import Variable
from tests.estimators.gradient_cases import CASES

BOTH_FORMS = True

A = np.array([[1.5, -2.0, 0.25], [0.5, 3.0, -1.0]])


def check(function, points):
    """Compare the slope along a random direction with that of the gradient graph."""
    rng = np.random.default_rng(7)
    leaves = [Variable(f"v{i}", p.shape, np.float64) for i, p in enumerate(points)]
    output = function(*(leaf for leaf in leaves))
    loss = (output * rng.normal(size=output.shape)).sum()
    found = gradients(loss, leaves)
    fetches = {"loss": loss}
    for leaf, slope in zip(leaves, found, strict=True):
        if isinstance(slope, RowGradient):
            fetches[f"{leaf.name}/rows"], fetches[leaf.name] = slope.summed()
        else:
            fetches[leaf.name] = slope
    program = Program([], fetches)

    def at(step, direction):
        values = {f"v{i}": p + step * d for i, (p, d) in enumerate(zip(points, direction, strict=True))}
        return program.run([], values)

    for _ in range(3):
        direction = [rng.normal(size=point.shape) for point in points]
        result = at(0.0, direction)
        slope = sum(
            (result[leaf.name] * d[result.get(f"{leaf.name}/rows", slice(None))]).sum()
            for leaf, d in zip(leaves, direction, strict=True)
        )
        measured = (at(1e-5, direction)["loss"] - at(-1e-5, direction)["loss"]) / 2e-5
        assert slope == pytest.approx(measured, rel=1e-6, abs=1e-8)


def test_every_rule_is_tested():
    untested, unknown = RULES.keys() - CASES.keys(), CASES.keys() - RULES.keys()
    assert not untested, "add a case to tests/estimators/gradient_cases"
    assert not unknown


@pytest.mark.parametrize("name", sorted(CASES))
def test_rule(name):
    cases = CASES[name]
    for case in cases if isinstance(cases, list) else [cases]:
        check(*case)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.sum(x),
        lambda x: np.mean(x) * x,
        lambda x: np.sum(x, axis=1, keepdims=True) * x,
        lambda x: np.mean(x, axis=(0, 1), keepdims=True) + x,
        lambda x: x * x + x * 3.0,
        lambda x: np.matmul(x, x.T),
    ],
)
def test_forms_of_reductions_and_uses_of_one_tensor(function):
    check(function, [A])


def test_power_of_0_has_the_slopes_of_its_exponents():
    x, y = Variable("x", (2,), np.float64), Variable("y", (2,), np.float64)
    dx, dy = gradients((x**y).sum(), [x, y])
    values = {"x": np.array([0.0, 2.0]), "y": np.array([2.0, 1.0])}
    found = Program([], {"dx": dx, "dy": dy}).run([], values)
    assert found["dx"].tolist() == [0.0, 1.0]
    assert found["dy"].tolist() == [0.0, 2 * np.log(2)]


def test_what_the_loss_does_not_depend_on_has_no_gradient():
    used, other = Variable("used", ()), Variable("other", ())
    assert gradients(used * 2.0, [used, other])[1] is None


def test_no_gradient_through_integers():
    x = Variable("x", ())
    assert gradients((x.astype(np.int64)).astype(np.float32), [x]) == [None]


def test_missing_rule_names_function_and_line():
    x = Variable("x", (2,))
    with pytest.raises(ValueError, match=r"floor has no gradient \(used at .*test_gradients.py:\d+\)"):
        gradients(np.floor(x).sum(), [x])


def test_loss_must_be_one_floating_point_number():
    x = Variable("x", (2,))
    with pytest.raises(ValueError, match="must be a scalar"):
        gradients(x, [x])
    with pytest.raises(ValueError, match="floating-point"):
        gradients(x.astype(np.int64).sum(), [x])
