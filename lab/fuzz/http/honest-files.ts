import { setTimeout as delay } from "node:timers/promises";
import { request } from "node:http";
import { random } from "../../../test/processes/processes.ts";
import { Violation } from "../violation.ts";
import { compare, complete, type File, newFile, newUploader, remove } from "./file.ts";

/** Somebody who keeps to the rules: for them nothing may be lost, refused or mixed up, whatever others send. */
export interface HonestFiles {
  /** Begins no other file, and waits for the present one. @returns how many were brought, fetched and compared */
  stop(): Promise<number>;
}

const MOST_BYTES = 2 ** 21;
const PAUSE_MS = 10;

export async function startHonestFiles(
  port: number,
  seed: number,
  fail: (violation: Violation) => void,
): Promise<HonestFiles> {
  const url = `ws://127.0.0.1:${port}/ws`;
  const next = random(seed);
  const client = await newUploader(url, "honest-files");
  let [count, stopping] = [0, false];
  const working = (async () => {
    while (!stopping) {
      const file = await newFile(client, 1 + Math.floor(next() * MOST_BYTES));
      if (next() < 0.5) await breakOff(port, file, next());
      await complete(url, file);
      await compare(url, file);
      const start = Math.floor(next() * file.content.length);
      await compare(url, file, [start, start + 1 + Math.floor(next() * (file.content.length - start))]);
      await remove(url, file);
      count += 1;
      await delay(PAUSE_MS);
    }
  })().catch((error: unknown) =>
    fail(new Violation(`the honest uploader: ${(error as Error).message}`, { cause: error })),
  );
  return {
    async stop() {
      stopping = true;
      await working;
      client[Symbol.dispose]();
      return count;
    },
  };
}

/** Sends some of a file, and loses the connection. */
function breakOff(port: number, { blob, token, content }: File, share: number): Promise<void> {
  const headers = {
    authorization: `Bearer ${token}`,
    "tus-resumable": "1.0.0",
    "content-type": "application/offset+octet-stream",
    "upload-offset": 0,
    "content-length": content.length,
  };
  const sent = request({ host: "127.0.0.1", port, method: "PATCH", path: `/blobs/${blob}`, headers, agent: false });
  return new Promise((resolve) => {
    sent.on("error", () => {}).on("close", resolve);
    sent.write(content.subarray(0, Math.floor(content.length * share)), () => sent.destroy());
  });
}
