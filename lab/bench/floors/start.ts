import type { Server } from "../../shared/relay.ts";
import { startWorker } from "../../shared/worker.ts";

/** A bare server, by its name in this folder. */
export async function startFloor(name: "forwarder" | "echo"): Promise<Server> {
  const worker = await startWorker(new URL(`./${name}.ts`, import.meta.url));
  return { ...worker, port: await worker.ask<number>("port") };
}
