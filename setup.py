"""For Python 3.8 and older: their setuptools cannot read pyproject.toml, and so cannot say which Python is needed."""

import sys

from setuptools import setup

if sys.version_info < (3, 9):  # noqa: UP036 - pip runs this file before it looks at requires-python
    sys.exit("meterbot needs Python 3.11 or later, and this is " + sys.version.split()[0])

setup()
