/** The agent as a program in any language has it: `aimessage pipe`. */
import { Buffer } from "node:buffer";
import type { Agent, Contact, FilesRoot, MessageStatus, SendOptions, Sent } from "@aimessage/sdk/node";
import { createOutput, escapeJson, StdoutError } from "@aimessage/sdk/program";
import { usernameKey } from "@aimessage/sdk/protocol";
import type { Context } from "../context.ts";
import { UsageError } from "../errors.ts";
import { kindOf } from "../kind.ts";
import { messageJson } from "../message.ts";
import { requestJson } from "../requests.ts";
import { statusJson, statusWithFiles } from "../status.ts";
import { Desk, settle, type Word } from "./desk.ts";
import {
  codes,
  type MethodName,
  methods,
  type NotificationName,
  type notifications,
  type Params,
  type Result,
} from "./pipe-schema.ts";
import { PipeFiles } from "./pipe-files.ts";
import { pipeGroups } from "./pipe-groups.ts";
import { watchReader } from "./reader.ts";
import { RpcError, serve } from "./rpc.ts";
import type * as z from "zod/mini";

/** Messages that may be with the program at a time, if it does not say. */
const WINDOW = 16;
/** How long what waits to be sent may take once the program has ended its side. Milliseconds. */
const DRAIN_MS = 5_000;
/** Characters of JSON for a byte of a body, at most: \u0001. */
const WIDEST = 6;
/** JSON around a body. Characters. */
const ENVELOPE = 16_384;
/** Messages that are read at a time for a line. */
const PAGE = 16;

interface Body {
  body?: string | undefined;
  body_base64?: string | undefined;
  files?: string[] | undefined;
}

interface Kind {
  files?: string[] | undefined;
  thread?: string | undefined;
  content_type?: string | undefined;
  headers?: Record<string, string> | undefined;
}

/** Serves one program until it ends its side, or stops reading. */
export async function servePipe(agent: Agent, context: Context, root: FilesRoot): Promise<void> {
  const out = createOutput(context, { json: true, quiet: true });
  const end = new AbortController();
  const signal = AbortSignal.any([end.signal, context.interrupted]);
  const write = (value: object): Promise<void> =>
    out.data([], value).catch((error: unknown) => {
      end.abort();
      if (!(error instanceof StdoutError)) throw error;
    });
  const pipe = new Pipe(agent, write, { signal, root });
  pipe.follow();
  const gone = (): void => void context.stdin.destroy();
  signal.addEventListener("abort", gone, { once: true });
  using _ = watchReader(context.stdout, () => end.abort());
  try {
    await serve(context.stdin, {
      longest: lineOf(agent),
      call: (method, params) => pipe.call(method, params),
      write,
      ended: () => end.abort(),
    });
  } catch (error) {
    // Our own doing, or its reader's.
    if (!signal.aborted) throw error;
  } finally {
    end.abort();
    await pipe.ended();
  }
  const { interrupted } = context;
  // What waits is sent, for as long as its files move.
  for (let left = DRAIN_MS; left > 0 && !interrupted.aborted; left = pipe.movedAt + DRAIN_MS - performance.now())
    if ((await agent.outbox.drained({ timeout: left, signal: interrupted })) === 0) return;
}

type Methods = { [M in MethodName]: (params: Params<M>) => Promise<Result<M>> };

class Pipe {
  readonly #agent: Agent;
  readonly #write: (value: object) => Promise<void>;
  readonly #signal: AbortSignal;
  readonly #desk = new Desk();
  readonly #workers: Promise<void>[] = [];
  readonly #files: PipeFiles;

  constructor(
    agent: Agent,
    write: (value: object) => Promise<void>,
    { signal, root }: { signal: AbortSignal; root: FilesRoot },
  ) {
    this.#agent = agent;
    this.#write = write;
    this.#signal = signal;
    this.#files = new PipeFiles(agent, root, (progress) => void this.#notify("progress", progress));
  }

  /** When a file has moved last (`performance.now()`). */
  get movedAt(): number {
    return this.#files.movedAt;
  }

