"""LSTM, GRU and cells: values, gradients, kernels, and a model that learns."""

import json
import runpy

import numpy as np
import pytest

from dataflow.expr.tensor import as_tensor, parameter
from dataflow.spec import TensorSpec, flatten
from estimators.graph.gradients import gradients
from estimators.graph.primitives.gru import gru_gradient, gru_sequence
from estimators.graph.primitives.lstm import lstm_gradient, lstm_sequence
from estimators.graph.program import Program, initial_values
from estimators.graph.registry import KERNELS
from estimators.graph.scope import VariableStore, get_variable
from estimators.graph.variable import Variable, constant
from estimators.layers.recurrent import GRU, LSTM, SimpleRNN, gru, lstm, simple_rnn
from estimators.layers.rnn import RNN, GRUCell, LSTMCell, SimpleRNNCell, rnn
from tests.estimators.helpers import GOLDEN_FILES, ROOT

# Kernels ---------------------------------------------------------------------------------------------


def run_kernel(primitive, inputs, attributes):
    """Return the results of the kernel, in arrays that were full of NaN before."""
    tensors = [as_tensor(value) for value in inputs]
    kernel, fresh = KERNELS[primitive.name], lambda spec: np.full(spec.shape, np.nan, spec.dtype)
    out = tuple(map(fresh, primitive.infer(*tensors, **attributes)))
    scratch = tuple(map(fresh, kernel.scratch(*(t.spec for t in tensors), **attributes)))
    kernel.run(out, scratch, *inputs, **attributes)
    return out


def assert_kernel(primitive, inputs, attributes, tolerance):
    wanted = primitive.compute(0, *inputs, **attributes)
    for found, value in zip(run_kernel(primitive, inputs, attributes), wanted, strict=True):
        np.testing.assert_allclose(found, value, rtol=tolerance, atol=tolerance * (1 + np.abs(value).max()))


SAMPLES = [
    pytest.param(primitive, *sample, id=f"{primitive.name}-{i}")
    for primitive in (lstm_sequence, lstm_gradient, gru_sequence, gru_gradient)
    for i, sample in enumerate(primitive.samples())
]


@pytest.mark.parametrize(("primitive", "inputs", "attributes"), SAMPLES)
def test_kernel_gives_the_values_of_the_reference(primitive, inputs, attributes):
    tolerance = 1e-6 if inputs[0].dtype == np.float32 else 1e-13
    assert_kernel(primitive, inputs, attributes, tolerance)


def sequence(gates, batch=32, time=20, units=16, dtype=np.float32):
    rng = np.random.default_rng(3)
    shapes = [(batch, time, gates * units), (units, gates * units), (batch, units), (batch, units)]
    shapes[3:] = shapes[3:] if gates == 4 else [(gates * units,)]
    lengths = rng.integers(0, time + 2, batch)
    return [*(rng.normal(size=s, scale=0.3).astype(dtype) for s in shapes), lengths]


@pytest.mark.parametrize("layout", [np.asarray, np.asfortranarray])
@pytest.mark.parametrize("backwards", [False, True])
def test_kernels_on_long_sequences_of_any_layout(layout, backwards):
    for gates, primitive, gradient, more in (
        (4, lstm_sequence, lstm_gradient, {}),
        (3, gru_sequence, gru_gradient, {"reset_after": True}),
    ):
        inputs, attributes = sequence(gates), {"backwards": backwards, **more}
        assert_kernel(primitive, [layout(value) for value in inputs], attributes, 1e-6)
        outputs, *rest = primitive.compute(0, *inputs, **attributes)
        kept = [layout(value) for value in rest[-3:]]
        given = [layout(outputs), *rest[: 2 if gates == 4 else 1]]
        attributes["given"] = (True,) * len(given)
        assert_kernel(gradient, [inputs[1], *kept, *given, inputs[-1]], attributes, 1e-6)


