/** What the guides show: it stands in them as it is, and does what it is for. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Agent, type ClientStore, MemoryStore, openAgent, type Transport } from "@aimessage/sdk";
import { clientStoreCases } from "@aimessage/sdk/testing";
import { createRelay } from "@aimessage/server";
import { describe, expect, onTestFinished, test } from "vitest";
import { bridge, lineTransport } from "../docs/guides/line-transport.ts";
import { mapStore, Shared } from "../docs/guides/map-store.ts";
import { temporaryFolder } from "./processes/processes.ts";

const guides = fileURLToPath(new URL("../docs/guides/", import.meta.url));
const read = (name: string) => readFileSync(guides + name, "utf8");

test.each([
  ["another-store.md", "map-store.ts"],
  ["another-transport.md", "line-transport.ts"],
])("%s shows the whole of %s, which is short", (page, program) => {
  const source = read(program);
  expect(source.split("\n").length).toBeLessThanOrEqual(81);
  expect(read(page)).toContain(`\n\`\`\`ts\n${source}\`\`\`\n`);
});

function socketPath(): string {
  const folder = temporaryFolder();
  onTestFinished(() => folder[Symbol.dispose]());
  return join(folder.path, "relay.sock");
}

/** Two agents write to each other, each in a store of its own. */
async function talk(server: string, storeOf: () => ClientStore, transport?: Transport): Promise<void> {
  const open = (username: string): Promise<Agent> => openAgent({ store: storeOf(), username, server, transport });
  await using alice = await open("alice");
  await using bob = await open("bob");
  for (const [from, to] of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    const sent = await from.send(to.username, "hello \u{1f44b}\n");
    for await (const message of to.messages()) {
      expect([message.from, message.body]).toEqual([from.username, "hello \u{1f44b}\n"]);
      await message.handled();
      break;
    }
    await sent.handled({ timeout: 30_000 });
  }
}

describe("a store in a Map", () => {
  test.each(clientStoreCases)("$name", async ({ run }) => {
    const shared = new Shared();
    const open = async () => mapStore(shared);
    await run(async () => ({ store: await open(), again: open }));
  });

  test("is one in which agents live", async () => {
    await using relay = await createRelay({ port: 0, store: "memory" });
    await talk(relay.url, () => mapStore(new Shared()));
  });
});

describe("a transport of lines", () => {
  test("takes agents through a Unix socket to a relay", async () => {
    await using relay = await createRelay({ port: 0, store: "memory" });
    const path = socketPath();
    const server = bridge(relay.url).listen(path);
    onTestFinished(() => void server.close());
    await once(server, "listening");
    await talk(relay.url, () => new MemoryStore(), lineTransport(path));
  });

  test("says that there is no bridge, or no relay behind it", async () => {
    const path = socketPath();
    const opening = () =>
      openAgent({
        store: new MemoryStore(),
        username: "alice",
        server: "ws://127.0.0.1:1",
        transport: lineTransport(path),
      });
    const unreachable = { code: "relay_unreachable", message: expect.stringContaining(path) as string };
    await expect(opening()).rejects.toMatchObject(unreachable);
    const server = bridge("ws://127.0.0.1:1").listen(path);
    onTestFinished(() => void server.close());
    await once(server, "listening");
    await expect(opening()).rejects.toMatchObject(unreachable);
  });
});
