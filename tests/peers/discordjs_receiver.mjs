// An unmodified @discordjs/voice that receives: every packet of everybody, as Opus, decoded if asked to.
//
// argv: a JSON object with endpoint, guildId, channelId, userId and decode. A line tells that it is ready; at the end of
// stdin a line tells, for each user, when its packets were handed over: ms on the wall clock, for Bun's `hrtime` is its own.

import {
  EndBehaviorType,
  VoiceConnectionStatus,
  joinVoiceChannel,
} from '@discordjs/voice';
import OpusScript from 'opusscript';

const RATE_HZ = 48_000;
const { endpoint, guildId, channelId, userId, decode } = JSON.parse(process.argv[2]);
const say = (fields) => process.stdout.write(`${JSON.stringify(fields)}\n`);
const now = () => performance.timeOrigin + performance.now();
const heard = {};

const adapterCreator = (library) => ({
  sendPayload: ({ d }) => {
    if (d.channel_id !== null) {
      setImmediate(() => {
        library.onVoiceStateUpdate({ guild_id: guildId, channel_id: channelId, user_id: userId, session_id: `s${userId}` });
        library.onVoiceServerUpdate({ guild_id: guildId, token: 'bench', endpoint });
      });
    }
    return true;
  },
  destroy: () => undefined,
});
const connection = joinVoiceChannel({ guildId, channelId, selfDeaf: false, selfMute: true, adapterCreator });
connection.on('error', () => undefined);
connection.on(VoiceConnectionStatus.Ready, () => say({ type: 'ready' }));
const { receiver } = connection;
receiver.speaking.on('start', (user) => {
  if (receiver.subscriptions.has(user)) return;
  const stream = receiver.subscribe(user, { end: { behavior: EndBehaviorType.Manual } });
  const decoder = decode ? new OpusScript(RATE_HZ, 2, OpusScript.Application.AUDIO) : undefined;
  const times = (heard[user] ??= []);
  stream.on('data', (packet) => {
    times.push(now());
    try {
      decoder?.decode(packet);
    } catch {
      // what was not yet encrypted for us, or no longer
    }
  });
  stream.on('error', () => undefined);
});
process.stdin.resume();
process.stdin.on('end', () => process.stdout.write(`${JSON.stringify({ type: 'heard', heard })}\n`, () => process.exit(0)));
