"""Our own Go Live stream through the real process, as a member watches and hears it, beside a call that speaks."""

import base64
import itertools
import wave
import zlib

import av
import numpy as np
import psutil
import pytest

from clankvox.clock import SystemClock
from clankvox.demo.parent import VoxParent
from clankvox.loopback.clock_picture import ClockPicture, Stamp
from tests.support.encoded import KINDS, encode
from tests.support.media_server import MediaServer, Step
from tests.support.process_call import RATE_HZ, Call, chirp, eventually, loudest_hz
from tests.support.published import png_of
from tests.support.stream_call import BEEP_HZ, FILM_FPS, StreamCall, clock_film
from tests.support.synchrony import lag_ms

SIZE = (640, 360)
VISUALIZERS = ("cqt", "spectrum", "waves", "vectorscope")
PAUSE_S = 0.7
STARTED = "stream_publish_media_started"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    long = clock_film(folder / "long.mp4", 12.0, SIZE, sound=True).read_bytes()
    short = clock_film(folder / "short.mp4", 1.0, SIZE).read_bytes()
    with MediaServer() as media:
        media.add("/long.mp4", long, "video/mp4")
        media.add("/short.mp4", short, "video/mp4")
        media.add("/stereo.flac", encode(stereo(6.0), KINDS["flac"]._replace(rate_hz=RATE_HZ)), "audio/flac")
        page = b"<html><head><title>A page</title></head><body><video src='/long.mp4' controls></video></body></html>"
        media.add("/page.html", page, "text/html")
        media.add("/forbidden.mp4", b"no", "text/plain", Step(403))
        media.add("/text.mp4", b"this is no film" * 1_000, "video/mp4")
        yield media


def stereo(seconds):
    moments = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    left, right = (9_000 * np.sin(2 * np.pi * hz * moments) for hz in (300, 700))
    return np.rint(np.stack((left, right), axis=1)).astype(np.int16)


@pytest.fixture(scope="module")
def shared_vox(trust):
    """As in the other modules, but that it may open what our own server serves."""
    with VoxParent(env=trust, args=("--allow-private-hosts", "--log-level", "debug")) as parent:
        yield parent
    assert parent.fault is None
    assert parent.exit_code == 0
    assert not [text for text in parent.stderr_lines if "secret" in text]
    assert not [event for event in parent.events if "secret" in str(event.body)]


@pytest.fixture
def stream(call):
    made = StreamCall(call, "stream_publish")
    yield made
    made.leave()


def play(stream, server, path="/long.mp4", **fields):
    url = server.url(path) + "?key=secret"
    stream.vox.send({"type": "stream_publish_play", "url": url, "resolvedDirectUrl": True, **fields})


def order(stream, what, **fields):
    stream.vox.send({"type": f"stream_publish_{what}", **fields})


def told_of(stream, status, since=None, **fields):
    return stream.call.wait_for("transport_state", since=since, role="stream_publish", status=status, **fields).body


def test_a_film_is_told_of_in_order_and_a_member_sees_it_while_the_call_speaks(call, stream, server, tmp_path):
    call.listener(tmp_path)
    watcher = stream.add("watcher", library="libdave")
    call.say(chirp(3.0, rate_hz=24_000), "p1")
    call.wait_said("p1", "started")
    since = call.vox.mark()
    play(stream, server)
    told_of(stream, "waiting_for_transport", since)
    stream.connect()
    started = call.wait_for(STARTED, since=since).body
    assert started == {
        "type": STARTED,
        "role": "stream_publish",
        "connectionGeneration": started["connectionGeneration"],
        "sourceGeneration": started["sourceGeneration"],
    }
    assert min(started["connectionGeneration"], started["sourceGeneration"]) >= 1
    seen = stream.wait_watched(watcher, 40)
    assert (seen["codec"], seen["size"]) == ("H264", [1280, 720])
    assert seen["withoutClock"] == seen["undecryptable"] == seen["decodeErrors"] == 0
    call.wait_said("p1")
    order(stream, "stop")
    told_of(stream, "ready", since, reason="stream_publish_stopped")
    stream.disconnect()
    told = stream.told(since)
    assert told[:4] == [
        "transport_state waiting_for_transport",
        "transport_state connecting",
        "transport_state ready",
        "transport_state playing",
    ]
    assert [line for line in told[4:] if line != "dave_state negotiating"] == [
        "dave_state ready",
        STARTED,
        "transport_state ready stream_publish_stopped",
        "dave_state cleared",
        "transport_state disconnected stream_publish_disconnect",
    ]
    assert not [body for body in call.told(since) if body.get("role") == "voice" or body["type"] == "connection_state"]
    sent = call.seen()
    assert (sent["seqGaps"], sent["timestampAnomalies"]) == (0, 0)


