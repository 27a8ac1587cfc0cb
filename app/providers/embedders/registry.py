"""Who makes vectors, by the settings: the index' embedder, if one is named, and whom clients' own requests go to."""

import logging
import re
from collections.abc import Callable

from pydantic import SecretStr

from app.core.config import Settings, StartRefused
from app.domain.cards import ModelCard
from app.domain.embedding import Embedder
from app.domain.scripts import Script
from app.providers.embedders.billing import Biller
from app.providers.embedders.desks import Desk, LocalDesk, OllamaDesk, OpenAIDesk
from app.providers.embedders.embedder import SourceEmbedder
from app.providers.embedders.endpoint import Endpoint
from app.providers.embedders.known import Traits, traits_of
from app.providers.embedders.local import LocalSource, fastembed
from app.providers.embedders.ollama import OllamaSource
from app.providers.embedders.openai import OpenAISource
from app.providers.embedders.source import Source
from app.providers.prices import Prices
from app.providers.registry import DEEPSEEK_BASE_URL

logger = logging.getLogger(__name__)

_OFFICIAL = "https://api.openai.com/v1"


def configured_embedder(settings: Settings) -> Embedder | None:
    """None without EMBEDDING_MODEL; asks nobody anything yet. Raises StartRefused for what cannot work."""
    name = settings.embedding_model
    if name is None:
        return None
    provider, _, model = name.partition("/")
    traits = _traits(model, settings)
    source = _SOURCES[provider](model, traits, settings)
    official = provider == "openai" and _openai_address(settings) == _OFFICIAL
    # What runs in this process costs nobody anything, and counts no tokens.
    card = None if provider == "fastembed" else ModelCard(provider, model)
    biller = Biller(card, Prices(frozenset({provider} if official else ())).cost)
    return SourceEmbedder(name, source, traits, settings.embedding_dimensions, biller)


def configured_desks(settings: Settings, embedder: Embedder | None) -> dict[str, Desk]:
    """By provider, as far as it has such a route, and by the embedder's whole name that one's own. Asks nobody yet."""
    desks: dict[str, Desk] = {}
    if settings.openai_api_key:
        desks["openai"] = _openai_desk(settings.openai_base_url or _OFFICIAL, settings.openai_api_key, settings)
    if settings.deepseek_api_key:
        address = settings.deepseek_base_url or DEEPSEEK_BASE_URL
        desks["deepseek"] = _openai_desk(address, settings.deepseek_api_key, settings)
    if settings.ollama_base_url or settings.ollama_discovery:
        address = settings.ollama_base_url or settings.ollama_host
        desks["ollama"] = OllamaDesk(_ollama_endpoint(address, None, settings))
    if isinstance(embedder, SourceEmbedder):
        desks[embedder.name] = _embedders_desk(embedder, settings)
    return desks


def _embedders_desk(embedder: SourceEmbedder, settings: Settings) -> Desk:
    provider = embedder.name.partition("/")[0]
    dimensions = settings.embedding_dimensions
    if provider == "openai":
        return _openai_desk(_openai_address(settings), _openai_key(settings), settings, dimensions)
    if provider == "ollama":
        endpoint = _ollama_endpoint(_ollama_address(settings), settings.embedding_api_key, settings)
        return OllamaDesk(endpoint, dimensions=dimensions)
    return LocalDesk(embedder.source)


def _openai_desk(address: str, key: SecretStr | None, settings: Settings, dimensions: int | None = None) -> Desk:
    address = address.rstrip("/")
    endpoint = _endpoint(f"{address}/embeddings", key, settings)
    return OpenAIDesk(endpoint, official=address == _OFFICIAL, dimensions=dimensions)


def _traits(model: str, settings: Settings) -> Traits:
    known = traits_of(model)
    if settings.embedding_scripts:
        scripts = frozenset(map(Script, settings.embedding_scripts))
        return Traits(scripts) if known is None else known.knowing(scripts)
    if known is None:
        logger.warning(
            "EMBEDDING_MODEL: nothing is known of %s here, so it counts as knowing every script and gets no prefixes; "
            "if it knows only some, say which in EMBEDDING_SCRIPTS",
            model,
        )
        return Traits(None)
    return known


def _openai_address(settings: Settings) -> str:
    return (settings.embedding_base_url or settings.openai_base_url or _OFFICIAL).rstrip("/")


def _openai_key(settings: Settings) -> SecretStr | None:
    if settings.embedding_api_key is None and settings.embedding_base_url is None:
        return settings.openai_api_key  # which is nobody else's business
    return settings.embedding_api_key


def _ollama_address(settings: Settings) -> str:
    return settings.embedding_base_url or settings.ollama_base_url or settings.ollama_host


def _openai(model: str, traits: Traits, settings: Settings) -> Source:
    address = _openai_address(settings)
    key = _openai_key(settings)
    if key is None and address == _OFFICIAL:
        raise StartRefused("EMBEDDING_MODEL: OpenAI wants a key: OPENAI_API_KEY or EMBEDDING_API_KEY")
    endpoint = _endpoint(f"{address}/embeddings", key, settings)
    return OpenAISource(endpoint, model, traits, settings.embedding_dimensions, packed=address == _OFFICIAL)


def _ollama(model: str, traits: Traits, settings: Settings) -> Source:
    endpoint = _ollama_endpoint(_ollama_address(settings), settings.embedding_api_key, settings)
    return OllamaSource(endpoint, model, settings.embedding_dimensions)


def _fastembed(model: str, traits: Traits, settings: Settings) -> Source:
    if settings.embedding_dimensions is not None:
        raise StartRefused("EMBEDDING_DIMENSIONS: a model of fastembed has as many as it has; leave this out")
    try:
        load = fastembed(model, settings.data_dir / "models", download=settings.embedding_download)
    except ImportError as error:
        raise StartRefused(
            'EMBEDDING_MODEL: fastembed is missing; install it with: pip install ".[fastembed]"'
        ) from error
    return LocalSource(load, settings.embedding_timeout)


def _ollama_endpoint(address: str, key: SecretStr | None, settings: Settings) -> Endpoint:
    base = re.sub(r"(/v1|/api)?/*$", "", address)
    return _endpoint(f"{base}/api/embed", key, settings)


def _endpoint(url: str, secret: SecretStr | None, settings: Settings) -> Endpoint:
    key = secret.get_secret_value().strip() if secret else None
    return Endpoint(url, key, connect_timeout=settings.connect_timeout, patience=settings.embedding_timeout)


_SOURCES: dict[str, Callable[[str, Traits, Settings], Source]] = {
    "openai": _openai,
    "ollama": _ollama,
    "fastembed": _fastembed,
}