@pytest.mark.parametrize(("batch", "time"), [(0, 3), (2, 0)])
def test_no_sequences_and_no_steps(batch, time):
    inputs = sequence(4, batch=batch, time=time)
    outputs, hidden, cell, *_ = run_kernel(lstm_sequence, inputs, {"backwards": False})
    assert outputs.shape == (batch, time, 16)
    np.testing.assert_array_equal(hidden, inputs[2])
    np.testing.assert_array_equal(cell, inputs[3])


def test_lengths_of_another_batch_are_refused():
    *inputs, lengths = sequence(4)
    for compute in (lstm_sequence, lambda *values, **a: run_kernel(lstm_sequence, values, a)):
        with pytest.raises(ValueError, match="32 sequences, and states or lengths for 31"):
            compute(*inputs, lengths[1:], backwards=False)


# Values and gradients of layers ----------------------------------------------------------------------

X = np.random.default_rng(4).normal(size=(3, 5, 2))
WEIGHTS = np.random.default_rng(5).normal(size=(3, 5, 4))


def from_torch(parameter, gates):
    """Return a parameter of torch, or its slope, as Keras has it: transposed, with its gates in order."""
    parts = np.split(parameter.detach().numpy(), gates)
    return np.concatenate([parts[i] for i in ([0, 1, 2, 3] if gates == 4 else [1, 0, 2])]).T


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_values_and_gradients_are_those_of_torch(kind):
    torch = pytest.importorskip("torch")
    gates = {"LSTM": 4, "GRU": 3}[kind]
    torch.manual_seed(0)
    theirs = getattr(torch.nn, kind)(2, 4, batch_first=True, dtype=torch.float64)
    x = torch.tensor(X, requires_grad=True)
    wanted, _ = theirs(x)
    (wanted * torch.tensor(WEIGHTS)).sum().backward()

    ours, inputs = (
        {"LSTM": LSTM, "GRU": GRU}[kind](4, return_sequences=True),
        Variable("x", X.shape, np.float64),
    )
    with VariableStore():
        outputs = ours(inputs)
    slopes = gradients((outputs * WEIGHTS).sum(), [inputs, ours.kernel, ours.recurrent_kernel, ours.bias])
    bias = [from_torch(p, gates) for p in (theirs.bias_ih_l0, theirs.bias_hh_l0)]
    values = {
        "x": X,
        ours.kernel.name: from_torch(theirs.weight_ih_l0, gates),
        ours.recurrent_kernel.name: from_torch(theirs.weight_hh_l0, gates),
        ours.bias.name: np.stack(bias) if kind == "GRU" else sum(bias),
    }
    names = ["outputs", "x", "kernel", "recurrent", "bias"]
    found = Program([], dict(zip(names, [outputs, *slopes], strict=True))).run([], values)
    bias = [from_torch(p.grad, gates) for p in (theirs.bias_ih_l0, theirs.bias_hh_l0)]
    expected = {
        "outputs": wanted.detach().numpy(),
        "x": x.grad.numpy(),
        "kernel": from_torch(theirs.weight_ih_l0.grad, gates),
        "recurrent": from_torch(theirs.weight_hh_l0.grad, gates),
        "bias": np.stack(bias) if kind == "GRU" else bias[0],
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9, atol=1e-12, err_msg=name)


GOLDEN = json.loads((GOLDEN_FILES / "recurrent.json").read_text())
LAYERS = {
    "lstm": lambda **k: LSTM(2, **k),
    "lstm_backwards": lambda **k: LSTM(2, go_backwards=True, **k),
    "gru": lambda **k: GRU(2, **k),
    "gru_reset_before": lambda **k: GRU(2, reset_after=False, **k),
    "simple_rnn": lambda **k: SimpleRNN(2, **k),
}


@pytest.mark.parametrize(
    ("name", "field"), [(n, f) for n, case in GOLDEN["cases"].items() for f in case if f != "weights"]
)
def test_values_are_those_of_keras_and_dynamic_rnn(name, field):
    case = GOLDEN["cases"][name]
    with VariableStore() as store:
        layer = LAYERS[name](return_sequences=True, return_state=True)
        lengths = GOLDEN["lengths"] if field == "with_lengths" else None
        results = layer(np.array(GOLDEN["inputs"]), sequence_length=lengths)
    values = {key: np.array(w) for key, w in zip(store.variables, case["weights"], strict=True)}
    found = Program([], {str(i): result for i, result in enumerate(results)}).run([], values)
    for i, wanted in enumerate(case[field]):
        np.testing.assert_allclose(found[str(i)], wanted, rtol=1e-12, atol=1e-15)


