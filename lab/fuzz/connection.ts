import {
  type ClientFrame,
  decodeClientFrame,
  decodeRelayFrame,
  lookAt,
  type RelayFrame,
} from "@aimessage/sdk/protocol";
import { maskedFrame, opcodes } from "../shared/websocket.ts";
import { OwedAnswers } from "./answers.ts";
import { checkDelivery } from "./deliveries.ts";
import type { Known, User } from "./known.ts";
import { FuzzSocket } from "./socket.ts";
import { Violation } from "./violation.ts";

/** What was sent, if the relay can read it. */
export type Request = ClientFrame | undefined;

const PUSHED = new Set(["message", "offline_message", "key_request", "key_response", "keys_low", "statement"]);
interface Owed {
  request: Request;
  answered: ((frame: RelayFrame) => void) | undefined;
  /** Highest `seq` that had been pushed when it was sent. */
  pushed: number;
}
/** How long an answer, or the end of a connection, may take at most. Milliseconds. */
const PATIENCE_MS = 60_000;
/** What happened last on a connection, for the report of a violation. */
const HISTORY = 24;

/** One connection: everything that comes is checked here, and what it tells is kept. */
export class Connection {
  user: User | undefined;
  /** The device that has logged in here: the account may have another by now. */
  device: string | undefined;
  logId = "";
  /** Highest `seq` that was pushed here. */
  pushed = 0;
  challenge: string | undefined;
  /** Leaves pings unanswered, and so what they acknowledge. */
  deaf = false;
  lastPing = 0;
  isOpen = true;
  readonly closed: Promise<void>;
  readonly #socket: FuzzSocket;
  readonly #known: Known;
  readonly #owed = new OwedAnswers<Owed>();
  readonly #history: string[] = [];
  readonly #fail: (violation: Violation) => void;
  readonly #learn: (request: ClientFrame, answer: RelayFrame) => void;
  /** Highest `seq` since the push began. */
  #seq = 0;
  /** Close codes that what was sent makes right; 4001 and 4002 any other connection of the account can cause. */
  #codes = new Set<number | undefined>([4001, 4002]);
  #pongs: string[] = [];

