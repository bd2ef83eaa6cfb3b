"""Pictures of every supported kind, read by content, upright and in sRGB; every failure a clear MediaError."""

import io
import struct
import time
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from facewitness.errors import LimitExceededError, MediaError
from facewitness.media.images import read_header, read_image
from facewitness.media.limits import Limits


def photo(width=64, height=48):
    """Synthetic: smooth ramps, so that lossy formats stay close."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // (width - 1), y * 255 // (height - 1), np.full_like(x, 90)], axis=-1).astype(np.uint8)


def corners():
    """Synthetic: red, green / blue, white quarters; no symmetry under the eight orientations."""
    image = np.zeros((32, 48, 3), np.uint8)
    image[:16, :24], image[:16, 24:], image[16:, :24], image[16:, 24:] = (255, 0, 0), (0, 255, 0), (0, 0, 255), 255
    return image


def png_chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_header(width, height):
    """A PNG that promises a size and holds almost nothing."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")


def linear_profile():
    """An RGB profile with sRGB's primaries and no gamma: the sRGB profile with its curve replaced."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    curve = data.index(b"para")
    data[curve + 8 : curve + 10] = (0).to_bytes(2, "big")
    data[curve + 12 : curve + 16] = (1 << 16).to_bytes(4, "big")
    return bytes(data).replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be"))


@pytest.mark.parametrize(
    ("suffix", "name", "tolerance", "options"),
    [
        ("jpg", "JPEG", 4, {"quality": 95}),
        ("png", "PNG", 0, {}),
        ("webp", "WebP", 8, {"quality": 95}),
        ("webp", "WebP", 0, {"lossless": True}),
        ("avif", "AVIF", 8, {"quality": 95}),
        ("bmp", "BMP", 0, {}),
        ("tiff", "TIFF", 0, {"compression": "tiff_lzw"}),
        ("tif", "TIFF", 0, {}),
        ("gif", "GIF", 40, {}),
    ],
)
def test_formats(tmp_path, suffix, name, tolerance, options):
    path = tmp_path / f"face.{suffix}"
    Image.fromarray(photo()).save(path, **options)
    image = read_image(path)
    assert (image.format, image.width, image.height, image.warnings) == (name, 64, 48, ())
    assert image.pixels.dtype == np.uint8
    assert image.pixels.flags.c_contiguous
    assert np.abs(image.pixels.astype(int) - photo()).max() <= tolerance


def test_heic_needs_its_package_and_says_so(tmp_path):
    path = tmp_path / "phone.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    with pytest.raises(MediaError, match=r"phone\.heic.*pillow-heif|phone\.heic.*damaged"):
        read_image(path)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
def test_exif_orientation(tmp_path, suffix, orientation):
    stored = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: np.rot90,
        7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }[orientation](corners())
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"turned.{suffix}"
    options = {"jpg": {"quality": 95, "subsampling": 0}, "webp": {"lossless": True}}.get(suffix, {})
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif, **options)
    image = read_image(path)
    assert np.abs(image.pixels.astype(int) - corners())[4:12].max() < 30
    assert (image.width, image.height) == (48, 32)
    header = read_header(path)
    assert (header.width, header.height) == (48, 32)


def test_damaged_exif_is_a_warning(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(photo()).save(path, exif=b"Exif\0\0II*\0\xff\xff\xff\x7f garbage")
    assert read_image(path).pixels.shape == (48, 64, 3)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F"])
def test_modes(tmp_path, mode):
    grey = np.tile(np.linspace(0, 255, 64).round().astype(np.uint8), (48, 1))
    source = Image.fromarray(grey)
    if mode == "I;16":
        source = Image.fromarray(grey.astype(np.uint16) * 257)
    elif mode == "F":
        source = Image.fromarray(grey.astype(np.float32) / 255)
    elif mode == "I":
        source = Image.fromarray(grey.astype(np.int32) * 257)
    elif mode == "LAB":
        source = ImageCms.profileToProfile(
            source.convert("RGB"), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
    elif mode == "P":
        source = source.convert("P")
    elif mode != "L":
        source = source.convert("RGB").convert(mode, dither=Image.Dither.NONE)
    path = tmp_path / ("a.png" if mode == "P" else "a.jpg" if mode == "YCbCr" else "a.tiff")
    source.save(path)
    pixels = read_image(path).pixels
    wanted = np.where(grey > 127, 255, 0) if mode == "1" else grey
    assert pixels.shape == (48, 64, 3)
    assert np.abs(pixels.astype(int) - wanted[..., None]).max() <= (6 if mode in {"LAB", "YCbCr"} else 1)


def test_deep_colour_png_keeps_its_brightness(tmp_path):
    path = tmp_path / "deep.png"
    cv2.imwrite(str(path), photo()[..., ::-1].astype(np.uint16) * 257)
    assert np.abs(read_image(path).pixels.astype(int) - photo()).max() <= 1


def test_big_endian_16_bit_tiff(tmp_path):
    path = tmp_path / "deep.tif"
    values = np.arange(64 * 48, dtype=np.uint16).reshape(48, 64) * 20
    Image.frombytes("I;16B", (64, 48), values.astype(">u2").tobytes()).save(path)
    assert np.abs(read_image(path).pixels[..., 0].astype(int) - values / 257).max() <= 1


def test_cmyk_jpeg_with_inverted_inks(tmp_path):
    path = tmp_path / "print.jpg"
    Image.fromarray(photo()).convert("CMYK").save(path, quality=95)
    assert np.abs(read_image(path).pixels.astype(int) - photo()).max() <= 6


def test_transparency_is_laid_on_white_and_said(tmp_path):
    pixels = np.dstack([photo(), np.full((48, 64), 255, np.uint8)])
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    assert read_image(path).warnings == ()
    pixels[:, :32, 3] = 0
    pixels[:, 32:40, 3] = 128
    Image.fromarray(pixels).save(path)
    image = read_image(path)
    assert image.warnings == ("transparent parts are shown on white",)
    assert (image.pixels[:, :32] == 255).all()
    assert np.abs(image.pixels[:, 32:40].astype(int) - (photo()[:, 32:40] * 0.502 + 127)).max() <= 2
    assert (image.pixels[:, 40:] == photo()[:, 40:]).all()


def test_palette_with_transparent_entry(tmp_path):
    picture = Image.fromarray(corners()).convert("P", palette=Image.Palette.ADAPTIVE)
    path = tmp_path / "a.png"
    picture.save(path, transparency=picture.getpixel((0, 0)))
    image = read_image(path)
    assert (image.pixels[:16, :24] == 255).all()
    assert tuple(image.pixels[0, -1]) == (0, 255, 0)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff", "webp"])
def test_colour_profile_is_converted_to_srgb(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    options = {"lossless": True} if suffix == "webp" else {}
    Image.new("RGB", (8, 8), (128, 128, 128)).save(path, icc_profile=linear_profile(), **options)
    assert np.abs(read_image(path).pixels.astype(int) - 188).max() <= 2  # half of the light, sRGB-encoded


def test_srgb_profile_changes_nothing(tmp_path):
    path = tmp_path / "a.png"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(photo()).save(path, icc_profile=profile)
    assert (read_image(path).pixels == photo()).all()


@pytest.mark.parametrize(("mode", "profile"), [("CMYK", linear_profile()), ("RGB", b"not a profile" * 20)])
def test_unfitting_profile_is_left_out_and_said(tmp_path, mode, profile):
    path = tmp_path / "a.tiff"
    Image.fromarray(photo()).convert(mode).save(path, icc_profile=profile)
    image = read_image(path)
    assert np.abs(image.pixels.astype(int) - photo()).max() <= 1
    assert any("colour profile" in text for text in image.warnings)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "avif", "tiff"])
def test_animation_gives_its_first_picture_and_says_so(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    pictures = [Image.new("RGB", (32, 32), (60 * i, 10, 10)) for i in range(3)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:])
    image = read_image(path)
    assert image.pixels[..., 0].max() < 20
    assert any("3 pictures" in text for text in image.warnings)
    assert read_header(path).is_animated


def test_lying_extension_is_decoded_by_content(tmp_path):
    path = tmp_path / "face.png"
    Image.fromarray(photo()).save(path, format="JPEG")
    image = read_image(path)
    assert image.format == "JPEG"
    assert "face" not in image.warnings[0]
    assert ".png" in image.warnings[0]


def check_message(error, path):
    """Every message names the file and says what to do."""
    assert str(path) in str(error.value)
    assert ";" in str(error.value) or "pip install" in str(error.value)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "bmp", "tiff", "gif"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_truncated(tmp_path, suffix, share):
    whole = io.BytesIO()
    noise = np.random.default_rng(1).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    name = {"jpg": "jpeg"}.get(suffix, suffix)
    Image.fromarray(noise).save(whole, format=name)
    data = whole.getvalue()
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(MediaError, match=r"truncated|damaged|cut off") as error:
        read_image(path)
    check_message(error, path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.jpg", b"", "is empty"),
        ("text.jpg", b"this is not a picture\n" * 20, "text"),
        ("page.jpg", b"<!DOCTYPE html><html><body>404</body></html>", "HTML page"),
        ("drawing.jpg", b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"></svg>', "SVG drawing"),
        ("new.jpg", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100), "JPEG 2000 picture, which is not supported; save it as"),
        ("newer.jpg", b"\xff\x0a" + bytes(100), "JPEG XL picture, which is not supported; save it as"),
        ("archive.jpg", b"PK\x03\x04" + bytes(100), "ZIP archive"),
        ("bytes.jpg", bytes(range(1, 200)), "no known format"),
        ("script.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "text"),
        ("zero.png", png_header(0, 10), "."),
        ("start.png", b"\x89PNG\r\n\x1a\n", "damaged or cut off|damaged|truncated"),
    ],
)
def test_not_a_picture(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(MediaError, match=words) as error:
        read_image(path)
    check_message(error, path)


@pytest.mark.parametrize("size", [(60_000, 60_000), (60_000, 1), (1, 60_000), (19_000, 19_000), (12_000, 11_000)])
def test_announced_size_is_refused_before_decoding(tmp_path, size):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(*size))
    tracemalloc.start()
    start = time.perf_counter()
    with pytest.raises(LimitExceededError) as error:
        read_image(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.perf_counter() - start < 1
    assert peak < 5e6
    check_message(error, path)


def test_jpeg_that_paints_over_and_over_is_refused(tmp_path):
    path = tmp_path / "scans.jpg"
    whole = io.BytesIO()
    Image.new("RGB", (4000, 3000), (90, 20, 30)).save(whole, format="JPEG", progressive=True)
    data = whole.getvalue()
    path.write_bytes(data)
    assert read_image(path).width == 4000
    last = data.rindex(b"\xff\xda")
    path.write_bytes(data[:last] + data[last:-2] * 2000 + b"\xff\xd9")
    start = time.perf_counter()
    with pytest.raises(LimitExceededError, match="scans in one JPEG") as error:
        read_image(path)
    assert time.perf_counter() - start < 1
    check_message(error, path)


def test_several_pictures_of_a_phone(tmp_path):
    path = tmp_path / "phone.jpg"
    Image.fromarray(photo()).save(path, format="MPO", save_all=True, append_images=[Image.fromarray(corners())])
    image = read_image(path)
    assert (image.format, image.width, image.warnings) == ("JPEG", 64, ())


def test_limits_are_taken_from_the_object(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(photo()).save(path)
    for limits in (
        Limits(max_side=63),
        Limits(max_pixels=64 * 48 - 1),
        Limits(max_image_bytes=10),
        Limits(max_decoded_bytes=1000),
    ):
        with pytest.raises(LimitExceededError) as error:
            read_image(path, limits=limits)
        check_message(error, path)
    assert read_image(path, limits=Limits(max_side=64, max_pixels=64 * 48)).width == 64


def test_source_is_closed_and_nothing_is_printed(tmp_path, capfd):
    path = tmp_path / "a.tiff"
    data = io.BytesIO()
    Image.fromarray(photo()).save(data, format="TIFF", compression="tiff_lzw")
    path.write_bytes(data.getvalue()[:-40])
    with pytest.raises(MediaError):
        read_image(path)
    path.unlink()
    assert capfd.readouterr() == ("", "")
