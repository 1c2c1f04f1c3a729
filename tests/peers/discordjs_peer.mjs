// An unmodified @discordjs/voice in a process of its own, driven through its public classes.
//
// Orders come as JSON lines on stdin: join, play, stop, leave. What happens goes as JSON lines to stdout: state,
// transitioned, dave, heard, deaf, error. The main gateway, which is a bot library's side of it, is played here:
// a voice state update that asks for a channel is answered with what `join` brought. The end of stdin ends it.

import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import {
  AudioPlayerStatus,
  EndBehaviorType,
  NoSubscriberBehavior,
  StreamType,
  createAudioPlayer,
  createAudioResource,
  joinVoiceChannel,
} from '@discordjs/voice';
import OpusScript from 'opusscript';

const RATE_HZ = 48_000;
const FRAME_SAMPLES = 960;
const AMPLITUDE = 12_000;
const WINDOW_FRAMES = 25;
const SILENCE = Buffer.from([0xf8, 0xff, 0xfe]);

const say = (type, fields = {}) => process.stdout.write(`${JSON.stringify({ type, ...fields })}\n`);

/** A tone: s16le stereo in frames of 20 ms. Whole waves a second come again every second, and are made once. */
function* tone(hz, frames) {
  const second = Buffer.alloc(RATE_HZ * 4);
  for (let index = 0; index < RATE_HZ; index += 1) {
    const value = Math.round(AMPLITUDE * Math.sin((2 * Math.PI * hz * index) / RATE_HZ));
    second.writeInt16LE(value, index * 4);
    second.writeInt16LE(value, index * 4 + 2);
  }
  for (let number = 0; number < frames; number += 1) {
    const start = (number % (RATE_HZ / FRAME_SAMPLES)) * FRAME_SAMPLES * 4;
    yield second.subarray(start, start + FRAME_SAMPLES * 4);
  }
}

/** Frequency by rising zero crossings, and the share of the energy that a sine of that frequency explains. */
function analyse(samples) {
  const crossings = [];
  for (let index = 1; index < samples.length; index += 1) {
    const [before, after] = [samples[index - 1], samples[index]];
    if (before < 0 && after >= 0) crossings.push(index - after / (after - before));
  }
  if (crossings.length < 2) return { hz: 0, purity: 0 };
  const hz = ((crossings.length - 1) * RATE_HZ) / (crossings[crossings.length - 1] - crossings[0]);
  let [inPhase, quadrature, energy] = [0, 0, 0];
  samples.forEach((sample, index) => {
    const angle = (2 * Math.PI * hz * index) / RATE_HZ;
    inPhase += sample * Math.cos(angle);
    quadrature += sample * Math.sin(angle);
    energy += sample * sample;
  });
  return { hz, purity: (2 * (inPhase ** 2 + quadrature ** 2)) / (samples.length * energy) };
}

/** What is heard of one user: half a second without a pause at a time is decoded and told. */
class Listener {
  constructor(userId) {
    this.userId = userId;
    this.packets = 0;
    this.window = [];
    this.decoder = new OpusScript(RATE_HZ, 2, OpusScript.Application.AUDIO);
  }

  take(packet) {
    if (packet.equals(SILENCE)) {
      this.window = [];
      return;
    }
    this.packets += 1;
    try {
      const pcm = this.decoder.decode(packet);
      for (let at = 0; at < pcm.length; at += 4) this.window.push(pcm.readInt16LE(at));
    } catch (error) {
      this.window = [];
      say('deaf', { userId: this.userId, message: String(error) });
      return;
    }
    if (this.window.length >= WINDOW_FRAMES * FRAME_SAMPLES) {
      say('heard', { userId: this.userId, packets: this.packets, ...analyse(this.window) });
      this.window = [];
    }
  }
}

class Peer {
  constructor() {
    this.listeners = new Map();
    this.player = createAudioPlayer({ behaviors: { noSubscriber: NoSubscriberBehavior.Play } });
    this.player.on('stateChange', (_, now) => say('player', { status: now.status }));
    this.player.on('error', (error) => say('error', { message: String(error) }));
  }

  join({ endpoint, guildId, channelId, userId, sessionId, token }) {
    const adapterCreator = (library) => ({
      sendPayload: ({ d }) => {
        if (d.channel_id !== null) {
          setImmediate(() => {
            library.onVoiceStateUpdate({ guild_id: guildId, channel_id: channelId, user_id: userId, session_id: sessionId });
            library.onVoiceServerUpdate({ guild_id: guildId, token, endpoint });
          });
        }
        return true;
      },
      destroy: () => undefined,
    });
    this.connection = joinVoiceChannel({ guildId, channelId, selfDeaf: false, selfMute: false, debug: true, adapterCreator });
    this.connection.on('stateChange', (_, now) => say('state', { status: now.status }));
    this.connection.on('transitioned', (transitionId) => say('transitioned', { transitionId }));
    this.connection.on('error', (error) => say('error', { message: String(error) }));
    this.connection.on('debug', (text) => {
      const [, dave] = text.split('[DAVE] ');
      if (dave !== undefined) say('dave', { text: dave });
    });
    this.connection.receiver.speaking.on('start', (user) => this.hear(user));
    this.connection.subscribe(this.player);
  }

  hear(userId) {
    const { receiver } = this.connection;
    if (receiver.subscriptions.has(userId)) return;
    const stream = receiver.subscribe(userId, { end: { behavior: EndBehaviorType.Manual } });
    if (!this.listeners.has(userId)) this.listeners.set(userId, new Listener(userId));
    stream.on('data', (packet) => this.listeners.get(userId).take(packet));
    stream.on('error', (error) => say('deaf', { userId, message: String(error) }));
  }

  play({ hz, frames }) {
    const pcm = Readable.from(tone(hz, frames ?? Infinity), { objectMode: false, highWaterMark: 8 * FRAME_SAMPLES * 4 });
    this.player.play(createAudioResource(pcm, { inputType: StreamType.Raw }));
  }

  stop() {
    if (this.player.state.status !== AudioPlayerStatus.Idle) this.player.stop();
  }

  leave() {
    this.connection.destroy();
  }
}

const peer = new Peer();
const orders = createInterface({ input: process.stdin });
orders.on('line', (line) => {
  const { type, ...fields } = JSON.parse(line);
  peer[type](fields);
});
orders.on('close', () => process.exit(0));
say('up', { node: process.version });
