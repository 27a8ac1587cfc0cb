"""A process that asks as programs on LangChain do, and tells what each case of a door and a model has found.

`{"url", "token", "openai": [model's vendor], "anthropic": [the same], "embedder"}` as JSON on its input; on its output
`{"case/door/vendor": {"found": …} | {"threw": str}}`.
"""

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

Case = Callable[[], Any]
Model = Callable[[str], Any]
WEATHER = {
    "title": "get_weather",
    "description": "Of a city",
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
QUESTION = "What is the weather?"


def main() -> None:
    given = json.load(sys.stdin)
    url, token = given["url"], given["token"]
    base: Any = {"base_url": f"{url}/v1", "api_key": token, "max_retries": 0}

    def of_openai(name: str) -> Any:
        return ChatOpenAI(model=name, stream_usage=True, **base)

    def of_responses(name: str) -> Any:
        return ChatOpenAI(model=name, use_responses_api=True, **base)

    def of_anthropic(name: str) -> Any:
        return ChatAnthropic(model_name=name, base_url=url, api_key=token, max_retries=0, timeout=None, stop=None)

    told: dict[str, Any] = {}
    doors = (("openai", of_openai), ("responses", of_responses), ("anthropic", of_anthropic))
    for door, model in doors:
        for vendor in given[door]:
            told |= {f"{case}/{door}/{vendor}": outcome(work) for case, work in cases(model, vendor)}
    embeddings = OpenAIEmbeddings(model=given["embedder"], check_embedding_ctx_length=False, **base)
    told["embeds"] = outcome(lambda: [len(each) for each in embeddings.embed_documents(["the cat", "犬"])])
    sys.stdout.write(json.dumps(told))


def outcome(work: Case) -> dict[str, Any]:
    try:
        return {"found": work()}
    except Exception as error:
        return {"threw": f"{type(error).__name__}: {error}"}


def cases(model: Model, vendor: str) -> Iterator[tuple[str, Case]]:
    yield "waits", lambda: waits(model(f"{vendor}/echo"))
    yield "streams", lambda: streams(model(f"{vendor}/echo"))
    yield "calls", lambda: calls(model(f"{vendor}/tools"), model(f"{vendor}/echo"))
    yield "calls in a stream", lambda: streamed_calls(model(f"{vendor}/tools"))
    yield "keeps to a schema", lambda: keeps(model(f"{vendor}/city"), "json_schema")
    yield "is made to call", lambda: keeps(model(f"{vendor}/tool"), "function_calling")
    yield "is refused", lambda: model("nobody/has-this").invoke("Hello").text


def waits(chat: Any) -> Any:
    message = chat.invoke([("system", "Be brief."), ("human", "Hello")])
    return {"text": message.text, "used": used(message)}


def streams(chat: Any) -> Any:
    pieces = list(chat.stream("Hello"))
    return {"text": "".join(piece.text for piece in pieces), "pieces": len(pieces), "used": used(joined(pieces))}


def calls(chat: Any, other: Any) -> Any:
    asked = chat.bind_tools([WEATHER]).invoke(QUESTION)
    results = [ToolMessage("rain", tool_call_id=call["id"]) for call in asked.tool_calls]
    told = other.bind_tools([WEATHER]).invoke([HumanMessage(QUESTION), asked, *results, HumanMessage("And?")])
    return {"calls": spelled(asked), "text": told.text}


def streamed_calls(chat: Any) -> Any:
    return spelled(joined(list(chat.bind_tools([WEATHER]).stream(QUESTION))))


def keeps(chat: Any, method: str) -> Any:
    return chat.with_structured_output(WEATHER, method=method).invoke(QUESTION)


def joined(pieces: list[Any]) -> Any:
    whole = AIMessageChunk("")
    for piece in pieces:
        whole += piece
    return whole


def spelled(message: Any) -> list[Any]:
    return [[call["name"], call["args"]] for call in message.tool_calls]


def used(message: Any) -> list[int]:
    return [message.usage_metadata["input_tokens"], message.usage_metadata["output_tokens"]]


if __name__ == "__main__":
    main()
