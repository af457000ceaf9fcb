"""Images decoded, fitted and described: against images whose pixels are known."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from trimtab.core.enums import ImageFit
from trimtab.core.errors import ConfigError
from trimtab.imaging import decoding
from trimtab.imaging.decoding import decode
from trimtab.imaging.fitting import PROPERTIES, fit, properties

_SIZE = (8, 6)


def _file(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _halves(width: int = 40, height: int = 20) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (width, height), (255, 0, 0))
    image.paste((0, 0, 255), (width // 2, 0, width, height))
    return image


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_each_format_gives_the_colours_that_were_drawn(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
    decoded = decode(_file(_halves(), kind, **options), at_least=(40, 20))
    pixels = np.asarray(decoded.image).astype(int)
    assert (decoded.width, decoded.height) == (40, 20)
    assert np.abs(pixels[:, :16] - [255, 0, 0]).max() <= 8
    assert np.abs(pixels[:, 24:] - [0, 0, 255]).max() <= 8


def test_a_camera_that_was_held_upright_is_turned_as_its_exif_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = decode(_file(_halves(), "JPEG", quality=95, exif=exif), at_least=_SIZE)
    assert (decoded.width, decoded.height) == (20, 40)
    pixels = fit(decoded.image, 4, 8, ImageFit.STRETCH).astype(int)
    assert np.abs(pixels[0] - [255, 0, 0]).max() <= 16, "what was left is up"
    assert np.abs(pixels[-1] - [0, 0, 255]).max() <= 16


@pytest.mark.parametrize(
    "entries",
    [
        b"\x01\x12\x00\x02\x00\x00\x00\x02a\x00\x00\x00",
        b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x09\x00\x00",
        b"\x01\x12\x00\x05\x00\x00\x00\x01\x00\x00\x00\x00",
    ],
    ids=["text", "nine", "ratio"],
)
def test_an_orientation_that_is_none_turns_nothing(entries: bytes) -> None:
    exif = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01" + entries + bytes(4)
    plain, told = (_file(_halves(), "JPEG", quality=95, **more) for more in ({}, {"exif": exif}))
    decoded = decode(told, at_least=_SIZE)
    assert np.array_equal(np.asarray(decoded.image), np.asarray(decode(plain, at_least=_SIZE).image))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_undone_as_pillow_does(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = _file(_halves(), "PNG", exif=exif)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB")
    decoded = decode(content, at_least=_SIZE)
    assert np.array_equal(np.asarray(decoded.image), np.asarray(expected))
    assert (decoded.width, decoded.height) == expected.size


def test_a_damaged_entry_beside_the_orientation_is_passed_over() -> None:
    entries = (
        b"\x01\x0f\x00\x02\x00\x00\x00\x02\xff\x00\x00\x00",
        b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00",
        b"\x01\x1a\x00\x03\x00\x00\x00\x02\x00\x01\x00\x02",
        b"\x87\x69\x00\x04\x00\x00\x00\x01\xff\xff\xff\xff",
    )
    exif = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x04" + b"".join(entries) + bytes(4)
    decoded = decode(_file(_halves(), "JPEG", quality=95, exif=exif), at_least=_SIZE)
    assert (decoded.width, decoded.height) == (20, 40)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_grey_palette_alpha_print_and_sixteen_bit_images_become_rgb(mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.full((6, 8), 0x80FF, dtype=np.uint16))
        expected = 0x80
    else:
        image = Image.new("L", _SIZE, 255).convert("RGB" if mode in {"CMYK", "LA", "P"} else "L").convert(mode)
        expected = 255
    kind = "JPEG" if mode == "CMYK" else "PNG"
    pixels = np.asarray(decode(_file(image, kind), at_least=_SIZE).image)
    assert pixels.shape == (6, 8, 3)
    assert np.abs(pixels.astype(int) - expected).max() <= 2


def test_a_large_jpeg_is_decoded_smaller_but_never_smaller_than_asked() -> None:
    content = _file(Image.new("RGB", (1600, 1200), (10, 200, 30)), "JPEG")
    decoded = decode(content, at_least=(200, 160))
    assert (decoded.width, decoded.height) == (1600, 1200), "what is told is what was sent"
    assert decoded.image.size in {(400, 300), (200, 150)}
    assert decoded.image.size[0] >= 200
    assert decoded.image.size[1] >= 150


def test_what_would_take_gigabytes_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    content = _file(Image.new("1", (8_000, 8_000)))
    assert len(content) < 100_000
    with pytest.raises(ConfigError, match="an image of 8000 × 8000 pixels, expected at most 50,000,000"):
        decode(content, at_least=_SIZE)
    monkeypatch.setattr(decoding, "MAX_PIXELS", 10)
    with pytest.raises(ConfigError, match="8 × 6 pixels, expected at most 10"):
        decode(_file(Image.new("L", _SIZE)), at_least=_SIZE)


@pytest.mark.parametrize("content", [b"", b"hello", b"GIF89a" + bytes(20), b"%!PS-Adobe-3.0\n"])
def test_what_is_no_image_or_of_another_format_is_told(content: bytes) -> None:
    with pytest.raises(ConfigError, match="no image that is read here; send JPEG, PNG or WebP"):
        decode(content, at_least=_SIZE)


def test_a_gif_is_no_format_of_ours() -> None:
    with pytest.raises(ConfigError, match="no image that is read here"):
        decode(_file(Image.new("L", _SIZE), "GIF"), at_least=_SIZE)


_SAMPLES = [
    _file(Image.effect_noise((64, 48), 90).convert("RGB"), kind, **options)
    for kind, options in (("PNG", {}), ("JPEG", {}), ("JPEG", {"progressive": True}), ("WEBP", {}))
]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(_SAMPLES), st.data())
def test_damage_anywhere_gives_pixels_or_one_sentence(sample: bytes, data: st.DataObject) -> None:
    content = bytearray(sample[: data.draw(st.integers(0, len(sample)))])
    for _ in range(data.draw(st.integers(0, 4))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = decode(bytes(content), at_least=_SIZE)
    except ConfigError as error:
        told = str(error)
    else:
        told = "scale it down"
        assert fit(decoded.image, *_SIZE, ImageFit.STRETCH).shape == (6, 8, 3)
    assert told.endswith(("send JPEG, PNG or WebP", "scale it down"))


def test_fitting_stretches_crops_or_fills_up() -> None:
    image = _halves(40, 20)
    stretched = fit(image, 10, 10, ImageFit.STRETCH)
    cropped = fit(image, 10, 10, ImageFit.CROP)
    boxed = fit(image, 10, 10, ImageFit.LETTERBOX)
    assert stretched.shape == cropped.shape == boxed.shape == (10, 10, 3)
    for pixels in (stretched, cropped):
        assert (pixels[5, 1].tolist(), pixels[5, 8].tolist()) == ([255, 0, 0], [0, 0, 255])
    assert boxed[0].tolist() == boxed[9].tolist() == [[114, 114, 114]] * 10
    assert boxed[5, 1].tolist() == [255, 0, 0]


def test_properties_are_those_of_pictures_that_are_known() -> None:
    grey = np.full((6, 8, 3), 51, dtype=np.uint8)
    board = np.zeros((6, 8, 3), dtype=np.uint8)
    board[::2, ::2] = board[1::2, 1::2] = 255
    plain = dict(zip(PROPERTIES, properties(grey, width=640, height=480), strict=True))
    squares = dict(zip(PROPERTIES, properties(board, width=8, height=6), strict=True))
    assert (plain["width"], plain["height"]) == (640, 480)
    assert plain["brightness"] == pytest.approx(0.2)
    assert plain["contrast"] == plain["sharpness"] == pytest.approx(0, abs=1e-6)
    # Each inner pixel is 1 among four 0, or 0 among four 1: its Laplacian is −4 or 4.
    assert squares["brightness"] == pytest.approx(0.5)
    assert squares["contrast"] == pytest.approx(0.5)
    assert squares["sharpness"] == pytest.approx(16, rel=1e-5)
    assert properties(np.zeros((1, 1, 3), dtype=np.uint8), width=1, height=1)[-1] == 0
