import { expect, test } from "vitest";
import { clientFrames } from "@aimessage/sdk/protocol";
import { createRelay } from "../src/index.ts";
import { Dice } from "./dice.ts";
import { newAgent } from "./agent.ts";
import { tokenClient } from "./raw-client.ts";

const WORDS = ["", "alice", "bob", "token-user", "m1", "AAAA", "a".repeat(64), "\0", "__proto__", "constructor", "{}"];
const FIELDS = (
  "username to message group_id epoch message_id commit_id members welcomes messages device relay counter signature " +
  "challenge seq log_id expires_at resume key_packages identity_key last_resort commit public_key session_id __proto__"
).split(" ");

test("garbage is answered with errors, and harms nobody", { timeout: 60_000 }, async () => {
  const dice = new Dice();
  console.log(`SEED=${dice.seed}`);
  const value = (depth = 0): unknown => {
    const kind = dice.next();
    if (kind < 0.3) return dice.of(WORDS);
    if (kind < 0.5) return dice.of([0, 1, -1, 1.5, 2 ** 53, 1e308, Number.MAX_SAFE_INTEGER]);
    if (kind < 0.6) return dice.of([null, true, false]);
    if (depth > 2) return null;
    if (kind < 0.8) return Array.from({ length: 3 }, () => value(depth + 1));
    return Object.fromEntries(Array.from({ length: 4 }, () => [dice.of(FIELDS), value(depth + 1)]));
  };
  // `unregister` would end the test.
  const types = [...Object.keys(clientFrames), "nonsense", "toString", "__proto__"].filter(
    (type) => type !== "unregister",
  );
  const frame = (): string => {
    const data = Object.fromEntries(Array.from({ length: 6 }, () => [dice.of(FIELDS), value()]));
    const text = JSON.stringify({ type: dice.of(types), id: "g", data: dice.chance(0.1) ? value() : data });
    return dice.chance(0.1) ? text.slice(0, dice.below(text.length)) : text;
  };

  await using relay = await createRelay({ port: 0, store: "memory", noLimits: true });
  const alice = await newAgent(relay.url, "alice");
  const clients = [await tokenClient(relay.url, "token-user"), await alice.connect(), await alice.connect()];
  for (let round = 0; round < 100; round++) {
    for (const client of clients) for (let count = 0; count < 10; count++) client.socket.send(frame());
    for (const client of clients) {
      expect((await client.ask("heartbeat")).data.status).toBe("ok");
      const internal = client.unread.splice(0).filter(({ data }) => data?.reason === "internal");
      expect(internal).toEqual([]);
    }
  }
  for (const client of clients) client[Symbol.dispose]();
  using user = await tokenClient(relay.url, "late-user");
  expect((await user.ask("send", { to: "late-user", message: "still here" })).data.status).toBe("delivered");
});
