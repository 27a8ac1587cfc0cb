"""The models that may be named."""

from typing import Any

from tests.conftest import Serve
from tests.upstream import Upstream


async def test_the_models_are_those_of_each_provider_with_the_default_marked(serve: Serve, upstream: Upstream) -> None:
    upstream.models = ("echo", "other")
    alice = await (await serve()).user()

    answer = (await alice.http.get("/ai/models")).json()

    assert [item["id"] for item in answer["items"]] == ["openai/echo", "openai/other", "offline/responder"]
    assert [item["default"] for item in answer["items"]] == [True, False, False]
    assert answer["next_cursor"] is None


async def test_the_list_is_paged(serve: Serve, upstream: Upstream) -> None:
    upstream.models = tuple(f"m{number}" for number in range(5))
    alice = await (await serve(default_model="openai/m0")).user()
    found: list[dict[str, Any]] = []
    cursor = ""

    while cursor is not None:
        page = (await alice.http.get("/ai/models", params={"limit": 2, "cursor": cursor})).json()
        assert len(page["items"]) <= 2
        found, cursor = found + page["items"], page["next_cursor"]

    assert [item["model"] for item in found] == ["m0", "m1", "m2", "m3", "m4", "responder"]
    refused = await alice.http.get("/ai/models", params={"cursor": "nothing"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_cursor")


async def test_a_default_that_its_vendor_does_not_list_is_shown_all_the_same(serve: Serve, upstream: Upstream) -> None:
    upstream.models = ("other",)
    alice = await (await serve()).user()
    items = (await alice.http.get("/ai/models")).json()["items"]
    assert [(item["id"], item["default"]) for item in items][:2] == [("openai/echo", True), ("openai/other", False)]


async def test_a_default_that_is_not_to_be_had_leaves_the_list(serve: Serve) -> None:
    alice = await (await serve(default_model="nobody-has-this")).user()

    answer = await alice.http.get("/ai/models")
    refused = await alice.http.post("/ai/chat", json={"message": "Hello"})

    assert answer.status_code == 200
    assert not any(item["default"] for item in answer.json()["items"])
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_model")


async def test_no_call_that_costs_is_made_to_find_out(serve: Serve, upstream: Upstream) -> None:
    alice = await (await serve()).user()

    await alice.http.get("/ai/models")

    assert upstream.calls == []
