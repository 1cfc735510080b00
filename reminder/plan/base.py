"""What all types of the plan's files have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Base of all plan types: immutable, and every unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False)
