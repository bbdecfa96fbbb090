import { compare, type Plan, type Result } from "../compare.ts";
import { startFloor, startRelay } from "../servers.ts";
import { startWorker } from "../worker.ts";

const CONNECTIONS = 100;
const generator = new URL("../load/relayed.ts", import.meta.url);

/** Opaque 128-byte messages between token accounts, each on the relay's disk before it is acknowledged or pushed. */
export async function relayed({ seconds, folder, progress }: Plan): Promise<Result[]> {
  await using relay = await startRelay(folder);
  await using forwarder = await startFloor("forwarder");
  await using toRelay = await startWorker(generator);
  await using toForwarder = await startWorker(generator);
  progress(`registers ${CONNECTIONS} token accounts`);
  await toRelay.ask("connect", { port: relay.port, connections: CONNECTIONS });
  await toForwarder.ask("connect", { port: forwarder.port, connections: CONNECTIONS });
  const results: Result[] = [];
  for (const window of [1, 8])
    results.push(
      await compare(
        {
          figure: "relayed",
          title: `relayed messages, window ${window}`,
          unit: "/s",
          aim: window === 8 ? { atLeast: 0.5 } : undefined,
        },
        progress,
        {
          value: () => toRelay.ask("run", { window, seconds }),
          floor: () => toForwarder.ask("run", { window, seconds }),
        },
      ),
    );
  return results;
}
