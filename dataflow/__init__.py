"""dataflow: lazy datasets over sharded files, in the words of tf.data."""

from dataflow.dataset import Dataset
from dataflow.errors import (
    AlreadyExistsError,
    DataflowError,
    DataLossError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    OptionalDependencyError,
    SpecError,
    StateError,
    TraceError,
    UserFunctionError,
)
from dataflow.expr.primitives.csv import decode_csv
from dataflow.expr.user_function import TracingWarning
from dataflow.options import AUTOTUNE, INFINITE_CARDINALITY, UNKNOWN_CARDINALITY, Options
from dataflow.plan.stages import PlanWarning
from dataflow.readers import CsvDataset, ParquetDataset, TextLineDataset
from dataflow.seeds import set_random_seed
from dataflow.spec import TensorSpec

__version__ = "0.1.0"

__all__ = [
    "AUTOTUNE",
    "INFINITE_CARDINALITY",
    "UNKNOWN_CARDINALITY",
    "AlreadyExistsError",
    "CsvDataset",
    "DataLossError",
    "DataflowError",
    "Dataset",
    "FailedPreconditionError",
    "InvalidArgumentError",
    "NotFoundError",
    "OptionalDependencyError",
    "Options",
    "ParquetDataset",
    "PlanWarning",
    "SpecError",
    "StateError",
    "TensorSpec",
    "TextLineDataset",
    "TraceError",
    "TracingWarning",
    "UserFunctionError",
    "decode_csv",
    "set_random_seed",
]
