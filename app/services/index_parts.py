"""The parts that keep the index up, put together."""

from dataclasses import dataclass

from app.core.metrics import Metrics
from app.database import Database
from app.domain.embedding import Embedder
from app.services.index import Index
from app.services.index_learning import Learning
from app.services.index_sweeper import IndexSweeper
from app.services.indexing import Indexing
from app.services.spaces import Spaces
from app.stores.vectors.places import Place


@dataclass(frozen=True, slots=True)
class IndexParts:
    index: Index
    indexing: Indexing


def index_parts(database: Database, place: Place, embedder: Embedder | None, metrics: Metrics) -> IndexParts:
    index = Index(database, place)
    metrics.index_away.set_function(lambda: index.state != "ok")
    sweeper = IndexSweeper(database, index, metrics)
    spaces = Spaces(database, index, embedder, sweeper)
    learning = Learning(database, index, metrics)
    return IndexParts(index, Indexing(database, index, spaces, learning, sweeper, metrics))
