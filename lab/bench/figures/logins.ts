import { startRelay } from "../../shared/relay.ts";
import { startWorker } from "../../shared/worker.ts";
import { compare, type Plan, type Result } from "../compare.ts";
import { startFloor } from "../floors/start.ts";

/** Fresh connections that log in, beside fresh connections with two round trips. */
export async function logins({ seconds, folder, progress }: Plan): Promise<Result[]> {
  await using relay = await startRelay(folder);
  await using echo = await startFloor("echo");
  await using generator = await startWorker(new URL("../load/logins.ts", import.meta.url));
  progress("registers accounts");
  await generator.ask("register", { port: relay.port });
  const results: Result[] = [];
  for (const kind of ["token", "key"])
    results.push(
      await compare(
        {
          figure: "logins",
          title: `logins, ${kind} accounts`,
          unit: "/s",
          aim: { atLeast: kind === "key" ? 0.6 : 0.4 },
        },
        progress,
        {
          value: () => generator.ask("run", { port: relay.port, kind, seconds }),
          floor: () => generator.ask("run", { port: echo.port, kind: "echo", seconds }),
        },
      ),
    );
  return results;
}
