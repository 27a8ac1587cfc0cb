"""The part of the tutorial that does not depend on the vendor: a route, a history in memory, events by hand."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

# Plain dicts, as tutorials write them; each SDK has types of its own for them.
Messages = list[Any]
Answer = Callable[[str, Messages], AsyncGenerator[str, None]]


class Chat(BaseModel):
    message: str
    conversation_id: str
    model: str
    # How many of the messages before it the model is shown.
    window: int = 100


def tutorial(answer: Answer) -> FastAPI:
    """`answer` streams the text of a model for a list of messages."""
    app = FastAPI()
    conversations: dict[str, Messages] = {}

    @app.post("/chat")
    async def chat(body: Chat) -> StreamingResponse:
        history = conversations.setdefault(body.conversation_id, [])
        shown = history[-body.window :] if body.window else []
        messages = [*shown, {"role": "user", "content": body.message}]

        async def events() -> AsyncIterator[str]:
            reply = ""
            async with aclosing(answer(body.model, messages)) as texts:
                async for text in texts:
                    reply += text
                    yield f"data: {json.dumps({'text': text})}\n\n"
            history.append({"role": "user", "content": body.message})
            history.append({"role": "assistant", "content": reply})
            yield f"data: {json.dumps({'done': True})}\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    return app


def serve(app: Any, port: int) -> None:
    """uvicorn as it comes, with its fast parts, and without a line of log for each request."""
    uvicorn.run(app, port=port, loop="uvloop", http="httptools", access_log=False, log_level="warning", backlog=2048)
