"""The parts of the preparation: which frames, whose face, which pixels, which files."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from facewitness.datasets.prepare.clips import steady_squares
from facewitness.datasets.prepare.cutting import cut_face, cut_mask, encode, grown_box, like_retinaface
from facewitness.datasets.prepare.one_video import Job, prepare_video
from facewitness.datasets.prepare.people import faces_of, official_choice, search_frames
from facewitness.datasets.prepare.places import safe_name
from facewitness.datasets.prepare.runner import prepare
from facewitness.datasets.prepare.settings import PRESETS, PrepareSettings, chosen_settings, complete_steps
from facewitness.datasets.prepare.sources import open_source, picture_files, sampled_positions
from facewitness.datasets.prepared import Points, PreparedFrame, PreparedVideo, open_prepared
from facewitness.errors import ConfigError
from facewitness.faces.finder import FaceFinder
from facewitness.media.images import read_image
from facewitness.records import Label
from unit.datasets.prepare_sets import SIZE, hashes, moving, portrait, record, write_picture, write_video


@pytest.fixture(scope="module")
def finder():
    return FaceFinder(threads=1)


@pytest.fixture(scope="module")
def face(finder):
    return finder.find(portrait())[0]


@pytest.mark.parametrize(("count", "wanted"), [(300, 32), (301, 128), (10, 10), (5, 32), (7, 1), (100, 0)])
def test_official_frames_are_linspace_cut_to_whole_numbers(count, wanted):
    expected = np.linspace(0, count - 1, wanted).astype(int) if 0 < wanted < count else np.arange(count)
    assert sampled_positions(count, wanted).tolist() == expected.tolist()


def test_official_frames_come_out_of_a_video(tmp_path):
    write_video(tmp_path / "a.mp4", moving(11))
    source = open_source(record("a.mp4"), tmp_path, frames=4, official=True)
    assert [frame.index for frame in source] == [0, 3, 6, 10]
    assert [frame.index for frame in source] == [0, 3, 6, 10]  # out of memory


def test_official_face_rule_wants_both_larger_and_surer():
    assert official_choice([100], [0.9]) == 0
    assert official_choice([100, 400], [0.9, 0.8]) == 0
    assert official_choice([400, 100], [0.8, 0.9]) == 0
    assert official_choice([100, 200, 300], [0.7, 0.8, 0.75]) == 1


def test_searched_frames():
    times = np.arange(12) / 25
    assert search_frames(times, 0.2, is_timed=True).nonzero()[0].tolist() == [0, 5, 10]
    assert search_frames(times, 0.2, is_timed=False).all()
    assert search_frames(times * 10, 0.2, is_timed=True).all()  # too far apart to follow a face


def test_followed_boxes_are_those_of_a_search(tmp_path, finder):
    write_video(tmp_path / "a.mp4", moving(9, step=1.5))
    boxes = {}
    for every in (0.0, 1.0):
        source = open_source(record("a.mp4"), tmp_path, frames=0)
        found = faces_of(source, finder, PrepareSettings(detect_every_s=every))
        boxes[every] = np.stack([seen.box for _, seen in found if seen is not None])
    assert boxes[0.0].shape == boxes[1.0].shape == (9, 4)
    assert np.abs(boxes[0.0] - boxes[1.0]).max() < 4
    assert np.diff(boxes[1.0][:, 0]).mean() == pytest.approx(1.5, abs=0.4)


def test_one_person_is_followed_when_another_grows_larger(tmp_path, finder):
    """A second person is larger in two of six frames; the first one stays the one who is cut out."""
    frames = []
    for number in range(6):
        small, large = portrait(), cv2.resize(portrait(), None, fx=1.4, fy=1.4)
        canvas = np.full((230, 520, 3), 120, np.uint8)
        canvas[:160, :192] = small
        if number in (2, 3):
            canvas[:224, 240:509] = large[:, ::-1]
        frames.append(canvas)
    write_video(tmp_path / "a.mp4", frames)
    for rule, sides in (("person", {"left"}), ("largest", {"left", "right"})):
        source = open_source(record("a.mp4"), tmp_path, frames=0)
        seen = [found for _, found in faces_of(source, finder, PrepareSettings(face=rule, detect_every_s=0.0))]
        assert {"left" if found.box[0] < 200 else "right" for found in seen if found is not None} == sides


def test_crop_and_landmarks_lie_on_each_other(face):
    """A white dot drawn at each landmark is found again at the crop's landmarks, for both shapes."""
    image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    nose = face.landmarks81[30]
    cv2.circle(image, tuple(int(v) for v in np.rint(nose)), 3, (255, 255, 255), -1)
    for shape in ("square", "official"):
        cut = cut_face(image, face, PrepareSettings(shape=shape, size=128))
        y, x = np.argwhere(cut.image[..., 0] > 128).mean(axis=0)
        assert np.hypot(x - cut.landmarks[30, 0], y - cut.landmarks[30, 1]) < 1.5
        assert cut.landmarks.shape == (81, 2)
    assert cut_face(image, face, PrepareSettings(landmarks=68)).landmarks.shape == (68, 2)


