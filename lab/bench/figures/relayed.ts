import { startRelay } from "../../shared/relay.ts";
import { startWorker } from "../../shared/worker.ts";
import { compare, type Plan, type Result, withCpu } from "../compare.ts";
import { startFloor } from "../floors/start.ts";

const CONNECTIONS = 100;
const generator = new URL("../load/relayed.ts", import.meta.url);

/** Opaque 128-byte messages between token accounts, each on the relay's disk before it is acknowledged or pushed. */
export async function relayed({ seconds, folder, progress }: Plan): Promise<Result[]> {
  await using relay = await startRelay(folder);
  await using forwarder = await startFloor("forwarder");
  await using toRelay = await startWorker(generator);
  await using toForwarder = await startWorker(generator);
  progress(`registers ${CONNECTIONS} token accounts`);
  await toRelay.ask("connect", { ports: [relay.port], connections: CONNECTIONS });
  await toForwarder.ask("connect", { ports: [forwarder.port], connections: CONNECTIONS });
  const results: Result[] = [];
  for (const [window, atLeast] of [
    [1, 0.65],
    [8, 0.75],
  ] as const) {
    const relayed = withCpu(relay, () => toRelay.ask("run", { window, seconds }));
    const result = await compare(
      { figure: "relayed", title: `relayed messages, window ${window}`, unit: "/s", aim: { atLeast } },
      progress,
      { value: relayed.value, floor: () => toForwarder.ask("run", { window, seconds }) },
    );
    results.push({ ...result, relayCpu: relayed.perItem() });
  }
  return results;
}

/** The same to accounts that are not there: stored, and not pushed. Beside the forwarder's acknowledgements alone. */
export async function offline({ seconds, folder, progress }: Plan): Promise<Result[]> {
  await using relay = await startRelay(folder);
  await using forwarder = await startFloor("forwarder");
  await using toRelay = await startWorker(generator);
  await using toForwarder = await startWorker(generator);
  progress(`registers ${2 * CONNECTIONS} token accounts`);
  await toRelay.ask("connect", { ports: [relay.port], connections: CONNECTIONS, to: "registered" });
  await toForwarder.ask("connect", { ports: [forwarder.port], connections: CONNECTIONS, to: "nobody" });
  const stored = withCpu(relay, () => toRelay.ask("run", { window: 8, seconds }));
  const result = await compare(
    { figure: "offline", title: "messages stored for offline agents", unit: "/s", aim: { atLeast: 0.6 } },
    progress,
    { value: stored.value, floor: () => toForwarder.ask("run", { window: 8, seconds }) },
  );
  return [{ ...result, relayCpu: stored.perItem() }];
}
