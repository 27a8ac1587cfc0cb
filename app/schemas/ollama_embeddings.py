"""The bodies of Ollama's embed, and of the older embeddings."""

from typing import Annotated

from pydantic import ConfigDict, Field

from app.domain.embedding import Asked
from app.schemas.doors import DoorBody, Items, Text
from app.schemas.openai_embeddings import MOST_INPUTS, Dimensions

Name = Annotated[Text, Field(min_length=1, max_length=200)]
_EXAMPLE_MODEL = "ollama/bge-m3"


class OllamaEmbedBody(DoorBody):
    """What vectors are wanted of. Fields that are not named here, as how to run a model, are passed over."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"model": _EXAMPLE_MODEL, "input": ["你好", "Hello"]}]})

    model: Name = Field(description="As `GET /ollama/api/tags` lists it, or as any model is named.")
    input: Text | Annotated[Items[Text], Field(max_length=MOST_INPUTS)] = Field(
        "", description="A text or several; of none there are no vectors."
    )
    truncate: bool = Field(True, description="Whether an Ollama cuts what is too long; others refuse it.")
    dimensions: Dimensions | None = Field(None, description="How many each vector is to have, where the model can.")

    def asked(self) -> Asked | None:
        texts = self.input if isinstance(self.input, list) else [self.input] if self.input else []
        return Asked(texts, self.dimensions, truncate=self.truncate) if texts else None


class OllamaEmbeddingsBody(DoorBody):
    """What a vector is wanted of."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"model": _EXAMPLE_MODEL, "prompt": "你好 Hello"}]})

    model: Name = Field(description="As `GET /ollama/api/tags` lists it, or as any model is named.")
    prompt: Text = Field("", description="The text; of none there is no vector.")

    def asked(self) -> Asked | None:
        return Asked([self.prompt], truncate=True) if self.prompt else None
