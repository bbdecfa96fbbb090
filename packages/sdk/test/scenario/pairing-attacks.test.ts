// Attacks for which a pairing line is of no use. [P-9.15] of docs/protocol.md.

import { expect, test } from "vitest";
import { formatPairingLine, readPairingLine } from "../../src/agent/pairing-line.ts";
import { newCode } from "../../src/crypto/pairing.ts";
import { get, pad, put } from "../../src/records/records.ts";
import { given, verified } from "./pairing-world.ts";
import { edit } from "./proxy.ts";
import { alertKinds, caughtUp, eventually, follow, rejection } from "./world.ts";

const other = (text: string) => (text.startsWith("A") ? `B${text.slice(1)}` : `A${text.slice(1)}`);

test("a line for one is of no use to another, nor to the one any more", async () => {
  await using talk = await given({ for: "alice" });
  const { world, alice, bob, line } = talk;
  follow(bob);
  const carol = await world.open("carol");
  expect(await rejection((await carol.pairing.take(line)).paired())).toMatchObject({
    code: "pairing_refused",
    reason: "pairing_other",
  });
  expect(await rejection((await alice.pairing.take(line)).paired())).toMatchObject({ code: "pairing_stopped" });
  expect((await bob.contacts()).some(({ verified: is }) => is)).toBe(false);
  expect(await alertKinds(bob)).toEqual(["pairing_refused", "pairing_used"]);
});

test("the second who uses a line is stopped, and its maker is alerted; the first stays paired", async () => {
  await using talk = await given({ yes: true });
  const { world, alice, bob, line } = talk;
  follow(bob);
  await (await alice.pairing.take(line)).paired();
  const carol = await world.open("carol");
  expect(await rejection((await carol.pairing.take(line)).paired())).toMatchObject({
    code: "pairing_stopped",
    reason: "pairing_used",
  });
  expect((await bob.alerts()).at(-1)).toMatchObject({ kind: "pairing_used", contact: "carol" });
  expect((await verified(bob)).map(([name, is]) => [name, is])).toEqual([
    ["alice", true],
    ["carol", false],
  ]);
  expect((await carol.contacts())[0]?.verified).toBe(false);
});

test("a line that is altered in any part is refused, and nobody is verified", async () => {
  await using talk = await given({ yes: true });
  const { world, alice, bob, line } = talk;
  follow(bob);
  const carol = await world.open("carol");
  const altered = async (change: Partial<typeof line>) => {
    const again = readPairingLine(formatPairingLine({ ...line, ...change }));
    return rejection(alice.pairing.take(again).then((taken) => taken.paired()));
  };
  expect(await altered({ code: other(line.code ?? "") })).toMatchObject({ code: "pairing_refused" });
  expect(await altered({ username: "carol" })).toMatchObject({ code: "fingerprint_mismatch" });
  expect(await altered({ username: "nobody" })).toMatchObject({ code: "refused", reason: "unknown_user" });
  expect(await altered({ fingerprint: carol.fingerprint.replaceAll(" ", "") })).toMatchObject({
    code: "fingerprint_mismatch",
  });
  expect(await altered({ relay: "relay.example.org" })).toMatchObject({ code: "other_relay" });
  expect((await alice.contacts()).filter(({ verified: is }) => is)).toEqual([]);
  expect((await bob.contacts()).filter(({ verified: is }) => is)).toEqual([]);
  // The line itself is as good as before.
  expect((await (await alice.pairing.take(line)).paired()).verified).toBe(true);
});

test("where the line names the relay by another of its names than its maker has, nobody is paired, and both are told", async () => {
  await using talk = await given({ yes: true });
  const { world, bob, line } = talk;
  follow(bob);
  const alice = await world.open("alicia");
  world.proxy.rule = ({ toRelay, frame }) =>
    !toRelay && frame.type === "info" ? [edit(frame, { names: ["relay.example.org"] })] : undefined;
  const taken = await alice.pairing.take({ ...line, relay: "relay.example.org" });
  expect(await rejection(taken.paired())).toMatchObject({ code: "pairing_stopped", reason: "pairing_wrong" });
  expect(await alertKinds(bob)).toContain("pairing_wrong");
  expect((await bob.contacts()).filter(({ verified: is }) => is)).toEqual([]);
});

test("[R-5] a relay that shows another key for the line's name gets nothing, and nothing of it is pinned", async () => {
  await using talk = await given({ yes: true });
  const { world, alice, bob, line } = talk;
  follow(bob);
  const mallory = await world.open("mallory");
  await mallory.close();
  // The relay answers with the keys of another account of its own, under bob's name.
  world.proxy.rule = ({ agent, toRelay, frame }) =>
    agent === "alice" && toRelay && frame.type === "claim_keys"
      ? [{ ...frame, data: { ...frame.data, username: "mallory" } }]
      : agent === "alice" && !toRelay && frame.type === "keys"
        ? [{ ...frame, data: { ...frame.data, username: "bob" } }]
        : undefined;
  const error = await rejection((await alice.pairing.take(line)).paired());
  expect(error).toMatchObject({ code: "fingerprint_mismatch" });
  expect(world.proxy.sentBy("alice", "commit")).toEqual([]);
  expect(await alice.contacts()).toEqual([]);
  world.proxy.rule = undefined;
  expect((await (await alice.pairing.take(line)).paired()).verified).toBe(true);
});

