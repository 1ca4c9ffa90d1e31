"""Settings of heads, and what they refuse."""

import numpy as np
import pytest

from dataflow import Dataset
from dataflow.expr.tensor import as_tensor
from estimators import Estimator, ModeKeys, feature_column
from estimators.graph.scope import VariableStore, get_variable
from estimators.graph.updates import TrainOp, Update
from estimators.heads import (
    BinaryClassHead,
    LogisticRegressionHead,
    MultiClassHead,
    MultiHead,
    MultiLabelHead,
    PoissonRegressionHead,
    RegressionHead,
)
from estimators.optimizers import SGD
from tests.estimators.head_runs import f32, loss_of, no_training, value
from tests.estimators.helpers import QUIET

# Settings ------------------------------------------------------------------------------------------


def test_reductions_of_tf_1():
    features = {"w": [3.0, 1.0, 0.0]}
    case = ([[1.0], [1.0], [1.0]], [0.0, 3.0, 9.0])
    assert loss_of(RegressionHead(1, "w", "mean"), *case, **features) == (3 + 4) / 4
    assert (
        loss_of(RegressionHead(1, "w", "weighted_sum_by_nonzero_weights"), *case, **features) == (3 + 4) / 2
    )


def test_weight_column_may_be_a_numeric_column():
    weights = feature_column.numeric_column("w", normalizer_fn=lambda w: w * 2)
    head = RegressionHead(weight_column=weights, loss_reduction="sum")
    assert loss_of(head, [[1.0], [1.0]], [0.0, 0.0], w=[1.0, 2.0]) == 6.0


def test_loss_fn_gets_what_it_asks_for():
    def loss_fn(labels, logits, features, loss_reduction, factor=2.0):
        assert loss_reduction == "sum"
        return np.abs(labels - logits) * features["scale"][:, None] * factor

    head = RegressionHead(loss_reduction="sum", loss_fn=loss_fn)
    assert loss_of(head, [[1.0], [1.0]], [3.0, 0.0], scale=np.float32([10.0, 1.0])) == 42.0


@pytest.mark.parametrize(
    ("head", "shape", "dtype"),
    [
        (BinaryClassHead, (2, 1), np.float32),
        (lambda loss_fn: MultiClassHead(3, loss_fn=loss_fn), (2, 1), np.int64),
        (lambda loss_fn: MultiLabelHead(3, loss_fn=loss_fn), (2, 3), np.float32),
        (lambda loss_fn: RegressionHead(1, loss_fn=loss_fn), (2, 1), np.float32),
    ],
)
def test_loss_fn_gets_checked_labels(head, shape, dtype):
    def loss_fn(labels, logits):
        assert (labels.shape, labels.dtype) == (shape, dtype)
        return logits[:, :1]

    made = head(loss_fn=loss_fn)
    assert loss_of(made, np.ones((2, made.logits_dimension)), np.array([0, 1])) == 1.0


@pytest.mark.parametrize(
    ("loss_fn", "words"),
    [
        (3, "must be a function"),
        (lambda labels, z: z, "'z'.*Available: 'labels', 'logits', 'features', 'loss_reduction'"),
        (lambda logits: logits, "no argument 'labels'"),
        (lambda labels, logits: logits[:, 0], r"of shape \(2,\), and \(2, 1\) is needed"),
        (lambda labels, logits: 1.0, "returned 1.0"),
    ],
)
def test_bad_loss_fn_is_refused(loss_fn, words):
    with pytest.raises((ValueError, TypeError), match=f"(?s){words}"):
        loss_of(BinaryClassHead(loss_fn=loss_fn), np.zeros((2, 1)), [0, 1])


def test_inverse_link_fn():
    head = RegressionHead(inverse_link_fn=lambda logits: logits * 10.0)
    found = head.predictions(f32([[1.0], [2.0]]))
    assert {name: value(tensor).tolist() for name, tensor in found.items()} == {
        "predictions": [[10.0], [20.0]],
        "logits": [[1.0], [2.0]],
    }


def test_predictions_by_key():
    assert list(BinaryClassHead().predictions(f32([[0.0]]), ["class_ids", "logits"])) == [
        "logits",
        "class_ids",
    ]
    with pytest.raises(ValueError, match="did you mean 'logistic'"):
        BinaryClassHead().predictions(f32([[0.0]]), ["logstic"])


def test_labels_may_be_a_padded_batch_of_lists(tmp_path):
    lists = [["a"], ["c", "a"], []]
    labels = Dataset.from_generator(lambda: iter(lists), output_types=str, output_shapes=[None])
    data = Dataset.zip((Dataset.from_tensor_slices({"z": np.zeros((3, 3), np.float32)}), labels))
    head = MultiLabelHead(3, label_vocabulary=["a", "b", "c"], classes_for_class_based_metrics=["a"])

    def model_fn(features, labels, mode):
        logits = features["z"] + np.float32([1.0, 0.0, -1.0])
        return head.create_estimator_spec(features, mode, logits, labels, train_op_fn=no_training)

    found = Estimator(model_fn, tmp_path, QUIET).evaluate(data.padded_batch(3))
    z, hot = np.array([1.0, 0.0, -1.0]), np.array([[1, 0, 0], [1, 0, 1], [0, 0, 0]])
    assert found["loss"] == pytest.approx(np.mean(np.log1p(np.exp(z)) - z * hot), rel=1e-5)