def test_the_video_of_a_page_is_found_and_published(stream, server):
    watcher = stream.add("watcher")
    stream.enter()
    order(stream, "play", url=server.url("/page.html"))
    seen = stream.wait_watched(watcher, 10)
    assert seen["lastCounter"] > seen["firstCounter"]
    assert "/page.html" in [hit.path for hit in server.hits]


def test_what_is_watched_is_the_film_to_the_pixel(stream, server, tmp_path):
    watcher = stream.add("watcher")
    stream.enter()
    play(stream, server)
    stream.wait_watched(watcher, 30)
    file = tmp_path / "seen.npz"
    about = stream.discord.order({"type": "snapshot", "userId": watcher, "file": str(file)})
    planes = np.load(file)["planes"]
    source = av.VideoFrame.from_ndarray(
        ClockPicture(*SIZE).draw(Stamp(about["counter"], about["timeMs"])), format="yuv420p"
    )
    expected = source.reformat(1280, 720, interpolation="LANCZOS").to_ndarray()
    error = np.mean((planes[:720].astype(float) - expected[:720]) ** 2)
    assert 10 * np.log10(255**2 / error) >= 30


def test_a_pause_is_a_pause_and_nothing_stale_follows_it(stream, server):
    watcher = stream.add("watcher")
    stream.enter()
    play(stream, server)
    stream.wait_watched(watcher, 15)
    order(stream, "pause")
    told_of(stream, "paused")
    SystemClock().sleep(PAUSE_S)
    last = stream.watched(watcher)
    assert _shows(stream) == (False, 0)
    assert last["longestFreezeMs"] < 1_000 * PAUSE_S
    since = stream.vox.mark()
    order(stream, "resume")
    told_of(stream, "playing", since)
    seen = stream.wait_watched(watcher, last["decoded"] + 15)
    assert _shows(stream) == (True, 2)
    assert seen["longestFreezeMs"] > 800 * PAUSE_S
    assert last["lastCounter"] <= seen["lastCounter"] <= last["lastCounter"] + seen["decoded"] - last["decoded"] + 8
    assert seen["undecryptable"] == seen["decodeErrors"] == 0


def _shows(stream):
    """Whether our op 12 says that we send, and the flags of our last op 5."""
    happened = [each for each in stream.discord.happenings if each.get("userId") == stream.call.me]
    here = [each for each in happened if each.get("serverId") == stream.server]
    video = [each for each in here if each["type"] == "video"][-1]
    speaking = [each for each in here if each["type"] == "speaking"][-1]
    return bool(video["active"]), speaking["speaking"]


def test_sound_and_picture_of_a_film_are_one_for_who_watches(stream, server):
    stream.enter()
    member = str(next(stream.call._members))
    credentials = stream.admit(member, serverId=stream.server)
    play(stream, server, withAudio=True)
    assert abs(lag_ms(stream, credentials, seconds=2)) <= 40


