/** An agent of the SDK in a process of its own, its store on disk: the sender or the receiver of encrypted messages. */
import { randomBytes } from "node:crypto";
import { Agent, AgentError, type Sent } from "@aimessage/sdk/node";
import { serve } from "../../shared/serve.ts";
import { BATCH, sendFor } from "./sending.ts";

let agent: Agent;
let handled = 0;
let expected = Infinity;
let reached: () => void = () => {};

serve({ loaded, open, listen, arrived, run, leave, warmUp, roundTrips, close: () => agent.close() });

/** Answered when everything is loaded. */
async function loaded(): Promise<void> {}

async function open(options: { server: string; username: string; home: string }): Promise<void> {
  agent = await Agent.open(options);
}

/** Handles every message; the next one is taken while the one before is still on its way to disk. */
function listen(): void {
  void (async () => {
    for await (const message of agent.messages())
      void message.handled().then(() => {
        if (++handled >= expected) reached();
      });
  })();
}

/** Resolves when so many messages have been handled, since the start. */
async function arrived(count: number): Promise<void> {
  expected = count;
  if (handled < count) await new Promise<void>((resolve) => (reached = resolve));
}

/** @returns how many messages */
function run({ to, bytes, seconds }: { to: string; bytes: number; seconds: number }): Promise<number> {
  return sendFor(agent, { to, body: randomBytes(bytes), seconds });
}

/** Leaves so many messages for somebody who is away. */
async function leave({ to, bytes, count }: { to: string; bytes: number; count: number }): Promise<void> {
  const body = randomBytes(bytes);
  let last: Sent | undefined;
  for (let left = count; left > 0; left -= BATCH) {
    const batch = await Promise.all(Array.from({ length: Math.min(BATCH, left) }, () => agent.send(to, body)));
    await last?.stored({ timeout: 120_000 });
    last = batch.at(-1);
  }
  await last?.stored({ timeout: 120_000 });
}

/** Sends so many one after another: what is measured afterwards is compiled. */
async function warmUp({ to, bytes, count }: { to: string; bytes: number; count: number }): Promise<void> {
  for (let left = count; left > 0; left--) await (await agent.send(to, randomBytes(bytes))).handled();
}

/**
 * Sends one after another for so many seconds. @returns milliseconds from each `send` to its `handled`; of one that takes
 * longer than that, what it has taken so far
 */
async function roundTrips({ to, bytes, seconds }: { to: string; bytes: number; seconds: number }): Promise<number[]> {
  const body = randomBytes(bytes);
  const took: number[] = [];
  for (const end = performance.now() + seconds * 1000; performance.now() < end;) {
    const started = performance.now();
    const sent = await agent.send(to, body);
    await sent.handled({ timeout: Math.ceil(seconds * 1000) }).catch((error: unknown) => {
      if (!(error instanceof AgentError && error.code === "timeout")) throw error;
    });
    took.push(performance.now() - started);
  }
  return took;
}