def test_optimizer_may_change_some_variables():
    with VariableStore():
        a, b = get_variable("a", (1, 1)), get_variable("b", (1, 1))
    arguments = ({}, ModeKeys.TRAIN, a * b, f32([0.0]), SGD(0.1))
    names = [
        [
            update.variable.name
            for update in RegressionHead().create_estimator_spec(*arguments, which).train_op.updates
        ]
        for which in (None, [a])
    ]
    assert names == [["a", "b"], ["a"]]


def test_update_ops_are_in_the_training_step():
    with VariableStore():
        a, b = get_variable("a", (1, 1)), get_variable("b")
    extra = TrainOp((Update(b, b + 1.0),))
    spec = RegressionHead().create_estimator_spec(
        {}, ModeKeys.TRAIN, a, f32([0.0]), SGD(0.1), update_ops=[extra]
    )
    assert [update.variable.name for update in spec.train_op.updates] == ["a", "b"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "neither optimizer nor train_op_fn"),
        ({"optimizer": SGD(0.1), "train_op_fn": no_training}, "optimizer and train_op_fn are given"),
        ({"optimizer": SGD(0.1).minimize}, "as train_op_fn"),
        ({"train_op_fn": no_training, "regularization_losses": 0.5}, "must be a list of scalars"),
        ({"train_op_fn": no_training, "regularization_losses": [[1.0, 2.0]]}, "must be a number"),
    ],
)
def test_training_needs_one_way_to_train(arguments, words):
    with pytest.raises((ValueError, TypeError), match=words):
        RegressionHead().create_estimator_spec({}, ModeKeys.TRAIN, f32([[0.0]]), f32([0.0]), **arguments)


# Errors --------------------------------------------------------------------------------------------

TWO = {"label_vocabulary": ["a", "b"]}
THREE = {"n_classes": 3, "label_vocabulary": ["a", "b", "c"]}


@pytest.mark.parametrize(
    ("head", "labels", "words"),
    [
        (BinaryClassHead(), None, "must give pairs (features, labels)"),
        (BinaryClassHead(), {"y": [0, 1]}, "a dict of ['y']"),
        (BinaryClassHead(weight_column="txt"), [0, 1], "did you mean 'text'?"),
        (BinaryClassHead(weight_column="text"), [0, 1], "not numbers"),
        (BinaryClassHead(weight_column="three"), [0, 1], "one weight per example"),
        (RegressionHead(2, weight_column="three"), np.ones((2, 2)), "one weight per example"),
        (
            BinaryClassHead(weight_column="negative"),
            [0, 1],
            "weight_column 'negative' must be at least 0, and one is -0.5",
        ),
        (
            BinaryClassHead(weight_column="nan"),
            [0, 1],
            "weight_column 'nan' must be at least 0, and one is nan",
        ),
        (
            MultiClassHead(3, weight_column=feature_column.numeric_column("negative")),
            [0, 1],
            "weight_column 'negative' must be at least 0, and one is -0.5",
        ),
        (BinaryClassHead(), [0, 2], "between 0 and 1, and one is 2"),
        (BinaryClassHead(), [0.0, np.nan], "one is nan"),
        (BinaryClassHead(), ["a", "b"], "give label_vocabulary"),
        (BinaryClassHead(**TWO), [0, 1], "and none for 0 and 1"),
        (BinaryClassHead(**TWO), ["a", "c"], "the label 'c' is not in label_vocabulary"),
        (BinaryClassHead(**TWO), ["a", ""], "the label '' is not in label_vocabulary"),
        (BinaryClassHead(), [[0, 1], [1, 0]], "one label per example"),
        (LogisticRegressionHead(), [0.5, 1.5], "between 0 and 1, and one is 1.5"),
        (PoissonRegressionHead(), [3, -1], "counts must be at least 0, and one is -1"),
        (RegressionHead(), ["a", "b"], "must be numbers"),
        (RegressionHead(2), [[1.0], [2.0]], "label_dimension=1"),
        (RegressionHead(), 1.0, ".batch(128)"),
        (MultiClassHead(3), [0, 3], "labels of 3 classes must be between 0 and 2, and one is 3"),
        (MultiClassHead(3), [0, -1], "n_classes=3"),
        (MultiClassHead(3), [0.0, 1.0], "must be integers"),
        (MultiClassHead(3), [[0, 1, 0], [1, 0, 0]], "not one-hot"),
        (MultiClassHead(3), ["a", "b"], "give label_vocabulary"),
        (MultiClassHead(**THREE), [0, 1], "and none for numbers from 0 to 2"),
        (MultiClassHead(**THREE), ["a", "x"], "the label 'x' is not in label_vocabulary"),
        (MultiLabelHead(3), [[0, 2, 1], [0, 0, 0]], "multi-hot labels must be between 0 and 1, and one is 2"),
        (MultiLabelHead(3), [[0, -1], [3, -1]], "between 0 and 2, or -1 for none, and one is 3"),
        (MultiLabelHead(3), [[0.0, 1.0], [0.0, 1.0]], "multi-hot labels have 3 columns"),
        (MultiLabelHead(**THREE), [["a", "x"], ["b", ""]], "the label 'x' is not in label_vocabulary"),
        (MultiLabelHead(**THREE), [[0, 1], [1, 0]], "a label_vocabulary"),
    ],
)
def test_bad_labels_and_weights_are_refused(head, labels, words):
    features = {"text": ["a", "b"], "three": np.ones((2, 3)), "negative": [1.0, -0.5], "nan": [np.nan, 1.0]}
    tensors = {name: as_tensor(np.asarray(column)) for name, column in features.items()}
    with pytest.raises((ValueError, TypeError)) as error:
        value(head.loss(labels, np.zeros((2, head.logits_dimension)), tensors))
    assert words in str(error.value)


