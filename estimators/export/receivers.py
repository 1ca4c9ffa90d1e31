"""Where the features of an exported model come from: placeholders, and what is computed from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy.typing as npt

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.function import postorder
from dataflow.expr.tensor import CONSTANT, PARAMETER, Tensor, parameter, spec_of_value
from dataflow.parsing import parse_json
from dataflow.spec import TensorSpec

FEATURE = "feature"
RECEIVER = "input"
LABEL = "label"


def placeholder(dtype: npt.DTypeLike, shape: Sequence[int | None], name: str | None = None) -> Tensor:
    """Return a tensor whose value a request gives.

    Args:
        dtype: NumPy dtype; str for text, bytes for binary data such as images.
        shape: Sizes, None where they vary; the first is mostly that of the batch: ``[None, 3]``.
        name: A label for messages.

    Raises:
        SpecError: There is no such dtype, or no shape.

    >>> import numpy as np
    >>> placeholder(np.float32, [None, 2], "x").spec
    TensorSpec(shape=(None, 2), dtype=float32)
    """
    return parameter(TensorSpec(shape, dtype, name))


@dataclasses.dataclass(frozen=True, eq=False)
class ServingInputReceiver:
    """What a model gets when it serves, and what requests give for it.

    Args:
        features: A dict of tensors for the model function; a single tensor is called "feature".
        receiver_tensors: A dict of placeholders, from which the features are computed; a single one is called
            "input".
        receiver_tensors_alternatives: Dicts by name, of tensors between placeholders and features, that
            requests may give instead: for each there are signatures called ``<name>:<signature>``.

    Raises:
        SpecError: Something is no tensor.
        InvalidArgumentError: A name is no text, there are no tensors, a receiver tensor is no placeholder, or
            features are computed from others.

    >>> import numpy as np
    >>> x = placeholder(np.float32, [None])
    >>> ServingInputReceiver({"x": x, "twice": x * 2}, {"x": x}).features["twice"]
    Tensor(multiply, shape=(None,), dtype=float32)
    """

    features: Any
    receiver_tensors: Any
    receiver_tensors_alternatives: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        _set(self, "features", _named("features", self.features, FEATURE))
        _set(self, "receiver_tensors", _receivers(self.receiver_tensors))
        _check_fed("features", self.features, self.receiver_tensors)
        _set(self, "receiver_tensors_alternatives", _alternatives(self.receiver_tensors_alternatives))


@dataclasses.dataclass(frozen=True, eq=False)
class TensorServingInputReceiver:
    """As `ServingInputReceiver`, for a model function whose `features` are one tensor.

    Args:
        features: The tensor.
        receiver_tensors: As of `ServingInputReceiver`.
        receiver_tensors_alternatives: As of `ServingInputReceiver`.

    Raises:
        SpecError, InvalidArgumentError: As `ServingInputReceiver`; the features are a dict.
    """

    features: Any
    receiver_tensors: Any
    receiver_tensors_alternatives: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.features, Tensor):
            raise SpecError(
                f"features must be one tensor, not {self.features!r}",
                hint="use ServingInputReceiver for a dict",
            )
        _set(self, "receiver_tensors", _receivers(self.receiver_tensors))
        _check_fed("features", {FEATURE: self.features}, self.receiver_tensors)
        _set(self, "receiver_tensors_alternatives", _alternatives(self.receiver_tensors_alternatives))


@dataclasses.dataclass(frozen=True, eq=False)
class SupervisedInputReceiver:
    """What a model gets in training or evaluation, for `experimental_export_all_saved_models`.

    Args:
        features: A dict of tensors, or one tensor.
        labels: A dict of tensors, or one tensor.
        receiver_tensors: As of `ServingInputReceiver`.

    Raises:
        SpecError, InvalidArgumentError: As `ServingInputReceiver`.
    """

    features: Any
    labels: Any
    receiver_tensors: Any

    def __post_init__(self) -> None:
        _set(self, "receiver_tensors", _receivers(self.receiver_tensors))
        for what, default in (("features", FEATURE), ("labels", LABEL)):
            _check_fed(what, _named(what, getattr(self, what), default), self.receiver_tensors)

    @property
    def receiver_tensors_alternatives(self) -> Mapping[str, Any]:
        """There are none."""
        return {}


Receiver = ServingInputReceiver | TensorServingInputReceiver | SupervisedInputReceiver
ReceiverFn = Callable[[], Receiver]


def build_raw_serving_input_receiver_fn(
    features: Any, default_batch_size: int | None = None
) -> Callable[[], ServingInputReceiver]:
    """Return a function for requests that give the features as the model gets them.

    Args:
        features: A dict of what features look like: a `TensorSpec`, a tensor or an array, the batch first. A
            single one is called "feature".
        default_batch_size: The size of the batch; None: any.

    Raises:
        SpecError: A feature is something else, or has no axis of the batch.

    >>> import numpy as np
    >>> receiver = build_raw_serving_input_receiver_fn({"x": np.zeros([5, 2], np.float32)})()
    >>> receiver.receiver_tensors["x"].spec
    TensorSpec(shape=(None, 2), dtype=float32)
    """
    given = features if isinstance(features, Mapping) else {FEATURE: features}
    if not given:
        raise InvalidArgumentError("there are no features")
    specs = {}
    for name, value in given.items():
        spec = value if isinstance(value, TensorSpec) else value.spec if isinstance(value, Tensor) else None
        spec = spec_of_value(value) if spec is None else spec
        if not spec.shape:
            raise SpecError(f"feature {name!r} is {spec}, without an axis of the batch")
        specs[name] = TensorSpec((default_batch_size, *spec.shape[1:]), spec.dtype, name)

    def serving_input_receiver_fn() -> ServingInputReceiver:
        tensors = {name: parameter(spec) for name, spec in specs.items()}
        return ServingInputReceiver(dict(tensors), dict(tensors))

    return serving_input_receiver_fn


def build_parsing_serving_input_receiver_fn(
    feature_spec: Mapping[str, Any], default_batch_size: int | None = None
) -> Callable[[], ServingInputReceiver]:
    """Return a function for requests that give examples as texts, each a JSON object.

    Args:
        feature_spec: As for `dataflow.parsing.parse_json`: for each feature the `TensorSpec` of one example
            or a dtype, or a pair of that and what it is where it is missing.
        default_batch_size: The size of the batch; None: any.

    Raises:
        SpecError: The spec is something else.

    >>> import numpy as np
    >>> receiver = build_parsing_serving_input_receiver_fn({"x": np.float32, "kind": (str, "")})()
    >>> receiver.receiver_tensors["examples"].spec, receiver.features["x"].spec
    (TensorSpec(shape=(None,), dtype=string), TensorSpec(shape=(None,), dtype=float32))
    """

    def serving_input_receiver_fn() -> ServingInputReceiver:
        examples = placeholder(str, [default_batch_size], "input_example_tensor")
        return ServingInputReceiver(parse_json(examples, feature_spec), {"examples": examples})

    serving_input_receiver_fn()
    return serving_input_receiver_fn


def _set(receiver: Any, field: str, value: Any) -> None:
    object.__setattr__(receiver, field, value)


def _named(what: str, value: Any, default: str) -> dict[str, Tensor]:
    found = dict(value) if isinstance(value, Mapping) else {default: value}
    if not found:
        raise InvalidArgumentError(f"{what} are empty")
    for name, tensor in found.items():
        if not isinstance(name, str):
            raise InvalidArgumentError(f"names of {what} must be text, not {name!r}")
        if not isinstance(tensor, Tensor):
            raise SpecError(
                f"{what}[{name!r}] must be a tensor, not {tensor!r}", hint="make it of estimators.placeholder"
            )
    return found


def _receivers(value: Any) -> dict[str, Tensor]:
    found = _named("receiver_tensors", value, RECEIVER)
    for name, tensor in found.items():
        if tensor.call.primitive is not PARAMETER:
            raise InvalidArgumentError(
                f"receiver_tensors[{name!r}] is computed ({tensor!r}), and a placeholder is needed",
                hint="give the placeholder, and what is computed of it as a feature",
            )
    if len({id(tensor.call) for tensor in found.values()}) < len(found):
        raise InvalidArgumentError(f"of the receiver_tensors {sorted(found)} two are one placeholder")
    return found


def _alternatives(value: Any) -> dict[str, dict[str, Tensor]]:
    if not isinstance(value, Mapping | None):
        raise SpecError(f"receiver_tensors_alternatives must be a dict of dicts, not {value!r}")
    found = {}
    for name, tensors in (value or {}).items():
        if not isinstance(name, str):
            raise InvalidArgumentError(f"names of alternatives must be text, not {name!r}")
        found[name] = _named(f"receiver_tensors_alternatives[{name!r}]", tensors, RECEIVER)
        if any(tensor.call.primitive is CONSTANT for tensor in found[name].values()):
            raise InvalidArgumentError(f"receiver_tensors_alternatives[{name!r}] holds a constant")
    return found


def _check_fed(what: str, tensors: Mapping[str, Tensor], receivers: Mapping[str, Tensor]) -> None:
    own = {id(tensor.call) for tensor in receivers.values()}
    for name, tensor in tensors.items():
        for call in postorder([tensor]):
            if call.primitive is PARAMETER and id(call) not in own:
                raise InvalidArgumentError(
                    f"{what}[{name!r}] is computed from a placeholder {call.attributes['spec']} that is not "
                    f"among the receiver_tensors {sorted(receivers)}",
                    hint="requests could not give it: add it to the receiver_tensors",
                )