  private constructor(
    known: Known,
    socket: FuzzSocket,
    fail: (violation: Violation) => void,
    learn: (connection: Connection, request: ClientFrame, answer: RelayFrame) => void,
  ) {
    this.#known = known;
    this.#socket = socket;
    this.#fail = fail;
    this.#learn = (request, answer) => learn(this, request, answer);
    socket.onText = (text) => this.#guarded(() => this.#arrived(text));
    socket.onPing = (payload) => this.#pinged(payload);
    socket.onPong = (payload) => this.#guarded(() => this.#ponged(payload.toString("latin1")));
    this.closed = new Promise((resolve) => {
      socket.onClose = (code) => {
        this.isOpen = false;
        this.#guarded(() => {
          if (!this.#codes.has(code)) throw new Violation(`a connection was closed with ${code ?? "no code"}`);
        });
        resolve();
      };
    });
  }

  static async open(
    port: number,
    known: Known,
    fail: (violation: Violation) => void,
    learn: (connection: Connection, request: ClientFrame, answer: RelayFrame) => void,
  ): Promise<Connection> {
    return new Connection(known, await FuzzSocket.open(port), fail, learn);
  }

  /** Sends one text message, in pieces if it is asked for. @returns whether the relay can read it */
  send(text: string, pieces = 1, ping = false): boolean {
    const bytes = Buffer.from(text);
    const request = this.#owe(bytes);
    const size = Math.ceil(bytes.length / pieces) || 1;
    if (pieces === 1) this.#socket.text(bytes);
    else
      for (let at = 0; at < Math.max(1, bytes.length); at += size) {
        const opcode = at === 0 ? opcodes.text : opcodes.continuation;
        const fin = at + size >= bytes.length;
        this.#socket.bytes(maskedFrame(opcode, bytes.subarray(at, at + size), { fin }));
        // Control frames may stand between the pieces (RFC 6455, section 5.4).
        if (ping && !fin) this.ping(Buffer.from(`between ${at}`));
      }
    return request !== undefined;
  }

  /** Sends a frame and gives its answer; undefined if the connection ends instead. */
  async ask(type: string, data: unknown, id: string): Promise<RelayFrame | undefined> {
    const bytes = Buffer.from(JSON.stringify({ type, id, data }));
    const { promise, resolve } = Promise.withResolvers<RelayFrame | undefined>();
    this.#owe(bytes, resolve);
    this.#socket.text(bytes);
    void this.closed.then(() => resolve(undefined));
    const timer = setTimeout(() => {
      this.#guarded(() => {
        throw new Violation(`no answer to ${type} within ${PATIENCE_MS / 1000} s; owed: ${this.#owed.describe()}`);
      });
      resolve(undefined);
    }, PATIENCE_MS);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** What was sent makes the relay close, with one of these codes. */
  expectClose(...codes: (number | undefined)[]): void {
    for (const code of codes) this.#codes.add(code);
  }

  binary(bytes: Uint8Array): void {
    this.#owed.add({ id: undefined, silent: false, request: { request: undefined, answered: undefined, pushed: 0 } });
    this.#note(`binary ${bytes.length}`);
    this.#socket.frame(opcodes.binary, bytes);
  }

  ping(bytes: Uint8Array): void {
    this.#pongs.push(Buffer.from(bytes).toString("latin1"));
    this.#socket.frame(opcodes.ping, bytes);
  }

  pong(payload: string): void {
    this.#note(`pong ${payload}`);
    this.#socket.frame(opcodes.pong, Buffer.from(payload));
  }

  /** Whatever bytes: they owe nothing. */
  bytes(bytes: Uint8Array): void {
    this.#socket.bytes(bytes);
  }

  halfClose(): void {
    this.expectClose(undefined, 1006, 1005, 1000);
    this.#socket.halfClose();
  }

  destroy(): void {
    this.expectClose(undefined);
    this.#socket.destroy();
  }

  /** Waits for the end of a connection that was broken. */
  async ended(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, PATIENCE_MS)));
    await Promise.race([this.closed, late]);
    clearTimeout(timer);
    this.#guarded(() => {
      if (this.isOpen) throw new Violation("a broken connection has not ended");
    });
  }

  /** The request whose bytes these are. */
  #owe(bytes: Buffer, answered?: (frame: RelayFrame) => void): Request {
    const text = bytes.toString();
    const decoded = decodeClientFrame(text);
    const request = "frame" in decoded ? decoded.frame : undefined;
    const { id } = lookAt(text);
    if (request?.type === "unregister" && this.user !== undefined) this.user.leaving = true;
    if (request?.type === "commit" && request.data.team === true && this.device !== undefined)
      this.#known.teams.asked(this.device, request.data);
    if (
      request?.type === "received" &&
      request.data.seq > this.pushed &&
      request.data.seq < this.pushed + 1e5 &&
      this.device !== undefined
    )
      this.#known.teams.careless(this.device, this.pushed + 1, request.data.seq);
    const silent = request?.type === "received" && id === undefined;
    this.#owed.add({ id, silent, request: { request, answered, pushed: this.pushed } });
    if (bytes.length > (this.user === undefined ? 2 ** 16 : 2 ** 20)) this.expectClose(1009, 4003);
    this.#note(`> ${text.slice(0, 400)}`);
    return request;
  }

  #arrived(text: string): void {
    this.#note(`< ${text.slice(0, 400)}`);
    const decoded = decodeRelayFrame(text);
    if ("bad" in decoded) throw new Violation(`this is no frame: ${text.slice(0, 500)}`);
    const { frame } = decoded;
    if (frame.replyTo === undefined && PUSHED.has(frame.type)) return this.#pushed(frame);
    if (frame.type === "error" && frame.data.reason === "internal") throw new Violation("an internal error");
    const isError = frame.type === "error";
    if (isError && frame.replyTo === undefined && frame.data.reason === "listen_superseded") return undefined;
    const taken = this.#owed.take(frame.replyTo, isError);
    if (taken === undefined) {
      // At times it is an answer, too.
      if (isError && frame.replyTo === undefined && UNASKED.has(frame.data.reason)) return undefined;
      throw new Violation(`an answer that nothing asked for: ${text.slice(0, 300)}; owed: ${this.#owed.describe()}`);
    }
    const { request, answered, pushed } = taken;
    if (frame.type === "ack" && frame.data.status === "listening") {
      this.logId = frame.data.log_id ?? "";
      if (this.user?.agent !== undefined) this.#seq = 0;
    }
    // Of requests with the same id, or none, it is not known which one this answers.
    if (
      isError &&
      frame.data.reason === "received_out_of_range" &&
      request?.type === "received" &&
      isUnique(request.id)
    )
      if (request.data.log_id === this.logId && request.data.seq <= pushed)
        throw new Violation(`received ${request.data.seq} was refused, but ${pushed} had been pushed here`);
    if (frame.type === "challenge") this.challenge = frame.data.challenge;
    if (request?.type === "unregister") this.expectClose(4002);
    if (request !== undefined) this.#learn(request, frame);
    answered?.(frame);
    return undefined;
  }

  #pushed(frame: RelayFrame): void {
    if (frame.type !== "message" && frame.type !== "offline_message") return;
    const { data } = frame;
    if (data.seq <= this.#seq) throw new Violation(`seq ${data.seq} was pushed after ${this.#seq}`);
    this.#seq = data.seq;
    this.pushed = Math.max(this.pushed, data.seq);
    checkDelivery(this.#known, this, data);
  }

  #pinged(payload: Buffer): void {
    const text = payload.toString("latin1");
    if (text.startsWith("seq:")) this.lastPing = Number(text.slice(4));
    if (!this.deaf) this.#socket.frame(opcodes.pong, payload);
  }

  /** Of pings that wait together only the newest needs a pong (RFC 6455, section 5.5.3). */
  #ponged(payload: string): void {
    const at = this.#pongs.indexOf(payload);
    if (at < 0) throw new Violation(`a pong that nothing asked for: ${JSON.stringify(payload)}`);
    this.#pongs.splice(0, at + 1);
  }

  #note(line: string): void {
    this.#history.push(line);
    if (this.#history.length > HISTORY) this.#history.shift();
  }

  #guarded(check: () => void): void {
    try {
      check();
    } catch (error) {
      const { message } = error as Error;
      const whose = this.user === undefined ? "a stranger" : this.user.name;
      this.#fail(
        new Violation(`${message}\n  connection of ${whose}, the last of it:\n    ${this.#history.join("\n    ")}`),
      );
    }
  }
}

/** Errors that answer nothing, unless a request without an id is what they answer. */
const UNASKED = new Set(["device_replaced", "message_too_large"]);

/** Ids that are given once: see slot.ts. */
function isUnique(id: string | undefined): boolean {
  return id !== undefined && /^f\d+$/.test(id);
}
