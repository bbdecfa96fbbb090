// @module-tag long
import { readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { eventually } from "../../../test/waiting.ts";
import { requestsFolder } from "../src/admin/request.ts";
import { folder } from "./folder.ts";
import { tokenClient } from "./raw-client.ts";
import { command, relayProcess, runningRelay } from "./relay-process.ts";

test("many commands at once are all done, and leave no files", async () => {
  const db = folder();
  using relay = await runningRelay(db);
  const names = ["ann", "ben", "cid", "dan"];
  for (const name of names) await (await tokenClient(relay.url, name)).close();
  const results = await Promise.all(names.map((name) => command("user", "disable", name, "--db", db)));
  expect(results.map(({ stdout }) => stdout)).toEqual(names.map((name) => `${name} is disabled\n`));
  expect(readdirSync(requestsFolder(db))).toEqual([]);
});

test("commands at once without a relay are all done, too", async () => {
  const db = folder();
  const relay = await runningRelay(db);
  const names = ["ann", "ben", "cid"];
  for (const name of names) await (await tokenClient(relay.url, name)).close();
  await relay.end("SIGTERM");
  const results = await Promise.all(names.map((name) => command("user", "disable", name, "--db", db)));
  expect(results.map(({ stdout }) => stdout)).toEqual(names.map((name) => `${name} is disabled\n`));
  expect(readdirSync(requestsFolder(db))).toEqual([]);
});

test("a relay that is stopped is named, and does not do later what nobody waits for", { tags: ["long"] }, async () => {
  const db = folder();
  using relay = await runningRelay(db);
  using bob = await tokenClient(relay.url, "bob");
  relay.child.kill("SIGSTOP");
  const { code, stderr } = await command("user", "remove", "bob", "--db", db);
  relay.child.kill("SIGCONT");
  expect(code).toBe(1);
  expect(stderr).toMatch(/^Error: The relay on .* does not answer; nothing was done\nHint: .*stopped/);
  expect((await bob.ask("heartbeat")).data.status).toBe("ok");
  expect((await command("audit", "--db", db)).stdout).not.toContain("remove");
});

test("a command whose relay dies meanwhile does it itself", async () => {
  const db = folder();
  const relay = await runningRelay(db);
  await (await tokenClient(relay.url, "bob")).close();
  relay.child.kill("SIGSTOP");
  using disabling = relayProcess(["user", "disable", "bob", "--db", db]);
  await eventually("it has asked", () => readdirSync(requestsFolder(db)).some((name) => name.endsWith(".asked")));
  await relay.end("SIGKILL");
  expect(await disabling.exited).toBe(0);
  expect(disabling.output.stdout).toBe("bob is disabled\n");
});

test("what is left in the folder of requests harms nobody: too old, malformed, forgotten", async () => {
  const db = folder();
  using relay = await runningRelay(db);
  using bob = await tokenClient(relay.url, "bob");
  const requests = requestsFolder(db);
  const remove = { who: "root", what: "remove", target: "bob", release: false };
  writeFileSync(join(requests, "stale.asked"), JSON.stringify({ ...remove, until: Date.now() - 1 }));
  writeFileSync(join(requests, "broken.asked"), '{"what":"explode"');
  writeFileSync(join(requests, "forgotten.reply"), "{}");
  utimesSync(join(requests, "forgotten.reply"), 0, 0);
  await eventually("the broken one alone is answered", () => readdirSync(requests).join() === "broken.reply");
  expect(await command("user", "disable", "nobody", "--db", db)).toMatchObject({ code: 1 });
  expect((await bob.ask("heartbeat")).data.status).toBe("ok");
});
