/** Many members of a group in one process, each with a store on disk and a connection of its own: they handle what comes, and send what they are told to. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { AgentError, nodeCryptoProvider, openAgent, type Sent, SqliteStore, type Transport } from "@aimessage/sdk/node";
import { WebSocket } from "ws";
import { serve } from "../shared/serve.ts";

type Agent = Awaited<ReturnType<typeof openAgent>>;

/** Longer than any run. */
const PATIENCE_MS = 24 * 3_600_000;
const MOST_FRAME_BYTES = 64 * 2 ** 20;
/** Agents that are opened at a time. */
const AT_ONCE = 4;

export interface Place {
  server: string;
  folder: string;
}

export interface Order {
  by: string;
  count: number;
  /** Messages that may be under way. */
  window: number;
  /** Of whom each is waited for: how many handle it at once. */
  atLeast: number;
}

/** Milliseconds from the command on. */
export interface Times {
  stored: number;
  handled: number;
}

/** What became of a message, as its sender has it: how many it is for, and how many say what of it. */
export interface Outcome {
  id: string;
  state: string;
  handled: number;
  failed: number;
  waiting: number;
}

export interface Report {
  /** By member: messages that it has handled, and those that it was given more than once. */
  handled: [name: string, count: number][];
  doubled: string[];
  /** By member: direct frames that it was pushed, by second of the relay's clock (Unix). */
  directs: [name: string, [second: number, count: number][]][];
}

class Member {
  readonly #name: string;
  readonly #place: Place;
  /** Bodies, and how often they were handed out. */
  readonly given = new Map<string, number>();
  readonly directs = new Map<number, number>();
  readonly sent: Sent[] = [];
  #agent: Agent | undefined;

  constructor(name: string, place: Place) {
    this.#name = name;
    this.#place = place;
  }

  get agent(): Agent {
    if (this.#agent === undefined) throw new Error(`${this.#name} sleeps`);
    return this.#agent;
  }

  async wake(): Promise<void> {
    const folder = join(this.#place.folder, this.#name);
    mkdirSync(folder, { recursive: true });
    const store = await SqliteStore.open(folder);
    const node = { provider: nodeCryptoProvider, transport: this.#transport() };
    const agent = await openAgent({ store, username: this.#name, server: this.#place.server, ...node });
    this.#agent = agent;
    void this.#handle(agent).catch(fail);
    await agent.sync();
  }

  async sleep(): Promise<void> {
    await this.#agent?.close();
    this.#agent = undefined;
  }

  async #handle(agent: Agent): Promise<void> {
    for await (const message of agent.messages()) {
      this.given.set(message.body, (this.given.get(message.body) ?? 0) + 1);
      await message.handled();
    }
  }

  #transport(): Transport {
    const look = (text: string) => {
      if (!text.includes('"kind":"direct"')) return;
      const { data } = JSON.parse(text) as { data: { timestamp: number } };
      this.directs.set(data.timestamp, (this.directs.get(data.timestamp) ?? 0) + 1);
    };
    return {
      dial: (url) => {
        const socket = new WebSocket(url, { perMessageDeflate: false, maxPayload: MOST_FRAME_BYTES });
        socket.on("message", (data: Buffer) => look(data.toString()));
        return socket;
      },
    };
  }

  async send({ by, count, window, atLeast }: Order): Promise<Times[]> {
    const times: Promise<Times>[] = [];
    for (let at = 0; at < count; at++) {
      await times[at - window];
      const begun = performance.now();
      const sent = await this.agent.send("@crowd", `${by} says ${this.sent.length}`);
      this.sent.push(sent);
      await sent.stored({ timeout: PATIENCE_MS }).catch(unlessPartial);
      const stored = performance.now() - begun;
      const handled = sent.handled({ timeout: PATIENCE_MS, atLeast });
      times.push(handled.catch(unlessPartial).then(() => ({ stored, handled: performance.now() - begun })));
    }
    return Promise.all(times);
  }

  async outcomes(): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    for (const sent of this.sent) {
      const [{ id, state }, { handled, failed, waiting }] = [await sent.status(), await sent.recipients()];
      outcomes.push({ id, state, handled: handled.length, failed: failed.length, waiting: waiting.length });
    }
    return outcomes;
  }
}

/** Where one of them has no room for it, the whole has failed as soon as all others have handled it: until that one is back. */
function unlessPartial(error: unknown): void {
  if (!(error instanceof AgentError) || error.reason !== "partial") throw error;
}

const members = new Map<string, Member>();

function member(name: string): Member {
  const found = members.get(name);
  if (found === undefined) throw new Error(`${name} is not here`);
  return found;
}

async function open({ names, ...place }: Place & { names: string[] }): Promise<void> {
  for (let at = 0; at < names.length; at += AT_ONCE)
    await Promise.all(
      names.slice(at, at + AT_ONCE).map(async (name) => {
        members.set(name, new Member(name, place));
        await member(name).wake();
      }),
    );
}

async function isIn(): Promise<boolean> {
  for (const { agent } of members.values()) if ((await agent.groups.list()).length === 0) return false;
  return true;
}

function report(): Report {
  const all = [...members];
  return {
    handled: all.map(([name, { given }]) => [name, given.size]),
    doubled: all.flatMap(([name, { given }]) =>
      [...given].filter(([, count]) => count > 1).map(([body]) => `${name}: ${body}`),
    ),
    directs: all.map(([name, { directs }]) => [name, [...directs]]),
  };
}

serve({
  open,
  isIn,
  report,
  create: ({ by, others }: { by: string; others: string[] }) =>
    member(by).agent.groups.create("crowd", others, { timeout: PATIENCE_MS }),
  send: (order: Order) => member(order.by).send(order),
  outcomes: (name: string) => member(name).outcomes(),
  sleep: (name: string) => member(name).sleep(),
  wake: (name: string) => member(name).wake(),
  close: () => Promise.all([...members.values()].map((one) => one.sleep())),
});

function fail(error: unknown): void {
  if (error instanceof AgentError && error.code === "closed") return;
  process.stderr.write(`${String(error)}\n`);
  process.exit(1);
}