  /** What happens without being asked for. */
  follow(): void {
    const agent = this.#agent;
    const ends = [
      agent.onAlert(({ kind, contact, text, at }) => void this.#notify("alert", { kind, contact, text, at })),
      agent.onLink(({ state, detail }) => void this.#notify("link", { state, detail })),
    ];
    this.#signal.addEventListener("abort", () => ends.forEach((stop) => stop()), { once: true });
    this.#workers.push(this.#followStates());
  }

  /** Resolves when everything that is unsettled is given back. */
  async ended(): Promise<void> {
    await Promise.all(this.#workers);
  }

  async call(name: string, params: Record<string, unknown>): Promise<unknown> {
    if (!Object.hasOwn(methods, name)) throw new RpcError(codes.method, `there is no method ${name}`);
    const method = name as MethodName;
    const parsed = methods[method].params.safeParse(params);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw new RpcError(codes.params, `${name}: ${issue?.path.join(".") ?? ""} ${issue?.message ?? ""}`.trim());
    }
    try {
      return await (this.#methods()[method] as (params: unknown) => Promise<unknown>)(parsed.data);
    } catch (error) {
      throw asRpcError(error);
    }
  }

  readonly #own: Omit<Methods, keyof ReturnType<typeof pipeGroups>> = {
    send: async ({ to, reply_to, expires_in_ms, message_id, ...rest }) => {
      const known = message_id === undefined ? undefined : await this.#agent.status(message_id);
      if (known !== undefined) return { message_id: known.id, to: known.to };
      const sent = await this.#agent.send(to, bodyOf(rest), {
        ...this.#marksOf(rest),
        ...(reply_to === undefined ? {} : { replyTo: reply_to }),
        ...(expires_in_ms === undefined ? {} : { expiresIn: expires_in_ms }),
        ...(message_id === undefined ? {} : { messageId: message_id }),
      });
      return { message_id: sent.id, to: sent.to };
    },
    ask: async ({ to = "", timeout_ms, resume, ...rest }) => {
      const timeout = timeout_ms === undefined ? {} : { timeout: timeout_ms };
      const asked =
        resume === undefined
          ? await this.#agent.question(to, bodyOf(rest), { ...this.#marksOf(rest), ...timeout })
          : await this.#agent.asked(resume);
      const reply = asked.reply({ signal: this.#signal }).catch((error: unknown) => {
        throw asRpcError(error, { message_id: asked.id });
      });
      return messageJson(await reply);
    },
    reply: async ({ message_id, privately, ...rest }) => {
      const options = { ...this.#marksOf(rest), ...(privately === true ? { privately } : {}) };
      const sent = await (await this.#agent.message(message_id)).reply(bodyOf(rest), options);
      return { message_id: sent.id, to: sent.to };
    },
    handled: ({ message_id, privately, ...rest }) => {
      const answers = [rest.body, rest.body_base64, rest.files].some((given) => given !== undefined);
      const reply = answers
        ? {
            reply: {
              body: bodyOf(rest),
              options: { ...this.#marksOf(rest), ...(privately === true ? { privately } : {}) },
            },
          }
        : {};
      return this.#settle(message_id, { kind: "handled", ...reply });
    },
    failed: ({ message_id, reason }) => this.#settle(message_id, { kind: "failed", reason }),
    retry: ({ message_id, reason, after_ms: afterMs }) => this.#settle(message_id, { kind: "retry", reason, afterMs }),
    save: (params) => this.#files.save(params, this.#signal),
    status: async ({ message_id }) => statusOf(await this.#sent(message_id)),
    wait: async ({ message_id, state, at_least: atLeast, timeout_ms: timeout }) => {
      const sent = await this.#sent(message_id);
      await sent[state]({ atLeast, timeout, signal: this.#signal });
      return statusOf(sent);
    },
    inbox: async ({ last = Infinity, before }) => {
      const room = new Room(this.#agent);
      const messages: Result<"inbox">["messages"] = [];
      for (let at = before; ;) {
        const limit = Math.min(PAGE, last - messages.length);
        if (limit === 0) return { messages: messages.toReversed() };
        const page = await this.#agent.inbox({ last: limit, ...(at === undefined ? {} : { before: at }) });
        for (const { state, reason, ...message } of page.toReversed()) {
          const shown = Object.assign(messageJson(message), { state, reason });
          if (!room.takes(shown)) return { messages: messages.toReversed(), more: true };
          messages.push(shown);
        }
        if (page.length < limit) return { messages: messages.toReversed() };
        at = page[0]?.id;
      }
    },
    sent: async ({ all, before }) => {
      const wanted = await this.#sentBefore(before, all === true);
      const messages = new Room(this.#agent).fill(wanted.toReversed().map(statusJson));
      return { messages: messages.toReversed(), ...(messages.length < wanted.length ? { more: true as const } : {}) };
    },
    "contacts.list": async ({ after = "" }) => {
      const behind = usernameKey(after);
      const known = (await this.#agent.contacts()).filter(({ username }) => username > behind);
      const contacts = new Room(this.#agent).fill(known.map(contactJson));
      return { contacts, ...(contacts.length < known.length ? { more: true as const } : {}) };
    },
    "contacts.show": async ({ username }) => {
      const contact = await this.#agent.contact(username);
      if (contact !== undefined) return contactJson(contact);
      throw new RpcError(codes.failed, `${username} is no contact`, { code: "unknown_contact" });
    },
    "requests.list": async () => ({ requests: (await this.#agent.requests.list()).map(requestJson) }),
    "requests.show": async ({ username }) => {
      const requests = await this.#agent.requests.list();
      const request = requests.find((one) => usernameKey(one.username) === usernameKey(username));
      if (request !== undefined) return requestJson(request);
      throw new RpcError(codes.failed, `${username} has not asked for anything`, { code: "unknown_contact" });
    },
    users: async () => ({ users: await this.#agent.users() }),
    whoami: async () => {
      const { username, fingerprint, server, largestBody } = this.#agent;
      return { username, fingerprint, server, largest_body: largestBody, line: lineOf(this.#agent) };
    },
    subscribe: async ({ from, window = WINDOW }) => {
      // A name that nobody can have is told here, and not by each who listens for it.
      if (from !== undefined) await this.#agent.contact(from);
      for (let count = 0; count < window; count++) this.#workers.push(this.#handOut(from));
      return {};
    },
  };

  #methods(): Methods {
    const fill = <T extends object>(values: readonly T[]): T[] => new Room(this.#agent).fill(values);
    return { ...this.#own, ...pipeGroups(this.#agent, { signal: this.#signal, fill }) };
  }

  async #sent(id: string): Promise<Sent> {
    const sent = await this.#agent.sent(id);
    if (sent !== undefined) return sent;
    throw new RpcError(codes.failed, `no message ${id} is known here`, { code: "unknown_message" });
  }

  /** @throws AgentError bad_file */
  #marksOf({ thread, content_type: contentType, headers: header, files }: Kind): SendOptions {
    return { ...kindOf({ thread, contentType, header }), ...this.#files.given(files) };
  }

  /** It may have ended since it was shown, and is still a place in the order. */
  async #sentBefore(id: string | undefined, all: boolean): Promise<MessageStatus[]> {
    const waiting = await this.#agent.outbox.list({ all });
    if (id === undefined) return waiting;
    const known = await this.#agent.outbox.list({ all: true });
    const end = known.findIndex((message) => message.id === id);
    if (end < 0) throw new RpcError(codes.failed, `no message ${id} is known here`, { code: "unknown_message" });
    const earlier = new Set(known.slice(0, end).map((message) => message.id));
    return waiting.filter((message) => earlier.has(message.id));
  }

  async #settle(id: string, word: Word): Promise<Record<string, never>> {
    // One that is not with the program, too: it may have looked it up in the inbox.
    if (!(await this.#desk.say(id, word))) await settle(await this.#agent.message(id), word);
    return {};
  }

  async #handOut(from: string | undefined): Promise<void> {
    const listening = { from, share: true, ordered: true, signal: this.#signal };
    try {
      for await (const message of this.#agent.messages(listening)) {
        const word = this.#desk.wait(message, this.#signal);
        await this.#notify("message", { ...messageJson(message), attempt: message.attempt });
        await word;
      }
    } catch (error) {
      if (!this.#signal.aborted) await this.#fault(error);
    }
  }

  async #followStates(): Promise<void> {
    try {
      for await (const status of this.#agent.outbox.changes({ signal: this.#signal }))
        await this.#notify("state", statusJson(status));
    } catch (error) {
      if (!this.#signal.aborted) await this.#fault(error);
    }
  }

  /** What ends a listener is told as an alert: nobody has asked for it just now. */
  #fault(error: unknown): Promise<void> {
    const { message, data } = asRpcError(error);
    const { code = "internal" } = (data ?? {}) as { code?: string };
    return this.#notify("alert", { kind: code, text: message, at: Date.now() });
  }

  #notify<N extends NotificationName>(method: N, params: z.input<(typeof notifications)[N]["params"]>): Promise<void> {
    return this.#signal.aborted ? Promise.resolve() : this.#write({ jsonrpc: "2.0", method, params });
  }
}

/** The longest line, in either direction. Characters. */
function lineOf({ largestBody }: Agent): number {
  return WIDEST * largestBody + ENVELOPE;
}

/** The room of one line, which a list may fill. */
class Room {
  /** Beside what frames a list. */
  #left: number;

  constructor(agent: Agent) {
    this.#left = lineOf(agent) - ENVELOPE / 4;
  }

  takes(value: object): boolean {
    this.#left -= escapeJson(value).length + 1;
    return this.#left >= 0;
  }

  fill<T extends object>(values: readonly T[]): T[] {
    const end = values.findIndex((value) => !this.takes(value));
    return values.slice(0, end < 0 ? values.length : end);
  }
}

function asRpcError(error: unknown, more: object = {}): RpcError {
  if (error instanceof RpcError) return error;
  const { code, hint, reason } = error as { code?: string; hint?: string; reason?: string };
  const known = error instanceof Error && error.name === "AgentError";
  const usage = error instanceof UsageError ? "usage" : "internal";
  const data = { code: known ? code : usage, hint, reason, ...more };
  return new RpcError(codes.failed, error instanceof Error ? error.message : String(error), data);
}

async function statusOf(sent: Sent): Promise<Result<"status">> {
  const recipients = sent.to.startsWith("@") ? { recipients: await sent.recipients() } : {};
  return { ...statusWithFiles(await sent.status()), ...recipients };
}

function bodyOf({ body, body_base64, files }: Body): string | Uint8Array {
  if (body !== undefined && body_base64 === undefined) return body;
  if (body === undefined && body_base64 === undefined && files !== undefined) return "";
  if (body === undefined && body_base64 !== undefined) return Buffer.from(body_base64, "base64");
  throw new RpcError(codes.params, "either body or body_base64 is required");
}

function contactJson({ username, fingerprint, verified, tier, blocked, stopped }: Contact): Result<"contacts.show"> {
  return { username, fingerprint, verified, tier, blocked, stopped };
}
