import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRelay } from "@aimessage/server";
import { expect, onTestFinished, test } from "vitest";
import { builtCli } from "../../../test/built.ts";

const AS_NODE_20 = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })";

/** The program, run by an older Node. */
const old = (...words: string[]) => {
  const node = ["--import", `data:text/javascript,${encodeURIComponent(AS_NODE_20)}`, builtCli()];
  const { status, stdout, stderr } = spawnSync(process.execPath, [...node, ...words], { encoding: "utf8" });
  return { status, stdout, stderr };
};

/** The program as it is installed, in a home of its own. What it prints, or its error. */
function installed() {
  const home = mkdtempSync(join(tmpdir(), "aimessage bin "));
  onTestFinished(() => rmSync(home, { recursive: true }));
  return (input: string, args: string[], more: Record<string, string> = {}) =>
    new Promise<string>((resolve, reject) => {
      const env = { ...process.env, ...more };
      const child = execFile(
        process.execPath,
        [builtCli(), "--home", home, ...args],
        { env },
        (error, stdout, stderr) => (error === null ? resolve(stdout) : reject(new Error(stderr))),
      );
      child.stdin?.end(input);
    });
}

test("a store gets a passphrase by `seal`, and by no variable that is left over", async () => {
  await using relay = await createRelay({ port: 0, host: "127.0.0.1", store: "memory" });
  const aimessage = installed();
  const secret = { AIMESSAGE_PASSPHRASE: "correct horse" };
  await aimessage("", ["register", "-u", "alice", "-s", relay.url]);
  const refusal = /this agent's store has no passphrase\nHint: unset AIMESSAGE_PASSPHRASE/;
  await expect(aimessage("", ["whoami"], secret)).rejects.toThrow(refusal);
  await aimessage("", ["whoami"]);
  await expect(aimessage("", ["seal"])).rejects.toThrow("a passphrase is required");
  expect(await aimessage("", ["seal"], secret)).toBe("The store of alice is sealed.\n");
  expect(await aimessage("", ["whoami"], secret)).toContain("alice");
  await expect(aimessage("", ["whoami"])).rejects.toThrow("sealed with a passphrase");
}, 60_000);

test("what is installed sends what it is given, from an argument and from a pipe", async () => {
  await using relay = await createRelay({ port: 0, host: "127.0.0.1", store: "memory" });
  const aimessage = installed();
  for (const name of ["alice", "bob"]) await aimessage("", ["register", "-u", name, "-s", relay.url]);
  const send = ["send", "-u", "alice", "-t", "bob", "-m"];
  await aimessage("", [...send, "from an argument"]);
  await aimessage("from a pipe", [...send, "-"]);
  const shown = await aimessage("", ["listen", "-u", "bob", "--count", "2", "--timeout", "30"]);
  expect(shown).toMatch(/alice: from an argument\n.*alice: from a pipe\n$/);
}, 60_000);

/** Prints which built-in modules were loaded. */
const LOADED =
  "process.on('exit', () => console.error('loaded: ' + process.moduleLoadList.map((name) => name.replace('NativeModule ', '')).join()))";

test.skipIf(process.versions["bun"] !== undefined).each([
  ["--version", ["sqlite", "crypto", "readline/promises"]],
  ["send --help", ["sqlite", "crypto", "readline/promises"]],
  ["send -u nobody -t bob -m hello", ["readline/promises"]],
  ["reply -u nobody 1f0c9a52 -m hello", ["readline/promises"]],
  ["hook Stop --for claude", ["readline/promises", "tty"]],
])("%s loads nothing of %j", (line, spared) => {
  const home = join(tmpdir(), "aimessage nowhere");
  const { stderr } = spawnSync(
    process.execPath,
    ["--import", `data:text/javascript,${encodeURIComponent(LOADED)}`, builtCli(), "--home", home, ...line.split(" ")],
    { encoding: "utf8", input: "" },
  );
  const loaded = /^loaded: (.*)$/m.exec(stderr)?.[1]?.split(",") ?? [];
  expect(loaded.length).toBeGreaterThan(10);
  expect(loaded.filter((name) => spared.includes(name))).toEqual([]);
});

test.skipIf(process.versions["bun"] !== undefined)(
  "an older Node gets one line that says what to do, and a host nothing",
  () => {
    expect(old("--version")).toEqual({
      status: 1,
      stdout: "",
      stderr: expect.stringMatching(/^aimessage needs Node 24 or newer; this is 20\.20\.2\..*\n$/) as string,
    });
    expect(old("-u", "alice", "hook", "Stop", "--for", "claude")).toEqual({ status: 0, stdout: "", stderr: "" });
  },
);
