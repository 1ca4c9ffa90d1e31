"""What is to be seen in TensorBoard, named as in ``tf.summary``."""

from estimators.summary.collect import (
    Summary,
    audio,
    histogram,
    image,
    merge,
    merge_all,
    scalar,
    text,
)
from estimators.summary.file_writer import FileWriter

__all__ = ["FileWriter", "Summary", "audio", "histogram", "image", "merge", "merge_all", "scalar", "text"]
