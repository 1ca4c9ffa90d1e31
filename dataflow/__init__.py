"""dataflow: lazy datasets over sharded files, in the words of tf.data."""

from dataflow import image, parsing, random, tensors, text
from dataflow.dataset import Dataset
from dataflow.errors import (
    AlreadyExistsError,
    DataflowError,
    DataLossError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    OptionalDependencyError,
    OutOfRangeError,
    PermissionDeniedError,
    SpecError,
    StateError,
    TraceError,
    UnavailableError,
    UserFunctionError,
)
from dataflow.expr.primitives.csv import decode_csv
from dataflow.expr.user_function import TracingWarning
from dataflow.leaves import DatasetSpec, RaggedTensorSpec
from dataflow.make_csv_dataset import make_csv_dataset
from dataflow.mixing import Mixing, shuffle_mixing
from dataflow.options import AUTOTUNE, INFINITE_CARDINALITY, UNKNOWN_CARDINALITY, Options
from dataflow.plan.stages import PlanWarning
from dataflow.profile import Profile
from dataflow.ragged import RaggedTensor
from dataflow.read_csv import CsvSchema, csv_row_counts, infer_csv_schema, read_csv
from dataflow.readers import (
    CsvDataset,
    FixedLengthRecordDataset,
    ParquetDataset,
    SqlDataset,
    TextLineDataset,
    TFRecordDataset,
)
from dataflow.seeds import set_random_seed
from dataflow.sources.tfrecord import TFRecordWriter
from dataflow.spec import TensorSpec
from dataflow.storage.manifest import Manifest, read_manifest
from dataflow.writing import WriteResult

__version__ = "0.1.0"

__all__ = [
    "AUTOTUNE",
    "INFINITE_CARDINALITY",
    "UNKNOWN_CARDINALITY",
    "AlreadyExistsError",
    "CsvDataset",
    "CsvSchema",
    "DataLossError",
    "DataflowError",
    "Dataset",
    "DatasetSpec",
    "FailedPreconditionError",
    "FixedLengthRecordDataset",
    "InvalidArgumentError",
    "Manifest",
    "Mixing",
    "NotFoundError",
    "OptionalDependencyError",
    "Options",
    "OutOfRangeError",
    "ParquetDataset",
    "PermissionDeniedError",
    "PlanWarning",
    "Profile",
    "RaggedTensor",
    "RaggedTensorSpec",
    "SpecError",
    "SqlDataset",
    "StateError",
    "TFRecordDataset",
    "TFRecordWriter",
    "TensorSpec",
    "TextLineDataset",
    "TraceError",
    "TracingWarning",
    "UnavailableError",
    "UserFunctionError",
    "WriteResult",
    "csv_row_counts",
    "decode_csv",
    "image",
    "infer_csv_schema",
    "make_csv_dataset",
    "parsing",
    "random",
    "read_csv",
    "read_manifest",
    "set_random_seed",
    "shuffle_mixing",
    "tensors",
    "text",
]
