import type { Duplex } from "node:stream";
import {
  type BadFrame,
  type ClientFrame,
  type ClientFrameType,
  closeCodes,
  decodeClientFrame,
  encodeRelayFrame,
  type RelayFrameType,
  type WireReason,
} from "@aimessage/sdk/protocol";
import type { RawData, WebSocket } from "ws";
import { Answers } from "./answers.ts";
import type { Context } from "./context.ts";
import type { Delivery } from "./delivery.ts";
import { handle, needsLogin, runsAlone } from "./handlers/index.ts";
import { invalidData } from "./handlers/invalid-data.ts";
import { Bucket } from "./rate-limit.ts";
import { type Answer, type Challenge, type FrameData, type Login, refuse, type Session } from "./session.ts";
import { StorageError } from "./store/store.ts";

/** Requests of one connection that may wait for the disk at once, and frames that may wait behind them. */
const MAX_RUNNING = 1024;
const MAX_QUEUED = 64;
/** The same behind a login, which for a token account ends only when its pongs are read: there is no pausing then. */
const MAX_QUEUED_AT_LOGIN = 1024;
/** Groups in which a `send` was refused and not yet sent again. */
const MAX_BLOCKED = 10_000;

type Read = { frame: ClientFrame; text: string } | { bad: BadFrame; text: string };

/** One socket: reads frames, starts their handlers in order, and writes. [P-2] */
export class Connection implements Session {
  readonly address: string;
  readonly blocked = new Set<string>();
  readonly openedAt = performance.now();
  login: Login | undefined;
  challenge: Challenge | undefined;
  delivery: Delivery | undefined;
  /** When the client was last heard of, and last pinged: `performance.now()`. */
  heardAt = this.openedAt;
  pingedAt = this.openedAt;

  readonly #context: Context;
  readonly #socket: Duplex;
  readonly #webSocket: WebSocket;
  readonly #bucket: Bucket;
  readonly #answers = new Answers((answer, replyTo) => this.#answer(answer, replyTo));
  readonly #queue: Read[] = [];
  #running = 0;
  /** The type of a request during which no other may run. */
  #alone: ClientFrameType | undefined;
  #paused = false;
  #closing = false;
  #corked = false;
  #frames = 0;
  #pingSeq = 0;
  #pings: number[] = [];

