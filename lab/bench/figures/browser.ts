import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { hasChromium, serveModule, startChromium } from "../../../test/chromium.ts";
import { startRelay } from "../../shared/relay.ts";
import { startWorker } from "../../shared/worker.ts";
import { compare, type Plan, type Result } from "../compare.ts";
import type { BenchPage } from "../page/agent.ts";

declare const benchPage: BenchPage;

const BODY_BYTES = 128;
const agent = new URL("../load/agent.ts", import.meta.url);
const page = fileURLToPath(new URL("../page/agent.ts", import.meta.url));

/** From a page's `send` to a process's `handled`, beside the same from a process: one store in IndexedDB, and one in SQLite. */
export async function browser({ seconds, folder, progress }: Plan): Promise<Result[]> {
  if (!hasChromium) return [];
  await using served = await serveModule(page);
  await using relay = await startRelay(join(folder, "relay"), { args: ["--origin", new URL(served.url).origin] });
  await using chromium = await startChromium(join(folder, "profile"));
  await using sender = await startWorker(agent);
  await using receiver = await startWorker(agent);
  const server = `ws://localhost:${relay.port}/ws`;
  await receiver.ask("open", { server, home: folder, username: "receiver" });
  await receiver.ask("listen");
  await sender.ask("open", { server, home: folder, username: "process" });
  await chromium.page.goto(served.url);
  await chromium.page.evaluate((where) => benchPage.open("page", where), server);
  let sent = 0;
  const rateOf = async (run: () => Promise<number>): Promise<number> => {
    const started = performance.now();
    const count = await run();
    sent += count;
    await receiver.ask("arrived", sent);
    return count / ((performance.now() - started) / 1000);
  };
  const given = ["receiver", BODY_BYTES, seconds] as const;
  const result = await compare(
    { figure: "browser", title: "encrypted messages from a page, beside a process's", unit: "/s", aim: undefined },
    progress,
    {
      value: () => rateOf(() => chromium.page.evaluate(([to, bytes, time]) => benchPage.run(to, bytes, time), given)),
      floor: () => rateOf(() => sender.ask("run", { to: "receiver", bytes: BODY_BYTES, seconds })),
    },
  );
  await Promise.all([sender.ask("close"), receiver.ask("close")]);
  return [result];
}
