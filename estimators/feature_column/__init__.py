"""Feature columns: from raw features to the inputs of a model.

One file per column. A column holds settings and builds expressions; what needs no variable of the model
runs in the dataset's threads.
"""

from estimators.feature_column.base import (
    CategoricalColumn,
    DenseColumn,
    FeatureColumn,
    KeyedColumn,
    SequenceDenseColumn,
)
from estimators.feature_column.bucketized import bucketized_column
from estimators.feature_column.crossed import crossed_column
from estimators.feature_column.embedding import embedding_column, shared_embeddings
from estimators.feature_column.fitting import fit
from estimators.feature_column.hash_bucket import categorical_column_with_hash_bucket
from estimators.feature_column.identity import categorical_column_with_identity
from estimators.feature_column.indicator import indicator_column
from estimators.feature_column.layers import input_layer, linear_model, sequence_input_layer
from estimators.feature_column.numeric import missing_indicator_column, numeric_column
from estimators.feature_column.sequence import (
    sequence_categorical_column_with_hash_bucket,
    sequence_categorical_column_with_identity,
    sequence_categorical_column_with_vocabulary_file,
    sequence_categorical_column_with_vocabulary_list,
    sequence_numeric_column,
)
from estimators.feature_column.statistics import Statistics
from estimators.feature_column.vocabulary import (
    categorical_column_with_vocabulary_file,
    categorical_column_with_vocabulary_list,
)
from estimators.feature_column.weighted import weighted_categorical_column

__all__ = [
    "CategoricalColumn",
    "DenseColumn",
    "FeatureColumn",
    "KeyedColumn",
    "SequenceDenseColumn",
    "Statistics",
    "bucketized_column",
    "categorical_column_with_hash_bucket",
    "categorical_column_with_identity",
    "categorical_column_with_vocabulary_file",
    "categorical_column_with_vocabulary_list",
    "crossed_column",
    "embedding_column",
    "fit",
    "indicator_column",
    "input_layer",
    "linear_model",
    "missing_indicator_column",
    "numeric_column",
    "sequence_categorical_column_with_hash_bucket",
    "sequence_categorical_column_with_identity",
    "sequence_categorical_column_with_vocabulary_file",
    "sequence_categorical_column_with_vocabulary_list",
    "sequence_input_layer",
    "sequence_numeric_column",
    "shared_embeddings",
    "weighted_categorical_column",
]
