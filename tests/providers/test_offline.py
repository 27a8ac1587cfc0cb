"""The offline responder says what it is, in the language of the question."""

import pytest

from app.domain.events import Finish, FinishReason, TextDelta, Usage
from app.domain.prompts import ModelMessage, ModelRequest
from app.domain.text import decode
from app.providers import shipped
from app.providers.offline import OfflineProvider


@pytest.mark.parametrize(
    ("question", "words"),
    [("Hello?", ["offline", "no language model", "stored"]), ("你好，world", ["离线", "不是语言模型", "保存"])],
)
async def test_it_says_that_it_is_no_model_and_how_to_set_one(question: str, words: list[str]) -> None:
    request = ModelRequest(shipped.card("offline", "responder"), [ModelMessage("user", question)], None, 100, None)
    batches = [batch async for batch in OfflineProvider().stream(request)]
    text = decode(event.raw for batch in batches for event in batch if isinstance(event, TextDelta))
    for word in [
        *words,
        "ANTHROPIC_API_KEY",
        "OPENAI_API_KEY",
        "DEEPSEEK_API_KEY",
        "OPENAI_BASE_URL",
        ".env",
        "make run",
    ]:
        assert word in text
    assert len(batches) > 50
    assert batches[-1] == [Finish(FinishReason.STOP), Usage(0, 0)]