def test_official_crop_is_a_stretched_slice(face):
    image = portrait()
    cut = cut_face(image, face, PrepareSettings(shape="official", size=96))
    x0, y0, x1, y1 = cut.box
    assert cut.box == grown_box(like_retinaface(face.box), 1.5, *SIZE)
    assert np.array_equal(cut.image, cv2.resize(image[y0:y1, x0:x1], (96, 96), interpolation=cv2.INTER_LINEAR))


def test_mask_of_another_size_is_cut_at_the_same_place():
    mask = np.zeros((100, 200), np.uint8)
    mask[40:60, 80:120] = 255
    box = (60, 20, 140, 80)
    full = cut_mask(mask, box, 64, (100, 200))
    half = cut_mask(mask[::2, ::2], box, 64, (100, 200))
    assert full.shape == half.shape == (64, 64)
    assert np.mean((full > 127) != (half > 127)) < 0.05
    assert (full > 127).mean() == pytest.approx(800 / 4800, abs=0.02)


def test_masks_are_cut_with_the_box_of_their_frames(tmp_path, finder):
    """The mask video holds a square that moves with the face, so that it must stay put in the crops."""
    write_video(tmp_path / "a.mp4", moving(6, step=3.0))
    masks = []
    for number in range(6):
        mask = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
        x = 78 + 3 * number
        mask[60:80, x : x + 20, 0] = 255  # coloured, as those of two methods are
        masks.append(mask)
    write_video(tmp_path / "m.mp4", masks)
    folder = tmp_path / "masks"
    for number, mask in enumerate(masks):
        write_picture(folder / f"{number}.png", mask)
    settings = PrepareSettings(frames=4, size=96, min_face_px=10)
    job = Job(tmp_path, tmp_path / "out", settings, complete_steps(("masks",)))
    for path in ("m.mp4", "masks"):
        video, _ = prepare_video(record("a.mp4", label=Label.FAKE, mask_path=path), job, finder)
        assert len(video.frames) == 4
        middles = []
        for frame in video.frames:
            pixels = read_image(job.out / frame.mask).pixels
            middles.append(np.argwhere(pixels[..., 0] > 127).mean(axis=0))
            x0, y0, x1, y1 = frame.crop_box
            expected = ((87.5 + 3 * frame.frame_index) - x0 + 0.5) / (x1 - x0) * 96 - 0.5
            assert middles[-1][1] == pytest.approx(expected, abs=1.5)
            assert middles[-1][0] == pytest.approx((70 - y0) / (y1 - y0) * 96 - 0.5, abs=1.5)
        assert np.ptp(np.stack(middles), axis=0).max() < 6


def test_missing_mask_is_noted_and_the_video_kept(tmp_path, finder):
    write_video(tmp_path / "a.mp4", moving(4))
    write_picture(tmp_path / "masks/7.png", np.zeros((4, 4, 3), np.uint8))
    job = Job(tmp_path, tmp_path / "out", PrepareSettings(frames=2, size=48), complete_steps(("masks",)))
    video, _ = prepare_video(record("a.mp4", mask_path="masks"), job, finder)
    assert video.notes == ("some frames have no mask",)
    assert [bool(frame.mask) for frame in video.frames] == [False, False]


def test_folder_of_frames_goes_by_number(tmp_path, finder):
    for number in (2, 10, 1):
        write_picture(tmp_path / f"f/{number}.png", portrait(number))
    assert [file.stem for file in picture_files(tmp_path / "f")] == ["1", "2", "10"]
    job = Job(tmp_path, tmp_path / "out", PrepareSettings(size=48), complete_steps(("crops",)))
    video, _ = prepare_video(record("f", kind="frames", video_id="f"), job, finder)
    assert [frame.frame_index for frame in video.frames] == [0, 1, 2]
    assert video.frames[0].face_box[0] < video.frames[2].face_box[0]


def test_frames_alone_need_no_face(tmp_path, finder):
    write_picture(tmp_path / "a.png", np.full((40, 60, 3), 9, np.uint8))
    job = Job(tmp_path, tmp_path / "out", PrepareSettings(), ("frames",))
    video, _ = prepare_video(record("a.png"), job, finder)
    assert video.frames[0].face_box == (0, 0, 60, 40)
    assert read_image(job.out / video.frames[0].frame).pixels.shape == (40, 60, 3)


