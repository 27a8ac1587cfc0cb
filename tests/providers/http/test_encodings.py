"""Bodies that are compressed although nobody asked for that."""

import gzip
import zlib

import httpx2
import pytest

from app.domain.failures import FailureCode, GenerationFailure
from app.providers.http.encodings import Inflater
from app.providers.transport import Refused
from tests.providers.http.asking import ask, post, text, transport
from tests.providers.http.loops import on_each_loop
from tests.providers.http.wire import Reply, Wire, bytewise, plays

SAID = b"data: hello\n\n" * 20


def bare(data: bytes) -> bytes:
    squeeze = zlib.compressobj(wbits=-15)
    return squeeze.compress(data) + squeeze.flush()


def page(encoding: bytes, data: bytes, *, split: bool = False, status: int = 200) -> Reply:
    head = b"HTTP/1.1 %d Status\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (status, encoding, len(data))
    return plays(head, *bytewise(data)) if split else plays(head + data)


SQUEEZED = {
    "gzip": (b"gzip", gzip.compress(SAID)),
    "x-gzip": (b"x-gzip", gzip.compress(SAID)),
    "capitals": (b" GZip ", gzip.compress(SAID)),
    "gzip-in-parts": (b"gzip", gzip.compress(SAID[:100]) + gzip.compress(b"") + gzip.compress(SAID[100:])),
    "deflate": (b"deflate", zlib.compress(SAID)),
    "bare-deflate": (b"deflate", bare(SAID)),
    "identity": (b"identity", SAID),
}


@pytest.mark.parametrize("split", [False, True], ids=["at-once", "byte-by-byte"])
@pytest.mark.parametrize(("encoding", "data"), SQUEEZED.values(), ids=SQUEEZED)
@on_each_loop
async def test_a_compressed_body_is_read_like_any_other(encoding: bytes, data: bytes, split: bool) -> None:
    async with Wire(page(encoding, data, split=split)) as server, transport(server.url) as asked:
        assert await text((await post(asked, server.url)).body) == SAID
        response = await ask(asked, "GET", server.url)
        assert await response.aread() == SAID
        assert "content-encoding" not in response.headers
        assert server.connections == 1


@on_each_loop
async def test_what_was_flushed_is_handed_out_before_the_rest_arrives() -> None:
    squeeze = zlib.compressobj(wbits=31)
    first = squeeze.compress(b"hello") + squeeze.flush(zlib.Z_SYNC_FLUSH)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 999\r\n\r\n"
    async with Wire(plays(head + first, then="hold")) as server, transport(server.url) as asked:
        arriving = (await post(asked, server.url)).body
        assert await arriving.read() == b"hello"
        arriving.close()


@on_each_loop
async def test_an_empty_body_is_empty_in_any_encoding() -> None:
    async with Wire(page(b"gzip", b"")) as server, transport(server.url) as asked:
        assert await text((await post(asked, server.url)).body) == b""


UNREADABLE = {
    "br": (b"br", SAID),
    "zstd": (b"zstd", SAID),
    "twice": (b"gzip, gzip", gzip.compress(gzip.compress(SAID))),
    "garbage": (b"gzip", SAID),
    "garbage-behind": (b"gzip", gzip.compress(SAID) + b"garbage"),
    "deflate-garbage": (b"deflate", b"\xff" * 100),
    "unfinished": (b"gzip", gzip.compress(SAID)[:-1]),
}


@pytest.mark.parametrize(("encoding", "data"), UNREADABLE.values(), ids=UNREADABLE)
@on_each_loop
async def test_what_cannot_be_undone_is_a_failure_of_the_vendor(encoding: bytes, data: bytes) -> None:
    async with Wire(page(encoding, data)) as server, transport(server.url) as asked:
        with pytest.raises(GenerationFailure) as failure:
            await text((await post(asked, server.url)).body)
        assert failure.value.code is FailureCode.UPSTREAM_PROTOCOL
        response = await ask(asked, "GET", server.url)
        with pytest.raises(httpx2.RemoteProtocolError):
            await response.aread()


@pytest.mark.parametrize(("encoding", "said"), [(b"gzip", SAID), (b"br", b"")])
@on_each_loop
async def test_a_page_of_an_error_keeps_its_status_whether_it_can_be_read_or_not(encoding: bytes, said: bytes) -> None:
    async with Wire(page(encoding, gzip.compress(SAID), status=503)) as server, transport(server.url) as asked:
        with pytest.raises(Refused) as refused:
            await post(asked, server.url)
        assert (refused.value.response.status_code, refused.value.response.content) == (503, said)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_goes_off_in_small_pieces(encoding: str) -> None:
    squeeze = zlib.compressobj(wbits=31 if encoding == "gzip" else 15)
    bomb = b"".join(squeeze.compress(bytes(1 << 20)) for _ in range(200)) + squeeze.flush()
    inflater = Inflater(encoding)
    inflater.feed(bomb)
    sizes = []
    while piece := inflater.read():
        sizes.append(len(piece))
    assert (sum(sizes), max(sizes) <= 64 * 1024, inflater.whole) == (200 << 20, True, True)


def test_many_members_cost_no_more_than_their_bytes() -> None:
    inflater = Inflater("gzip")
    inflater.feed(gzip.compress(b"") * 20_000 + gzip.compress(b"end"))
    assert inflater.read() == b"end"
