import { AgentError } from "../errors.ts";
import {
  type ClientFrameInput,
  type ClientFrameType,
  decodeRelayFrame,
  type Delivery,
  encodeClientFrame,
  FIRST_FRAME_LENGTH,
  longestFrame,
  lookAt,
  type RelayFrame,
  type RelayFrameData,
  type RelayFrameType,
  wireErrors,
  type WireReason,
} from "../protocol/index.ts";

/** A wire error as the client sees it. */
export type Refusal = RelayFrameData<"error">;

/** A message that the relay has pushed, and whether it was stored before we listened. */
export interface Pushed {
  delivery: Delivery;
  offline: boolean;
}

/** Frames wait this long for their answer before the connection counts as dead. Milliseconds. */
const ANSWER_MS = 20_000;
const CONNECT_MS = 10_000;
/** What a relay may push ahead of us. Honest ones stop far below, until we have acknowledged something. */
const AHEAD_MESSAGES = 10_000;
const AHEAD_CHARACTERS = 64 * 2 ** 20;
/** However long the relay says that a refusal holds: it may be honest before that. Milliseconds. */
const RETRY_MOST_MS = 3_600_000;
/** Frames of a relay that answer nothing, and mean something to a client. */
const PUSHED: ReadonlySet<string | undefined> = new Set([
  "message",
  "offline_message",
  "error",
  "keys_low",
  "statement",
] satisfies RelayFrameType[]);
/** Statements of members that are kept until a turn takes them; the relay offers them to others as well. */
const STATEMENTS = 100;
/** After so long without a word from the relay we ask for one. */
const QUIET_MS = 30_000;

type Answer = { frame: RelayFrame } | { refusal: Refusal };
type OnAnswer = (answer: Answer) => void;

/** What a connection needs of a WebSocket. (WHATWG WebSockets, section 3.1) */
export interface Socket {
  send(text: string): void;
  close(): void;
  addEventListener(type: "open" | "error", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  addEventListener(type: "close", listener: (event: { code: number; reason: string }) => void): void;
}

/** A request without its answer. `lost` is called if the connection ends before it came. */
interface Waiting {
  settle: OnAnswer;
  lost?: () => void;
  since: number;
}

/**
 * One WebSocket to the relay: requests and their answers, and the queue of pushed messages. Knows nothing of accounts or
 * ratchets. `onEvent` is called whenever there is something to look at.
 */
export class Connection {
  /** Why it closed; undefined while it is open. */
  closedBy: { code: number; reason: string } | undefined;
  /** The last error that answered no request: the relay's reason to close, or for a `received` that it did not take. */
  unasked: Refusal | undefined;
  /** Key packages that are left at the relay, once it has said that they are few. */
  keysLow: number | undefined;
  /** What members of teams want others to commit, until a turn takes it. */
  readonly statements: RelayFrameData<"statement">[] = [];
  readonly #socket: Socket;
  readonly #onEvent: () => void;
  readonly #pushed: (Pushed & { length: number })[] = [];
  #pushedLength = 0;
  readonly #waiting = new Map<string, Waiting>();
  readonly #watchdog: ReturnType<typeof setInterval>;
  #forgetSignal: () => void = () => undefined;
  #next = 1;
  /** The longest frame of the relay that is read. */
  #longest = FIRST_FRAME_LENGTH;
  #heard = performance.now();

