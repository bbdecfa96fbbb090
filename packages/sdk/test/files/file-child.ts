/**
 * A process that sends files, or saves them, and goes on where it was killed: file-child.ts send HOME NAME TO FILE ..., or
 * file-child.ts receive HOME NAME FOLDER. Prints a line for each that is done.
 */
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Agent } from "../../src/node/index.ts";

const [role, home = "", username = "", where = "", ...files] = process.argv.slice(2);
const RETRY_MS = 100;

/** What fails for now is tried again: relays are away, disks are full. */
async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (;;)
    try {
      return await work();
    } catch (error) {
      if ((error as { code?: string }).code === "aborted") throw error;
      process.stderr.write(`${String(error)}\n`);
      await delay(RETRY_MS);
    }
}

const agent = await patiently(() => Agent.open({ home, username, create: false, role }));
process.on("SIGTERM", () => void agent.close().then(() => process.exit(0)));
if (role === "send") {
  const sending = files.map(async (path) => {
    // One that is not there yet is sent when it is.
    while (!existsSync(path)) await delay(RETRY_MS);
    const messageId = `file-${basename(path).replaceAll(/[^A-Za-z0-9]/g, "-")}`;
    const sent = await patiently(
      async () => (await agent.sent(messageId)) ?? agent.send(where, basename(path), { messageId, files: [path] }),
    );
    await patiently(() => sent.handled({ timeout: 600_000 }));
    process.stdout.write(`${basename(path)}\n`);
  });
  await Promise.all(sending);
  // What is fetched is said behind what is handled.
  await delay(2 ** 31 - 1);
} else
  for await (const { id } of agent.messages({ share: true })) {
    const message = await agent.message(id);
    for (const index of message.files.keys())
      await patiently(async () => (await agent.message(id)).files[index]?.save(where, { maxBytes: Infinity }));
    await patiently(() => message.handled());
    process.stdout.write(`${message.body}\n`);
  }
