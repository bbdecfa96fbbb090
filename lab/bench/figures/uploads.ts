import { join } from "node:path";
import { percentile } from "../../shared/percentiles.ts";
import { startRelay } from "../../shared/relay.ts";
import { startWorker } from "../../shared/worker.ts";
import { compare, type Plan, type Result } from "../compare.ts";

const BODY_BYTES = 128;
const WARM_UP = 500;
const ROUNDS = 3;
const agent = new URL("../load/agent.ts", import.meta.url);

/** An honest pair's messages beside twenty accounts that bring files at full rate, one of which reads slowly, and one never ends a part. */
export async function uploads({ seconds, folder, progress }: Plan): Promise<Result[]> {
  await using relay = await startRelay(join(folder, "relay"), { limited: true });
  await using sender = await startWorker(agent);
  await using receiver = await startWorker(agent);
  await using foes = await startWorker(new URL("../../hostile/main.ts", import.meta.url));
  const server = `ws://localhost:${relay.port}/ws`;
  const home = join(folder, "home");
  await receiver.ask("open", { server, home, username: "receiver" });
  await receiver.ask("listen");
  await sender.ask("open", { server, home, username: "sender" });
  await sender.ask("warmUp", { to: "receiver", bytes: BODY_BYTES, count: WARM_UP });
  const p99 = async () =>
    percentile(
      await sender.ask<number[]>("roundTrips", { to: "receiver", bytes: BODY_BYTES, seconds: 2 * seconds }),
      0.99,
    );
  const result = await compare(
    { figure: "uploads", title: "send to handled, p99, beside 20 uploads", unit: " ms", aim: { atMost: 10 } },
    progress,
    {
      value: async () => {
        await foes.ask("start", { port: relay.port, victims: [], sleeper: "", only: ["uploads"] });
        const measured = await p99();
        await foes.ask("stop");
        return measured;
      },
      floor: p99,
    },
    ROUNDS,
  );
  await Promise.all([sender.ask("close"), receiver.ask("close")]);
  return [result];
}
