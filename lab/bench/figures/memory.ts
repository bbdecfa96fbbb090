import { setTimeout as delay } from "node:timers/promises";
import { type Server, startRelay } from "../../shared/relay.ts";
import { startWorker, type Worker } from "../../shared/worker.ts";
import { compare, type Plan, type Result } from "../compare.ts";
import { startFloor } from "../floors/start.ts";

const CONNECTIONS = 10_000;
/** Opened and closed before the first measurement, so that code that is loaded and compiled once is not counted. */
const WARM_UP = 200;
const ROUNDS = 3;
const SETTLE_MS = 500;
const idle = new URL("../load/idle.ts", import.meta.url);

/** Resident memory that one idle connection takes: of a key account that has logged in and listens, and a bare one. */
export async function memory({ folder, progress }: Plan): Promise<Result[]> {
  await using agents = await startWorker(idle);
  await using clients = await startWorker(idle);
  {
    await using relay = await startRelay(folder);
    progress(`registers ${CONNECTIONS} key accounts`);
    await agents.ask("register", { port: relay.port, count: CONNECTIONS });
  }
  const result = await compare(
    { figure: "memory", title: "memory of an idle connection", unit: " KiB", aim: { atMost: 2 } },
    progress,
    {
      value: async () => {
        await using relay = await startRelay(folder);
        return await measure(relay, agents);
      },
      floor: async () => {
        await using echo = await startFloor("echo");
        return await measure(echo, clients);
      },
    },
    ROUNDS,
  );
  return [result];
}

async function measure(server: Server, load: Worker): Promise<number> {
  await load.ask("open", { port: server.port, count: WARM_UP });
  await load.ask("close");
  const before = await settled(server);
  await load.ask("open", { port: server.port, count: CONNECTIONS });
  const after = await settled(server);
  await load.ask("close");
  return (after - before) / CONNECTIONS / 1024;
}

async function settled(server: Server): Promise<number> {
  await server.ask("memory");
  await delay(SETTLE_MS);
  return server.ask("memory");
}
