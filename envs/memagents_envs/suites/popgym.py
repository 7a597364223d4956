"""POPGym (Morad et al., "POPGym: benchmarking partially observable reinforcement learning", ICLR 2023).

All 48 ids: 16 families in three grades each. Adapted: the observation of Autoencode, a Tuple, becomes a Dict.

Known of the suite: the labyrinths draw from the global generators of Python and NumPy, so two of them in one process
disturb each other, and a copy does not go on as the original does.
"""

from memagents_envs.suites import adapt, import_suite, own_specs
from memagents_envs.wrappers import TupleToDict

import_suite("popgym")

IDS = tuple(
    adapt(spec, *([TupleToDict.wrapper_spec()] if "Autoencode" in spec.id else [])) for spec in own_specs("popgym-")
)
