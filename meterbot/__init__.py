"""meterbot tells a team what its Claude seats really spend."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - a checkout that an older Python runs
    sys.exit("meterbot needs Python 3.11 or later, and this is " + sys.version.split()[0])

__version__ = "0.1.0"
