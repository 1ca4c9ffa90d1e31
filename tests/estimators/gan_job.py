"""Train two players until a step: `gan_job MODEL_DIR STEPS SAVE_EVERY`.

A generator makes numbers of noise, like those of a normal distribution around 3; a discriminator tells
them from real ones.
"""

import sys

import numpy as np

from dataflow import Dataset
from estimators import (
    Estimator,
    EstimatorSpec,
    ModeKeys,
    RunConfig,
    group,
    layers,
    losses,
    nn,
    trainable_variables,
    variable_scope,
)
from estimators.optimizers import Adam
from estimators.optimizers.v1 import MomentumOptimizer


def generator(z, training):
    with variable_scope("generator"):
        x = layers.dense(z, 16, use_bias=False)
        x = nn.relu(layers.batch_normalization(x, training=training, momentum=0.9))
        return layers.dense(x, 1)


def discriminator(x, training, *, reuse=False):
    with variable_scope("discriminator", reuse=reuse):
        x = nn.leaky_relu(layers.dense(x, 16))
        return layers.dense(layers.dropout(x, 0.1, training=training), 1)


def model_fn(features, mode, params):
    real = features["x"]
    training = mode == ModeKeys.TRAIN
    fake = generator(nn.random_normal(np.concatenate([real] * 4, axis=1)), training)
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, {"x": fake})
    on_real, on_fake = discriminator(real, training), discriminator(fake, training, reuse=True)
    ones = np.float32(1) + on_real * np.float32(0)
    generator_loss = losses.sigmoid_cross_entropy(ones, on_fake)
    discriminator_loss = losses.sigmoid_cross_entropy(ones, on_real) + losses.sigmoid_cross_entropy(
        ones * np.float32(0), on_fake
    )
    train_op = group(
        Adam(0.002, beta_1=0.5).minimize(generator_loss, var_list=trainable_variables("generator/")),
        MomentumOptimizer(0.02, 0.5).minimize(
            discriminator_loss, var_list=trainable_variables("discriminator/")
        ),
    )
    return EstimatorSpec(mode, {"x": fake}, generator_loss + discriminator_loss, train_op)


def real_numbers():
    x = np.random.default_rng(5).normal(3.0, 0.5, (4096, 1)).astype(np.float32)
    return Dataset.from_tensor_slices({"x": x}).shuffle(500, seed=7).repeat().batch(64)


def gan(model_dir, save_every=None):
    config = RunConfig(
        tf_random_seed=4, save_checkpoints_steps=save_every, log_step_count_steps=None, progress=False
    )
    return Estimator(model_fn, model_dir, config, params={})


if __name__ == "__main__":
    gan(sys.argv[1], int(sys.argv[3])).train(real_numbers, max_steps=int(sys.argv[2]))
