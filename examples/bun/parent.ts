/**
 * A parent of clankvox, built-in modules only: joins a call, captures each utterance to a WAV file, plays one.
 *
 *     clankvox loopback --no-tls --port 7000
 *     bun examples/bun/parent.ts --endpoint ws://127.0.0.1:7000 --play hello.wav
 *
 * Your bot replaces `gateway`; the rest is what any parent does. Prints every event. Exit code 1: the call did not hold.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";

const PCM_HZ = 24_000; // of captures, and of --play files that are not WAV
const QUEUED_SAMPLES = 2 * 48_000; // of speech; buffer_depth counts at 48 kHz
const HEADER_BYTES = 20; // u64 user, u16 peak, u32 active samples, u32 samples, u16 length of the capture id

type Command = { type: string } & Record<string, unknown>;
type VoiceState = { guild_id: string; channel_id: string | null };
/** What this parent looks at; it only prints the rest. */
type VoxEvent = { type: string; status?: string; userId?: string; captureId?: string; ttsSamples?: number; payload?: { d: VoiceState } };

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
 * Stands in for your bot's gateway WebSocket, as far as the offline Discord needs one.
 * A bot sends the payload there as it is, and passes on the `d` of what Discord dispatches, whenever it comes.
 */
function gateway({ guild_id, channel_id }: VoiceState): Command[] {
  if (channel_id === null) return []; // it was `leave`
  const state = { user_id: options.user, session_id: "example-session", channel_id };
  const server = { guild_id, endpoint: options.endpoint, token: options.token };
  return [{ type: "voice_state", data: state }, { type: "voice_server", data: server }];
}

// in a session of its own: Ctrl-C is for us, we leave the call first
const [program = "", ...words] = options.clankvox.split(" ");
const vox = spawn(program, words, { stdio: ["pipe", "pipe", "inherit"], detached: true });
vox.stdin.on("error", () => {}); // it ended: stdout says so too
const hangUp = new AbortController();
const hungUp = once(hangUp.signal, "abort");
const seen = new EventTarget(); // of "type status", such as "dave_state ready"
const pieces = new Map<string, Buffer[]>();
let captures = 0;
let leaving = false;
let maySpeak = Promise.withResolvers<void>();

/** Writes a command, and waits while the pipe is full. */
async function send(command: Command): Promise<void> {
  if (!vox.stdin.write(`${JSON.stringify(command)}\n`)) await once(vox.stdin, "drain").catch(() => {});
}

/** Sends a command, and waits for the event that it brings about. */
async function sendAndAwait(command: Command, event: string, seconds: number): Promise<void> {
  const signal = AbortSignal.timeout(seconds * 1000);
  const come = new Promise<void>((resolve, reject) => {
    seen.addEventListener(event, () => resolve(), { once: true });
    signal.addEventListener("abort", () => reject(new Error(`no ${event} within ${seconds} s`)));
  });
  await send(command);
  await come;
}

/** Joins, speaks, listens, leaves. */
async function hold(): Promise<void> {
  const join = { type: "join", connectionId: "call-1", guildId: options.guild, channelId: options.channel };
  await sendAndAwait(join, "dave_state ready", 30);
  const until = Date.now() + Number(options.seconds) * 1000;
  if (options.play) await Promise.race([speak(options.play), hungUp]); // while nobody is there it is never over
  await sleep(Math.max(0, until - Date.now()), undefined, { signal: hangUp.signal }).catch(() => {}); // hung up before
  leaving = true;
  await sendAndAwait({ type: "leave" }, "transport_state disconnected", 5);
  await send({ type: "destroy" });
}

/** Says a file with about two seconds queued: no hiccup of ours is heard, and there is little to take back. */
async function speak(path: string): Promise<void> {
  const { pcm, sampleRate } = readPcm(path);
  const chunkBytes = Math.floor(sampleRate / 5) * 2; // 200 ms
  for (let at = 0; at < pcm.length; at += chunkBytes) {
    if (at > 0) await maySpeak.promise;
    if (hangUp.signal.aborted) return;
    maySpeak = Promise.withResolvers(); // until the next buffer_depth: every chunk brings one about
    const pcmBase64 = pcm.subarray(at, at + chunkBytes).toString("base64");
    await send({ type: "audio", playbackId: "speech-1", sampleRate, pcmBase64 });
  }
  await sendAndAwait({ type: "finish_tts_playback", playbackId: "speech-1" }, "tts_playback_state drained", 30);
}

