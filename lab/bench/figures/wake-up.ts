import { join } from "node:path";
import { percentile } from "../../shared/percentiles.ts";
import { Postgres } from "../../shared/postgres.ts";
import { startRelay } from "../../shared/relay.ts";
import { startWorker } from "../../shared/worker.ts";
import { compare, type Plan, type Result } from "../compare.ts";

const load = new URL("../load/wakeups.ts", import.meta.url);
const floor = new URL("../floors/notify.ts", import.meta.url);

/** From the moment that a message is stored by one relay of a cluster until its recipient, who is at another, has it. */
export async function wakeUp({ seconds, folder, progress }: Plan): Promise<Result[]> {
  await using parts = new AsyncDisposableStack();
  const engine = parts.use(await Postgres.create());
  const relays = [];
  for (const name of ["from", "to"])
    relays.push(parts.use(await startRelay(join(folder, name), { store: engine.url })));
  const [from, to] = relays.map(({ port }) => port);
  const waker = parts.use(await startWorker(load));
  await waker.ask("connect", { from, to });
  const bare = parts.use(await startWorker(floor));
  await bare.ask("connect", { url: engine.url });
  const about = { figure: "wakeup", title: "wake-up of another relay, p50", unit: " ms", aim: { under: 2 } };
  const median = async (side: typeof waker) => percentile(await side.ask<number[]>("wakeUps", { seconds }), 0.5);
  return [await compare(about, progress, { value: () => median(waker), floor: () => median(bare) })];
}
