import { closeSync, openSync, writeSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { percentile } from "../../shared/percentiles.ts";
import { startRelay } from "../../shared/relay.ts";
import { startWorker, type Worker } from "../../shared/worker.ts";
import { compare, type Plan, type Result } from "../compare.ts";

const MIB = 2 ** 20;
const BODY_BYTES = 128;
const ROUNDS = 3;
const load = new URL("../load/files.ts", import.meta.url);
const agent = new URL("../load/agent.ts", import.meta.url);

/** A file from one agent to another, beside a bare PUT and a bare GET of the same bytes; and what messages take meanwhile. */
export async function files({ seconds, folder, progress }: Plan): Promise<Result[]> {
  const bytes = Math.max(64, Math.round(seconds * 256)) * MIB;
  const path = fill(join(folder, "file"), bytes);
  await using relay = await startRelay(join(folder, "relay"));
  await using floor = await startWorker(new URL("../floors/files.ts", import.meta.url), { args: [folder] });
  await using sender = await startWorker(load);
  await using receiver = await startWorker(load);
  await using bare = await startWorker(load);
  const server = `ws://localhost:${relay.port}/ws`;
  const home = join(folder, "home");
  await receiver.ask("open", { server, home, username: "receiver" });
  await sender.ask("open", { server, home, username: "sender" });
  const port = await floor.ask<number>("port");
  const rate = (milliseconds: number): number => bytes / 1e6 / (milliseconds / 1000);
  const send = () => sender.ask<number>("send", { to: "receiver", path });
  const save = () => receiver.ask<number>("save", { folder: join(folder, "in") });
  const title = `file of ${bytes / MIB} MiB`;
  const up = await compare(
    { figure: "files", title: `${title}, sent`, unit: " MB/s", aim: { atLeast: 0.7 } },
    progress,
    {
      value: async () => {
        const took = await send();
        await save();
        return rate(took);
      },
      floor: async () => rate(await bare.ask("put", { port, path })),
    },
    ROUNDS,
  );
  const down = await compare(
    { figure: "files", title: `${title}, saved`, unit: " MB/s", aim: { atLeast: 0.75 } },
    progress,
    {
      value: async () => {
        await send();
        return rate(await save());
      },
      floor: async () => rate(await bare.ask("get", { port, path: join(folder, "out") })),
    },
    ROUNDS,
  );
  await using one = await startWorker(agent);
  await using other = await startWorker(agent);
  await other.ask("open", { server, home, username: "other" });
  await other.ask("listen");
  await one.ask("open", { server, home, username: "one" });
  const p99 = async () => percentile(await one.ask("roundTrips", { to: "other", bytes: BODY_BYTES, seconds }), 0.99);
  await one.ask("warmUp", { to: "other", bytes: BODY_BYTES, count: 300 });
  const meanwhile = await compare(
    { figure: "files", title: "send to handled, p99, beside a file", unit: " ms", aim: { atMost: 2 } },
    progress,
    { value: () => during(p99, () => send().then(save)), floor: p99 },
    ROUNDS,
  );
  await close(sender, receiver, one, other);
  return [up, down, meanwhile];
}

/** Measures while something else is done again and again. */
async function during(measure: () => Promise<number>, again: () => Promise<unknown>): Promise<number> {
  let goesOn = true;
  const going = (async () => {
    while (goesOn) await again();
  })();
  const measured = await measure();
  goesOn = false;
  await going;
  return measured;
}

function fill(path: string, bytes: number): string {
  const file = openSync(path, "w");
  for (let at = 0; at < bytes; at += MIB) writeSync(file, randomBytes(MIB));
  closeSync(file);
  return path;
}

async function close(...workers: Worker[]): Promise<void> {
  await Promise.all(workers.map((worker) => worker.ask("close")));
}
