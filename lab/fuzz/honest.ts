/** Two agents that know nothing of the fuzzer and talk all the time, in a process of their own: node honest.ts SERVER HOME */
import { setTimeout as delay } from "node:timers/promises";
import { Agent } from "@aimessage/sdk/node";
import { serve } from "../shared/serve.ts";
import { honestNames, type HonestResult } from "./honest-pair.ts";

const [server, home] = process.argv.slice(2) as [string, string];
/** Messages on their way in each direction, and the pause between two. */
const WINDOW = 8;
const PACE_MS = 20;
/** How long the last messages may take. */
const END_MS = 60_000;

const pair = await Promise.all(honestNames.map((username) => Agent.open({ home, username, server, insecure: true })));
const result: HonestResult = { sent: 0, stored: 0, received: 0, wrong: [] };
let latencies: number[] = [];
let stopping = false;
const stored: Promise<void>[] = [];
const bothWays = Promise.withResolvers<void>();

function exchange(from: Agent, to: Agent): { send: () => Promise<void>; listen: () => Promise<void> } {
  let next = 1;
  let expected = 1;
  const started = new Map<number, number>();
  return {
    async send() {
      while (!stopping) {
        await delay(PACE_MS);
        if (next - expected >= WINDOW) continue;
        const number = next++;
        started.set(number, performance.now());
        const sent = await from.send(to.username, `${from.username} ${number}`);
        result.sent += 1;
        const isStored = sent.stored({ timeout: END_MS }).then(
          () => void (result.stored += 1),
          (error: unknown) => void result.wrong.push(`message ${number} was not stored: ${String(error)}`),
        );
        stored.push(isStored);
      }
      for (const end = performance.now() + END_MS; expected < next && performance.now() < end;) await delay(20);
      for (; expected < next; expected++) result.wrong.push(`message ${expected} of ${from.username} was lost`);
    },
    async listen() {
      for await (const message of to.messages()) {
        const number = Number(message.body.split(" ")[1]);
        if (message.from !== from.username || number !== expected)
          result.wrong.push(`${to.username} got "${message.body}" of ${message.from} instead of ${expected}`);
        expected = number + 1;
        latencies.push(performance.now() - (started.get(number) ?? Number.NaN));
        started.delete(number);
        result.received += 1;
        if (result.received === 2) bothWays.resolve();
        await message.handled();
      }
    },
  };
}

const [alice, bob] = pair as [Agent, Agent];
const directions = [exchange(alice, bob), exchange(bob, alice)];
for (const { listen } of directions) listen().catch((error: unknown) => stopping || result.wrong.push(String(error)));
const sending = Promise.all(directions.map(({ send }) => send()));

serve({ ready: () => bothWays.promise, mark, stop });

function mark(): number[] {
  const taken = latencies;
  latencies = [];
  return taken;
}

async function stop(): Promise<HonestResult> {
  stopping = true;
  await sending;
  await Promise.all(stored);
  await Promise.all(pair.map((agent) => agent.close()));
  return result;
}
