"""``lineage`` of ``trimtab.yaml``: who else is told what was made of what."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from trimtab.config.loading import Strict

__all__ = ["LineageConfig"]


class LineageConfig(Strict):
    """Where OpenLineage events go; nowhere, unless one of both is given."""

    file: str | None = Field(
        default=None, min_length=1, description="Append each event to this file, one JSON document a line."
    )
    url: str | None = Field(
        default=None,
        pattern=r"^https?://\S+$",
        description="Post each event there, e.g. 'https://marquez.example.com/api/v1/lineage'.",
    )
    token: str | None = Field(
        default=None,
        pattern=r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}$",
        description="Sent as bearer token; a reference such as '${LINEAGE_TOKEN}'.",
    )
    namespace: str | None = Field(
        default=None, min_length=1, max_length=200, description="Of jobs. Default: 'trimtab://' and the project's name."
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.file is not None and self.url is not None:
            raise ValueError("names both file and url; keep one of them")
        if self.token is not None and self.url is None:
            raise ValueError("has a token, but no url to send it to; add url, or remove the token")
        return self
