import { BlockedGroups } from "../store/blocked-groups.ts";
import type { Duplex } from "node:stream";
import {
  closeCodes,
  decodeClientFrame,
  encodeRelayFrame,
  type Look,
  type RelayFrameType,
  type WireReason,
} from "@aimessage/sdk/protocol";
import type { WebSocket } from "ws";
import { Answers } from "./answers.ts";
import * as bounds from "./bounds.ts";
import type { Context } from "../context.ts";
import type { Delivery } from "../delivery/delivery.ts";
import type { SharedFrame } from "../delivery/delivery-frame.ts";
import { Framing } from "./framing.ts";
import { handle, refuseBad, runsAlone } from "../handlers/index.ts";
import { chargeAccount, groupOf, Intake, type Read, requestId } from "./intake.ts";
import type { Over } from "./rate-limit.ts";
import { type Answer, type Challenge, refuse, type Session } from "../handlers/session.ts";
import type { FrameData } from "../delivery/delivery.ts";
import type { Login } from "../delivery/login.ts";
import { StorageError } from "../store/store.ts";
import { isLarge, Line } from "./turns.ts";
import { Valve } from "./valve.ts";
import { Writer } from "./writer.ts";

/** One socket: reads frames, starts their handlers in order, and writes. [P-2] */
export class Connection implements Session {
  readonly address: string;
  readonly openedAt = performance.now();
  login: Login | undefined;
  challenge: Challenge | undefined;
  delivery: Delivery | undefined;
  /** When the client was last heard of, and last pinged: `performance.now()`. */
  heardAt = this.openedAt;
  pingedAt = this.openedAt;
  readonly #context: Context;
  readonly #webSocket: WebSocket;
  readonly #writer: Writer;
  readonly #intake: Intake;
  readonly #answers = new Answers((answer, replyTo) => this.#answer(answer, replyTo));
  /** Made when it is needed: most connections send nothing large. */
  #line: Line | undefined;
  readonly #queue: Read[] = [];
  #blocked: BlockedGroups | undefined;
  #running = 0;
  /** The type of a request during which no other may run. */
  #alone: string | undefined;
  readonly #valve: Valve;
  readonly #framing = new Framing();
  #closing = false;
  #frames = 0;

