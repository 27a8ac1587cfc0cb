"""The body of OpenAI's embeddings."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag

from app.domain.embedding import Asked
from app.schemas.doors import DoorBody, Text

MOST_INPUTS = 2048
MOST_DIMENSIONS = 8192
_MOST_TOKENS = 2**17
"""Of one input; no model takes as many."""

Said = Annotated[Text, Field(min_length=1)]
Token = Annotated[int, Field(strict=True, ge=0, lt=2**31)]
Tokens = Annotated[list[Token], Field(min_length=1, max_length=_MOST_TOKENS, fail_fast=True)]
Dimensions = Annotated[int, Field(ge=1, le=MOST_DIMENSIONS)]


def _kind(given: object) -> str:
    """By its first item alone: to try each of four lists on 100,000 numbers would take a while."""
    if not isinstance(given, list):
        return "text"
    if not given or isinstance(given[0], str):
        return "texts"
    return "many_tokens" if isinstance(given[0], list) else "tokens"


Input = Annotated[
    Annotated[Said, Tag("text")]
    | Annotated[list[Said], Field(min_length=1, max_length=MOST_INPUTS, fail_fast=True), Tag("texts")]
    | Annotated[Tokens, Tag("tokens")]
    | Annotated[list[Tokens], Field(min_length=1, max_length=MOST_INPUTS, fail_fast=True), Tag("many_tokens")],
    Discriminator(_kind),
]


class EmbeddingsBody(DoorBody):
    """What vectors are wanted of. Fields that are not named here are passed over."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"model": "openai/text-embedding-3-small", "input": ["你好", "Hello"]}]}
    )

    model: Annotated[Text, Field(min_length=1, max_length=200)] = Field(
        description="`provider/id` or a bare id: the model of this server's own index, or one of a provider's."
    )
    input: Input = Field(description="A text or several, or each of them as the ids of its tokens.")
    encoding_format: Literal["float", "base64"] = Field(
        "float", description="`base64`: of numbers of 32 bits, the lowest byte first."
    )
    dimensions: Dimensions | None = Field(None, description="How many each vector is to have, where the model can.")

    def asked(self) -> Asked:
        given = self.input
        packed = self.encoding_format == "base64"
        if isinstance(given, str):
            return Asked([given], self.dimensions, packed=packed)
        if isinstance(given[0], int):
            return Asked([given], self.dimensions, packed=packed)
        return Asked(given, self.dimensions, packed=packed)
