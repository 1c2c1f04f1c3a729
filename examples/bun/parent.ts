/**
 * A parent of clankvox, built-in modules only: joins a call, captures each utterance to a WAV file, plays one.
 *
 *     clankvox loopback --no-tls --port 7000
 *     bun examples/bun/parent.ts --endpoint ws://127.0.0.1:7000 --play hello.wav
 *
 * Your bot replaces `gateway`; the rest is what any parent does. Prints every event. Exit code 1: the call did not hold.
 */

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";

const PLAYBACK_ID = "speech-1";
const PCM_HZ = 24_000; // of captures, and of --play files that are not WAV
const QUEUED_SAMPLES = 2 * 48_000; // buffer_depth counts at 48 kHz
const MAX_FRAME_BYTES = 32 * 1024 * 1024;
const PREFIX_BYTES = 5; // u8 format, u32le payload length
const AUDIO_HEADER_BYTES = 20; // u64 user, u16 peak, u32 active samples, u32 samples, u16 length of the capture id

type Fields = Record<string, unknown>;
type Command = { type: string } & Fields;
type VoiceStateUpdate = { op: 4; d: { guild_id: string; channel_id: string | null } };
type Pcm = { bytes: Buffer; rateHz: number };
type Vox = ChildProcessByStdio<Writable, Readable, null>;

/** What this parent reacts to; it only prints all others. */
type VoxEvent =
  | { type: "process_ready"; protocolVersion: number }
  | { type: "adapter_send"; payload: VoiceStateUpdate }
  | { type: "speaking_start"; userId: string; captureId?: string }
  | { type: "user_audio_end"; userId: string; captureId?: string }
  | { type: "buffer_depth"; ttsSamples: number; musicSamples: number }
  | { type: "tts_playback_state"; status: string; reason?: string }
  | { type: "transport_state"; role: string; status: string; reason?: string }
  | { type: "dave_state"; role: string; status: string }
  | { type: "error"; code: string; message: string };

const { values: options } = parseArgs({
  options: {
    endpoint: { type: "string" }, // of the voice server, such as ws://127.0.0.1:7000
    token: { type: "string", default: "example-token" },
    guild: { type: "string", default: "1" },
    channel: { type: "string", default: "2" },
    user: { type: "string", default: "10" }, // our own user id
    play: { type: "string" }, // WAV (16 bits, mono), or raw s16le mono at 24 kHz
    out: { type: "string", default: "captured" },
    seconds: { type: "string", default: "30" }, // how long to listen at least
    clankvox: { type: "string", default: "clankvox" }, // how to start it, split at spaces
  },
});

/**
 * Stands in for your bot's gateway connection, as far as the offline Discord needs one.
 *
 * A bot sends `payload` as it is on its gateway WebSocket, and passes on the `d` of what Discord dispatches, whenever it
 * comes: its own VOICE_STATE_UPDATE as voice_state, VOICE_SERVER_UPDATE as voice_server.
 */
function gateway(payload: VoiceStateUpdate): Command[] {
  const { guild_id, channel_id } = payload.d;
  if (channel_id === null) return []; // it was `leave`
  const state = { user_id: options.user, session_id: "example-session", channel_id };
  const server = { guild_id, endpoint: options.endpoint, token: options.token };
  return [{ type: "voice_state", data: state }, { type: "voice_server", data: server }];
}

/** One WAV file an utterance, named after its capture. */
class Captures {
  private count = 0;
  private readonly pieces = new Map<string, Buffer[]>();

  /** The command that captures what this user is beginning to say, first word included. */
  subscription(userId: string): Command {
    return { type: "subscribe_user", userId, captureId: `${userId}-${++this.count}`, sampleRate: PCM_HZ };
  }

  /** Takes a frame of format 1. */
  add(payload: Buffer): void {
    const pcmAt = AUDIO_HEADER_BYTES + payload.readUInt16LE(18);
    const pcm = payload.subarray(pcmAt);
    if (pcm.length !== payload.readUInt32LE(14) * 2) throw new Error("captured audio does not fit its header");
    const captureId = payload.toString("utf8", AUDIO_HEADER_BYTES, pcmAt);
    const pieces = this.pieces.get(captureId);
    if (pieces) pieces.push(pcm);
    else this.pieces.set(captureId, [pcm]);
  }

