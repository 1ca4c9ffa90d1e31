import numpy as np
import pytest

from dataflow.expr.primitives.shape import transpose
from dataflow.expr.tensor import parameter
from dataflow.spec import TensorSpec
from estimators.graph.primitives.tables import take_rows
from estimators.graph.program import Program, initial_values
from estimators.graph.updates import Update
from estimators.graph.variable import Variable, constant

BOTH_FORMS = True


def uniform(shape, dtype, rng):
    return rng.uniform(-1, 1, shape).astype(dtype)


def test_updates_see_the_old_values():
    a, b = Variable("a", (2,)), Variable("b", (2,))
    program = Program([], {}, [Update(a, b), Update(b, a + 1.0)])
    values = {"a": np.float32([1, 2]), "b": np.float32([3, 4])}
    program.run([], values)
    assert (values["a"].tolist(), values["b"].tolist()) == ([3.0, 4.0], [2.0, 3.0])


def test_swapped_variables_do_not_share_memory():
    a, b = Variable("a", (2, 2)), Variable("b", (2, 2))
    program = Program([], {}, [Update(a, b), Update(b, transpose(a, order=(1, 0)))])
    values = {"a": np.float32([[1, 2], [3, 4]]), "b": np.zeros((2, 2), np.float32)}
    program.run([], values)
    program.run([], values)
    assert values["a"].tolist() == [[1.0, 3.0], [2.0, 4.0]]
    assert values["b"].tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_a_copy_of_a_table_does_not_change_with_it():
    table, copy = Variable("table", (2, 1)), Variable("copy", (2, 1))
    rows = parameter(TensorSpec((None,), np.int64))
    new = take_rows(table, rows) + 1.0
    program = Program([rows], {}, [Update(copy, table), Update(table, new, rows)])
    values = {"table": np.zeros((2, 1), np.float32), "copy": np.ones((2, 1), np.float32)}
    program.run([np.int64([1])], values)
    assert (values["copy"].tolist(), values["table"].tolist()) == ([[0.0], [0.0]], [[0.0], [1.0]])


def test_updates_of_rows_leave_the_others():
    table, rows = Variable("table", (3, 2)), parameter(TensorSpec((None,), np.int64))
    new = take_rows(table, rows) + 1.0
    values = {"table": np.zeros((3, 2), np.float32)}
    Program([rows], {}, [Update(table, new, rows)]).run([np.int64([2, 0])], values)
    assert values["table"].tolist() == [[1.0, 1.0], [0.0, 0.0], [1.0, 1.0]]


def test_fetches_are_from_before_the_updates():
    a = Variable("a", (2,))
    values = {"a": np.float32([1, 2])}
    found = Program([], {"a": a}, [Update(a, a * 2.0)]).run([], values)
    assert (found["a"].tolist(), values["a"].tolist()) == ([1.0, 2.0], [2.0, 4.0])


def test_rows_fetched_before_they_change_are_old_ones():
    table = Variable("table", (2, 1))
    rows = parameter(TensorSpec((None,), np.int64))
    program = Program([rows], {"table": table}, [Update(table, take_rows(table, rows) + 1.0, rows)])
    found = program.run([np.int64([1])], {"table": np.zeros((2, 1), np.float32)})
    assert found["table"].tolist() == [[0.0], [0.0]]


def test_a_variable_is_updated_once():
    a = Variable("a", ())
    with pytest.raises(ValueError, match=r"updated twice in one step: \['a'\]"):
        Program([], {}, [Update(a, a + 1.0), Update(a, a)])


def test_names_of_variables_are_unique():
    with pytest.raises(ValueError, match=r"two variables are called 'a': made at .*test_program.py:\d+ and"):
        Program([], {"sum": Variable("a", ()) + Variable("a", ())})


@pytest.mark.parametrize("value", [Variable("b", (3,)), Variable("c", (2,), np.float64)])
def test_an_update_has_shape_and_dtype_of_its_variable(value):
    with pytest.raises(TypeError, match=r"shape=\(2,\), dtype=float32\) cannot become"):
        Update(Variable("a", (2,)), value)


def test_what_is_not_fed_is_named():
    with pytest.raises(ValueError, match="not fed with a parameter"):
        Program([], {"x": parameter(TensorSpec((), np.float32)) * 2.0})


def test_a_failing_kernel_names_itself_and_the_line():
    x = parameter(TensorSpec((None,), np.float32))
    program = Program([x], {"x": x.reshape(2, 3)})
    with pytest.raises(ValueError, match=r"reshape of shapes .5,. failed: .*test_program.py:\d+"):
        program.run([np.zeros(5, np.float32)], {})


def test_first_values_come_from_seed_and_name():
    a, b = Variable("a", (3,), initializer=uniform), Variable("b", (3,), initializer=uniform)
    both, alone = initial_values([a, b], 1), initial_values([b], 1)
    assert both["b"].tolist() == alone["b"].tolist()
    assert both["a"].tolist() != both["b"].tolist()
    assert initial_values([b], 2)["b"].tolist() != alone["b"].tolist()


def test_first_values_without_a_seed_differ():
    a = Variable("a", (3,), initializer=uniform)
    assert initial_values([a], None)["a"].tolist() != initial_values([a], None)["a"].tolist()


def test_constant_initializer():
    values = initial_values([Variable("a", (2,), initializer=constant(0.5))], 0)
    assert (values["a"].tolist(), values["a"].dtype) == ([0.5, 0.5], np.float32)
