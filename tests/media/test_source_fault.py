import av
import pytest

from clankvox.media.source_fault import (
    FormatUnavailable,
    HttpForbidden,
    MissingStdout,
    NoAudio,
    PipelineFailed,
    SourceFault,
    SpawnFailed,
    WaitFailed,
    broken,
    fault_of,
    page_fault,
    redact_urls,
)


def test_the_codes_are_those_of_the_contract():
    kinds = (HttpForbidden, FormatUnavailable, SpawnFailed, MissingStdout, NoAudio, PipelineFailed, WaitFailed)
    assert [kind.code for kind in kinds] == [
        "http_403",
        "format_unavailable",
        "spawn_failed",
        "missing_stdout",
        "no_audio",
        "pipeline_failed",
        "wait_failed",
    ]
    assert all(issubclass(kind, SourceFault) for kind in kinds)


def test_what_has_no_code_of_its_own_depends_on_whether_pcm_was_heard():
    assert isinstance(broken("x", heard=False), NoAudio)
    assert isinstance(broken("x", heard=True), PipelineFailed)


@pytest.mark.parametrize(
    ("error", "heard", "kind"),
    [
        (av.error.HTTPForbiddenError(1, "403", "http://secret"), False, HttpForbidden),
        (av.error.HTTPForbiddenError(1, "403", "http://secret"), True, HttpForbidden),
        (av.error.HTTPNotFoundError(1, "404", "http://secret"), False, NoAudio),
        (av.error.InvalidDataError(1, "invalid", "http://secret"), True, PipelineFailed),
        (av.error.ExitError(1, "exit", "http://secret"), True, PipelineFailed),
        (OSError(5, "Input/output error", "http://secret"), False, NoAudio),
        (ValueError("http://secret"), False, NoAudio),
    ],
)
def test_errors_are_classified_and_quote_no_url(error, heard, kind):
    fault = fault_of(error, heard)
    assert type(fault) is kind
    assert "secret" not in str(fault)


def test_a_fault_stays_what_it_is():
    fault = WaitFailed("x")
    assert fault_of(fault, heard=True) is fault


def test_of_what_yt_dlp_wrote_the_last_24_lines_count():
    old = "HTTP Error 403\n" + "line\n" * 24
    assert type(page_fault(1, old)) is NoAudio
    assert type(page_fault(1, old + "ERROR: http error 403: Forbidden")) is HttpForbidden
    assert type(page_fault(1, "The Requested Format is NOT available")) is FormatUnavailable
    assert str(page_fault(2, " a \n\nb https://x/y?z=1 c\n")) == (
        "yt-dlp ended with 2 | stderr tail: a || b [redacted-url] c"
    )


def test_what_yt_dlp_calls_a_page_may_be_a_secret_in_its_path():
    fault = page_fault(1, "ERROR: [generic] a secret key: Unable to download: HTTP Error 404: Not Found\n")
    assert str(fault) == (
        "yt-dlp ended with 1 | stderr tail: ERROR: [generic]: Unable to download: HTTP Error 404: Not Found"
    )


@pytest.mark.parametrize("scheme", ["http", "HTTPS", "wss", "file"])
def test_urls_are_redacted_up_to_the_next_white_space(scheme):
    assert redact_urls(f"before {scheme}://user:pass@h/p?q=1#f after") == "before [redacted-url] after"


def test_a_message_is_bounded():
    assert len(str(NoAudio("x" * 100_000))) <= 2_000
