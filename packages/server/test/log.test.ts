import { expect, test } from "vitest";
import { createLogTo } from "../src/log.ts";

test("errors are told with their stack", () => {
  const lines: string[] = [];
  createLogTo("json", { write: (line) => lines.push(line) }).error({ err: new TypeError("no such thing") }, "failed");
  expect(JSON.parse(lines[0] as string)).toMatchObject({
    msg: "failed",
    err: { type: "TypeError", message: "no such thing", stack: expect.stringContaining("log.test") },
  });
});

test("secrets do not reach the log, however they are handed to it", () => {
  const lines: string[] = [];
  const log = createLogTo("json", { write: (line) => lines.push(line) });
  for (const name of ["token", "message", "signature", "certificate", "key", "challenge", "key_packages"]) {
    log.info({ [name]: "secret-value" }, "event");
    log.warn({ frame: { [name]: "secret-value" } }, "event");
  }
  expect(lines).toHaveLength(14);
  expect(lines.join("")).not.toContain("secret-value");
});

test("people get one short line an event, and nobody can forge another", () => {
  const lines: string[] = [];
  const log = createLogTo("text", { write: (line) => lines.push(line) });
  log.info({ user: "alice", kind: "key" }, "registered");
  log.error({ user: "x\nerror: forged" }, "failed");
  expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d registered user=alice kind=key\n$/);
  expect(lines[1]).toMatch(/^\d\d:\d\d:\d\d error: failed user="x\\nerror: forged"\n$/);
});
