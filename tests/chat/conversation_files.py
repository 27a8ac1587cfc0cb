"""Files of conversations, and what is told of a conversation that was made of one."""

import json
from collections.abc import Sequence
from random import Random
from typing import Any

import httpx

from tests.backend import User

IMPORT = "/conversations/import"
Document = dict[str, Any]
ID = "01934a7e-0000-7000-8000-000000000000"
IDS = {"file_id": ID, "document_id": ID, "chunk_id": ID}
MOMENT = "2026-03-04T05:06:07.123456Z"


def question(id_: str, text: str = "Why?", parent_id: str | None = None, **more: Any) -> Document:
    return {"id": id_, "parent_id": parent_id, "role": "user", "content": text, **more}


def answer(id_: str, parent_id: str | None, text: str = "Because.", **more: Any) -> Document:
    return {"id": id_, "parent_id": parent_id, "role": "assistant", "content": text, **more}


def document(*messages: Document, title: str = "标题 🎉", **head: Any) -> Document:
    conversation = {"title": title, **head}
    return {"format": "ai-backend.conversation", "version": 1, "conversation": conversation, "messages": [*messages]}


def chain(turns: int, text: str = "said") -> list[Document]:
    """Questions and answers, one after the other."""
    messages: list[Document] = []
    for number in range(turns):
        before = messages[-1]["id"] if messages else None
        messages.append(question(f"q{number}", f"{text} {number}", before))
        messages.append(answer(f"a{number}", f"q{number}", f"{text} {number} too"))
    return messages


def full() -> Document:
    """One with all that a document can hold."""
    told = {"created_at": MOMENT, "model": "openai/echo"}
    reasoning = [{"text": "Hm…", "signature": "c2VhbA=="}, {"redacted": "0PAQUE"}]
    usage = {"input_tokens": 7, "output_tokens": 9, "cost": "0.000123"}
    error = {"code": "upstream_cut", "detail": "The connection broke.", "retryable": True}
    source = {"n": 1, "title": "合同", "score": 0.5, "page": 3, "start": 0, "end": 4, "quote": "押金两月", **IDS}
    files = [{"file_id": ID, "name": "合同.pdf", "used": "passages", "reason": None}]
    sources = {"sources": [source], "answerable": True, "confidence": 0.9, "files": files, "collections": [ID]}
    attached = [{"file_id": ID, "name": "合同.pdf"}]
    made = document(
        question("1", "<script>alert(1)</script> # 标题\n```\nopen", created_at=MOMENT, files=attached),
        answer("2", "1", "**bold** 🎉", reasoning=reasoning, usage=usage, sources=sources, **told),
        answer("3", "1", "half", status="stopped", feedback={"rating": -1, "comment": "太短"}, **told),
        answer("4", "1", "", status="failed", error=error, **told),
        question("5", "And?", "2", created_at=MOMENT),
        answer("6", "5", "So.", feedback={"rating": 1, "comment": None}, **told),
        question("7", "Another beginning", created_at=MOMENT),
        model="openai/echo",
        model_given=True,
        system_prompt="Be brief. 请简短。",
        created_at=MOMENT,
        leaf_id="6",
    )
    summary = {"message_id": "2", "tokens": 12, "summary": "They said hello.", "model": "openai/echo"}
    return {**made, "compactions": [{**summary, "created_at": MOMENT}]}


def random_tree(seed: int, size: int) -> Document:
    """Any tree that there can be, told in any order."""
    random = Random(seed)  # noqa: S311
    messages: list[Document] = []
    for number in range(size):
        parent = random.choice([None, *messages])
        asked = [each for each in messages if each["role"] == "user"]
        if asked and random.random() < 0.6:
            messages.append(answer(f"m{number}", random.choice(asked)["id"], f"answer {random.random()}"))
        else:
            messages.append(question(f"m{number}", f"question {number}", parent["id"] if parent else None))
    leaf = random.choice(messages)["id"] if messages else None
    random.shuffle(messages)
    return document(*messages, leaf_id=leaf)


async def bring(user: User, told: Document, **headers: str) -> httpx.Response:
    return await user.http.post(IMPORT, json=told, headers=headers, timeout=60)


async def brought(user: User, told: Document) -> str:
    """The id of the conversation that was made of it."""
    made = await bring(user, told)
    assert made.status_code == 201, made.text
    id_: str = made.json()["id"]
    return id_


async def carried(user: User, conversation_id: str, **query: str) -> httpx.Response:
    return await user.http.get(f"/conversations/{conversation_id}/export", params=query, timeout=60)


async def exported(user: User, conversation_id: str) -> Document:
    told = await carried(user, conversation_id)
    assert told.status_code == 200, told.text
    parsed: Document = told.json()
    return parsed


def shape(told: Document) -> Document:
    """What two files have in common that say the same: without times, and with the places of messages for ids."""
    order = _in_order(told["messages"])
    places = {each["id"]: place for place, each in enumerate(order)}

    def placed(each: Document) -> Document:
        named = {name: value for name, value in _pruned(each).items() if name != "created_at"}
        for name in ("id", "parent_id", "message_id", "leaf_id"):
            if name in named:
                named[name] = places[named[name]]
        return {"status": "complete", **named} if "role" in named else named

    about = ("title", "system_prompt", "leaf_id")
    head = {name: value for name, value in told["conversation"].items() if name in about}
    return {
        "head": placed(head),
        "messages": [placed(each) for each in order],
        "compactions": [placed(each) for each in told.get("compactions", ())],
    }


def _pruned(part: Any) -> Any:
    """Without what is null or empty, which is the same."""
    if isinstance(part, list):
        return [_pruned(each) for each in part]
    if isinstance(part, dict):
        return {name: _pruned(value) for name, value in part.items() if value not in (None, [], "")}
    return part


def _in_order(messages: Sequence[Document]) -> list[Document]:
    left, order, known = list(messages), [], {None}
    while left:
        following = next(each for each in left if each.get("parent_id") in known)
        left.remove(following)
        order.append(following)
        known.add(following["id"])
    return order


def parsed_lines(body: str) -> list[Document]:
    return [json.loads(line) for line in body.splitlines()]