test("a proof that is not right is refused and told, pairs nobody, and leaves the line good for who has it", async () => {
  await using talk = await given({ yes: true });
  const { world, alice, bob, own, line } = talk;
  follow(bob);
  const carol = await world.open("carol");
  // Carol knows what the line is called, and not its code: as one would that had seen Alice's proof, and shows it in her own name.
  world.proxy.rule = ({ agent }) => (agent === "carol" ? "cut" : undefined);
  const taken = await carol.pairing.take(line);
  const store = world.memory("carol");
  const record = await store.read((tx) => get(tx, "pairing/", own.id));
  await store.write((tx) => put(tx, "pairing/", own.id, { ...record!, code: newCode() }));
  world.proxy.rule = undefined;
  expect(await rejection(taken.paired())).toMatchObject({ code: "pairing_stopped", reason: "pairing_wrong" });
  expect(await alertKinds(bob)).toEqual(["pairing_wrong"]);
  expect((await bob.contacts()).map(({ username, verified: is }) => [username, is])).toEqual([["carol", false]]);
  expect((await (await alice.pairing.take(line)).paired()).verified).toBe(true);
});

test("what shows no line at all is refused, raises no alert, and what comes behind it is read", async () => {
  await using talk = await given({ yes: true });
  const { world, alice, bob } = talk;
  follow(bob);
  await (await alice.send("bob", "before")).handled();
  const bodies = ["", "no line", "0".repeat(32), "x".repeat(2_000), '","line":"'];
  await world.memory("alice").write(async (tx) => {
    for (const [index, body] of bodies.entries()) {
      const [seq, id] = [9_000 + index, `shown-${index}`];
      const row = { seq, id, kind: "pairing", to: "bob", content_type: "text/plain", state: "queued" } as const;
      await put(tx, "out/", pad(seq), { ...row, created_at: Date.now(), updated_at: Date.now(), attempt: 0 });
      await tx.put(`out-body/${pad(seq)}`, body);
      await tx.put(`out-id/${id}`, String(seq));
      await tx.put(`queue/bob/${pad(seq)}`, "");
    }
  });
  await (await alice.send("bob", "behind")).handled();
  const outcome = async (index: number) => {
    const row = await world.memory("alice").read((tx) => get(tx, "out/", pad(9_000 + index)));
    return row?.state === "failed" && row.reason;
  };
  for (const index of bodies.keys())
    await eventually("it is refused", async () => (await outcome(index)) === "pairing_unknown");
  expect(await bob.alerts()).toEqual([]);
  expect((await bob.inbox()).map(({ body }) => body)).toEqual(["before", "behind"]);
});

test("while a line is open its first message finds room that strangers have taken, and nothing else does", async () => {
  await using talk = await given({ yes: true });
  const { world, alice, bob, line } = talk;
  const today = Math.floor(Date.now() / 86_400_000);
  await world.memory("Bob").write(async (tx) => {
    await tx.put("strange/eve", String(64 * 2 ** 20));
    await tx.put("meta/strangers", `${today} 1000`);
  });
  follow(bob);
  const carol = await world.open("carol");
  expect(await rejection((await carol.send("bob", "hello")).received())).toMatchObject({ reason: "stranger_quota" });
  expect((await (await alice.pairing.take(line)).paired()).verified).toBe(true);
  await (await alice.send("bob", "hello")).handled();
  // Now that none is open, strangers are as many as they may be.
  const dave = await world.open("dave");
  await (await dave.pairing.take(line)).received({ timeout: 1 }).catch(() => undefined);
  await caughtUp(bob);
  expect((await bob.contacts()).map(({ username }) => username)).toEqual(["alice", "carol"]);
});

test("whoever has another key pinned for the name of a line is stopped before anything is sent", async () => {
  await using talk = await given({ yes: true });
  const { alice, line } = talk;
  await alice.verify("bob");
  const fingerprint = alice.fingerprint.replaceAll(" ", "");
  expect(await rejection(alice.pairing.take({ ...line, fingerprint }))).toMatchObject({ code: "fingerprint_mismatch" });
  expect(await alice.pairing.taken()).toEqual([]);
});

test("pairing lifts no block, before a line is used or after", async () => {
  await using talk = await given();
  const { world, alice, bob, own, line } = talk;
  follow(bob);
  const carol = await world.open("carol");
  await (await carol.send("bob", "hello")).handled();
  await bob.block("carol");
  await bob.contactsTold();
  expect(await rejection((await carol.pairing.take(line)).paired())).toMatchObject({ reason: "blocked" });
  await (await alice.pairing.take(line)).received();
  await bob.pairing.used(own.id);
  await bob.block("alice");
  expect(await rejection(bob.pairing.accept(own.id))).toMatchObject({ code: "blocked" });
  expect((await bob.contacts()).map(({ blocked }) => blocked)).toEqual([true, true]);
});