def test_pictures_keep_their_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    decoded = cv2.imdecode(np.frombuffer(encode(pixels, PrepareSettings()), np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(decoded[..., ::-1], pixels)
    assert encode(pixels, PrepareSettings(picture="jpeg"))[:2] == b"\xff\xd8"
    assert encode(pixels[..., 0], PrepareSettings(picture="jpeg"))[1:4] == b"PNG"


def test_squares_follow_a_steady_movement_and_fill_gaps():
    times = np.arange(50) / 25
    boxes = np.column_stack([10 + 5 * times, 20 + times * 0, 60 + 5 * times, 80 + times * 0])
    noisy = boxes + np.random.default_rng(0).normal(0, 1, (50, 1))
    noisy[10:15] = np.nan
    squares = steady_squares(times, noisy, 1.2, 0.2)
    assert np.abs(squares[:, 0] - (35 + 5 * times)).max() < 2.0
    assert np.abs(np.diff(squares[:, 0], n=2)).mean() < 0.25 * np.nanmean(np.abs(np.diff(noisy[:, 0], n=2)))
    assert np.allclose(squares[:, 2], 72)
    exact = steady_squares(times, boxes, 1.0, 0.2)
    assert np.allclose(exact[:, 0], 35 + 5 * times)  # no lag, not even at the ends


def test_arrays_have_m2f2_dets_layout(tmp_path):
    h5py = pytest.importorskip("h5py")
    root, out = tmp_path / "set", tmp_path / "out"
    write_video(root / "x/071.mp4", moving(4))
    write_video(root / "y/071_054.mp4", moving(5, start=5))
    records = [
        record("x/071.mp4", dataset="FF++", compression="c40", split="train"),
        record(
            "y/071_054.mp4", dataset="FF++", compression="c40", split="test", manipulation="Deepfakes", label=Label.FAKE
        ),
    ]
    prepare(records, root, out, PrepareSettings(frames=3, size=40), ["hdf5"], workers=1)
    names = {"FF++_original_c40.h5": "071", "FF++_Deepfakes_c40_test_only.h5": "071_054"}
    assert {file.name for file in (out / "hdf5").iterdir()} == set(names)
    for name, key in names.items():
        with h5py.File(out / "hdf5" / name) as file:
            assert list(file) == [key]
            assert (file[key].shape, file[key].dtype) == ((3, 40, 40, 3), np.uint8)
            stored = file[key][:]
        video = next(v for v in open_prepared(out).videos if v.record.path.endswith(f"/{key}.mp4"))
        assert np.array_equal(stored[1], read_image(out / video.frames[1].crop).pixels)
    before = hashes(out / "hdf5")
    prepare(records, root, out, PrepareSettings(frames=3, size=40), ["hdf5"], workers=1)
    assert hashes(out / "hdf5") == before
    again = [record("hdf5/FF++_original_c40.h5#071", kind="hdf5", video_id="o")]
    prepare(again, out, tmp_path / "again", PrepareSettings(size=40), ["crops"], workers=1)
    assert len(open_prepared(tmp_path / "again").videos[0].frames) == 3


@pytest.mark.parametrize("name", ["a", "Deepfakes/c23/000_003", "Zoë 1.mp4"])
def test_plain_ids_stay_paths(name):
    assert safe_name(name) == name


@pytest.mark.parametrize("name", ["../x", "/x", "a//b", "x" * 300, "a\nb", "a.", "C:x"])
def test_odd_ids_become_safe_and_stay_apart(name):
    made = safe_name(name)
    assert not made.startswith("/")
    assert ".." not in made.split("/")
    assert max(len(part) for part in made.split("/")) < 200
    assert made != safe_name(name + "y")


def test_settings_refuse_nonsense():
    for values in (
        {"size": 3},
        {"landmarks": 70},
        {"sampling": "random"},
        {"clip_side": 33},
        {"margin_ratio": float("nan")},
    ):
        with pytest.raises(ConfigError):
            PrepareSettings(**values)
    with pytest.raises(ConfigError, match="preset must be one of default, laa_net"):
        chosen_settings("sbi")
    assert PRESETS["laa_net"][1].size == 256
    assert complete_steps(("neighbours",)) == ("crops", "landmarks", "neighbours")


def test_index_lines_come_back(tmp_path):
    frame = PreparedFrame(
        3, 0.12, (1.5, 2.0, 3.0, 4.0), (0, 0, 9, 9), 0.99, crop="c.png", landmarks=Points([(1.25, 2)])
    )
    video = PreparedVideo(record("a.mp4"), (frame,), (1, 2), notes=("odd",))
    assert PreparedVideo.from_json(video.to_json()) == video
    assert json.loads(video.to_json())["frames"][0]["landmarks"] == [[1.25, 2.0]]
    with pytest.raises(ConfigError, match=r"a line of index\.jsonl is damaged"):
        PreparedVideo.from_json('{"frames": []}')
