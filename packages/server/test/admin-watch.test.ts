/** What is in a database, again and again. */
import { createOutput } from "@aimessage/sdk/program";
import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { eventually } from "../../../test/waiting.ts";
import { commandHere as command } from "./console.ts";
import { folder } from "./folder.ts";
import { tokenClient } from "./raw-client.ts";
import { relayProcess, runningRelay } from "./relay-process.ts";

test("`stats --watch` counts again and again, says what has changed, and ends by Ctrl+C", async () => {
  const db = folder();
  using relay = await runningRelay(db);
  using tick = await tokenClient(relay.url, "tick");
  await tokenClient(relay.url, "tack").then((tack) => tack[Symbol.dispose]());
  using json = relayProcess(["stats", "--db", db, "--watch", "100ms", "--json"]);
  using text = relayProcess(["stats", "--db", db, "--watch", "100ms"]);
  await eventually("both have begun", () => json.output.stdout !== "" && text.output.stdout !== "");
  await tick.ask("send", { to: "tack", message: "hello" });
  await eventually("it is counted", () => json.output.stdout.includes('"entries":1'));
  await eventually("it is said", () => text.output.stdout.includes("; entries +1 since the time before"));
  const [first = ""] = json.output.stdout.split("\n");
  expect(JSON.parse(first)).toMatchObject({ entries: 0, accounts: { token: 2 } });
  expect(text.output.stdout).toMatch(/^\S+ \S+ UTC, each 0\.1 s until Ctrl\+C\n\naccounts .*\n\n\S+ \S+ UTC, each/s);
  for (const { child, exited } of [json, text]) {
    child.kill("SIGINT");
    await exited;
    expect(child.signalCode).toBe("SIGINT");
  }
  expect(json.output.stderr + text.output.stderr).toBe("");
});

test("on a terminal what changes takes the place of what it was, and elsewhere stands below it", async () => {
  const texts = new Map<string, string>();
  const stream = (name: string, more: object) => {
    const write = (chunk: Buffer, _: unknown, done: () => void) => {
      texts.set(name, (texts.get(name) ?? "") + chunk.toString());
      done();
    };
    return Object.assign(new Writable({ write }), more);
  };
  for (const [name, more] of Object.entries({ terminal: { isTTY: true, columns: 80 }, file: {} })) {
    const out = createOutput(
      { stdout: stream(name, more), stderr: stream("stderr", {}) },
      { json: false, quiet: false },
    );
    await out.again(["one", "1"], 1);
    await out.again(["two", "2"], 2);
  }
  expect(texts.get("file")).toBe("one\n1\n\ntwo\n2\n");
  expect(texts.get("terminal")).toBe("one\n1\n\u001b[2A\r\u001b[Jtwo\n2\n");
  expect(texts.has("stderr")).toBe(false);
});

test.for(["0s", "1ms", "2 s", "25h", "often"])("`stats --watch %s` is no time to watch in", async (time) => {
  expect(await command("stats", "--db", folder(), "--watch", time)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("--watch needs a time such as 10s"),
  });
});
