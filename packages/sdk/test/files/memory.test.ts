/** However large a file is, nobody holds much of it. */
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, renameSync, statSync, writeSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { builtRelay } from "../../../../test/built.ts";
import { freePort, Program, temporaryFolder } from "../../../../test/processes/processes.ts";
import { eventually } from "../../../../test/waiting.ts";
import { Agent } from "../../src/node/index.ts";

const MIB = 2 ** 20;
/** `FILE_MEMORY_MIB=2048` for a long run. */
const SIZE = Number(process.env["FILE_MEMORY_MIB"] ?? 384) * MIB;
const MOST_MIB = 64;

/** What a process has in memory that is no file's. Bytes. */
function memoryOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return 1024 * Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN);
}

/** A file that has different bytes here and there, and zeros between. */
function write(path: string, bytes: number): void {
  const file = openSync(path, "w");
  ftruncateSync(file, bytes);
  for (let at = 0; at + 4096 < bytes; at += 10 * MIB) writeSync(file, randomBytes(4096), 0, 4096, at);
  closeSync(file);
}

test.skipIf(process.platform !== "linux")(
  `a file of ${SIZE / MIB} MiB grows the memory of sender, relay and receiver by less than ${MOST_MIB} MiB`,
  { tags: ["long"], timeout: 3_600_000 },
  async () => {
    // What would fill a disk in memory goes to a real one.
    using folder = SIZE > 1024 * MIB ? temporaryFolder("/var/tmp") : temporaryFolder();
    const path = (...names: string[]): string => join(folder.path, ...names);
    mkdirSync(path("out"));
    const port = await freePort();
    const server = `ws://127.0.0.1:${port}/ws`;
    const limits = ["--no-limits", "--blob-bytes", "64GiB", "--account-blobs", "128GiB", "--blobs", "256GiB"];
    const relay = new Program([builtRelay(), "--port", String(port), "--db", path("data"), ...limits]);
    const args = ["--conditions=@aimessage/source", fileURLToPath(new URL("file-child.ts", import.meta.url))];
    const files = [path("out", "small"), path("out", "large")];
    const sender = new Program([...args, "send", path("home"), "alice", "bob", ...files]);
    const receiver = new Program([...args, "receive", path("home"), "bob", path("in")]);
    const programs = { relay, sender, receiver };
    try {
      relay.start();
      await eventually("the relay starts", () => relay.lines.some((line) => line.startsWith("Health check")));
      for (const username of ["alice", "bob"])
        await (await Agent.open({ server, username, home: path("home") })).close();
      write(files[0]!, 20 * MIB);
      for (const program of [sender, receiver]) program.start();
      await eventually("the small one is there", () => sender.lines.includes("small"));
      const before = Object.entries(programs).map(([name, { pid }]) => ({ name, pid, bytes: memoryOf(pid), most: 0 }));
      const watching = setInterval(() => {
        for (const one of before) one.most = Math.max(one.most, memoryOf(one.pid));
      }, 20);
      write(path("preparing"), SIZE);
      const begun = performance.now();
      renameSync(path("preparing"), files[1]!);
      await eventually("the large one is there", () => sender.lines.includes("large"), 60_000 + SIZE / 5_000);
      clearInterval(watching);
      const seconds = (performance.now() - begun) / 1000;
      expect(statSync(path("in", "large")).size).toBe(SIZE);
      expect(spawnSync("cmp", [files[1]!, path("in", "large")]).status).toBe(0);
      const grown = before.map(({ name, bytes, most }) => [name, Math.round((most - bytes) / MIB)] as const);
      console.log(
        `${grown.map(([name, mib]) => `${name} +${mib} MiB`).join(", ")}; ${Math.round(SIZE / MIB / seconds)} MiB/s up and down`,
      );
      expect(grown.filter(([, mib]) => mib >= MOST_MIB)).toEqual([]);
    } catch (error) {
      throw new Error(`${String(error)}; ${sender.errors.slice(-500)} ${receiver.errors.slice(-500)}`, {
        cause: error,
      });
    } finally {
      for (const program of [sender, receiver, relay]) await program.end("SIGTERM");
    }
  },
);
