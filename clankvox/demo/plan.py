"""Who is in the demo's call, what each of them says, and where the files go."""

from pathlib import Path
from typing import Final, NamedTuple

from clankvox.demo import sound, tune
from clankvox.demo.film import Film, make_film
from clankvox.demo.tune import Tune

GUILD_ID: Final = "410000000000000001"
CHANNEL_ID: Final = "420000000000000002"
VOX_ID: Final = "430000000000000003"
CONNECTION_ID: Final = "demo-connection"
REPLY_ID: Final = "demo-reply"
MUSIC_ID: Final = "demo-music"
ANNOUNCEMENT_ID: Final = "demo-announcement"
LISTENER_ID: Final = "530000000000000033"
"""A member who comes for the music and says nothing."""
DUCKED: Final = 0.25
"""To this share music is lowered under speech: by 12 dB."""
CAPTURE_HZ: Final = 48_000
"""At this rate what was heard can be compared sample by sample."""
SPEECH_RATE_HZ: Final = 24_000
"""Of the PCM that a text-to-speech service typically gives."""
MEMBER_LIMIT_S: Final = 8.0
"""The call has to be over in 25 s whatever file it is given."""

_SPEECH: Final = Path(__file__).parent / "speech"
_PHRASES: Final = (_SPEECH / "queue-youarenext.g722", _SPEECH / "demo-thanks.g722")
_REPLY: Final = _SPEECH / "tt-weasels.g722"


class Member(NamedTuple):
    """One who speaks and records. The second one begins while the first one is speaking."""

    name: str
    user_id: str
    said: sound.Mono
    start_ms: float

    @property
    def capture_id(self) -> str:
        """What the parent calls its capture of this member."""
        return f"capture-{self.name.lower()}"


class Plan(NamedTuple):
    """The script of the call and its folders. A later act is one more field here."""

    members: tuple[Member, ...]
    reply: sound.Mono
    """What our side says, at `SPEECH_RATE_HZ`: as an answer, and again above the music."""
    tune: Tune
    loss: float
    """Share of all datagrams that are lost, each way."""
    out: Path
    raw: Path
    """For what only the run itself needs."""
    film: Film | None = None
    """What the Go Live act publishes; without it there is no such act."""

    @property
    def heard_music(self) -> Path:
        """Where the listener's recording of our side goes."""
        return self.out / "music-as-heard.wav"

    @property
    def listener_recordings(self) -> Path:
        """The folder in which the listener records everybody."""
        return self.raw / "recorded-by-listener"

    @property
    def viewer_pictures(self) -> Path:
        """The folder in which the viewer of our stream keeps pictures of it."""
        return self.raw / "seen-by-viewer"

    @property
    def serve_arguments(self) -> list[str]:
        """What the process has to be told when it is started."""
        return ["--allow-files"] if self.film is not None else self.tune.serve_arguments

    def heard(self, member: Member) -> Path:
        """Return where the parent puts what it heard of `member`."""
        return self.out / f"heard-{member.name.lower()}.wav"

    def said(self, name: str) -> Path:
        """Return where the original is."""
        return self.out / f"said-{name.lower()}.wav"

    def recordings(self, member: Member) -> Path:
        """Return the folder in which `member` records everybody."""
        return self.raw / f"recorded-by-{member.name.lower()}"

    def recorded(self, member: Member) -> Path:
        """Return where `member`'s recording of our side goes."""
        return self.out / f"clankvox-recorded-by-{member.name.lower()}.wav"


def make_plan(
    speech: list[Path], loss: float, out: Path, raw: Path, music: str | None = None, *, golive: bool = False
) -> Plan:
    """Read what is said and write it as WAV files; `speech` replaces the shipped phrases in order. Raises NoSound.

    `music` is a file or a URL; None makes up a short piece. With `golive` a film is written too.
    """
    phrases = [*speech, *_PHRASES[len(speech) :]][:2]
    first, second = (sound.load(path, limit_s=MEMBER_LIMIT_S) for path in phrases)
    members = (Member("Ada", "510000000000000011", first, 600), Member("Ben", "520000000000000022", second, 1_800))
    plan = Plan(members, sound.load(_REPLY, SPEECH_RATE_HZ), tune.choose(music, out), loss, out, raw)
    if golive:
        plan = plan._replace(film=make_film(out / "published.mp4"))
    for member in members:
        # in stereo, as Discord's Opus is: mixing a mono file up would change the level and with it every packet
        sound.save_wav(plan.said(member.name), member.said, channels=2)
    sound.save_wav(plan.said("clankvox"), plan.reply, SPEECH_RATE_HZ)
    return plan