def test_labels_with_too_many_columns_are_refused_where_that_was_not_known(tmp_path):
    labels = Dataset.from_generator(lambda: iter([[1.0, 2.0]]), output_types=float, output_shapes=[None])
    data = Dataset.zip((Dataset.from_tensor_slices({"x": [1.0]}), labels)).batch(1)

    def model_fn(features, labels, mode):
        return RegressionHead().create_estimator_spec(features, mode, features["x"][:, None], labels)

    with pytest.raises(ValueError, match="labels must have a last axis of size 1, and it is 2"):
        Estimator(model_fn, tmp_path, QUIET).evaluate(data)


def test_a_weight_column_needs_features_by_name():
    with pytest.raises(TypeError, match="give features as a dict"):
        RegressionHead(weight_column="w").loss([1.0], [[1.0]], f32([[1.0]]))


@pytest.mark.parametrize(
    ("head", "logits", "words"),
    [
        (BinaryClassHead(), [[0.0, 0.0]], "the last layer must have 1 units"),
        (BinaryClassHead(), [0.0], "shape (1,), and ('batch', 1)"),
        (MultiClassHead(3), [["a", "b", "c"]], "logits must be numbers"),
    ],
)
def test_bad_logits_are_refused(head, logits, words):
    with pytest.raises((ValueError, TypeError)) as error:
        head.predictions(logits)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: BinaryClassHead(label_vocabulary=["a"]), "a list of 2 different classes"),
        (lambda: BinaryClassHead(label_vocabulary=["a", "a"]), "a list of 2 different classes"),
        (lambda: BinaryClassHead(label_vocabulary="ab"), "must be a list of classes"),
        (lambda: BinaryClassHead(label_vocabulary=[0, 1]), "must hold text, and holds 0"),
        (lambda: BinaryClassHead(weight_column=3), "must be a feature"),
        (lambda: BinaryClassHead(thresholds=[0.5, 1.0]), "above 0 and below 1, and one is 1.0"),
        (lambda: BinaryClassHead(thresholds=0.5), "must be a list of numbers"),
        (lambda: BinaryClassHead(name=3), "must be text"),
        (lambda: RegressionHead(0), "at least 1"),
        (lambda: RegressionHead(1.5), "must be an integer"),
        (lambda: RegressionHead(inverse_link_fn="exp"), "must be a function"),
        (lambda: RegressionHead(loss_reduction="none"), "'sum', 'sum_over_batch_size', 'mean'"),
        (lambda: MultiClassHead(2), "use BinaryClassHead"),
        (lambda: MultiClassHead("3"), "must be an integer"),
        (lambda: MultiClassHead(3, label_vocabulary=["a", "b"]), "a list of 3 different classes"),
        (lambda: MultiLabelHead(1), "use BinaryClassHead"),
        (lambda: MultiLabelHead(2, label_vocabulary=["", "a"]), "which fills up"),
        (lambda: MultiLabelHead(2, classes_for_class_based_metrics=[2]), "between 0 and 1, and one is 2"),
        (lambda: MultiLabelHead(2, classes_for_class_based_metrics=["a"]), "'a', which is not in label_voc"),
        (lambda: MultiHead([]), "different names"),
        (lambda: MultiHead([RegressionHead()]), "different names, and are [None]"),
        (lambda: MultiHead([RegressionHead(name="a"), BinaryClassHead(name="a")]), "['a', 'a']"),
        (lambda: MultiHead([RegressionHead(name="a")], [1.0, 2.0]), "1 heads, and 2 head_weights"),
        (lambda: MultiHead([RegressionHead]), "must be a list of heads"),
        (
            lambda: MultiHead([RegressionHead(name="a"), BinaryClassHead(name="b", loss_reduction="sum")]),
            "one loss_reduction",
        ),
    ],
)
def test_bad_settings_are_refused(build, words):
    with pytest.raises((ValueError, TypeError)) as error:
        build()
    assert words in str(error.value)
