"""How many examples hypothesis tries of a property.

The same on every run, and few, so that the whole suite takes minutes; `make quick` tries still fewer.
HYPOTHESIS_PROFILE=search looks for new ones, and tries eighty times as many.
"""

import os
from typing import Any

from hypothesis import HealthCheck, settings

_STEADY = 25

# A machine under load is not a failure: there is no deadline, and examples may be slow to make.
_PATIENT: Any = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("steady", derandomize=True, max_examples=_STEADY, **_PATIENT)
settings.register_profile("quick", derandomize=True, max_examples=_STEADY // 5, **_PATIENT)
settings.register_profile("search", max_examples=80 * _STEADY, **_PATIENT)


def load_profile() -> None:
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


def examples(number: int) -> settings:
    """So many in `make test`. All of them share the test's fixtures."""
    return settings(
        max_examples=max(1, number * settings().max_examples // _STEADY),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
