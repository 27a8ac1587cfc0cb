"""A form is the same however it is cut, and what is wrong with one has a name."""

import time
from collections.abc import AsyncIterator

import pytest

from app.core.errors import AppError, Invalid, MalformedForm, NotAForm, TooLarge
from app.wire.multipart import parts

TYPE = "multipart/form-data; boundary=b"
FORM = (
    b'--b\r\nContent-Disposition: form-data; name="title"\r\n\r\n\xe6\xa0\x87\xe9\xa2\x98\r\n'
    b'--b\r\ncontent-disposition: form-data; name="files"; filename="a\\"; b.txt"\r\nX: y\r\n'
    b"\r\n\r\n--\r\n-\r\n"
    b'--b\r\nContent-Disposition: form-data; name="files"; filename="\xff.bin"\r\n\r\n\r\n--b--\r\nwhat follows'
)


async def cut(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def read(body: bytes, size: int = 65536, content_type: str = TYPE) -> list[tuple[str, str | None, bytes]]:
    return [
        (part.name, part.filename, b"".join([chunk async for chunk in part.data]))
        async for part in parts(content_type, cut(body, size))
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
async def test_a_form_is_the_same_however_it_is_cut(size: int) -> None:
    assert await read(FORM, size) == [
        ("title", None, "标题".encode()),
        ("files", 'a"; b.txt', b"\r\n--\r\n-"),
        ("files", "\ufffd.bin", b""),
    ]


async def test_what_is_not_read_of_a_part_is_passed_over() -> None:
    assert [part.name async for part in parts(TYPE, cut(FORM, 5))] == ["title", "files", "files"]


async def test_a_field_is_read_as_text_within_bounds() -> None:
    async for part in parts(TYPE, cut(FORM, 5)):
        if part.name == "title":
            assert await part.text(6) == "标题"
    for field, most, refusal in ((b"12345", 4, TooLarge), (b"\xff", 9, Invalid), (b"a\x00b", 9, Invalid)):
        body = b'--b\r\nContent-Disposition: form-data; name="t"\r\n\r\n' + field + b"\r\n--b--"
        with pytest.raises(refusal):
            _ = [await part.text(most) async for part in parts(TYPE, cut(body, 3))]


@pytest.mark.parametrize(
    ("body", "content_type", "refusal"),
    [
        (FORM[:50], TYPE, MalformedForm),
        (FORM, "multipart/form-data", MalformedForm),
        (FORM, "multipart/mixed; boundary=b", NotAForm),
        (b"--b\r\n\r\n" * 200, TYPE, MalformedForm),
        (b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n' + b"\r\n--bx" * 9999, TYPE, MalformedForm),
        (b"\r\n" + bytes(200_000), TYPE, MalformedForm),
        (b"--b\r\nContent-Disposition: " + b"x" * 17_000 + b"\r\n\r\n\r\n--b--", TYPE, MalformedForm),
        ((b"--b\r\nX: " + b"x" * 10_000 + b"\r\n\r\n\r\n") * 8 + b"--b--", TYPE, MalformedForm),
    ],
)
async def test_what_is_no_form_is_refused(body: bytes, content_type: str, refusal: type[AppError]) -> None:
    with pytest.raises(refusal):
        await read(body, content_type=content_type)


async def test_a_hundred_ordinary_parts_are_a_form() -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="' + b"n" * 800 + b'"\r\n\r\n\r\n'
    assert len(await read(part * 99 + b"--b--")) == 99


async def test_the_first_header_that_names_a_part_counts() -> None:
    named = b'Content-Disposition: form-data; name="%s"\r\n'
    assert await read(b"--b\r\n" + named % b"a" + named % b"b" + b"\r\nx\r\n--b--") == [("a", None, b"x")]
    endless = b'Content-Disposition: form-data; name="' + b";" * 15_000 + b'"\r\n'
    began = time.process_time()
    with pytest.raises(MalformedForm):
        await read((b"--b\r\n" + endless * 15 + b"\r\n\r\n") * 50 + b"--b--")
    assert time.process_time() - began < 0.5
