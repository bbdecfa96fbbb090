import { join } from "node:path";
import { compare, type Plan, type Result } from "../compare.ts";
import { startRelay } from "../servers.ts";
import { startWorker } from "../worker.ts";

const BODY_BYTES = 128;
const agent = new URL("../load/agent.ts", import.meta.url);

/** From one agent's `send` to the other's `handled`: two stores and a relay on disk, three processes. */
export async function encrypted({ seconds, folder, progress }: Plan): Promise<Result[]> {
  await using relay = await startRelay(join(folder, "relay"));
  await using sender = await startWorker(agent);
  await using receiver = await startWorker(agent);
  await using mls = await startWorker(new URL("../floors/mls.ts", import.meta.url));
  const server = `ws://localhost:${relay.port}/ws`;
  await receiver.ask("open", { server, home: folder, username: "receiver" });
  await receiver.ask("listen");
  await sender.ask("open", { server, home: folder, username: "sender" });
  let sent = 0;
  const result = await compare(
    { figure: "encrypted", title: "encrypted messages, end to end", unit: "/s", aim: { atLeast: 0.3 } },
    progress,
    {
      value: async () => {
        const started = performance.now();
        const count = await sender.ask<number>("run", { to: "receiver", bytes: BODY_BYTES, seconds });
        sent += count;
        await receiver.ask("arrived", sent);
        return count / ((performance.now() - started) / 1000);
      },
      floor: () => mls.ask("run", { bytes: BODY_BYTES, seconds }),
    },
  );
  await Promise.all([sender.ask("close"), receiver.ask("close")]);
  return [result];
}
