"""The API reference: Swagger UI and ReDoc, served from the package under a strict content policy."""

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, RedirectResponse, Response

from app.core.errors import NotFound

router = APIRouter(include_in_schema=False)

_READ = ["GET", "HEAD"]

FOLDER = Path(__file__).parent.parent / "web" / "docs"
SCRIPT = "text/javascript"
ASSETS = {
    "favicon.png": ("swagger-ui/favicon-32x32.png", "image/png"),
    "swagger-ui.css": ("swagger-ui/swagger-ui.css", "text/css"),
    "swagger-ui-bundle.js": ("swagger-ui/swagger-ui-bundle.js", SCRIPT),
    "swagger-init.js": ("swagger-init.js", SCRIPT),
    "oauth2-redirect.js": ("swagger-ui/oauth2-redirect.js", SCRIPT),
    "redoc.standalone.js": ("redoc/redoc.standalone.js", SCRIPT),
}

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
# ReDoc's search runs in a worker that it makes from a blob.
REDOC_POLICY = f"{POLICY}; worker-src blob:"


@router.api_route("/", methods=_READ)
async def root() -> Response:
    return RedirectResponse("/docs", status_code=307)


@router.api_route("/docs", methods=_READ)
async def swagger() -> Response:
    return _page("swagger.html", POLICY)


@router.api_route("/docs/oauth2-redirect", methods=_READ)
async def oauth2_redirect() -> Response:
    return _page("oauth2-redirect.html", POLICY)


@router.api_route("/redoc", methods=_READ)
async def redoc() -> Response:
    return _page("redoc.html", REDOC_POLICY)


@router.get("/docs/assets/{name}")
async def asset(name: str, request: Request) -> Response:
    if name not in ASSETS:
        raise NotFound
    file, media_type = ASSETS[name]
    # An address with a version is never given other bytes; one without is asked for anew.
    cache = "public, max-age=31536000, immutable" if "v" in request.query_params else "no-cache"
    return FileResponse(FOLDER / file, media_type=media_type, headers={"Cache-Control": cache})


def _page(file: str, policy: str) -> Response:
    return FileResponse(
        FOLDER / file,
        media_type="text/html",
        headers={"Content-Security-Policy": policy, "Cache-Control": "no-cache"},
    )
