"""Conversations that are simply there, by the hundred: put into the tables as posts would have left them."""

import base64
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import create_async_engine

from app.database import database_url as parse_url
from app.models.chat import conversations, messages

TEXTS = ("Hello", "你好,世界", "🎉🎊 emoji 👩‍👩‍👧", 'quotes " and \\ back', "line\nbreak\ttab\u2028", "{}[],:", "")


def noise(characters: int, seed: int = 7) -> str:
    """Text that hardly compresses."""
    return base64.b64encode(random.Random(seed).randbytes(characters * 3 // 4)).decode()  # noqa: S311


async def store(database_url: str, user_id: str, talks: Sequence[Sequence[str]]) -> list[str]:
    """A conversation for each list of messages; answers their ids."""
    engine = create_async_engine(parse_url(database_url))
    ids = [str(uuid4()) for _ in talks]
    try:
        async with engine.begin() as connection:
            await connection.execute(insert(conversations), [_conversation(each, user_id) for each in ids])
            for conversation_id, texts in zip(ids, talks, strict=True):
                if texts:
                    await connection.execute(insert(messages), _messages(conversation_id, texts))
    finally:
        await engine.dispose()
    return ids


def _conversation(conversation_id: str, user_id: str) -> dict[str, Any]:
    moment = datetime.now(UTC)
    return {
        "id": conversation_id,
        "user_id": user_id,
        "title": "标题 🎉",
        "model": "openai/echo",
        "model_given": False,
        "system_prompt": "Be brief. 请简短。",
        "created_at": moment,
        "updated_at": moment,
    }


def _messages(conversation_id: str, texts: Sequence[str]) -> list[dict[str, Any]]:
    """One branch, in which question and answer alternate."""
    ids = [str(uuid4()) for _ in texts]
    moment = datetime.now(UTC)
    return [
        {
            "id": ids[number],
            "conversation_id": conversation_id,
            "parent_id": ids[number - 1] if number else None,
            "branch_id": ids[0],
            "position": number + 1,
            "role": "assistant" if number % 2 else "user",
            "content": text,
            "status": "complete",
            "created_at": moment,
        }
        for number, text in enumerate(texts)
    ]
