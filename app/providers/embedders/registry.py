"""Which embedder there is, by the settings: none, unless one is named."""

import logging
import re
from collections.abc import Callable

from app.core.config import Settings, StartRefused
from app.domain.cards import ModelCard
from app.domain.embedding import Embedder
from app.domain.scripts import Script
from app.providers.embedders.billing import Biller
from app.providers.embedders.embedder import SourceEmbedder
from app.providers.embedders.endpoint import Endpoint
from app.providers.embedders.known import Traits, traits_of
from app.providers.embedders.local import LocalSource, fastembed
from app.providers.embedders.ollama import OllamaSource
from app.providers.embedders.openai import OpenAISource
from app.providers.embedders.source import Source
from app.providers.prices import Prices

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


def _openai(model: str, traits: Traits, settings: Settings) -> Source:
    address = _openai_address(settings)
    key = settings.embedding_api_key
    if key is None and settings.embedding_base_url is None:
        key = settings.openai_api_key  # which is nobody else's business
    if key is None and address == _OFFICIAL:
        raise StartRefused("EMBEDDING_MODEL: OpenAI wants a key: OPENAI_API_KEY or EMBEDDING_API_KEY")
    endpoint = _endpoint(f"{address}/embeddings", key.get_secret_value().strip() if key else None, settings)
    return OpenAISource(endpoint, model, traits, settings.embedding_dimensions, packed=address == _OFFICIAL)


def _ollama(model: str, traits: Traits, settings: Settings) -> Source:
    address = settings.embedding_base_url or settings.ollama_base_url or settings.ollama_host
    base = re.sub(r"(/v1|/api)?/*$", "", address)
    key = settings.embedding_api_key
    endpoint = _endpoint(f"{base}/api/embed", key.get_secret_value().strip() if key else None, settings)
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


def _endpoint(url: str, key: str | None, settings: Settings) -> Endpoint:
    return Endpoint(url, key, connect_timeout=settings.connect_timeout, patience=settings.embedding_timeout)


_SOURCES: dict[str, Callable[[str, Traits, Settings], Source]] = {
    "openai": _openai,
    "ollama": _ollama,
    "fastembed": _fastembed,
}
