"""What a Qdrant server may answer, and what of it is believed."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from math import isfinite

import msgspec
from qdrant_client import models
from qdrant_client.http.exceptions import UnexpectedResponse

from app.stores.vectors.naming import DENSE, PASSAGE, TERMS, point_id

# Statuses that say nothing of the request: whoever asks next will hear the same.
_TROUBLE = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


class Nonsense(Exception):
    """An answer that no Qdrant gives."""


class Refused(Exception):
    """What was asked cannot be done; what others ask may."""


class NotThere(Refused):
    """There is no such collection."""


class Taken(Refused):
    """There is such a collection already."""


_MEANINGS: Mapping[int, type[Refused]] = {HTTPStatus.NOT_FOUND: NotThere, HTTPStatus.CONFLICT: Taken}


class _Said(msgspec.Struct):
    error: str


class _Refusal(msgspec.Struct):
    """How Qdrant says no."""

    status: _Said


@dataclass(frozen=True, slots=True)
class About:
    """A collection that is there."""

    dimensions: int | None
    """Of dense vectors that are compared by their cosine."""
    weighs_terms: bool
    """Whether it knows how rare a term is."""
    indexed: frozenset[str]


def about(info: models.CollectionInfo) -> About:
    params = info.config.params
    dense = params.vectors.get(DENSE) if isinstance(params.vectors, dict) else None
    terms = (params.sparse_vectors or {}).get(TERMS)
    return About(
        dimensions=dense.size if dense is not None and dense.distance == models.Distance.COSINE else None,
        weighs_terms=terms is not None and terms.modifier == models.Modifier.IDF,
        indexed=frozenset(info.payload_schema),
    )


def scores(tenant: str, response: models.QueryResponse) -> Mapping[str, float]:
    """By passage. Raises Nonsense for a point that cannot be the tenant's: its id is made of the two."""
    by_passage: dict[str, float] = {}
    for hit in response.points:
        passage = (hit.payload or {}).get(PASSAGE)
        if not isinstance(passage, str) or str(hit.id) != point_id(tenant, passage) or not isfinite(hit.score):
            raise Nonsense
        by_passage[passage] = hit.score
    return by_passage


def check_done(result: models.UpdateResult) -> None:
    """Raises Nonsense where it is only noted, and will be done some time: it was to be found from now on."""
    if result.status != models.UpdateStatus.COMPLETED:
        raise Nonsense


def meant(error: UnexpectedResponse) -> Exception:
    """What a status other than success says: something of the request, or of the server."""
    status = error.status_code or 0
    if not 400 <= status < 500 or status in _TROUBLE:
        return error
    try:
        said = str(msgspec.json.decode(error.content, type=_Refusal).status.error)[:300]
    except msgspec.MsgspecError:
        return error  # a page of somebody else's, maybe
    return _MEANINGS.get(status, Refused)(said)
