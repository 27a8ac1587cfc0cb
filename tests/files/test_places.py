"""How many uploads are taken at once, which depends on what each holds."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from app.core.errors import Overloaded
from app.services.uploads import UploadLimits, Uploads
from tests.backend import Backend
from tests.files.places import place


@pytest.mark.parametrize(("kind", "most", "each"), [("folder", 24, 8), ("bucket", 4, 2)])
async def test_the_store_says_how_many_uploads_there_may_be(
    backend: Backend, tmp_path: Path, kind: str, most: int, each: int
) -> None:
    async with place(kind, tmp_path / "blobs") as blobs:
        uploads = Uploads(backend.house.database, blobs, UploadLimits(1), patience=0.2)
        async with AsyncExitStack() as stack:
            for number in range(most):
                await stack.enter_async_context(uploads.receiving(f"{number // each}"))
                if number + 1 == each:
                    with pytest.raises(Overloaded):
                        await stack.enter_async_context(uploads.receiving("0"))
            with pytest.raises(Overloaded):
                await stack.enter_async_context(uploads.receiving("another"))
