"""Train the housing model to a step, in a process of its own: `housing_job MODEL_DIR STEPS REDUCTION`."""

import sys

from estimators import LinearRegressor, RunConfig
from tests.estimators.helpers import housing_columns, housing_input

if __name__ == "__main__":
    LinearRegressor(
        housing_columns(), sys.argv[1], config=RunConfig(tf_random_seed=1), loss_reduction=sys.argv[3]
    ).train(lambda: housing_input().repeat(), steps=int(sys.argv[2]))