def run(build, inputs=X, unknown=(0,)):
    """Return what a function of layers gives for inputs; of some axes the model does not know the size."""
    shape = [None if axis in unknown else size for axis, size in enumerate(inputs.shape)]
    fed = parameter(TensorSpec(shape, inputs.dtype))
    with VariableStore() as store:
        results = flatten(build(fed))
    values = initial_values(list(store.variables.values()), seed=7)
    found = Program([fed], {str(i): result for i, result in enumerate(results)}).run([inputs], values)
    return [found[str(i)] for i in range(len(results))]


PAIRS = {
    "lstm": (LSTM, LSTMCell, {}),
    "gru": (GRU, GRUCell, {}),
    "gru, reset before": (GRU, GRUCell, {"reset_after": False}),
    "simple_rnn": (SimpleRNN, SimpleRNNCell, {}),
}


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("lengths", [None, [5, 0, 3]])
def test_a_layer_is_its_cell_step_by_step(kind, backwards, lengths):
    layer, cell, settings = PAIRS[kind]
    common = {"return_sequences": True, "return_state": True, "go_backwards": backwards}
    # The same name, so the same first values.
    whole = run(lambda x: layer(4, name="a/b", **common, **settings)(x, sequence_length=lengths))
    steps = run(lambda x: RNN(cell(4, name="b", **settings), name="a", **common)(x, sequence_length=lengths))
    for left, right in zip(whole, steps, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-12, atol=1e-13)


def test_ended_sequences_keep_their_state_and_give_zeros():
    outputs, hidden, cell = run(
        lambda x: lstm(x, 4, sequence_length=[5, 0, 3], return_sequences=True, return_state=True)
    )
    last, _, short = run(lambda x: lstm(x, 4, return_state=True), X[2:, :3])
    assert not outputs[1].any()
    assert not outputs[2, 3:].any()
    assert not hidden[1].any()
    np.testing.assert_allclose(hidden[2:], last, rtol=1e-12)
    np.testing.assert_allclose(cell[2:], short, rtol=1e-12)


@pytest.mark.parametrize("function", [lstm, gru, simple_rnn])
@pytest.mark.parametrize("unknown", [(), (1,), (0, 1)])
def test_sizes_may_be_unknown(function, unknown):
    wanted = run(lambda x: function(x, 4))[0]
    np.testing.assert_allclose(run(lambda x: function(x, 4), unknown=unknown)[0], wanted, rtol=1e-12)


def test_the_initial_state_is_where_a_sequence_goes_on():
    def halves(x):
        layer = GRU(4)
        return layer(x[:, 2:], initial_state=layer(x[:, :2]))

    np.testing.assert_allclose(run(halves)[0], run(lambda x: gru(x, 4))[0], rtol=1e-12)


def test_backwards_reads_from_the_end():
    found, wanted = run(lambda x: lstm(x, 4, go_backwards=True)), run(lambda x: lstm(x, 4), X[:, ::-1])
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_variables_are_those_of_keras():
    with VariableStore() as store:
        lstm(X, 4)
        gru(X, 4)
        rnn(SimpleRNNCell(4), X)
    assert {name: variable.shape for name, variable in store.variables.items()} == {
        "lstm/kernel": (2, 16), "lstm/recurrent_kernel": (4, 16), "lstm/bias": (16,),
        "gru/kernel": (2, 12), "gru/recurrent_kernel": (4, 12), "gru/bias": (2, 12),
        "rnn/simple_rnn_cell/kernel": (2, 4), "rnn/simple_rnn_cell/recurrent_kernel": (4, 4),
        "rnn/simple_rnn_cell/bias": (4,),
    }  # fmt: skip
    values = initial_values(list(store.variables.values()), seed=0)
    assert values["lstm/bias"].tolist() == [0.0] * 4 + [1.0] * 4 + [0.0] * 8
    assert values["lstm/recurrent_kernel"].flags.c_contiguous  # steps of optimizers rely on it


