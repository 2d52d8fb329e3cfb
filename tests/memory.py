"""Where tests write and delete small files by the thousands: in memory, if this machine has room for them there."""

import os
import shutil

_SHARED = "/dev/shm"  # noqa: S108 - folders of our own are made in it
_NEEDED = 2 * 2**30


def folder() -> str | None:
    """None where there is none, or too little room, as in most containers."""
    if os.access(_SHARED, os.W_OK) and shutil.disk_usage(_SHARED).free >= _NEEDED:
        return _SHARED
    return None
