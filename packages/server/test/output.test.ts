// What becomes of the relay and of its commands when what they print is not taken.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, existsSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { builtRelay } from "../../../test/built.ts";
import { folder } from "./folder.ts";
import { tokenClient } from "./raw-client.ts";
import { relayProcess } from "./relay-process.ts";

const FULL = "/dev/full";

async function logLinesLost(url: string): Promise<number> {
  const metrics = await (await fetch(url.replace(/^ws/, "http").replace(/ws$/, "metrics"))).text();
  return Number(/^aimessage_log_lines_lost_total (\d+)$/m.exec(metrics)?.[1]);
}

test("a relay whose log nobody reads any more goes on, and counts the lines that are lost", async () => {
  using relay = relayProcess(["--port", "0", "--db", folder(), "--log-format", "json"]);
  const url = /ws:[^"]*/.exec((await relay.lines(2))[1] ?? "")?.[0] ?? "";
  relay.child.stdout.destroy();
  for (const name of ["alice", "bob"]) await (await tokenClient(url, name)).close();
  using client = await tokenClient(url, "carol");
  expect((await client.ask("heartbeat")).data.status).toBe("ok");
  expect(await logLinesLost(url)).toBeGreaterThan(0);
  relay.child.kill("SIGTERM");
  expect(await relay.exited).toBe(0);
});

/** A relay whose log goes to an open file, which is closed here. */
async function relayWithLog(log: number) {
  const child = spawn(process.execPath, [builtRelay(), "--port", "0", "--db", folder()], {
    env: { PATH: process.env["PATH"], NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] },
    stdio: ["ignore", "pipe", log],
  });
  closeSync(log);
  const exited = once(child, "exit").then(([code]) => code as number);
  let printed = "";
  child.stdout?.on("data", (data: Buffer) => (printed += data.toString()));
  while (!printed.includes("health")) await Promise.race([once(child.stdout!, "data"), exited]);
  return { child, exited, url: /ws:.*/.exec(printed)?.[0] ?? "", [Symbol.dispose]: () => child.kill("SIGKILL") };
}

test.skipIf(!existsSync(FULL))("a relay whose log is on a full disk goes on, and counts the lines", async () => {
  using relay = await relayWithLog(openSync(FULL, "w"));
  const { child, exited, url } = relay;
  for (const name of ["alice", "bob"]) await (await tokenClient(url, name)).close();
  using client = await tokenClient(url, "carol");
  expect((await client.ask("heartbeat")).data.status).toBe("ok");
  expect(await logLinesLost(url)).toBeGreaterThan(0);
  child.kill("SIGTERM");
  expect(await exited).toBe(0);
});

test("a relay whose log is not read serves on, and ends when it is told to", async () => {
  const fifo = join(folder(), "log");
  spawnSync("mkfifo", [fifo]);
  const log = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
  const fill = (): unknown => {
    for (;;) writeSync(log, Buffer.alloc(2 ** 12));
  };
  expect(fill).toThrow("EAGAIN");
  using relay = await relayWithLog(openSync(fifo, "r+"));
  using client = await tokenClient(relay.url, "carol");
  expect((await client.ask("heartbeat")).data.status).toBe("ok");
  relay.child.kill("SIGTERM");
  expect(await relay.exited).toBe(0);
  closeSync(log);
});

/** Runs the program with an output that nobody reads, or that is on a full disk. */
function run(redirection: string, ...args: string[]): { status: number | null; stderr: string } {
  const script = `set -o pipefail; "$0" "$@" ${redirection}`;
  const { status, stderr } = spawnSync("bash", ["-c", script, process.execPath, builtRelay(), ...args], {
    encoding: "utf8",
  });
  return { status, stderr };
}

test("who has read enough of the help or of a command ends it without a fault", async () => {
  const db = folder();
  using relay = relayProcess(["--port", "0", "--db", db]);
  await relay.lines(3);
  for (const args of [["--help"], ["stats", "--db", db]])
    expect({ args, ...run("| true", ...args) }).toEqual({ args, status: 0, stderr: "" });
  expect(run("2>&1 | true", "--prot").status).toBe(2);
});

test.skipIf(!existsSync(FULL))("what a full disk does not take of the help or of a command is a failure", async () => {
  const db = folder();
  using relay = relayProcess(["--port", "0", "--db", db]);
  await relay.lines(3);
  for (const args of [["--help"], ["stats", "--db", db]]) {
    const { status, stderr } = run(`> ${FULL}`, ...args);
    expect({ args, status }).toEqual({ args, status: 1 });
    expect(stderr).toMatch(/^Error: Cannot write to standard output \(ENOSPC\)\nHint: .+\n$/);
  }
});
