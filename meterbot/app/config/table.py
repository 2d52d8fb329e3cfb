"""What every table of the file is made of."""

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
)

Unstrict = Field(strict=False)
"""For tuples: TOML's arrays arrive as lists. Their items stay strict."""


class Table(BaseModel):
    """A table of the file. A secret is a field, too, filled from where its `…_env` or `…_file` points."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, defer_build=True
    )
