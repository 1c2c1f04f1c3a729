import base64

import av
import pytest
import simplejpeg

from clankvox.demo import sights
from clankvox.demo.golive import STREAMER_ID, Shown
from clankvox.demo.parent import Event
from clankvox.loopback.clock_picture import ClockPicture, Stamp
from clankvox.loopback.picture_decoder import write_picture
from tests.support.demo_call import a_plan

BEGIN_S, OFFSET_MS, AGE_MS = 100.0, 5.0, 20.0


def frame_of(number, time_ms):
    return av.VideoFrame.from_ndarray(ClockPicture(320, 192).draw(Stamp(number, time_ms)), format="yuv420p")


def told(number, at_s):
    """A picture that was drawn 20 ms before, by a clock that is 5 ms behind."""
    frame = frame_of(number, round(at_s * 1000 - OFFSET_MS - AGE_MS))
    jpeg = simplejpeg.encode_jpeg(frame.to_ndarray(format="rgb24"), 85)
    body = {"type": "decoded_video_frame", "userId": STREAMER_ID, "jpegBase64": base64.b64encode(jpeg).decode()}
    return Event(at_s, body)


class Saw:
    """Stands in for the parent: 60 pictures in 2 s, but for two of them."""

    def __init__(self, numbers):
        self.events = [told(number, BEGIN_S + number / 30) for number in numbers]

    def events_of(self, _kind, **_fields):
        return self.events


@pytest.fixture
def shown():
    video = {"1": {"plaintextPictures": 0, "plaintextInTransition": 0}}
    return Shown(
        subscribed_s=BEGIN_S - 0.5,
        begin_s=BEGIN_S,
        end_s=BEGIN_S + 2.0,
        offset_ms=OFFSET_MS,
        ours={"impaired": {"up": {"lost": 7}}, "video": video},
        watching={"impaired": {"down": {"lost": 5}}},
        viewed=({"distinct": 10, "lastCounter": 9, "decoded": 10}, {"distinct": 69, "lastCounter": 69, "decoded": 70}),
        recoveries_ms=(150,),
        page={"latencyMs": 61.5},
    )


def test_what_came_is_counted_against_what_was_drawn_and_timed_by_its_clock(tmp_path, shown):
    vox = Saw(number for number in range(61) if number not in (20, 21))
    found = sights.measure(a_plan(tmp_path), shown, vox)
    assert found.watched == pytest.approx((59, 61, 29.0, AGE_MS, 5), abs=0.6)
    assert found.published == pytest.approx((59, 60, 30.0, 61.5, 7))
    assert found.first_picture_ms == pytest.approx(500)
    assert (found.recoveries_ms, found.clear_pictures) == ((150,), 0)


def test_pictures_and_a_sheet_of_both_directions_are_written(tmp_path, shown):
    plan = a_plan(tmp_path)
    plan.viewer_pictures.mkdir()
    for number in range(5):
        write_picture(frame_of(number, number), plan.viewer_pictures / f"1-{number}.png")
    found = sights.measure(plan, shown, Saw(range(60)))
    assert [path.name for path in found.jpegs] == ["watched-01.jpg", "watched-02.jpg"]
    with av.open(str(found.sheet)) as container:
        sheet = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert sheet.shape == (2 * 28 + 3 * 192, 12 + 4 * 332, 3)
    assert sheet[28:208].std() > 20


def test_an_act_that_broke_off_is_measured_all_the_same(tmp_path):
    found = sights.measure(a_plan(tmp_path), Shown(), Saw(()))
    assert (found.watched.pictures, found.published.pictures, found.first_picture_ms) == (0, 0, None)
    assert (found.clear_pictures, found.jpegs, found.sheet) == (-1, (), None)


def test_what_is_no_picture_is_none(tmp_path, shown):
    vox = Saw(range(10))
    vox.events[3].body["jpegBase64"] = base64.b64encode(b"no picture").decode()
    assert sights.measure(a_plan(tmp_path), shown, vox).watched.pictures == 9