ONES = {"kernel_initializer": constant(1.0), "recurrent_initializer": constant(1.0)}


def test_simple_rnn():
    outputs = run(lambda x: rnn(SimpleRNNCell(1, **ONES), x, return_sequences=True), np.ones((1, 3, 1)))[0]
    a = np.tanh(1.0)
    b = np.tanh(1.0 + a)
    np.testing.assert_allclose(outputs.ravel(), [a, b, np.tanh(1.0 + b)], rtol=1e-12)


def test_a_function_with_variables_and_states_of_any_structure_is_a_cell():
    def cell(x, states):
        weight = get_variable("weight", [2], np.float64, initializer=constant(2.0))
        total = states["total"] + x * weight
        return total, {"total": total, "count": states["count"] + 1.0}

    def build(x):
        zeros = np.zeros((3, 2))
        return rnn(cell, x, initial_state={"total": zeros, "count": zeros[:, :1]}, return_state=True)

    last, count, total = run(build)
    np.testing.assert_allclose(last, 2 * X.sum(axis=1), rtol=1e-12)
    np.testing.assert_array_equal(last, total)
    assert count.tolist() == [[5.0]] * 3


# Errors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda x: lstm(x[:, 0], 4), r"(?s)LSTM takes sequences \[batch, time, features\].*x\[..., None\]"),
        (lambda x: lstm(x.astype(np.int64), 4), r"(?s)LSTM takes floating-point numbers.*astype"),
        (lambda x: lstm(x, 0), "units must be a whole number of at least 1, not 0"),
        (lambda x: lstm(x, 4, sequence_length=x[:, 0, 0]), r"sequence_length must be integers \[batch\]"),
        (
            lambda x: lstm(x, 4, initial_state=[np.zeros((1, 4), "f")] * 2),
            "float32 or float64, the same for all",
        ),
        (lambda x: gru(x, 4, initial_state=(x[:, 0], x[:, 0])), r"GRU has 1 state\(s\), not 2"),
        (lambda x: gru(x, 4, initial_state=x[:, 0]), r"a state of gru_sequence must be \(None, 4\)"),
        (lambda x: rnn(lambda x, s: (x, s), x), "(?s)no state_size.*give initial_state="),
        (lambda x: rnn(lambda x, s: x, x, initial_state=x[:, 0]), "must return .output, new_states."),
        (
            lambda x: rnn(lambda x, s: (x, (s, s)), x, initial_state=x[:, 0]),
            "returns other states than it got",
        ),
    ],
)
def test_errors_name_the_way_out(build, message):
    with VariableStore(), pytest.raises((TypeError, ValueError), match=message):
        build(parameter(TensorSpec((None, 2, 2), np.float64)))


def test_states_of_another_batch_are_refused():
    with VariableStore(), pytest.raises(TypeError, match=r"must be \(3, 4\), not .*shape=\(1, 4\)"):
        gru(X, 4, initial_state=np.zeros((1, 4)))


def test_a_cell_needs_a_known_number_of_steps():
    x = parameter(TensorSpec((None, None, 2), np.float64))
    with VariableStore(), pytest.raises(TypeError, match=r"(?s)known number of steps.*use LSTM or GRU"):
        rnn(GRUCell(4), x)


# Training --------------------------------------------------------------------------------------------


def test_an_lstm_beats_linear_regression_on_time_series(tmp_path):
    example = runpy.run_path(str(ROOT / "examples" / "time_series_lstm.py"))
    train, test = example["make_series"](4000, seed=0), example["make_series"](500, seed=1)
    error = example["lstm_error"](train, test, epochs=6, model_dir=tmp_path)
    assert error < 0.25 * example["linear_error"](train, test)
