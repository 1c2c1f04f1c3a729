import typing

import pytest

from clankvox.ids import ChannelId, GuildId, UserId
from clankvox.ipc.commands import COMMANDS, VoiceServerData, VoiceStateData
from clankvox.ipc.events import EVENTS
from clankvox.ipc.message import HIDDEN_FIELDS, SNOWFLAKE_KEYS, parse_snowflake, snake_tag, snowflake_keys

PARTS = [*COMMANDS.values(), *EVENTS.values(), VoiceServerData, VoiceStateData]


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("42", 42), (str(2**64 - 1), 2**64 - 1), ("007", 7)]
    + [(bad, None) for bad in (str(2**64), "", "-1", "+1", " 1", "1.0", "1_0", "0x1", "٤٢", "9" * 21, "²")],
)
def test_a_snowflake_is_a_u64_in_decimal(text, value):
    assert parse_snowflake(text) == value


def test_a_tag_is_the_class_name_in_snake_case():
    assert snake_tag("StreamPublishPlayVisualizer") == "stream_publish_play_visualizer"
    assert snake_tag("Join") == "join"


@pytest.mark.parametrize("part", PARTS)
def test_every_field_of_a_snowflake_type_is_a_decimal_string_on_the_wire(part):
    by_type = {
        wire
        for name, wire in zip(part.__struct_fields__, part.__struct_encode_fields__, strict=True)
        if {GuildId, ChannelId, UserId} & {part_type(part, name), *typing.get_args(part_type(part, name))}
    }
    assert by_type == snowflake_keys(part)


def part_type(part, name):
    return typing.get_type_hints(part)[name]


def test_snowflake_keys_name_no_field_that_does_not_exist():
    assert {key for part in PARTS for key in snowflake_keys(part)} == SNOWFLAKE_KEYS


def test_hidden_fields_name_no_field_that_does_not_exist():
    assert {name for part in PARTS for name in part.__struct_fields__} >= HIDDEN_FIELDS


def test_a_repr_hides_secrets_also_from_rich():
    secret = "s3cret"
    data = VoiceServerData(endpoint=secret, token=secret)
    watch = COMMANDS["stream_watch_connect"](
        endpoint=secret, token=secret, server_id=1, session_id=secret, user_id=2, dave_channel_id=3
    )
    for shown in (data, watch, COMMANDS["voice_server"](data=data), COMMANDS["music_play"](url=secret)):
        assert secret not in repr(shown)
        assert secret not in str(shown.__rich_repr__())
    assert "server_id=1" in repr(watch)
