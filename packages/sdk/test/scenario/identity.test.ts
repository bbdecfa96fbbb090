import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { Agent } from "../../src/agent/agent.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { WebSocket } from "ws";
import { alertKinds, bodies, eventually, follow, numbered, rejection, withoutPeers, World } from "./world.ts";

/** Bob leaves, and somebody else registers under his name. */
async function replaced(world: World, bob: Agent): Promise<Agent> {
  await bob.unregister({ release: true });
  return world.open("bob", new MemoryStore());
}

/** Alice and Bob, who have talked. */
async function talking() {
  const world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  follow(alice);
  follow(bob);
  await (await alice.send("bob", "hello")).handled();
  return { world, alice, bob };
}

describe("another identity key under a pinned name", () => {
  test("[R-5] stops sending with the way out, and sends nothing", async () => {
    const { world: opened, alice, bob } = await talking();
    await using world = opened;
    const old = bob.fingerprint;
    const other = await replaced(world, bob);
    follow(other);
    const since = world.proxy.recorded.length;
    const sent = await alice.send("bob", "a secret for the old bob");
    const error = await rejection(sent.handled());
    expect(error).toMatchObject({ code: "identity_changed", reason: "identity_changed" });
    expect(error.hint).toContain("contacts trust bob#");
    expect((await rejection(alice.send("bob", "again"))).code).toBe("identity_changed");
    expect(await alertKinds(alice)).toContain("identity_changed");
    const [contact] = await alice.contacts();
    expect(contact).toMatchObject({ stopped: "identity_changed", fingerprint: old, newFingerprint: other.fingerprint });
    const opened0 = world.proxy.recorded
      .slice(since)
      .filter(({ agent, toRelay, frame }) => agent === "alice" && toRelay && frame.type === "commit");
    expect(opened0).toEqual([]);
    expect(await other.inbox()).toEqual([]);
  });

  test("what the new one sends is not shown; trusting the right fingerprint resumes, and its messages arrive", async () => {
    const { world: opened, alice, bob } = await talking();
    await using world = opened;
    const other = await replaced(world, bob);
    follow(other);
    const sent = await other.send("alice", "I am bob, honestly");
    await eventually("alice is told", async () => (await alertKinds(alice)).includes("identity_changed"));
    expect(await alice.inbox()).toEqual([]);
    const wrong = rejection(alice.trust(`bob#${bob.fingerprint}`));
    expect((await wrong).code).toBe("fingerprint_mismatch");
    expect((await rejection(alice.send("bob", "still stopped"))).code).toBe("identity_changed");
    const contact = await alice.trust(`bob#${other.fingerprint}`);
    expect(contact).toMatchObject({ verified: true, fingerprint: other.fingerprint });
    expect(contact.stopped).toBeUndefined();
    await (await alice.send("bob", "welcome back")).handled();
    expect((await sent.handled()).state).toBe("handled");
    expect(await bodies(alice, 1)).toEqual(["I am bob, honestly"]);
    expect(await bodies(other, 1)).toEqual(["welcome back"]);
  });

  test("trust of a contact that nothing has stopped accepts no changed key", async () => {
    const { world: opened, alice, bob } = await talking();
    await using world = opened;
    await replaced(world, bob);
    expect((await rejection(alice.trust("bob"))).code).toBe("identity_changed");
    expect((await alice.contacts())[0]).toMatchObject({ stopped: "identity_changed", fingerprint: bob.fingerprint });
    expect((await alice.trust("bob")).stopped).toBeUndefined();
  });

  test("trust of a contact that nothing has stopped accepts no older device", async () => {
    const { world: opened, alice, bob } = await talking();
    await using world = opened;
    await world.memory("alice").write(async (tx) => {
      const contact = JSON.parse((await tx.get("contact/bob")) as string) as object;
      await tx.put("contact/bob", JSON.stringify({ ...contact, device_counter: 2 }));
    });
    expect((await rejection(alice.trust(`bob#${bob.fingerprint}`))).code).toBe("device_changed");
    expect((await alice.contacts())[0]).toMatchObject({ stopped: "device_changed", deviceCounter: 2 });
  });

  test("[R-5] a pinned contact that shows up as a token account is a changed key", async () => {
    const { world: opened, alice, bob } = await talking();
    await using world = opened;
    await bob.unregister({ release: true });
    await registerToken(world, "bob");
    const sent = await alice.send("bob", "in plain text?");
    expect((await rejection(sent.stored())).code).toBe("identity_changed");
    expect(await alertKinds(alice)).toContain("identity_changed");
    expect((await rejection(alice.send("bob", "again"))).code).toBe("identity_changed");
  });

  test("a token account that was never pinned is refused as encryption_required", async () => {
    await using world = await World.create();
    const alice = await world.open("alice");
    await registerToken(world, "plain");
    expect(await rejection((await alice.send("plain", "hello")).stored())).toMatchObject({ code: "refused" });
  });
});

