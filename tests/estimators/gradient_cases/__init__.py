"""Cases for gradient rules, one file per family.

``CASES`` of a file holds, by the primitive's name, a function and the points where its slope is measured
(float64 arrays), or a list of such pairs. A newcomer to `RULES` needs one.
"""

from tests.estimators.gradient_cases import (
    activations,
    arrays,
    basics,
    convolution,
    functions,
    losses,
    normalization,
    pooling,
    recurrent,
)

FAMILIES = (activations, arrays, basics, convolution, functions, losses, normalization, pooling, recurrent)

CASES = {name: case for family in FAMILIES for name, case in family.CASES.items()}