  constructor(context: Context, webSocket: WebSocket, socket: Duplex, address: string) {
    this.#context = context;
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.address = address;
    const { loginFramesPerSecond, loginFramesBurst } = context.config.limits;
    this.#bucket = new Bucket(loginFramesPerSecond, loginFramesBurst);
    webSocket.on("message", (data, isBinary) => this.#receive(data, isBinary));
    webSocket.on("pong", (data) => this.#pong(data.toString("latin1")));
    webSocket.on("ping", () => (this.heardAt = performance.now()));
    // 'close' follows; ws has closed with the right code (1009, 1007, 1002).
    webSocket.on("error", (error) => context.log.debug({ err: error.message }, "connection failed"));
  }

  get isOpen(): boolean {
    return this.#webSocket.readyState === this.#webSocket.OPEN;
  }

  get isIdle(): boolean {
    return this.#answers.pending === 0 && this.#queue.length === 0;
  }

  push<T extends RelayFrameType>(type: T, data: FrameData<T>): void {
    this.write(encodeRelayFrame(type, this.#nextId(), undefined, data));
  }

  write(text: string): void {
    if (!this.isOpen) return;
    this.#cork();
    this.#webSocket.send(text);
    if (this.#webSocket.bufferedAmount > this.#context.config.limits.bufferedBytes) this.#dropSlowReader();
  }

  pingUpTo(seq: number): void {
    this.#pingSeq = seq;
    this.#cork();
  }

  /** Keep-alive: its pong acknowledges nothing. */
  ping(): void {
    this.pingedAt = performance.now();
    if (this.isOpen) this.#webSocket.ping();
  }

  close(code: (typeof closeCodes)[keyof typeof closeCodes], reason: WireReason): void {
    if (this.#closing) return;
    this.stopReading();
    if (code === closeCodes.deviceReplaced) this.push("error", refuse(reason).data);
    this.#webSocket.close(code, reason);
  }

  /** Takes no more requests; those that have begun are answered. */
  stopReading(): void {
    this.#closing = true;
    this.#queue.length = 0;
  }

  goAway(): void {
    this.#webSocket.close(closeCodes.goingAway, "shutting_down");
  }

  terminate(): void {
    this.#webSocket.terminate();
  }

  #receive(data: RawData, isBinary: boolean): void {
    this.heardAt = performance.now();
    if (this.#closing) return;
    const bytes = data as Buffer;
    if (this.login === undefined && bytes.length > this.#context.config.limits.frameBytesUnauthenticated) {
      this.push("error", refuse("message_too_large").data);
      this.close(closeCodes.frameTooLarge, "message_too_large");
      return;
    }
    const text = isBinary ? "" : bytes.toString();
    this.#queue.push({ ...decodeClientFrame(text), text });
    this.#startQueued();
    if (this.#queue.length > MAX_QUEUED) this.#holdBack();
    if (this.blocked.size > MAX_BLOCKED) this.close(closeCodes.slowReader, "rate_limited");
  }

  #holdBack(): void {
    if (this.#alone === "authenticate") {
      let bytes = 0;
      for (const { text } of this.#queue) bytes += text.length;
      if (this.#queue.length > MAX_QUEUED_AT_LOGIN || bytes > 4 * this.#context.config.limits.frameBytes)
        this.#dropSlowReader();
    } else if (!this.#paused) {
      this.#paused = true;
      this.#webSocket.pause();
    }
  }

  #startQueued(): void {
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const alone = "frame" in next && runsAlone(next.frame.type);
      if (this.#alone !== undefined || this.#running >= MAX_RUNNING || (alone && this.#running > 0)) return;
      this.#queue.shift();
      this.#start(next, alone);
    }
    if (this.#paused) {
      this.#paused = false;
      this.#webSocket.resume();
    }
  }

  #start(read: Read, alone: boolean): void {
    const { type, id } = "frame" in read ? read.frame : read.bad;
    const { metrics } = this.#context;
    metrics.frame(type);
    const silent = type === "received" && id === undefined;
    const finish = this.#answers.reserve(id, silent);
    const answer = this.#decideSafely(read);
    if (!(answer instanceof Promise)) {
      finish(answer);
      return;
    }
    this.#running += 1;
    if (alone && "frame" in read) this.#alone = read.frame.type;
    answer
      .catch((error: unknown) => this.#failed(error, read))
      .then((settled) => {
        this.#running -= 1;
        if (alone) this.#alone = undefined;
        finish(settled);
        if (this.#queue.length > 0 || this.#paused) this.#startQueued();
      })
      .catch((error: unknown) => this.#context.log.error({ err: error }, "answer failed"));
  }

  #decideSafely(read: Read): Answer | Promise<Answer> {
    try {
      return this.#decide(read);
    } catch (error) {
      return this.#failed(error, read);
    }
  }

  #decide(read: Read): Answer | Promise<Answer> {
    const retryAfterMs = this.#charge("frame" in read ? read.frame.type : read.bad.type);
    if (retryAfterMs > 0) {
      this.#block(read);
      const named = "frame" in read ? requestId(read.frame) : {};
      return refuse("rate_limited", { retry_after_ms: retryAfterMs, ...named });
    }
    if ("frame" in read) return handle(this.#context, this, read.frame);
    const { reason, type } = read.bad;
    if (reason !== "invalid_data" || type === undefined) return refuse(reason);
    if (needsLogin(type) && this.login === undefined) return refuse("not_authenticated");
    this.#block(read);
    return invalidData(type);
  }

  /** Milliseconds to wait, or 0. Before login every frame counts; after it, those of the account together. [P-11.2] */
  #charge(type: string | undefined): number {
    if (this.login === undefined) return this.#bucket.take();
    const { frames, lightFrames } = this.#context.rates;
    return (type === "received" || type === "heartbeat" ? lightFrames : frames).take(this.login.name);
  }

  #failed(error: unknown, read: Read): Answer {
    this.#block(read);
    const named = "frame" in read ? requestId(read.frame) : {};
    if (error instanceof StorageError && error.reason === "storage_full") {
      // Once a minute: the log may be on the same disk.
      if (this.#context.rates.diskErrors.take() === 0) this.#context.log.error({ err: error.message }, "storage full");
      return refuse("storage_full", named);
    }
    this.#context.log.error({ err: error }, "request failed");
    return refuse("internal", named);
  }

  /** After a refused `send` nothing more is stored in its group, however it was refused. [P-6.5] */
  #block(read: Read): void {
    if ("frame" in read) {
      if (read.frame.type === "send" && read.frame.data.group_id !== undefined)
        this.blocked.add(read.frame.data.group_id);
    } else if (read.bad.type === "send") {
      const group: unknown = (JSON.parse(read.text) as { data?: { group_id?: unknown } }).data?.group_id;
      if (typeof group === "string" && group.length === 64) this.blocked.add(group);
    }
  }

  #answer(answer: Answer, replyTo: string | undefined): void {
    if (answer.type === "error") this.#context.metrics.refused(answer.data.reason ?? "internal");
    this.write(encodeRelayFrame(answer.type, this.#nextId(), replyTo, answer.data));
  }

  #nextId(): string {
    return `r${++this.#frames}`;
  }

  /** What is written in one turn leaves together, and one ping behind it. */
  #cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#socket.cork();
    setImmediate(() => this.#uncork());
  }

  #uncork(): void {
    this.#corked = false;
    const last = this.#pings.at(-1) ?? 0;
    if (this.#pingSeq > last && this.isOpen) {
      this.#pings.push(this.#pingSeq);
      this.pingedAt = performance.now();
      this.#webSocket.ping(`seq:${this.#pingSeq}`);
      this.#pingSeq = 0;
    }
    this.#socket.uncork();
  }

  /** Acknowledges up to the place that the ping named; other pongs only show life. [P-5.4] */
  #pong(payload: string): void {
    this.heardAt = performance.now();
    const { delivery, login } = this;
    if (!payload.startsWith("seq:") || delivery === undefined || login === undefined) return;
    const seq = Number(payload.slice(4));
    const index = this.#pings.indexOf(seq);
    if (index < 0) return;
    this.#pings.splice(0, index + 1);
    const { store, metrics } = this.#context;
    store.receivedSoon(login.mailbox, seq, (count) => metrics.delivered.inc(count));
    delivery.acknowledged(seq);
  }

  #dropSlowReader(): void {
    this.#context.log.warn({ user: this.login?.username }, "slow reader dropped");
    this.close(closeCodes.slowReader, "rate_limited");
    setImmediate(() => this.#webSocket.terminate());
  }
}

/** The id that the client has given to what it sends: errors repeat it. */
function requestId(frame: ClientFrame): { message_id?: string; commit_id?: string } {
  if (frame.type === "commit") return { commit_id: frame.data.commit_id };
  return frame.type === "send" && frame.data.message_id !== undefined ? { message_id: frame.data.message_id } : {};
}