  private constructor(socket: Socket, onEvent: () => void) {
    this.#socket = socket;
    this.#onEvent = onEvent;
    socket.addEventListener("message", (event) => this.#receive(event.data));
    socket.addEventListener("close", (event) => this.#closed(event.code, event.reason));
    socket.addEventListener("error", () => this.close());
    this.#watchdog = setInterval(() => this.#watch(), ANSWER_MS / 4);
  }

  /** Waits until a socket to `url` that is being opened is open. @throws AgentError relay_unreachable, aborted */
  static over(socket: Socket, url: URL, onEvent: () => void, signal?: AbortSignal): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const fail = (code: "relay_unreachable" | "aborted", text: string) => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
        reject(new AgentError(code, text, { hint: hintFor(url) }));
        // Behind it: to some sockets this is an error, which says less.
        socket.close();
      };
      const unreachable = (why: string) => fail("relay_unreachable", `no relay answers at ${url.href}${why}`);
      const abort = () => fail("aborted", "aborted while connecting");
      const timer = setTimeout(() => unreachable(" (time-out)"), CONNECT_MS);
      // Before anything can close it: that is an error of a socket that is not open yet.
      socket.addEventListener("error", () => unreachable(""));
      signal?.addEventListener("abort", abort);
      if (signal?.aborted === true) return abort();
      socket.addEventListener("open", () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
        const connection = new Connection(socket, onEvent);
        connection.#closeWith(signal);
        resolve(connection);
      });
    });
  }

  /** Pushed messages that were not taken yet. */
  get pushed(): number {
    return this.#pushed.length;
  }

  /** The oldest pushed messages, at most `count`. */
  take(count: number): Pushed[] {
    const taken = this.#pushed.splice(0, count);
    for (const { length } of taken) this.#pushedLength -= length;
    return taken;
  }

  get open(): boolean {
    return this.closedBy === undefined;
  }

  /** Sends a request; either `settle` is called once with its answer, or `lost` when the connection ends before. */
  post<T extends ClientFrameType>(type: T, data: ClientFrameInput<T>, settle: OnAnswer, lost?: () => void): void {
    if (!this.open) return lost?.();
    const id = String(this.#next++);
    this.#waiting.set(id, { settle, ...(lost === undefined ? {} : { lost }), since: performance.now() });
    this.#socket.send(encodeClientFrame(type, id, data));
  }

  /** Sends a frame that is not answered unless it is refused. */
  tell<T extends ClientFrameType>(type: T, data: ClientFrameInput<T>): void {
    if (this.open) this.#socket.send(encodeClientFrame(type, undefined, data));
  }

  /**
   * Sends a request and waits for its answer.
   * @throws AgentError refused (with the relay's reason), relay_unreachable (closed before the answer), relay_protocol
   */
  async request<T extends ClientFrameType, A extends RelayFrameType>(
    type: T,
    data: ClientFrameInput<T>,
    expected: A,
  ): Promise<RelayFrameData<A>> {
    const answer = await this.ask(type, data);
    if ("refusal" in answer) throw refused(answer.refusal);
    if (answer.frame.type !== expected)
      throw new AgentError("relay_protocol", `the relay answered ${type} with ${answer.frame.type}`);
    return answer.frame.data as RelayFrameData<A>;
  }

  /** As {@link request}, but a refusal is returned. @throws AgentError relay_unreachable */
  ask<T extends ClientFrameType>(type: T, data: ClientFrameInput<T>): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.post(type, data, resolve, () =>
        reject(new AgentError("relay_unreachable", "the connection to the relay was lost")),
      );
    });
  }

  /** Ends it at once, whether or not the other side still lives. */
  close(): void {
    this.#socket.close();
    this.#closed(1000, "");
  }

  /** A signal outlives many connections, and must not keep them. */
  #closeWith(signal: AbortSignal | undefined): void {
    const close = () => this.close();
    signal?.addEventListener("abort", close);
    this.#forgetSignal = () => signal?.removeEventListener("abort", close);
  }

  #receive(data: unknown): void {
    this.#heard = performance.now();
    if (typeof data !== "string" || !this.open) return;
    if (data.length > this.#longest) return this.close();
    const look = lookAt(data);
    // What nobody has asked for, and an answer that nobody waits for any more, is not worth parsing.
    if (look.reply_to === undefined ? !PUSHED.has(look.type) : !this.#waiting.has(look.reply_to)) return;
    const decoded = decodeRelayFrame(data, look);
    if ("bad" in decoded) {
      // Unasked frames that this version does not know are not for us; an answer that cannot be read ends its request.
      if (decoded.bad.replyTo !== undefined) this.#settle(decoded.bad.replyTo, { refusal: unreadable });
      return;
    }
    const { frame } = decoded;
    if (frame.type === "message" || frame.type === "offline_message") {
      this.#pushed.push({ delivery: frame.data, offline: frame.type === "offline_message", length: data.length });
      this.#pushedLength += data.length;
      if (this.#pushed.length > AHEAD_MESSAGES || this.#pushedLength > AHEAD_CHARACTERS) this.close();
    } else if (frame.replyTo !== undefined) {
      if (frame.type === "info") this.#longest = longestFrame(frame.data.limits.frame_bytes);
      this.#settle(frame.replyTo, frame.type === "error" ? { refusal: bounded(frame.data) } : { frame });
    } else if (frame.type === "error") {
      this.unasked = frame.data;
      // Somebody else listens with this device's keys. Who goes on is decided by the next login.
      if (frame.data.reason === "listen_superseded") this.close();
    } else if (frame.type === "keys_low") this.keysLow = frame.data.remaining;
    else if (frame.type === "statement" && this.statements.length < STATEMENTS) this.statements.push(frame.data);
    this.#onEvent();
  }

  #settle(id: string, answer: Answer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.settle(answer);
  }

  #closed(code: number, reason: string): void {
    if (this.closedBy !== undefined) return;
    this.closedBy = { code, reason };
    clearInterval(this.#watchdog);
    this.#forgetSignal();
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { lost } of waiting) lost?.();
    this.#onEvent();
  }

  /** A half-open connection never says that it is closed; an answer that does not come does. */
  #watch(): void {
    const [oldest] = this.#waiting.values();
    if (oldest !== undefined && performance.now() - oldest.since > ANSWER_MS) this.close();
    else if (oldest === undefined && performance.now() - this.#heard > QUIET_MS)
      this.post("heartbeat", {}, () => undefined);
  }
}

function hintFor(url: URL): string {
  const certificate = url.protocol === "wss:" ? ", and that its certificate is trusted (NODE_EXTRA_CA_CERTS)" : "";
  return `check the server URL, and that the relay runs${certificate}`;
}

function bounded(refusal: Refusal): Refusal {
  const { retry_after_ms: wait } = refusal;
  return wait === undefined ? refusal : { ...refusal, retry_after_ms: Math.min(wait, RETRY_MOST_MS) };
}

const unreadable: Refusal = { code: 0, reason: "unreadable_answer", message: "its answer could not be read" };

/** The local error for a relay's refusal. */
export function refused(refusal: Refusal): AgentError {
  if (refusal === unreadable)
    return new AgentError("relay_protocol", "the relay's answer could not be read", {
      hint: "it may speak another version: update aimessage, or ask the relay's operator to update it",
    });
  return new AgentError("refused", `the relay refused: ${refusal.message}`, {
    hint: refusal.hint,
    reason: refusal.reason,
    retryAfterMs: refusal.retry_after_ms,
  });
}

/** Whether the same frame may be taken later. */
export function isTemporary(refusal: Refusal): boolean {
  return Object.hasOwn(wireErrors, refusal.reason)
    ? wireErrors[refusal.reason as WireReason].retry
    : refusal.code >= 500;
}
