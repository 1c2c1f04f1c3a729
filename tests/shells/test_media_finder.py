import pytest

from clankvox.clock import SystemClock
from clankvox.media.source_fault import FormatUnavailable, HttpForbidden, NoAudio
from clankvox.media.source_port import SourceRequest
from clankvox.shells.media_finder import MediaFinder
from clankvox.shells.page_resolver import SELECTORS, Found, PageResolver

CLOCK = SystemClock()
PAGE = SourceRequest("https://page.example/watch", direct=False)
DIRECT = SourceRequest("https://cdn.example/a.mp3", direct=True)


@pytest.fixture
def asked(monkeypatch):
    """The selectors with which yt-dlp is asked; it always finds something."""
    asked = []

    def resolve(self, url, selector, proxy_url, deadline):
        asked.append(selector)
        return Found(f"https://cdn.example/{len(asked)}", {"Referer": "https://page.example/"})

    monkeypatch.setattr(PageResolver, "resolve", resolve)
    return asked


def find(finder):
    return finder.find("http://proxy", CLOCK.now() + 10.0)


def test_a_direct_url_is_itself(asked):
    assert find(MediaFinder(DIRECT, CLOCK, allow_files=False)).name == DIRECT.url
    assert not asked


def test_a_page_is_asked_for_once_and_remembered(asked):
    finder = MediaFinder(PAGE, CLOCK, allow_files=False)
    assert find(finder) == find(finder)
    assert find(finder).headers == (("Referer", "https://page.example/"),)
    assert asked == [SELECTORS[0]]


@pytest.mark.parametrize("fault", [HttpForbidden("x"), FormatUnavailable("x")])
def test_another_format_is_tried_once_after_a_refusal(asked, fault):
    finder = MediaFinder(PAGE, CLOCK, allow_files=False)
    find(finder)
    assert finder.try_another(fault)
    find(finder)
    assert not finder.try_another(fault)
    assert asked == list(SELECTORS)


def test_but_not_for_other_faults_nor_for_direct_urls(asked):
    assert not MediaFinder(PAGE, CLOCK, allow_files=False).try_another(NoAudio("x"))
    assert not MediaFinder(DIRECT, CLOCK, allow_files=False).try_another(HttpForbidden("x"))


def test_in_mid_track_a_refused_url_of_a_page_is_asked_for_anew(asked):
    finder = MediaFinder(PAGE, CLOCK, allow_files=False)
    first = find(finder)
    assert finder.refresh(NoAudio("x"))
    assert find(finder) == first
    assert finder.refresh(HttpForbidden("x"))
    assert find(finder) != first
    assert asked == [SELECTORS[0]] * 2


def test_in_mid_track_a_refused_direct_url_is_the_end(asked):
    assert not MediaFinder(DIRECT, CLOCK, allow_files=False).refresh(HttpForbidden("x"))


@pytest.mark.parametrize("direct", [True, False])
def test_what_begins_with_a_dash_starts_nothing(asked, direct):
    with pytest.raises(NoAudio):
        find(MediaFinder(SourceRequest("--exec=id", direct), CLOCK, allow_files=False))
    assert not asked
