import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRelay } from "@aimessage/server";
import { expect, test } from "vitest";

const BIN = fileURLToPath(new URL("../bin/aimessage.js", import.meta.url));
const AS_NODE_20 = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })";

test("what is installed sends what it is given, from an argument and from a pipe", async () => {
  await using relay = await createRelay({ port: 0, host: "127.0.0.1", store: "memory" });
  const home = mkdtempSync(join(tmpdir(), "aimessage bin "));
  const aimessage = (input: string, ...args: string[]) =>
    new Promise<string>((resolve, reject) => {
      const child = execFile(process.execPath, [BIN, "--home", home, ...args], (error, stdout, stderr) =>
        error === null ? resolve(stdout) : reject(new Error(stderr)),
      );
      child.stdin?.end(input);
    });
  for (const name of ["alice", "bob"]) await aimessage("", "register", "-u", name, "-s", relay.url);
  await aimessage("", "send", "-u", "alice", "-t", "bob", "-m", "from an argument");
  await aimessage("from a pipe", "send", "-u", "alice", "-t", "bob", "-m", "-");
  const shown = await aimessage("", "listen", "-u", "bob", "--count", "2", "--timeout", "30");
  expect(shown).toMatch(/alice: from an argument\n.*alice: from a pipe\n$/);
  rmSync(home, { recursive: true });
}, 60_000);

test.skipIf(process.versions["bun"] !== undefined)("an older Node gets one line that says what to do", () => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--import", `data:text/javascript,${encodeURIComponent(AS_NODE_20)}`, BIN, "--version"],
    { encoding: "utf8" },
  );
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  expect(stderr).toMatch(/^aimessage needs Node 24 or newer; this is 20\.20\.2\..*\n$/);
});
