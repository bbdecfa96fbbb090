import { join } from "node:path";
import { percentile } from "../../shared/percentiles.ts";
import { startRelay } from "../../shared/relay.ts";
import { startWorker } from "../../shared/worker.ts";
import { compare, type Plan, type Result, withCpu } from "../compare.ts";
import { startFloor } from "../floors/start.ts";

const BODY_BYTES = 128;
/** Round trips before the first that counts: V8 takes hundreds to compile what they run through. */
const WARM_UP = 500;
/** Messages that wait for an agent that wakes up. */
const WAITING = 10_000;
const DRAIN_ROUNDS = 3;
const agent = new URL("../load/agent.ts", import.meta.url);
const mlsFloor = new URL("../floors/mls.ts", import.meta.url);

/** From one agent's `send` to the other's `handled`: two stores and a relay on disk, three processes. */
export async function encrypted({ seconds, folder, progress }: Plan): Promise<Result[]> {
  await using relay = await startRelay(join(folder, "relay"));
  await using sender = await startWorker(agent);
  await using receiver = await startWorker(agent);
  await using mls = await startWorker(mlsFloor);
  const server = `ws://localhost:${relay.port}/ws`;
  await receiver.ask("open", { server, home: folder, username: "receiver" });
  await receiver.ask("listen");
  await sender.ask("open", { server, home: folder, username: "sender" });
  let sent = 0;
  const passed = withCpu(relay, async () => {
    const started = performance.now();
    const count = await sender.ask<number>("run", { to: "receiver", bytes: BODY_BYTES, seconds });
    sent += count;
    await receiver.ask("arrived", sent);
    return count / ((performance.now() - started) / 1000);
  });
  const result = await compare(
    { figure: "encrypted", title: "encrypted messages, end to end", unit: "/s", aim: { atLeast: 0.6 } },
    progress,
    {
      value: passed.value,
      floor: () => mls.ask("run", { bytes: BODY_BYTES, seconds }),
    },
  );
  await Promise.all([sender.ask("close"), receiver.ask("close")]);
  return [{ ...result, relayCpu: passed.perItem() }];
}

/** From `send` to the `handled` receipt, one message at a time, beside two bare exchanges. */
export async function roundTrip({ seconds, folder, progress }: Plan): Promise<Result[]> {
  await using relay = await startRelay(join(folder, "relay"));
  await using echo = await startFloor("echo");
  await using sender = await startWorker(agent);
  await using receiver = await startWorker(agent);
  await using bare = await startWorker(new URL("../load/hops.ts", import.meta.url));
  const server = `ws://localhost:${relay.port}/ws`;
  await receiver.ask("open", { server, home: folder, username: "receiver" });
  await receiver.ask("listen");
  await sender.ask("open", { server, home: folder, username: "sender" });
  progress(`sends ${WARM_UP} messages, one at a time`);
  await sender.ask("warmUp", { to: "receiver", bytes: BODY_BYTES, count: WARM_UP });
  const results: Result[] = [];
  for (const [name, share, under] of [
    ["p50", 0.5, 8],
    ["p99", 0.99, 40],
  ] as const) {
    results.push(
      await compare({ figure: "roundtrip", title: `send to handled, ${name}`, unit: " ms", aim: { under } }, progress, {
        value: async () =>
          percentile(await sender.ask("roundTrips", { to: "receiver", bytes: BODY_BYTES, seconds }), share),
        floor: async () => percentile(await bare.ask("hops", { port: echo.port, seconds }), share),
      }),
    );
  }
  await Promise.all([sender.ask("close"), receiver.ask("close")]);
  return results;
}

/** What has waited for an agent, from its waking up to the last `handled`, beside the decryption of as many messages. */
export async function drain({ folder, progress }: Plan): Promise<Result[]> {
  await using relay = await startRelay(join(folder, "relay"));
  await using sender = await startWorker(agent);
  await using mls = await startWorker(mlsFloor);
  const server = `ws://localhost:${relay.port}/ws`;
  const receiver = { server, home: folder, username: "receiver" };
  {
    await using once = await startWorker(agent);
    await once.ask("open", receiver);
    await once.ask("close");
  }
  await sender.ask("open", { server, home: folder, username: "sender" });
  const result = await compare(
    { figure: "drain", title: `${WAITING} waiting messages drained`, unit: "/s", aim: { atLeast: 0.6 } },
    progress,
    {
      value: async () => {
        await sender.ask("leave", { to: "receiver", bytes: BODY_BYTES, count: WAITING });
        await using awake = await startWorker(agent);
        await awake.ask("loaded");
        const started = performance.now();
        await awake.ask("open", receiver);
        await awake.ask("listen");
        await awake.ask("arrived", WAITING);
        const took = performance.now() - started;
        await awake.ask("close");
        return WAITING / (took / 1000);
      },
      floor: () => mls.ask("decrypt", { bytes: BODY_BYTES, count: WAITING }),
    },
    DRAIN_ROUNDS,
  );
  await sender.ask("close");
  return [result];
}