def test_with_its_sound_a_film_is_heard_and_without_it_is_not(stream, server, tmp_path):
    watcher = stream.add("watcher", record=str(tmp_path), decode=False)
    stream.enter()
    play(stream, server)
    eventually(lambda: stream.watched(watcher).get("undecoded", 0) > 40, "the film")
    assert not stream.seen(watcher)["decrypted"]
    order(stream, "stop")
    play(stream, server, withAudio=True)
    eventually(lambda: stream.seen(watcher)["decrypted"].get(stream.call.me, 0) > 70, "its sound")
    stream.remove(watcher)
    stream._members.remove(watcher)
    with wave.open(str(tmp_path / f"{stream.call.me}.wav")) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16)[::2]
    loud = np.flatnonzero(np.abs(pcm.astype(int)) > 6_000)
    assert loudest_hz(pcm[loud[0] : loud[0] + RATE_HZ // 20]) == pytest.approx(BEEP_HZ, abs=25)


def test_a_source_that_ends_one_that_fails_and_one_that_is_replaced(stream, server):
    watcher = stream.add("watcher")
    stream.enter()
    since = stream.vox.mark()
    play(stream, server, "/short.mp4")
    told_of(stream, "ready", since, reason="stream_publish_idle")
    assert stream.watched(watcher)["decoded"] > 10
    for path in ("/forbidden.mp4", "/text.mp4"):
        since = stream.vox.mark()
        play(stream, server, path)
        assert len(told_of(stream, "failed", since)["reason"]) > 5
    since = stream.vox.mark()
    play(stream, server)
    stream.call.wait_for(STARTED, since=since)
    sources = [event.body["sourceGeneration"] for event in stream.call.events_of(STARTED)]
    play(stream, server)  # the same once more is no other source
    order(stream, "play_visualizer", url=server.url("/stereo.flac"), resolvedDirectUrl=True)
    other = eventually(lambda: stream.call.events_of(STARTED)[len(sources) :], "another source")
    assert other[0].body["sourceGeneration"] > sources[-1]
    assert stream.told(since).count("transport_state playing") == 3
    order(stream, "stop")
    told_of(stream, "ready", since, reason="stream_publish_stopped")


def test_a_new_connection_finds_the_source_running_and_says_all_again(stream, server):
    watcher = stream.add("watcher")
    stream.enter()
    play(stream, server)
    before = stream.call.wait_for(STARTED).body
    seen_before = stream.wait_watched(watcher, 5)["decoded"]
    since, happened = stream.vox.mark(), len(stream.discord.happenings)
    stream.connect()
    again = stream.call.wait_for(STARTED, since=since).body
    assert again["connectionGeneration"] > before["connectionGeneration"]
    assert again["sourceGeneration"] == before["sourceGeneration"]
    told_of(stream, "playing", since)
    eventually(lambda: _said(stream, happened, "video", "active")[-1:] == [True], "that we send, by op 12")
    eventually(lambda: _said(stream, happened, "speaking", "speaking")[-1:] == [2], "and by op 5")
    seen = stream.wait_watched(watcher, seen_before + 5)
    assert seen["undecryptable"] == seen["decodeErrors"] == 0


def _said(stream, happened, kind, field):
    """What we said since so many happenings; the server, a process of its own, may read it later than we are told."""
    mine = [each for each in stream.discord.happenings[happened:] if each.get("userId") == stream.call.me]
    return [each[field] for each in mine if each["type"] == kind]


def test_a_cut_costs_nothing_an_ended_session_is_begun_anew_and_a_refusal_is_told_of(stream, server):
    watcher = stream.add("watcher")
    stream.enter()
    play(stream, server)
    stream.call.wait_for(STARTED)
    since = stream.vox.mark()
    close = {"type": "close", "userId": stream.call.me, "serverId": stream.server}
    stream.discord.order({**close, "code": 1006})
    stream.wait_watched(watcher, 30)
    assert stream.told(since) == []
    stream.discord.order({**close, "code": 4006})
    eventually(lambda: "transport_state playing" in stream.told(since), "another session")
    stream.wait_watched(watcher, 10)
    expected = ["connecting", "negotiating", "ready", "playing", "ready"]
    assert [line.split()[1] for line in stream.told(since) if line != STARTED] == expected
    stream.discord.order({**close, "code": 4004})
    eventually(lambda: "transport_state disconnected authentication_failed" in stream.told(since), "its end")
    stream.enter()
    stream.call.wait_for(STARTED, since=since)


def test_who_comes_first_and_who_wants_nothing_for_a_while_see_the_film_where_it_is(stream, server):
    stream.enter()
    play(stream, server)
    told_of(stream, "playing")
    watcher = stream.add("watcher")  # until now nobody was there for whom anything could be encrypted
    stream.call.wait_for(STARTED)
    before = stream.wait_watched(watcher, 10)
    want = {"type": "want", "userId": watcher}
    stream.discord.order({**want, "quality": 0})
    SystemClock().sleep(PAUSE_S)
    idle = stream.watched(watcher)
    stream.discord.order({**want, "quality": 100})
    after = stream.wait_watched(watcher, idle["decoded"] + 10)
    assert after["lastCounter"] - before["lastCounter"] > 0.8 * FILM_FPS * PAUSE_S  # the film went on meanwhile
    assert after["longestFreezeMs"] > 500 * PAUSE_S
    assert after["undecryptable"] == after["decodeErrors"] == 0


def test_encryption_that_is_left_and_taken_up_again_costs_neither_the_source_nor_the_watcher(stream, server):
    watcher = stream.add("watcher")
    stream.enter()
    play(stream, server)
    stream.wait_watched(watcher, 10)
    for order_type, status in (("downgrade", "disabled"), ("upgrade", "ready")):
        since = stream.vox.mark()
        stream.discord.order({"type": order_type, "serverId": stream.server})
        stream.call.wait_for("dave_state", since=since, role="stream_publish", status=status)
        seen = stream.watched(watcher)["lastCounter"]
        eventually(lambda at=seen: stream.watched(watcher)["lastCounter"] > at + 15, "more of the film")
    assert len(stream.call.events_of(STARTED)) == 1


def test_three_percent_loss_costs_no_picture_and_who_repairs_nothing_gets_a_key_frame(stream, server):
    steady, careless = stream.add("watcher"), stream.add("watcher", nack=False)
    stream.enter()
    play(stream, server)
    for watcher in (steady, careless):
        stream.wait_watched(watcher, 1)
    lossy = {"type": "impair", "serverId": stream.server, "loss": 0.03, "seed": 7}
    for user, loss in ((stream.call.me, 0.01), (steady, 0.03), (careless, 0.3)):
        stream.discord.order({**lossy, "userId": user, "loss": loss})
    first = stream.watched(steady)
    eventually(lambda: stream.watched(careless)["waitsForKey"], "a loss that nobody repairs")
    stream.discord.order({**lossy, "userId": careless, "loss": 0.0})
    eventually(lambda: stream.watched(careless)["recoveriesMs"], "a recovery")
    assert stream.watched(careless)["plis"] > 0
    last = eventually(lambda: _later(stream.watched(steady), first, 150), "150 pictures more")
    assert _missed(last) - _missed(first) <= 0.01 * (last["decoded"] - first["decoded"])
    assert last["packets"]["repaired"] > 0
    assert stream.watched(careless)["decodeErrors"] == 0


def _missed(seen):
    """Pictures that were sent and not seen; of those that a busy machine was too late to send nobody knows."""
    whole = sum(seen[name] for name in ("withheld", "undecryptable", "dropped", "decodeErrors"))
    return whole + seen["packets"].get("lost", 0)


def _later(seen, first, pictures):
    return seen if seen["lastCounter"] >= first["lastCounter"] + pictures else None


def test_leaving_the_call_ends_no_stream_and_the_end_of_the_process_ends_both(trust, discord, server):
    with VoxParent(env=trust, args=("--allow-private-hosts",)) as vox:
        call = Call(vox, discord)
        call.enter()
        watch, publish = StreamCall(call, "stream_watch"), StreamCall(call, "stream_publish")
        streamer = watch.add("publisher", width=320, height=192)
        viewer = publish.add("watcher")
        watch.subscribe(streamer)
        for stream in (watch, publish):
            stream.enter()
        play(publish, server, withAudio=True)
        publish.wait_watched(viewer, 5)
        vox.send({"type": "leave"})
        call.wait_for("transport_state", role="voice", status="disconnected")
        seen, since = publish.watched(viewer)["decoded"], vox.mark()
        watch.wait_pictures(streamer, 10, since)
        publish.wait_watched(viewer, seen + 10)
        vox.send({"type": "destroy"})
        assert vox.wait_exit() == 0
        ends = [stream.told(since)[-1] for stream in (watch, publish)]
        assert ends == ["dave_state cleared"] * 2
        for member in (streamer, viewer):
            watch.remove(member)


# --- pictures of the parent's own making ------------------------------------------------------------------------------


def png(number, size=(320, 180)):
    planes = ClockPicture(*size).draw(Stamp(number, number))
    return png_of(av.VideoFrame.from_ndarray(planes, format="yuv420p"))


def show(stream, data, mime="image/png", at_ms=0):
    text = data if isinstance(data, str) else base64.b64encode(data).decode()
    order(stream, "browser_frame", mimeType=mime, frameBase64=text, capturedAtMs=at_ms)


def test_a_page_that_stands_still_is_there_for_who_comes_late(stream):
    watcher = stream.add("watcher")
    stream.enter()
    order(stream, "browser_start", mimeType="image/png")
    for number in range(5):
        show(stream, png(number), at_ms=100 * number)
    eventually(lambda: stream.watched(watcher).get("lastCounter") == 4, "the last page")
    still = stream.watched(watcher)["decoded"]
    late = stream.add("watcher")
    seen = stream.wait_watched(late, 3)
    assert seen["lastCounter"] == seen["firstCounter"] == 4
    stream.wait_watched(watcher, still + 3)
    show(stream, png(7, (192, 320)), at_ms=900)
    eventually(lambda: stream.watched(watcher)["decoded"] > still + 4, "a page of another size")
    assert stream.watched(watcher)["decodeErrors"] == 0


def chunk(kind, body):
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def bomb(width, height, inflated=0):
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    data = zlib.compress(bytes(inflated), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_pictures_that_are_none_are_refused_with_a_reason_and_the_next_one_is_shown(call, stream):
    watcher = stream.add("watcher")
    stream.enter()
    show(stream, png(0))
    told_of(stream, "waiting_for_transport", reason="stream_publish_browser_source_not_started")
    order(stream, "browser_start", mimeType="image/jpeg")
    told_of(stream, "failed", reason="stream_publish_browser_start_unsupported_mime_type")
    order(stream, "browser_start", mimeType=" IMAGE/png")
    show(stream, png(1))
    stream.wait_watched(watcher, 1)
    process = psutil.Process(call.vox.pid)
    before = process.memory_info().rss
    refused = {
        "unsupported_mime_type": [("AAAA", "image/gif")],
        "missing_bytes": [("", "image/png")],
        "invalid_base64": [("rubbish!", "image/png"), ("AAA", "image/png")],
        "invalid_png": [
            (b"rubbish", "image/png"),
            (png(1)[:200], "image/png"),
            (bomb(65_535, 65_535), "image/png"),
            (bomb(16_384, 16_384), "image/png"),
        ],
    }
    for reason, pictures in refused.items():
        for data, mime in pictures:
            since = call.vox.mark()
            show(stream, data, mime)
            told = told_of(stream, "failed", since)["reason"]
            assert told.startswith(f"stream_publish_browser_frame_{reason}"), told
    since = call.vox.mark()
    show(stream, bytes(6_291_457))  # as base64 no line can hold it
    call.wait_for("error", since=since, code="input_too_large")
    show(stream, bomb(100, 100, 200_000_000))  # inflates to more than it declares: found when it is due, not before
    for number in itertools.chain(range(10), (99,)):
        show(stream, png(100 + number), at_ms=1_000 + number)
    eventually(lambda: stream.watched(watcher)["lastCounter"] == 199, "the next picture")
    assert process.memory_info().rss < before + 150_000_000


@pytest.mark.parametrize("mode", VISUALIZERS)
def test_sound_is_made_visible_in_every_mode(stream, server, mode, tmp_path):
    watcher = stream.add("watcher")
    stream.enter()
    url = server.url("/stereo.flac")
    order(stream, "play_visualizer", url=url, resolvedDirectUrl=True, visualizerMode=mode, withAudio=True)
    stream.wait_watched(watcher, 20)
    file = tmp_path / "seen.npz"
    about = stream.discord.order({"type": "snapshot", "userId": watcher, "file": str(file)})
    assert (about["width"], about["height"]) == (1280, 720)
    luma = np.load(file)["planes"][:720].astype(float)
    assert luma.max() - luma.min() > 40
    if mode == "vectorscope":  # two tones in two channels fill an area; mono would be a line
        lit = np.argwhere(luma > 60)
        assert np.abs(np.corrcoef(lit.T)[0, 1]) < 0.5
    eventually(lambda: stream.seen(watcher)["decrypted"].get(stream.call.me, 0) > 10, "its sound")
