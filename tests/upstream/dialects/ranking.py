"""`/rerank`: in the form of Jina, Cohere and vLLM, and where a request has `texts`, in TEI's.

A passage's score is the share of the question's words that it has. What else is in the name of the model:

    -nan        a score that is null;  -fewer   one less than passages;  -twice   one passage twice
"""

from typing import Any, Literal

from tests.upstream.dialects import Body, Script
from tests.upstream.dialects.openai import OpenAI
from tests.upstream.dialects.vectors import WORDS, whole
from tests.upstream.scenarios import Answer


class Ranking(OpenAI):
    def wants(self, method: str, path: str) -> Literal["answer"] | None:
        return "answer" if method == "POST" and path.rpartition("/")[2] == "rerank" else None

    def streams(self, body: Body) -> bool:
        return False

    def question(self, body: Body) -> str:
        return str(body.get("query", ""))

    def script(self, answer: Answer, body: Body, number: int) -> Script:
        asked = set(WORDS.findall(self.question(body).lower()))
        passages = body.get("documents") or body.get("texts") or ()
        shares = [len(asked & set(WORDS.findall(each.lower()))) / max(1, len(asked)) for each in passages]
        name = "score" if "texts" in body else "relevance_score"
        places = sorted(range(len(shares)), key=lambda place: -shares[place])
        results: list[dict[str, Any]] = [{"index": place, name: shares[place]} for place in places]
        model = body.get("model", "")
        if "-nan" in model:
            results[0][name] = None
        if "-fewer" in model:
            results.pop()
        if "-twice" in model:
            results[-1]["index"] = results[0]["index"]
        return whole(results if "texts" in body else {"model": model, "results": results}, answer)