  /** Writes the file, if there was any audio. */
  end(captureId: string): void {
    const pieces = this.pieces.get(captureId);
    if (pieces) writeFileSync(join(options.out, `${captureId}.wav`), wav(Buffer.concat(pieces)));
    this.pieces.delete(captureId);
  }

  /** Writes what was cut short. */
  endAll(): void {
    for (const captureId of this.pieces.keys()) this.end(captureId);
  }
}

/** One call over one clankvox process. */
class Call {
  readonly captures = new Captures();
  readonly hangUp = new AbortController();
  private readonly vox: Vox;
  private readonly awaited: { fields: Fields; resolve: () => void }[] = [];
  private leaving = false;
  private maySpeak = true;
  private wake = (): void => {};

  constructor(vox: Vox) {
    this.vox = vox;
  }

  /** Joins, speaks, listens, leaves. */
  async hold(): Promise<void> {
    await this.event(5, { type: "process_ready", protocolVersion: 1 });
    const encrypted = this.event(30, { type: "dave_state", role: "voice", status: "ready" });
    await this.send({ type: "join", connectionId: "call-1", guildId: options.guild, channelId: options.channel });
    await encrypted;
    const until = Date.now() + Number(options.seconds) * 1000;
    if (options.play) await this.speak(readPcm(options.play));
    const rest = Math.max(0, until - Date.now());
    await sleep(rest, undefined, { signal: this.hangUp.signal }).catch(() => {}); // hung up before the end
    this.leaving = true;
    const left = this.event(5, { type: "transport_state", role: "voice", status: "disconnected" });
    await this.send({ type: "leave" });
    await left;
    await this.send({ type: "destroy" });
    setTimeout(() => this.vox.kill("SIGKILL"), 5000).unref();
  }

  /** Says it with about two seconds queued: no hiccup of ours is heard, and there is little to take back. */
  private async speak({ bytes, rateHz }: Pcm): Promise<void> {
    const chunkBytes = Math.floor(rateHz / 5) * 2; // 200 ms
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      while (!this.maySpeak) await new Promise<void>((resolve) => (this.wake = resolve));
      this.maySpeak = false; // until the next buffer_depth: every chunk brings one about
      if (this.hangUp.signal.aborted) break;
      const pcmBase64 = bytes.subarray(at, at + chunkBytes).toString("base64");
      await this.send({ type: "audio", playbackId: PLAYBACK_ID, sampleRate: rateHz, pcmBase64 });
    }
    const drained = this.event(30, { type: "tts_playback_state", playbackId: PLAYBACK_ID, status: "drained" });
    await this.send({ type: "finish_tts_playback", playbackId: PLAYBACK_ID });
    await drained;
  }

  /** Writes a command, and waits while the pipe is full. */
  private async send(command: Command): Promise<void> {
    if (this.vox.stdin.write(`${JSON.stringify(command)}\n`)) return;
    await once(this.vox.stdin, "drain").catch(() => {}); // it ended: what it wrote last says why
  }

  /** Resolves when an event with these fields has come; ask before you send what brings it about. */
  private event(seconds: number, fields: Fields): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`no ${fields.type} within ${seconds} s`)), seconds * 1000);
      this.awaited.push({ fields, resolve: () => (clearTimeout(late), resolve()) });
    });
  }

  /** Reads frames until clankvox ends. A frame that makes no sense means that we lost step: never go on. */
  async read(): Promise<void> {
    let unread: Buffer = Buffer.alloc(0);
    for await (const chunk of this.vox.stdout as AsyncIterable<Buffer>) {
      unread = Buffer.concat([unread, chunk]);
      while (unread.length >= PREFIX_BYTES) {
        const format = unread.readUInt8(0);
        const end = PREFIX_BYTES + unread.readUInt32LE(1);
        if (format > 1 || end > MAX_FRAME_BYTES) throw new Error(`a frame of unknown format ${format} or of ${end} bytes`);
        if (unread.length < end) break;
        const payload = unread.subarray(PREFIX_BYTES, end);
        unread = unread.subarray(end);
        if (format === 1) this.captures.add(payload);
        else await this.onEvent(JSON.parse(payload.toString()) as VoxEvent);
      }
    }
    if (unread.length > 0) throw new Error("clankvox ended within a frame");
    if (!this.leaving) throw new Error("clankvox ended by itself");
  }

  private async onEvent(event: VoxEvent): Promise<void> {
    console.log(JSON.stringify(event));
    switch (event.type) {
      case "adapter_send":
        for (const command of gateway(event.payload)) await this.send(command);
        break;
      case "speaking_start":
        if (event.captureId === undefined) await this.send(this.captures.subscription(event.userId));
        break;
      case "user_audio_end":
        if (event.captureId !== undefined) this.captures.end(event.captureId);
        break;
      case "buffer_depth":
        if (event.ttsSamples < QUEUED_SAMPLES) {
          this.maySpeak = true;
          this.wake();
        }
        break;
      case "tts_playback_state":
        if (!this.leaving && ["failed", "stopped"].includes(event.status)) throw new Error(`not said: ${event.reason}`);
        break;
      case "transport_state":
        if (!this.leaving && event.role === "voice" && ["disconnected", "failed"].includes(event.status))
          throw new Error(`disconnected: ${event.reason}`);
        break;
      case "dave_state": // whether to go on in clear is your policy
        if (event.status === "disabled") throw new Error("not end-to-end encrypted");
        break;
      case "error":
        throw new Error(`${event.code}: ${event.message}`);
    }
    const got: Fields = event;
    for (const { fields, resolve } of this.awaited)
      if (Object.entries(fields).every(([name, value]) => got[name] === value)) resolve();
  }
}

