"""Which links a vendor is asked to follow."""

import pytest

from app.core.errors import NotSupported
from app.domain.cards import ModelCard
from app.domain.prompts import ImageLink, ModelMessage, ModelRequest, Part, Text, ToolResult
from app.providers.links import check_links, is_public

PUBLIC = (
    "https://example.com/cat.png",
    "http://example.com",
    "HTTPS://Upload.Example.ORG/wiki/Große_Katze.jpg?a=1&b=%20#x",
    "https://example.com:443/",
    "http://example.com:80/?u=https://[::1]/@localhost:1",
    "https://my_bucket.s3.eu-central-1.example.com/k?X-Amz-Signature=0",
    "https://xn--bcher-kva.example.xn--p1ai/a",
    "https://1.2.3.4.example.com/",
)
PRIVATE = (
    "",
    "cat.png",
    "//example.com/cat.png",
    "ftp://example.com/cat.png",
    "file:///etc/passwd",
    "data:image/png;base64,AAAA",
    "https:example.com",
    "https:/example.com",
    "https:///example.com",
    "https://",
    # one machine's own
    "http://localhost/",
    "http://LOCALHOST.localdomain/",
    "http://a.localhost/",
    "http://router/",
    "http://printer.local/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://host.docker.internal/",
    "http://db.svc.cluster.local/",
    "http://nas.lan/",
    "http://nas.home/",
    "http://nas.home.arpa/",
    "http://1.0.0.127.in-addr.arpa/",
    # addresses in every spelling
    "http://127.0.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0177.0.0.1/",
    "http://127.1/",
    "http://127.0.0.0x1/",
    "http://0/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://127.0.0.1./",
    "http://１２７.0.0.1/",
    "http://127。0。0。1/",
    "http://\u24db\u24de\u24d2\u24d0\u24db.example/",
    "http://example.\u212aom/",  # the sign of Kelvin, which is a k where case is ignored
    # dots, names and ports that are read in more than one way
    "http://localhost./",
    "http://example.com./",
    "http://example..com/",
    "http://.example.com/",
    "http://-a.com/",
    "http://user@example.com/",
    "http://example.com@127.0.0.1/",
    "http://example.com:80@127.0.0.1/",
    "http://example.com\\@127.0.0.1/",
    "http://example.com%2f@127.0.0.1/",
    "http://%6c%6f%63alhost.com/",
    "http://example.com:22/",
    "http://example.com:8000/",
    "http://example.com:/",
    "http://example.com:080/",
    " http://example.com/",
    "http://example.com/\n",
    "http://example.com/a b",
    "http://example.com/\x00",
    "http://exam\tple.com/",
    "https://example.com/" + "a" * 8192,
)


@pytest.mark.parametrize("url", PUBLIC)
def test_a_link_into_the_public_is_followed(url: str) -> None:
    assert is_public(url)


@pytest.mark.parametrize("url", PRIVATE)
def test_a_link_to_anywhere_else_is_not(url: str) -> None:
    assert not is_public(url)


def asking(*parts: Part) -> ModelRequest:
    messages = [ModelMessage("user", "Hi"), ModelMessage("user", parts)]
    return ModelRequest(ModelCard("any", "model"), messages, None, 64, None)


def test_links_are_looked_at_wherever_they_stand() -> None:
    public, private = ImageLink("https://example.com/a.png"), ImageLink("http://10.0.0.1/a.png")
    check_links(asking(Text("http://10.0.0.1/"), public, ToolResult("c", "", parts=[public])))
    for part in (private, ToolResult("c", "", parts=[Text("?"), private])):
        with pytest.raises(NotSupported) as refused:
            check_links(asking(public, part))
        assert refused.value.feature == "image_link"
        assert "10.0.0.1" not in str(refused.value)