describe("NAME#FINGERPRINT", () => {
  test("pins before first contact", async () => {
    await using world = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    follow(bob);
    await (await alice.send(`bob#${bob.fingerprint.replaceAll(" ", "").toLowerCase()}`, "hello")).handled();
    expect((await alice.contacts())[0]).toMatchObject({ username: "bob", fingerprint: bob.fingerprint });
  });

  test("[R-5] sends nothing if it is the wrong one, before and after first contact", async () => {
    await using world = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    follow(bob);
    const sent = await alice.send(`bob#${alice.fingerprint}`, "not for this bob");
    const error = await rejection(sent.handled());
    expect(error.code).toBe("fingerprint_mismatch");
    expect(error.hint).toBeDefined();
    expect([...world.proxy.sentBy("alice", "commit"), ...world.proxy.sentBy("alice", "send")]).toEqual([]);
    await (await alice.send("bob", "for any bob")).handled();
    expect((await rejection(alice.send(`bob#${alice.fingerprint}`, "no"))).code).toBe("fingerprint_mismatch");
    expect(await bodies(bob, 1)).toEqual(["for any bob"]);
  });

  test("verify marks a contact as verified, and its messages with it", async () => {
    await using world = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const got = follow(alice);
    await (await bob.send("alice", "before")).handled();
    expect((await rejection(alice.verify("bob", alice.fingerprint))).code).toBe("fingerprint_mismatch");
    expect((await alice.verify("bob", bob.fingerprint)).verified).toBe(true);
    await (await bob.send("alice", "after")).handled();
    expect(got.map(({ verified }) => verified)).toEqual([false, true]);
  });
});

describe("blocked contacts", () => {
  test("their messages are not shown and refused as blocked; nothing is sent to them; allow undoes it", async () => {
    const { world: opened, alice, bob } = await talking();
    await using world = opened;
    withoutPeers(world);
    await bob.block("alice");
    const sent = await alice.send("bob", "can you hear me?");
    expect(await rejection(sent.handled())).toMatchObject({ code: "refused", reason: "blocked" });
    const before = world.proxy.sentBy("bob", "send").length;
    expect((await rejection(bob.send("alice", "no"))).code).toBe("blocked");
    expect(await bodies(bob, 1)).toEqual(["hello"]);
    expect(world.proxy.sentBy("bob", "send").length).toBe(before);
    await bob.allow("alice");
    await (await alice.send("bob", "and now?")).handled();
    await (await bob.send("alice", "yes")).handled();
    expect(await bodies(bob, 2)).toEqual(["hello", "and now?"]);
  });

  test("a blocked contact that opens a conversation anew is told as well, and heard again when it is allowed", async () => {
    const { world: opened, alice, bob } = await talking();
    await using world = opened;
    withoutPeers(world);
    await bob.block("alice");
    await alice.close();
    // A new device, as after a restored store: its conversation is new to Bob.
    const folder = world.folders.get("alice");
    const login = JSON.parse(folder?.records.get("meta/relay") as string) as { login_counter: number };
    folder?.records.set("meta/relay", JSON.stringify({ ...login, login_counter: login.login_counter - 1 }));
    const again = await world.open("alice");
    follow(again);
    const sent = await again.send("bob", "still there?");
    expect(await rejection(sent.handled())).toMatchObject({ code: "refused", reason: "blocked" });
    await bob.allow("alice");
    await (await again.send("bob", "and now?")).handled();
    expect(await bodies(bob, 2)).toEqual(["hello", "and now?"]);
  });
});

test("what is addressed by a fingerprint goes to nobody else, however the name came to another key", async () => {
  await using world = await World.create({ noLimits: true });
  await using elsewhere = await World.create();
  const address = `bob#${(await elsewhere.open("bob")).fingerprint.replaceAll(" ", "")}`;
  const impostor = await world.open("bob");
  const got = follow(impostor);
  const alice = await world.open("alice");
  // The one who has the name here writes first: Alice pins its key when that comes in.
  await (await impostor.send("alice", "hi")).stored();
  const secret = await alice.send(address, "for bob alone");
  expect(await rejection(secret.stored())).toMatchObject({ code: "fingerprint_mismatch" });
  const carol = await world.open("carol");
  const plain = Promise.all(numbered(40).map((text) => carol.send("bob", text)));
  const another = await carol.send(address, "for bob alone");
  await Promise.all((await plain).map((one) => one.handled()));
  expect(await rejection(another.stored())).toMatchObject({ code: "fingerprint_mismatch" });
  expect(got.map(({ body }) => body)).not.toContain("for bob alone");
});

/** Registers a token account by the original's frames. */
async function registerToken(world: World, username: string): Promise<void> {
  const socket = new WebSocket(world.server);
  await new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("message", resolve);
    socket.on("open", () =>
      socket.send(
        JSON.stringify({ type: "register", id: createHash("sha1").update(username).digest("hex"), data: { username } }),
      ),
    );
  });
  socket.close();
}
