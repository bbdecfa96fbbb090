/** Whoever is killed, whenever: files arrive whole, and nothing else stays. */
import { createHash, randomBytes } from "node:crypto";
import { createReadStream, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { builtRelay } from "../../../../test/built.ts";
import { freePort, Program, random, temporaryFolder } from "../../../../test/processes/processes.ts";
import { eventually } from "../../../../test/waiting.ts";
import { Agent } from "../../src/node/index.ts";
import { HttpProxy } from "./http-proxy.ts";

const MIB = 2 ** 20;
/** `FILE_KILLS=200 FILE_CUTS=50 FILE_MIB=1024 FILE_SEED=7 npx vitest run packages/sdk/test/files/kill.test.ts` for a long run, or a certain one. */
const KILLS = Number(process.env["FILE_KILLS"] ?? 20);
const CUTS = Number(process.env["FILE_CUTS"] ?? 8);
const TOTAL = Number(process.env["FILE_MIB"] ?? 40) * MIB;
const SEED = Number(process.env["FILE_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
/** From one fault to the next, on average. Milliseconds. */
const PACE_MS = 600;
/** Of all there is, one is large and the others are small. */
const SMALL = 7;

/** Writes a file piece by piece, however large it is. @returns its digest */
async function write(path: string, bytes: number): Promise<string> {
  writeFileSync(path, "");
  for (let at = 0; at < bytes; at += MIB) writeFileSync(path, randomBytes(Math.min(MIB, bytes - at)), { flag: "a" });
  return digest(path);
}

async function digest(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

test.each([{ names: ["bob"] }, { names: ["bob", "carol"] }])(
  `kill -9 of sender, relay and $names, and cut connections: files arrive whole, and nothing else stays (FILE_SEED=${SEED})`,
  { tags: ["long"], timeout: 3_600_000 },
  async ({ names }) => {
    using folder = temporaryFolder();
    await using proxy = await HttpProxy.listen();
    const next = random(SEED);
    const [home, out, into, db] = ["home", "out", "in", "data"].map((name) => join(folder.path, name)) as [
      string,
      string,
      string,
      string,
    ];
    mkdirSync(out);
    const port = await freePort();
    proxy.target = port;
    const server = `ws://127.0.0.1:${proxy.port}/ws`;
    const relay = new Program([
      builtRelay(),
      "--port",
      String(port),
      "--db",
      db,
      "--no-limits",
      "--public-url",
      server,
    ]);
    const child = fileURLToPath(new URL("file-child.ts", import.meta.url));
    const files = new Map<string, string>();
    for (let index = 0; index <= SMALL; index++) {
      const bytes = index === 0 ? TOTAL / 2 : Math.floor(((TOTAL / SMALL) * (0.5 + next())) / 2);
      files.set(`file ${index}.bin`, await write(join(out, `file ${index}.bin`), bytes));
    }
    proxy.recordEvery = TOTAL > 256 * MIB ? 64 : 1;
    const paths = [...files.keys()].map((name) => join(out, name));
    const args = ["--conditions=@aimessage/source", child];
    const [first = ""] = names;
    const sender = new Program([...args, "send", home, "alice", names.length > 1 ? "@team" : first, ...paths]);
    const receivers = names.map((name) => new Program([...args, "receive", home, name, join(into, name)]));
    const programs = [relay, sender, ...receivers];
    let [kills, cuts] = [0, 0];
    /** A name that is not a part's is that of a whole file, at any time. */
    const checkNames = async (): Promise<void> => {
      for (const at of names.map((name) => join(into, name)).filter(existsSync))
        for (const name of readdirSync(at))
          if (!name.startsWith(".")) expect([name, await digest(join(at, name))]).toEqual([name, files.get(name)]);
    };
    try {
      relay.start();
      await eventually("the relay starts", () => relay.lines.some((line) => line.startsWith("Health check")));
      for (const username of [...names, "alice"]) {
        await using agent = await Agent.open({ server, username, home });
        await agent.sync();
        if (username === "alice" && names.length > 1) await agent.groups.create("team", names);
      }
      // Slow enough for all faults to come while something is under way.
      proxy.bytesPerMs = Math.ceil((3 * TOTAL) / ((KILLS + CUTS) * PACE_MS));
      for (const program of [sender, ...receivers]) program.start();
      while (kills < KILLS || cuts < CUTS) {
        await delay(2 * PACE_MS * next());
        for (const program of programs) if (!program.running) program.start();
        if (next() * (KILLS + CUTS) < CUTS && cuts < CUTS) {
          cuts += 1;
          proxy.cut();
        } else if (kills < KILLS) {
          kills += 1;
          const program = programs[Math.floor(next() * programs.length)] ?? relay;
          await program.end("SIGKILL");
          if (TOTAL < 256 * MIB) await checkNames();
          program.start();
        }
      }
      proxy.bytesPerMs = Infinity;
      const isDone = (): boolean => new Set(sender.lines).size === files.size;
      await eventually("all files arrive", isDone, 60_000 + TOTAL / 2_000);
      await checkNames();
      for (const name of names) expect(readdirSync(join(into, name)).toSorted()).toEqual([...files.keys()].toSorted());
      const kept = (): unknown[] => {
        using data = new DatabaseSync(join(db, "relay.db"), { readOnly: true });
        return data.prepare("SELECT * FROM blobs").all();
      };
      await eventually("the relay keeps no room", () => kept().length === 0);
      const blobs = () => readdirSync(join(db, "blobs"), { recursive: true, encoding: "utf8" });
      await eventually("the relay keeps no file", () => !blobs().some((name) => /[0-9a-f]{32}$/.test(name)));
      // Each as one blob: what had left was never wrong, and nothing had to begin anew.
      expect([proxy.sent.size, proxy.conflicts]).toEqual([files.size, []]);
      console.log(
        `${relay.kills} relay, ${sender.kills} sender, ${receivers.map((each) => each.kills).join()} receiver kills, ${cuts} cuts, ` +
          `${proxy.sent.size} blobs, ${Math.round(proxy.up / MIB)} MiB up and ${Math.round(proxy.down / MIB)} down for ${Math.round(paths.length)} files`,
      );
    } catch (error) {
      const said = receivers.map((each) => each.errors.slice(-1000)).join("; ");
      throw new Error(`${String(error)}; sender: ${sender.errors.slice(-1000)}; receivers: ${said}`, { cause: error });
    } finally {
      for (const program of [sender, ...receivers, relay]) await program.end("SIGTERM");
    }
  },
);
