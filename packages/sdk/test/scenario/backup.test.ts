import { cpSync, rmSync } from "node:fs";
import { expect, test } from "vitest";
import type { Agent } from "../../src/agent/agent.ts";
import { bodies, follow, numbered, temporaryFolder, World } from "./world.ts";

async function sendAll(from: Agent, to: string, texts: string[]): Promise<void> {
  const sent = [];
  for (const text of texts) sent.push(await from.send(to, text));
  await Promise.all(sent.map((one) => one.handled({ timeout: 40_000 })));
}

test(
  "a relay restored from an old backup: agents go on, also if it has forgotten their epochs; nothing comes twice",
  { tags: ["long"] },
  async () => {
    const db = temporaryFolder();
    await using world = await World.create({ store: "sqlite", db });
    const backup = world.folder();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    follow(alice);
    follow(bob);
    await sendAll(alice, "bob", numbered(5, "before"));
    await world.stopRelay();
    cpSync(db, backup, { recursive: true });
    await world.startRelay();
    // Enough for several epochs.
    await sendAll(alice, "bob", numbered(120, "forgotten"));
    await world.stopRelay();
    rmSync(db, { recursive: true });
    cpSync(backup, db, { recursive: true });
    await world.startRelay({ restored: true });
    await sendAll(alice, "bob", numbered(10, "after"));
    await sendAll(bob, "alice", numbered(10, "after"));
    expect((await bodies(bob, 135)).toSorted()).toEqual(
      [...numbered(5, "before"), ...numbered(120, "forgotten"), ...numbered(10, "after")].toSorted(),
    );
    expect(await bodies(alice, 10)).toEqual(numbered(10, "after"));
  },
);
