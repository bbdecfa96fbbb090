import { readdirSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../../test/processes/processes.ts";
import { eventually } from "../../test/waiting.ts";
import { Balancer } from "../shared/balancer.ts";
import { engineCpu, engineMemory } from "../shared/engine-cpu.ts";
import { Postgres } from "../shared/postgres.ts";
import { type Server, startRelay } from "../shared/relay.ts";
import type { Worker } from "../shared/worker.ts";
import { readEngine } from "./engine.ts";
import { fileDatabase, readRelay } from "./files.ts";
import type { Database, Watched } from "./watch.ts";

/** Where agents connect, and what must not grow there. */
export interface Relays extends AsyncDisposable {
  port: number;
  watched: Watched[];
}

/** Bytes of a file of PostgreSQL's log. */
const SEGMENT = 16 * 2 ** 20;

/** A relay with a database of its own, or several over one PostgreSQL, behind a balancer. They have their limits, as they have them by default. */
export async function startRelays(folder: string, count: number): Promise<Relays> {
  if (count > 1) return startCluster(folder, count);
  const relay = await startRelay(join(folder, "relay"), { limited: true });
  const database = fileDatabase(join(folder, "relay", "db", "relay.db"), readRelay);
  return relaysOf(relay.port, [{ group: "relay", worker: relay, database }], relay);
}

async function startCluster(folder: string, count: number): Promise<Relays> {
  await using made = new AsyncDisposableStack();
  const engine = made.use(await Postgres.create());
  const door = await freePort();
  const names = ["localhost", "127.0.0.1"].flatMap((host) => ["--public-url", `ws://${host}:${door}/ws`]);
  const relays: Server[] = [];
  for (let number = 1; number <= count; number++) {
    const place = join(folder, `relay${number}`);
    relays.push(made.use(await startRelay(place, { limited: true, store: engine.url, args: names })));
  }
  const balancer = made.use(await Balancer.start({ port: door, to: relays.map(({ port }) => port) }));
  await eventually("all relays are ready", () => balancer.ready.length === count);
  const database: Database = {
    log: () => readdirSync(join(engine.data, "pg_wal")).filter((name) => /^[0-9A-F]{24}$/.test(name)).length * SEGMENT,
    contents: () => readEngine(engine),
  };
  const watched: Watched[] = relays.map((worker) => ({ group: "relay", worker, database }));
  watched.push({ group: "engine", worker: asWorker(engine), database });
  return relaysOf(balancer.port, watched, made.move());
}

function relaysOf(port: number, watched: Watched[], parts: AsyncDisposable): Relays {
  return { port, watched, [Symbol.asyncDispose]: () => Promise.resolve(parts[Symbol.asyncDispose]()) };
}

/** Its processes, asked as those of this project are (see serve.ts). */
function asWorker(engine: Postgres): Pick<Worker, "ask"> {
  return { ask: async (task) => (task === "cpu" ? engineCpu(engine) : engineMemory(engine)) as never };
}
