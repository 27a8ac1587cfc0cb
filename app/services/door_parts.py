"""All that answers at the doors of other protocols, put together."""

from dataclasses import dataclass

from app.core.config import Settings
from app.core.metrics import Metrics
from app.database import Database
from app.domain.embedding import Embedder
from app.generation.attempts import Price
from app.generation.engine import Engine
from app.generation.passages import PassageEndings
from app.providers.catalogue import Catalogue
from app.providers.embedders.registry import configured_desks
from app.providers.registry import configured_verbatim
from app.services.bodies import SMALL, BodyRoom
from app.services.chat import ChatService
from app.services.embedding import EmbeddingService
from app.services.generations import GenerationService
from app.services.kept_answers import KeptAnswers
from app.services.kept_embedding import KeptEmbedding
from app.services.limits import RateLimits
from app.services.ollama_proxy import OllamaProxy
from app.services.passages import PassageService
from app.services.responses import ResponseService
from app.services.token_counting import TokenCounting
from app.services.ui_chat import UiChatService
from app.services.uploads import Uploads

_BUSY = "Other large requests are being read; try again in a moment."


@dataclass(frozen=True, slots=True)
class DoorParts:
    bodies: BodyRoom
    passages: PassageService
    responses: ResponseService
    token_counting: TokenCounting
    embedding: EmbeddingService
    kept_embedding: KeptEmbedding
    ollama_proxy: OllamaProxy
    ui_chat: UiChatService


def door_parts(
    settings: Settings,
    database: Database,
    *,
    catalogue: Catalogue,
    engine: Engine,
    endings: PassageEndings,
    generations: GenerationService,
    chat: ChatService,
    uploads: Uploads,
    embedder: Embedder | None,
    limits: RateLimits,
    price: Price,
    metrics: Metrics,
) -> DoorParts:
    """`embedder` is the one of the index, which the doors ask, too."""
    kept = KeptAnswers(database, engine)
    passages = PassageService(database=database, catalogue=catalogue, engine=engine, limits=limits, kept=kept)
    embedding = EmbeddingService(
        bookings=endings.bookings,
        catalogue=catalogue,
        desks=configured_desks(settings, embedder),
        embedder=settings.embedding_model,
        limits=limits,
        price=price,
        metrics=metrics,
        seconds=settings.answer_timeout,
    )
    longest = settings.max_message_chars
    return DoorParts(
        bodies=BodyRoom(settings.max_door_body_bytes, busy=_BUSY, free=SMALL),
        passages=passages,
        responses=ResponseService(database=database, chat=chat, passages=passages, max_message_chars=longest),
        token_counting=TokenCounting(catalogue=catalogue, passages=passages),
        embedding=embedding,
        kept_embedding=KeptEmbedding(
            database=database, engine=engine, embedding=embedding, kept=kept, most_bytes=settings.max_answer_bytes
        ),
        ollama_proxy=OllamaProxy(
            server=configured_verbatim(settings),
            database=database,
            catalogue=catalogue,
            engine=engine,
            endings=endings,
            limits=limits,
            price=price,
            metrics=metrics,
        ),
        ui_chat=UiChatService(
            database=database, chat=chat, generations=generations, uploads=uploads, max_message_chars=longest
        ),
    )
