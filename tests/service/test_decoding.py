"""Pictures are decoded in workers: what takes too long or too much fails alone."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from pillow_heif import from_pillow

from perfectlook.errors import PictureError
from perfectlook.images import PictureLimits, open_picture
from perfectlook.service.decoding import Decoder, SmallBoxError
from perfectlook.types import Box
from pictures import FORMATS, drawn, encoded
from serving import Running

MEMORY = 64 * 2**20


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder(1, PictureLimits(), seconds=20.0, memory=MEMORY) as decoder:
        decoder.warm()
        yield decoder


@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_is_the_same_as_in_this_process(decoder: Decoder, kind: str) -> None:
    content = encoded(drawn(), kind)
    decoded = decoder.decode(content, fit=32)
    assert (decoded.width, decoded.height) == (96, 64)
    assert np.array_equal(decoded.picture, open_picture(content, fit=32))


def test_a_part_of_a_picture_is_decoded(decoder: Decoder) -> None:
    content = encoded(drawn(), "PNG")
    decoded = decoder.decode(content, box=Box(0.25, 0.0, 0.5, 1.0))
    assert (decoded.width, decoded.height) == (96, 64)
    assert np.array_equal(decoded.picture, drawn().crop((24, 0, 48, 64)))
    with pytest.raises(SmallBoxError, match="smaller than 8 by 8"):
        decoder.decode(content, box=Box(0.0, 0.0, 0.01, 1.0))


def test_thumbnails_are_made(decoder: Decoder) -> None:
    content = encoded(drawn(), "PNG")
    assert open_picture(decoder.jpeg(content, 32)).size == (32, 21)
    assert open_picture(decoder.jpeg(content, None)).size == (96, 64)


def test_a_picture_that_needs_too_much_memory_is_refused_and_the_next_one_decoded(decoder: Decoder) -> None:
    large = encoded(Image.new("RGB", (5_000, 5_000)), "PNG")  # 75 MB decoded
    with pytest.raises(PictureError, match="needs more memory than there is"):
        decoder.decode(large)
    assert decoder.decode(encoded(drawn(), "PNG")).width == 96


def test_a_long_picture_is_decoded_within_the_memory_of_its_pixels() -> None:
    """Its 14 megapixels take 58 MB in Pillow and 43 MB as bytes, and its decoding takes 115 MB."""
    long = encoded(Image.new("RGB", (600, 24_000), "teal"), "PNG")
    with Decoder(1, PictureLimits(), seconds=20.0, memory=130 * 2**20) as decoder:
        decoded = decoder.decode(long, fit=224)
    assert decoded.picture.size == (600, 24_000)
    assert decoded.picture.getcolors() == [(14_400_000, (0, 128, 128))]


def test_a_large_heic_needs_the_memory_of_its_decoder_alone() -> None:
    """Its 17 megapixels take 26 MB as decoded, and 52 MB as RGB. Pillow's copy would take another 69 MB."""
    buffer = io.BytesIO()
    fast = {"preset": "ultrafast"}
    from_pillow(Image.new("RGB", (4_416, 3_904), "teal")).save(buffer, quality=10, enc_params=fast)
    with Decoder(1, PictureLimits(), seconds=60.0, memory=100 * 2**20) as decoder:
        whole = decoder.decode(buffer.getvalue(), fit=224)
        assert (whole.width, whole.height, whole.picture.size) == (4_416, 3_904, (1_104, 976))
        part = decoder.decode(buffer.getvalue(), fit=224, box=Box(0.0, 0.0, 0.99, 0.99))
        assert part.picture.size == (1_093, 967)


def test_no_large_picture_comes_back_for_a_network(decoder: Decoder) -> None:
    grey, banner = Image.new("L", (5_000, 4_000)), Image.new("L", (60_000, 300))
    part = decoder.decode(encoded(grey, "PNG"), box=Box(0, 0, 1, 1))
    assert part.picture.size == (264, 267)  # 5,000 / 19 and 4,000 / 15: at least 4 times 64
    assert decoder.decode(encoded(banner, "PNG")).picture.size == (257, 300)


def test_a_picture_leaves_its_memory_to_the_next_one() -> None:
    with Decoder(1, PictureLimits(), 30.0, 180 * 2**20) as decoder:
        returned, needs_more = Image.new("RGB", (3_900, 3_900)), Image.new("RGB", (6_200, 6_200))
        for each in (returned, needs_more, returned, needs_more):
            assert decoder.decode(encoded(each, "PNG")).width == each.width


def test_a_picture_that_takes_too_long_is_refused_and_the_next_one_decoded() -> None:
    slow = encoded(Image.effect_noise((3_000, 3_000), 50), "PNG", compress_level=1)
    with Decoder(1, PictureLimits(), seconds=0.02, memory=2**30) as decoder:
        decoder.warm()
        with pytest.raises(PictureError, match=r"takes more than 0\.02 s to decode.*--decode-seconds"):
            decoder.decode(slow)
        for _ in range(20):  # a new worker may need longer than 20 ms for its first picture
            try:
                assert decoder.decode(encoded(drawn(), "JPEG")).width == 96
                break
            except PictureError:
                pass
        else:
            pytest.fail("no picture is decoded any more")


def test_the_service_names_flags_that_exist(shop: Running) -> None:
    large = encoded(Image.new("L", (7_000, 7_000)), "PNG")
    answer = shop.client.post("/v1/complete", content=large, headers={"Content-Type": "image/png"})
    assert answer.status_code == 413
    assert "raise the server's --max-megapixels." in answer.json()["error"]["message"]
    phone = encoded(Image.new("L", (8_160, 6_120), 90), "JPEG")  # 50 megapixels
    answer = shop.client.post("/v1/complete", content=phone, headers={"Content-Type": "image/jpeg"})
    assert answer.json()["photo_size"] == {"width": 8_160, "height": 6_120}
