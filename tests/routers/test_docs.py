"""The API reference: it comes from the package, says what there is, and its examples work as they stand."""

import re

import httpx
import pytest

from app.routers.docs import ASSETS, FOLDER


async def test_the_root_leads_to_the_reference(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")

    assert (answer.status_code, answer.headers["location"]) == (307, "/docs")


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/docs/oauth2-redirect"])
async def test_a_page_loads_only_what_this_server_has(path: str, client: httpx.AsyncClient) -> None:
    page = await client.get(path)

    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    linked = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert linked
    for address in linked:
        assert re.match(r"/\w", address)
        assert (await client.get(address)).status_code == 200


@pytest.mark.parametrize("name", ASSETS)
async def test_an_asset_is_served_whole_and_with_its_type(name: str, client: httpx.AsyncClient) -> None:
    file, media_type = ASSETS[name]

    asset = await client.get(f"/docs/assets/{name}")

    assert asset.headers["content-type"].startswith(media_type)
    assert asset.content == (FOLDER / file).read_bytes()


@pytest.mark.parametrize("name", ["nothing.js", "..%2fVERSIONS.txt", "%00", "swagger-ui/LICENSE"])
async def test_an_unknown_asset_is_not_found(name: str, client: httpx.AsyncClient) -> None:
    asset = await client.get(f"/docs/assets/{name}")

    assert asset.status_code == 404
    assert asset.headers["content-type"] == "application/problem+json"


def test_a_version_in_an_address_is_the_one_that_is_shipped() -> None:
    shipped = (FOLDER / "VERSIONS.txt").read_text(encoding="utf-8")
    versions = dict(re.findall(r"^(swagger-ui-dist|redoc) {2,}(\S+)", shipped, re.MULTILINE))
    pages = "".join(page.read_text(encoding="utf-8") for page in FOLDER.glob("*.html"))

    assert set(re.findall(r"swagger-ui[\w.-]*\?v=([\d.]+)", pages)) == {versions["swagger-ui-dist"]}
    assert set(re.findall(r"redoc\.standalone\.js\?v=([\d.]+)", pages)) == {versions["redoc"]}


async def test_the_description_names_every_route_with_its_refusals(client: httpx.AsyncClient) -> None:
    description = (await client.get("/openapi.json")).json()

    paths = description["paths"]
    assert {"/ai/chat/stream", "/ai/chat", "/ai/models", "/auth/login", "/conversations", "/users/me"} <= paths.keys()
    assert set(paths["/ai/chat/stream"]) == {"get", "post"}
    for operations in paths.values():
        for operation in operations.values():
            assert "default" not in operation["responses"]


async def test_the_example_of_a_message_is_one_that_is_taken(client: httpx.AsyncClient) -> None:
    description = (await client.get("/openapi.json")).json()

    (example,) = description["components"]["schemas"]["ChatBody"]["examples"]

    assert example.keys() == {"message"}


@pytest.mark.parametrize("path", ["/", "/docs", "/redoc", "/health", "/ready", "/openapi.json"])
async def test_open_pages_answer_those_who_only_look(path: str, client: httpx.AsyncClient) -> None:
    shown, looked = await client.get(path), await client.head(path)

    assert looked.status_code == shown.status_code
    assert looked.headers.get("content-type") == shown.headers.get("content-type")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/users/me", "DELETE, GET, PATCH"),
        ("DELETE", "/ai/chat/stream", "GET, POST"),
        ("PUT", "/auth/login", "POST"),
    ],
)
async def test_a_method_that_is_not_answered_gets_those_that_are(
    method: str, path: str, allowed: str, client: httpx.AsyncClient
) -> None:
    answer = await client.request(method, path)

    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == allowed
