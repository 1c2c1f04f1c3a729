"""What was seen in the Go Live act, either way: pictures, how many, how old; and a sheet of them."""

import base64
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import av
import numpy as np

from clankvox.demo import lettering
from clankvox.demo.film import FPS
from clankvox.demo.golive import STREAMER_ID, Shown
from clankvox.demo.lettering import Picture
from clankvox.demo.parent import Event, VoxParent
from clankvox.demo.plan import Plan
from clankvox.demo.spectrogram import save_png
from clankvox.loopback.clock_picture import Stamp, read_clock
from clankvox.loopback.picture_decoder import luma_of

_THUMB_WIDTH: Final = 320
_THUMB_HEIGHT: Final = 180
_COLUMNS: Final = 4
_MARGIN: Final = 12
_CAPTION: Final = 28
_BACKGROUND: Final = (18, 18, 24)
_INK: Final = (225, 225, 230)
_SHOWN_EACH: Final = 8


class Sight(NamedTuple):
    """One direction, while packets were lost. Instants and durations in ms; None where nothing can be said."""

    pictures: int
    expected: int
    """From the first to the last that was seen."""
    fps: float
    latency_ms: float | None
    """From drawing to the parent, or to the viewer's decoder: the median."""
    lost_packets: int
    """On the way, by the offline Discord's hand."""


class Sights(NamedTuple):
    """Both directions, and what was written."""

    watched: Sight
    published: Sight
    first_picture_ms: float | None
    """From subscribing and connecting to the first JPEG."""
    recoveries_ms: tuple[int, ...]
    clear_pictures: int
    """That left unencrypted; -1 if nobody counted."""
    jpegs: tuple[Path, ...]
    sheet: Path | None


class _Seen(NamedTuple):
    event: Event
    stamp: Stamp
    frame: av.VideoFrame


def measure(plan: Plan, shown: Shown, vox: VoxParent) -> Sights:
    """Read the clocks of all pictures, write some of them and the sheet."""
    frames = [each for each in vox.events_of("decoded_video_frame", userId=STREAMER_ID) if each.at_s <= shown.end_s]
    seen = [each for each in map(_open, frames) if each is not None]
    measured = [each for each in seen if each.event.at_s >= shown.begin_s]
    jpegs = tuple(_save_jpegs(plan.out, _some(measured)))
    published = sorted(plan.viewer_pictures.glob("*.png"))
    sheet = _save_sheet(plan.out / "golive.png", [each.frame for each in _some(measured)], published)
    first = (frames[0].at_s - shown.subscribed_s) * 1000 if frames else None
    videos = shown.ours.get("video", {}).values()
    clear = [int(video["plaintextPictures"]) + int(video["plaintextInTransition"]) for video in videos]
    return Sights(
        _watched(measured, shown),
        _published(shown),
        first,
        shown.recoveries_ms,
        sum(clear) if clear else -1,
        jpegs,
        sheet,
    )


def _watched(seen: list[_Seen], shown: Shown) -> Sight:
    lost = _lost(shown.watching, "down")
    if len(seen) < 2:
        return Sight(len(seen), 0, 0.0, None, lost)
    counters = {each.stamp.counter for each in seen}
    lasted_s = seen[-1].event.at_s - seen[0].event.at_s
    ages_ms = [each.event.at_s * 1000 - each.stamp.time_ms - shown.offset_ms for each in seen]
    expected = max(counters) - min(counters) + 1
    return Sight(len(counters), expected, (len(seen) - 1) / lasted_s, median(ages_ms), lost)


def _published(shown: Shown) -> Sight:
    """Count what the viewer saw; how old it was the pages tell, for a file does not know when it is shown."""
    begin, end = shown.viewed
    lost = _lost(shown.ours, "up")
    if not begin or not end:
        return Sight(0, 0, 0.0, None, lost)
    pictures = int(end["distinct"]) - int(begin["distinct"])
    expected = int(end["lastCounter"]) - int(begin["lastCounter"])
    fps = (int(end["decoded"]) - int(begin["decoded"])) / (shown.end_s - shown.begin_s)
    age_ms = shown.page.get("latencyMs")
    return Sight(pictures, expected, fps, None if age_ms is None else float(age_ms), lost)


def _lost(client: dict[str, Any], direction: str) -> int:
    return int(client.get("impaired", {}).get(direction, {}).get("lost", 0))


def _open(event: Event) -> _Seen | None:
    """Decode a JPEG and read its clock; None if either cannot be done."""
    decoder = av.CodecContext.create("mjpeg", "r")
    try:
        (frame,) = decoder.decode(av.Packet(base64.b64decode(event.body["jpegBase64"])))
    except (av.error.FFmpegError, ValueError):
        return None
    stamp = read_clock(luma_of(frame))
    return None if stamp is None else _Seen(event, stamp, frame)


def _some(seen: Sequence[_Seen]) -> list[_Seen]:
    return list(seen[::FPS][:_SHOWN_EACH])


def _save_jpegs(out: Path, seen: list[_Seen]) -> list[Path]:
    paths = []
    for number, each in enumerate(seen, 1):
        paths.append(out / f"watched-{number:02}.jpg")
        paths[-1].write_bytes(base64.b64decode(each.event.body["jpegBase64"]))
    return paths


def _save_sheet(path: Path, watched: list[av.VideoFrame], published: list[Path]) -> Path | None:
    """Write thumbnails of what we saw, and below them of what the viewer saw of us; None if there is nothing."""
    rows = [
        ("Watched by clankvox", [_thumb(frame) for frame in watched]),
        ("Published by clankvox, as the viewer saw it", [_thumb(_read(file)) for file in published[:_SHOWN_EACH]]),
    ]
    parts = [_strip(title, thumbs) for title, thumbs in rows if thumbs]
    if not parts:
        return None
    save_png(path, np.concatenate(parts))
    return path


def _strip(title: str, thumbs: list[Picture]) -> Picture:
    lines = -(-len(thumbs) // _COLUMNS)
    height = _CAPTION + lines * (_THUMB_HEIGHT + _MARGIN)
    strip: Picture = np.empty((height, _MARGIN + _COLUMNS * (_THUMB_WIDTH + _MARGIN), 3), np.uint8)
    strip[:] = _BACKGROUND
    lettering.write(strip, title, _MARGIN, _MARGIN // 2, _INK, 2)
    for place, thumb in enumerate(thumbs):
        top = _CAPTION + place // _COLUMNS * (_THUMB_HEIGHT + _MARGIN)
        left = _MARGIN + place % _COLUMNS * (_THUMB_WIDTH + _MARGIN)
        strip[top : top + _THUMB_HEIGHT, left : left + _THUMB_WIDTH] = thumb
    return strip


def _thumb(frame: av.VideoFrame) -> Picture:
    small = frame.reformat(_THUMB_WIDTH, _THUMB_HEIGHT, format="rgb24")
    return np.asarray(small.to_ndarray(), np.uint8)


def _read(file: Path) -> av.VideoFrame:
    with av.open(str(file)) as container:
        return next(container.decode(video=0))