  constructor(context: Context, webSocket: WebSocket, socket: Duplex, address: string) {
    this.#context = context;
    this.#webSocket = webSocket;
    this.#writer = new Writer(webSocket, socket);
    this.#valve = new Valve(webSocket);
    this.address = address;
    this.#intake = new Intake(context.config.limits);
    webSocket.on("message", (data, isBinary) => {
      this.heardAt = performance.now();
      if (this.#closing) return;
      const bytes = data as Buffer;
      if (this.#line === undefined && !isLarge(bytes.length)) this.#receive(bytes, isBinary);
      else this.#inLine.add(bytes, isBinary);
    });
    socket.on("drain", () => this.#valve.open("unread"));
    socket.on("data", (chunk: Buffer) => this.#follow(chunk));
    webSocket.on("pong", (data) => this.#pong(data.toString("latin1")));
    webSocket.on("ping", (data) => {
      this.#heard();
      this.#writer.pong(data);
      this.#limitUnread();
    });
  }

  /** Made when it is needed: most connections send nothing. */
  get blocked(): BlockedGroups {
    return (this.#blocked ??= new BlockedGroups());
  }

  get isOpen(): boolean {
    return this.#webSocket.readyState === this.#webSocket.OPEN;
  }

  get isIdle(): boolean {
    return this.#answers.pending === 0 && this.#queue.length === 0 && this.#line?.isEmpty !== false;
  }

  push<T extends RelayFrameType>(type: T, data: FrameData<T>): void {
    this.write(encodeRelayFrame(type, this.#nextId(), undefined, data));
  }

  write(frame: string | SharedFrame): void {
    if (!this.isOpen) return;
    if (typeof frame === "string") this.#writer.write(frame);
    else this.#writer.writeShared(frame);
    this.#limitUnread();
  }

  #limitUnread(): void {
    // Mail has a bound of its own, and who reads it slowly has to be heard meanwhile.
    const most =
      this.login === undefined ? bounds.UNREAD_BEFORE_LOGIN : bounds.UNREAD + (this.delivery?.inFlightBytes ?? 0);
    if (this.unread > this.#context.config.limits.bufferedBytes) this.drop("slow reader dropped");
    else if (this.unread > most) this.#valve.close("unread");
  }

  pingUpTo(seq: number): void {
    this.#writer.pingUpTo(seq);
  }

  /** Keep-alive: its pong acknowledges nothing. */
  ping(): void {
    this.pingedAt = performance.now();
    if (this.isOpen) this.#webSocket.ping();
  }

  superseded(): void {
    this.push("error", refuse("listen_superseded").data);
  }

  close(code: (typeof closeCodes)[keyof typeof closeCodes], reason: WireReason): void {
    if (this.#closing) return;
    this.stopReading();
    if (code === closeCodes.deviceReplaced) this.push("error", refuse(reason).data);
    this.#webSocket.close(code, reason);
    // Whoever does not read the reason keeps what was written to it.
    setTimeout(() => this.terminate(), bounds.CLOSE_MS).unref();
  }

  /** Takes no more requests; those that have begun are answered. */
  stopReading(): void {
    this.#closing = true;
    this.#queue.length = 0;
    this.#line?.clear();
  }

  /** The client is gone: what it has sent is read all the same. */
  gone(): void {
    this.#line?.end();
  }

  goAway(): void {
    this.#webSocket.close(closeCodes.goingAway, "shutting_down");
  }

  get unread(): number {
    return this.#writer.buffered;
  }

  terminate(): void {
    this.#webSocket.terminate();
  }

  get #inLine(): Line {
    return (this.#line ??= new Line({
      turns: this.#context.turns,
      address: this.address,
      mayAsk: () => this.#mayBeRead(),
      read: (bytes, isBinary) => this.#receive(bytes, isBinary),
      onWait: (waits) => {
        this.#hold();
        if (waits) return this.#valve.close("turn");
        // It could not be heard.
        this.heardAt = performance.now();
        this.#valve.open("turn");
      },
    }));
  }

  /** Whoever has had much read in vain is read later. */
  #mayBeRead(): boolean {
    const wait = this.#context.rates.addressRefusedBytes.take(this.address);
    if (wait > 0) this.#valve.closeFor("rate", Math.min(wait, bounds.REFUSED_PAUSE_MS));
    return wait === 0;
  }

  #receive(bytes: Buffer, isBinary: boolean): void {
    if (this.#closing) return;
    const read = this.#isKnown ? this.#intake.read(bytes, isBinary) : this.#intake.readStranger(bytes, isBinary);
    if (read === "too_large") return this.#tooLarge();
    if (read === "flood") return this.drop("flood before login dropped");
    this.#queue.push(read);
    this.#startQueued();
    if (this.#queue.length > 0) this.#holdBack();
    if ((this.#blocked?.size ?? 0) > bounds.MAX_BLOCKED) this.close(closeCodes.slowReader, "rate_limited");
  }

  #holdBack(): void {
    const isLogin = this.#alone === "authenticate";
    let bytes = 0;
    for (const { text } of this.#queue) bytes += text.length;
    const most = isLogin ? bounds.MAX_QUEUED_AT_LOGIN : bounds.MAX_QUEUED;
    if (this.#queue.length <= most && bytes <= 4 * this.#context.config.limits.frameBytes) return;
    if (isLogin) this.drop("slow reader dropped");
    else this.#valve.close("queue");
  }

  /** Counts what is held of what is not whole; before login little may be held for anybody. */
  #follow(chunk: Buffer): void {
    if (this.#closing) return;
    this.#framing.read(chunk);
    if (!this.#isKnown && this.#intake.isTooLarge(this.#framing.length)) return this.#tooLarge();
    const { length, come } = this.#framing;
    if (isLarge(length)) this.#inLine.expect(length, come);
    this.#hold();
  }

  #hold(): void {
    this.#context.unfinished.hold(this, this.isOpen ? this.#framing.held + (this.#line?.held ?? 0) : 0);
  }

  /** Behind a login whose answer is on its way frames are the account's. */
  get #isKnown(): boolean {
    return this.login !== undefined || this.#alone === "authenticate";
  }

  #tooLarge(): void {
    this.push("error", refuse("message_too_large").data);
    this.close(closeCodes.frameTooLarge, "message_too_large");
    // The rest of it is not taken in.
    this.#valve.close("end");
  }

  #startQueued(): void {
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const alone = runsAlone(next.look.type);
      if (this.#alone !== undefined || this.#running >= bounds.MAX_RUNNING || (alone && this.#running > 0)) return;
      if (this.#context.isBehind()) {
        // What waits for others is as much as may be: this waits in the network.
        this.#valve.close("queue");
        return this.#context.behind.add(this);
      }
      this.#queue.shift();
      this.#start(next, alone);
    }
    this.#valve.open("queue");
  }

  /** The store has caught up. */
  goOn(): void {
    this.#startQueued();
  }

  #start(read: Read, alone: boolean): void {
    // The text is let go of as soon as it is parsed: what waits for the disk is much.
    const { look } = read;
    const { type, id } = look;
    const { metrics } = this.#context;
    metrics.frame(type);
    const silent = type === "received" && id === undefined;
    const finish = this.#answers.reserve(id, silent);
    const settle = (answer: Answer): void => {
      if (answer.type === "error") this.#refused(look);
      finish(answer);
    };
    const asked = groupOf(look) === undefined ? undefined : this.blocked.ask();
    const answer = this.#decideSafely(read);
    if (!(answer instanceof Promise)) return settle(answer);
    this.#running += 1;
    if (alone) this.#alone = type;
    answer
      .catch((error: unknown) => this.#failed(error, look, asked))
      .then((settled) => {
        this.#running -= 1;
        if (alone) this.#alone = undefined;
        settle(settled);
        if (this.#queue.length > 0 || this.#valve.isClosedFor("queue")) this.#startQueued();
      })
      .catch((error: unknown) => this.#context.log.error({ err: error }, "answer failed"));
    return undefined;
  }

  /** It was read for nothing: whoever has that done often is read later. */
  #refused({ length }: Look): void {
    const over = this.#context.rates.addressRefusedBytes.charge(this.address, length);
    if (over !== undefined) this.#valve.closeFor("rate", over.pauseMs);
  }

  #decideSafely(read: Read): Answer | Promise<Answer> {
    try {
      return this.#decide(read);
    } catch (error) {
      return this.#failed(error, read.look);
    }
  }

  #decide(read: Read): Answer | Promise<Answer> {
    const over = this.#charge(read);
    if (over !== undefined) {
      this.#block(read.look);
      this.#valve.closeFor("rate", over.pauseMs);
      return refuse("rate_limited", { retry_after_ms: over.retryAfterMs, ...requestId(read.look) });
    }
    const decoded = decodeClientFrame(read.text, read.look);
    if ("frame" in decoded) return handle(this.#context, this, decoded.frame);
    this.#block(read.look);
    return refuseBad(decoded.bad, this.login !== undefined);
  }

  /** Before login every frame counts; after it, those of the account together. [P-11.2] */
  #charge(read: Read): Over | undefined {
    if (read.charged !== undefined) return read.charged.over;
    if (this.login === undefined) return this.#intake.charge(read.text.length);
    return chargeAccount(this.#context.rates, this.login.name, read, this.#context.hub.size);
  }

  /** Pings and pongs are answered or heeded all the same; too many are read later. */
  #heard(): void {
    this.heardAt = performance.now();
    const { login } = this;
    const over = login === undefined ? this.#intake.charge(0) : this.#context.rates.lightFrames.charge(login.name, 1);
    if (over !== undefined) this.#valve.closeFor("rate", over.pauseMs);
  }

  /** @param asked Its number, if what came behind it waits already */
  #failed(error: unknown, look: Look, asked?: number): Answer {
    this.#block(look, asked);
    const named = requestId(look);
    if (error instanceof StorageError && (error.isAway || error.reason !== "internal")) {
      // Once a minute: the log may be on the same disk, and it is so of all. Of what was not even tried it has heard.
      if (error.cause !== undefined && this.#context.rates.diskErrors.take() === 0)
        this.#context.log.error({ err: error.message }, error.isAway ? "request failed" : "storage full");
      return refuse(error.reason, named);
    }
    this.#context.log.error({ err: error }, "request failed");
    return refuse("internal", named);
  }

  /** After a refused `send` nothing more is stored in its group, however it was refused. [P-6.5] */
  #block(look: Look, asked?: number): void {
    const group = groupOf(look);
    if (group !== undefined && this.login !== undefined) this.blocked.add(group, asked);
  }

  #answer(answer: Answer, replyTo: string | undefined): void {
    if (answer.type === "error") {
      const { reason = "internal" } = answer.data;
      this.#context.metrics.refused(reason);
      this.#context.refusals.count(reason, this.login?.name ?? this.address);
    }
    this.write(encodeRelayFrame(answer.type, this.#nextId(), replyTo, answer.data));
  }

  #nextId(): string {
    return `r${++this.#frames}`;
  }

  /** Acknowledges up to the place that the ping named; other pongs only show life. [P-5.4] */
  #pong(payload: string): void {
    this.#heard();
    const seq = this.#writer.acknowledgedBy(payload);
    const { delivery, login } = this;
    if (seq === undefined || delivery === undefined || login === undefined) return;
    const { store, metrics } = this.#context;
    store.receivedSoon(login.mailbox, seq, (count) => metrics.delivered.inc(count));
    delivery.acknowledged(seq);
  }

  /** Ends a connection whose client lets too much wait. `why` is for the log. */
  drop(why: string): void {
    this.#context.rates.addressRefusedBytes.owe(this.address, this.#framing.held);
    this.#context.log.warn({ user: this.login?.username }, why);
    // The rest that it has sent is not taken in.
    this.#valve.close("end");
    this.close(closeCodes.slowReader, "rate_limited");
    setImmediate(() => this.#webSocket.terminate());
  }
}
