import av

from clankvox.demo.film import FPS, HEIGHT, PAGE_HEIGHT, PAGE_WIDTH, WIDTH, Pages, make_film
from clankvox.loopback.clock_picture import Stamp, read_clock
from clankvox.loopback.picture_decoder import luma_of


def test_every_picture_of_the_film_says_which_one_it_is_and_when_it_is_due(tmp_path):
    film = make_film(tmp_path / "film.mp4", 0.5)
    with av.open(str(film.path)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == FPS // 2
    for number, frame in enumerate(frames):
        assert (frame.width, frame.height) == (WIDTH, HEIGHT)
        assert read_clock(luma_of(frame)) == Stamp(number, round(frame.time * 1000))
    assert film.url == (tmp_path / "film.mp4").as_uri()


def test_every_page_says_when_it_was_drawn():
    pages = Pages()
    for number, now_ms in enumerate((1_000.2, 1_066.9)):
        (frame,) = av.CodecContext.create("png", "r").decode(av.Packet(pages.draw(now_ms)))
        assert (frame.width, frame.height) == (PAGE_WIDTH, PAGE_HEIGHT)
        assert read_clock(luma_of(frame.reformat(format="gray"))) == Stamp(number, round(now_ms))
