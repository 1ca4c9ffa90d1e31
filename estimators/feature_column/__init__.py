"""Feature columns: from raw features to the inputs of a model.

One file per column. A column holds settings and builds expressions; what needs no variable of the model
runs in the dataset's threads.
"""

from estimators.feature_column.base import CategoricalColumn, DenseColumn, FeatureColumn
from estimators.feature_column.bucketized import bucketized_column
from estimators.feature_column.numeric import numeric_column
from estimators.feature_column.vocabulary import categorical_column_with_vocabulary_list

__all__ = [
    "CategoricalColumn",
    "DenseColumn",
    "FeatureColumn",
    "bucketized_column",
    "categorical_column_with_vocabulary_list",
    "numeric_column",
]