/** A WAV file of s16le mono at the capture rate. */
function wav(pcm: Buffer): Buffer {
  const header = Buffer.alloc(44);
  header.write("RIFF", 0);
  header.writeUInt32LE(36 + pcm.length, 4);
  header.write("WAVEfmt ", 8);
  header.writeUInt32LE(16, 16); // length of what describes the format
  header.writeUInt16LE(1, 20); // PCM
  header.writeUInt16LE(1, 22); // channels
  header.writeUInt32LE(PCM_HZ, 24);
  header.writeUInt32LE(PCM_HZ * 2, 28); // bytes a second
  header.writeUInt16LE(2, 32); // bytes a sample
  header.writeUInt16LE(16, 34); // bits a sample
  header.write("data", 36);
  header.writeUInt32LE(pcm.length, 40);
  return Buffer.concat([header, pcm]);
}

/** s16le mono out of a WAV file, or out of a file of raw PCM at 24 kHz. */
function readPcm(path: string): Pcm {
  const file = readFileSync(path);
  if (!path.endsWith(".wav")) return { bytes: file, rateHz: PCM_HZ };
  let rateHz = 0;
  for (let at = 12; at + 8 <= file.length; ) {
    const name = file.toString("latin1", at, at + 4);
    const body = file.subarray(at + 8, at + 8 + file.readUInt32LE(at + 4));
    if (name === "data" && rateHz) return { bytes: body, rateHz };
    if (name === "fmt ") {
      if (body.readUInt16LE(2) !== 1 || body.readUInt16LE(14) !== 16) break;
      rateHz = body.readUInt32LE(4);
    }
    at += 8 + body.length + (body.length % 2);
  }
  throw new Error("--play takes mono with 16 bits: ffmpeg -i any.mp3 -ac 1 -ar 24000 -c:a pcm_s16le out.wav");
}

/** Starts clankvox, holds one call, and sees it end. */
async function run(): Promise<void> {
  if (!options.endpoint) throw new Error("--endpoint is missing");
  mkdirSync(options.out, { recursive: true });
  const [command = "", ...args] = options.clankvox.split(" ");
  // a session of its own: Ctrl-C is for us, we leave the call first
  const vox = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"], detached: true });
  await once(vox, "spawn");
  vox.stdin.on("error", () => {}); // it ended: stdout says so too
  const call = new Call(vox);
  process.on("SIGINT", () => call.hangUp.abort());
  try {
    await Promise.all([call.read(), call.hold()]); // the failure of one ends the other
    if (vox.exitCode === null && vox.signalCode === null) await once(vox, "exit");
    if (vox.exitCode !== 0) throw new Error(`clankvox ended with exit code ${vox.exitCode}`);
  } finally {
    call.captures.endAll();
    vox.kill("SIGKILL");
  }
}

try {
  await run();
} catch (failure) {
  console.error(`parent: ${failure instanceof Error ? failure.message : failure}`);
  process.exit(1);
}