/** Reads frames until clankvox ends. A frame that makes no sense means that we lost step: never go on. */
async function read(): Promise<void> {
  let unread: Buffer = Buffer.alloc(0);
  for await (const chunk of vox.stdout as AsyncIterable<Buffer>) {
    unread = Buffer.concat([unread, chunk]);
    while (unread.length >= 5) {
      const [format, end] = [unread.readUInt8(0), 5 + unread.readUInt32LE(1)];
      if (format > 1 || end > 32 * 1024 * 1024) throw new Error(`a frame of unknown format ${format} or of ${end} bytes`);
      if (unread.length < end) break;
      const payload = unread.subarray(5, end);
      unread = unread.subarray(end);
      if (format === 0) await onEvent(JSON.parse(payload.toString()) as VoxEvent);
      else onAudio(payload);
    }
  }
  if (unread.length > 0) throw new Error("clankvox ended within a frame");
  if (!leaving) throw new Error("clankvox ended by itself");
}

function onAudio(payload: Buffer): void {
  const pcmAt = HEADER_BYTES + payload.readUInt16LE(18);
  const captureId = payload.toString("utf8", HEADER_BYTES, pcmAt);
  pieces.set(captureId, [...(pieces.get(captureId) ?? []), payload.subarray(pcmAt)]);
}

async function onEvent(event: VoxEvent): Promise<void> {
  console.log(JSON.stringify(event));
  const { type, status = "", userId, captureId } = event;
  if (type === "adapter_send" && event.payload) for (const command of gateway(event.payload.d)) await send(command);
  if (type === "speaking_start" && !captureId) // his first word is kept for two seconds: the capture gets it
    await send({ type: "subscribe_user", userId, captureId: `${userId}-${++captures}`, sampleRate: PCM_HZ });
  if (type === "user_audio_end" && captureId) save(captureId);
  if (type === "buffer_depth" && (event.ttsSamples ?? 0) < QUEUED_SAMPLES) maySpeak.resolve();
  if ((type === "error" || ["failed", "stopped", "disconnected", "disabled"].includes(status)) && !leaving)
    throw new Error(`it ended with ${JSON.stringify(event)}`); // what ends your call is your policy
  seen.dispatchEvent(new Event(`${type} ${status}`));
}

/** Writes a capture as a WAV file of s16le mono. */
function save(captureId: string): void {
  const pcm = Buffer.concat(pieces.get(captureId) ?? []);
  const header = Buffer.from("RIFF____WAVEfmt ____________________data____", "latin1");
  header.writeUInt32LE(36 + pcm.length, 4);
  [16, 0x1_0001, PCM_HZ, PCM_HZ * 2, 0x10_0002].forEach((word, n) => header.writeUInt32LE(word, 16 + 4 * n));
  header.writeUInt32LE(pcm.length, 40);
  if (pieces.delete(captureId)) writeFileSync(join(options.out, `${captureId}.wav`), Buffer.concat([header, pcm]));
}

/** s16le mono out of a WAV file, or out of a file of raw PCM at 24 kHz. */
function readPcm(path: string): { pcm: Buffer; sampleRate: number } {
  const file = readFileSync(path);
  if (!path.endsWith(".wav")) return { pcm: file, sampleRate: PCM_HZ };
  const [format, data] = [file.indexOf("fmt ") + 8, file.indexOf("data") + 8];
  if (file.readUInt16LE(format + 2) !== 1 || file.readUInt16LE(format + 14) !== 16)
    throw new Error("--play takes mono with 16 bits: ffmpeg -i any.mp3 -ac 1 -ar 24000 -c:a pcm_s16le out.wav");
  return { pcm: file.subarray(data, data + file.readUInt32LE(data - 4)), sampleRate: file.readUInt32LE(format + 4) };
}

process.on("SIGINT", () => hangUp.abort());
mkdirSync(options.out, { recursive: true });
try {
  await once(vox, "spawn");
  await Promise.all([read(), hold()]); // the failure of one ends the other
  if (vox.exitCode === null && vox.signalCode === null) await once(vox, "exit", { signal: AbortSignal.timeout(5000) });
  if (vox.exitCode !== 0) throw new Error(`clankvox ended with exit code ${vox.exitCode}`);
} catch (failure) {
  console.error(`parent: ${failure instanceof Error ? failure.message : failure}`);
  process.exitCode = 1;
} finally {
  for (const captureId of [...pieces.keys()]) save(captureId); // what was cut short
  vox.kill("SIGKILL");
  process.exit();
}
