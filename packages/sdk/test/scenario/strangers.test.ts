/** What somebody may leave whom the owner has neither written to nor accepted. */
import { expect, onTestFinished, test, vi } from "vitest";
import { mayAnswer, meet } from "../../src/trust/contacts.ts";
import { settleMessage } from "../../src/agent/settling.ts";
import { setStanding } from "../../src/trust/standing.ts";
import { get, list, pad, put } from "../../src/records/records.ts";
import { Layer } from "../../src/store/layer.ts";
import type { WriteTransaction } from "../../src/store/store.ts";
import { keptOf } from "./attacker.ts";
import { turns } from "./turns.ts";
import { eventually, follow, jump, numbered, rejection, SAME_CLOCK, World } from "./world.ts";

const DAY = 86_400_000;
const EACH = 16 * 2 ** 20;

/** Bob, to whom Carol has written, and Dave. */
async function written() {
  const world = await World.create({ ...SAME_CLOCK, noLimits: true });
  const [bob, carol, dave] = [await world.open("bob"), await world.open("carol"), await world.open("dave")];
  await bob.users();
  await (await carol.send("bob", "hello")).received();
  return { world, bob, carol, dave };
}

/** Has Bob's store hold almost all that one stranger may leave, in one message. */
async function fill(world: World, from = "carol"): Promise<void> {
  await world.memory("bob").write(async (tx) => {
    const [row] = await list(tx, "in/");
    const seq = 900;
    const strange = EACH - 20_000;
    await put(tx, "in/", pad(seq), {
      ...row!,
      seq,
      from,
      strange,
    });
    await tx.put(`in-body/${pad(seq)}`, "as if it were long");
    await tx.put(`strange/${from}`, String(strange));
    await tx.put("meta/next-in", "901");
  });
}

test("[A-11] a stranger has so much room, and what is beyond it fails as stranger_quota; others have theirs", async () => {
  const { world: opened, bob, carol, dave } = await written();
  await using world = opened;
  await bob.close();
  await fill(world);
  const again = await world.open("bob");
  await again.users();
  const large = await carol.send("bob", "x".repeat(30_000));
  expect(await rejection(large.handled())).toMatchObject({ code: "failed", reason: "stranger_quota" });
  await (await carol.send("bob", "a short one finds room")).received();
  await (await dave.send("bob", "y".repeat(30_000))).received();
  // Whoever is written to is none.
  await (await again.send("carol", "who are you?")).received();
  await (await carol.send("bob", "z".repeat(30_000))).received();
});

test("[A-11] what is handled makes room: its bodies are let go first", async () => {
  const { world: opened, bob, carol } = await written();
  await using world = opened;
  await bob.close();
  await fill(world);
  await settleMessage(world.memory("bob"), { seq: 900, from: "carol", local_id: "none" });
  const again = await world.open("bob");
  await again.users();
  await (await carol.send("bob", "x".repeat(30_000))).received();
  const { body, counted } = await world.memory("bob").read(async (tx) => ({
    body: await tx.get(`in-body/${pad(900)}`),
    counted: Number(await tx.get("strange/carol")),
  }));
  expect(body).toBeUndefined();
  expect(counted).toBeLessThan(50_000);
});

test("[A-11] a stranger without room costs no look at what others have sent, however much that is", async () => {
  const { world: opened, bob, carol } = await written();
  await using world = opened;
  await bob.close();
  await fill(world);
  await world.memory("bob").write(async (tx) => {
    const [row] = await list(tx, "in/");
    for (let seq = 1_000; seq < 3_000; seq++)
      await put(tx, "in/", pad(seq), { ...row!, seq, from: "dave", id: `m-${seq}`, state: "handled" });
    await tx.put("meta/next-in", "3000");
  });
  await (await world.open("bob")).users();
  await (await carol.send("bob", "a short one")).received();
  let read = 0;
  const look = Reflect.get(Layer.prototype, "list");
  const spy = vi.spyOn(Layer.prototype, "list").mockImplementation(async function (this: Layer, range) {
    const rows = await look.call(this, range);
    read += rows.filter(([key]) => key.startsWith("in/") || key.startsWith("strange")).length;
    return rows;
  });
  onTestFinished(() => spy.mockRestore());
  const large = await carol.send("bob", "x".repeat(30_000));
  expect(await rejection(large.handled())).toMatchObject({ code: "failed", reason: "stranger_quota" });
  expect(read).toBeLessThan(200);
});

test("[A-11] a stranger whose handled mail fills its room has new mail taken without a look at all of that each time", async () => {
  const { world: opened, bob } = await written();
  await using world = opened;
  await bob.close();
  const store = world.memory("bob");
  const weight = EACH / 2_000;
  await store.write(async (tx) => {
    const [row] = await list(tx, "in/");
    for (let seq = 1_000; seq < 3_000; seq++) {
      await put(tx, "in/", pad(seq), { ...row!, seq, id: `m-${seq}`, state: "handled", strange: weight });
      await tx.put(`strange-gone/carol/${pad(seq)}`, "");
    }
    await tx.put("strange/carol", String(EACH));
  });
  const { run, cache } = await turns(store);
  let read = 0;
  const counted = (tx: WriteTransaction): WriteTransaction => ({
    get: (key) => tx.get(key),
    list: async (range) => {
      const rows = await tx.list(range);
      read += rows.length;
      return rows;
    },
    put: (key, value) => tx.put(key, value),
    delete: (key) => tx.delete(key),
  });
  const LETTERS = 500;
  await run(async (turn) => {
    await cache.load(turn.tx);
    read = 0;
    for (let letter = 0; letter < LETTERS; letter++) {
      expect(await cache.strangers.hasRoom(turn, "carol", weight - 512)).toBe(true);
      cache.strangers.add("carol", weight - 512);
    }
    expect(read).toBeLessThan(10 * LETTERS);
  }, counted);
});

test("[A-11] strangers who were first leave room to those who come later, and whoever is let in leaves all of its own", async () => {
  const { world: opened, bob, carol, dave } = await written();
  await using world = opened;
  await bob.close();
  const names = ["carol", "x-one", "x-two", "x-three", "x-four", "x-five"];
  const { run, cache } = await turns(world.memory("bob"));
  const taken = await run(async (turn) => {
    await cache.load(turn.tx);
    const { strangers } = cache;
    for (const name of names) while (await strangers.hasRoom(turn, name, 2 ** 18)) strangers.add(name, 2 ** 18);
    return Promise.all(names.map((name) => strangers.hasRoom(turn, name, 2 ** 18)));
  });
  expect(taken).not.toContain(true);
  const large = "y".repeat(100_000);
  await (await world.open("bob")).users();
  await (await dave.send("bob", large)).received();
  const before = Number(await world.memory("bob").read((tx) => tx.get("strange/carol")));
  expect(before).toBeGreaterThan(15 * 2 ** 20);
  await world.memory("bob").write((tx) => setStanding(tx, "carol", "allow"));
  await (await carol.send("bob", large)).received();
  const more = await turns(world.memory("bob"));
  const room = await more.run(async (turn) => {
    await more.cache.load(turn.tx);
    return more.cache.strangers.hasRoom(turn, "erin", 6 * 2 ** 20);
  });
  expect(room).toBe(true);
});

test("[A-11] all strangers together have a bound, too", async () => {
  const { world: opened, bob, dave } = await written();
  await using world = opened;
  await bob.close();
  await fill(world);
  await world.memory("bob").write(async (tx) => {
    const row = await get(tx, "in/", pad(900));
    for (const [index, from] of ["x-one", "x-two", "x-three"].entries()) {
      await put(tx, "in/", pad(910 + index), { ...row!, seq: 910 + index, from });
      await tx.put(`strange/${from}`, String(row!.strange));
    }
    await tx.put("meta/next-in", "920");
  });
  await (await world.open("bob")).users();
  const sent = await dave.send("bob", "y".repeat(100_000));
  expect(await rejection(sent.handled())).toMatchObject({ code: "failed", reason: "stranger_quota" });
});

test("[A-11] a stranger of whose mail nothing was handled is forgotten, and nobody else", async () => {
  const { world: opened, bob, carol, dave } = await written();
  await using world = opened;
  // Whatever else came was handled, or its sender is known to the owner.
  const [erin, frank] = [await world.open("erin"), await world.open("frank")];
  for (const agent of [dave, erin, frank]) await (await agent.send("bob", "hello")).received();
  await bob.send("erin", "hello yourself");
  await bob.block("frank");
  await world.memory("bob").write(async (tx) => {
    for (const row of await list(tx, "in/"))
      if (row.from === "dave") {
        await put(tx, "in/", pad(row.seq), { ...row, state: "handled", settled_at: Date.now() });
        await tx.delete(`unhandled/${pad(row.seq)}`);
      }
  });
  for (const agent of [carol, dave, erin, frank]) await agent.close();
  const keys = (prefix: string) =>
    world.memory("bob").read(async (tx) => (await tx.list({ prefix })).map(([key]) => key.slice(prefix.length)));
  const groups = async () => (await keys("contact-group/")).map((key) => key.split("/")[0]);
  expect(new Set(await groups())).toEqual(new Set(["carol", "dave", "erin", "frank"]));
  const real = Date.now;
  let ahead = 16 * DAY;
  const clock = vi.spyOn(Date, "now").mockImplementation(() => real() + ahead);
  onTestFinished(() => clock.mockRestore());
  world.proxy.cut("bob");
  await eventually("the strangers' conversations are forgotten", async () => !(await groups()).includes("carol"));
  await eventually("also those that were handled", async () => !(await groups()).includes("dave"));
  expect(await groups()).toContain("erin");
  ahead = 32 * DAY;
  world.proxy.cut("bob");
  await eventually("the stranger's pin is forgotten", async () => !(await keys("contact/")).includes("carol"));
  expect(await keys("contact/")).toEqual(["dave", "erin", "frank"]);
});

test("[A-11] whoever was forgotten is read again when it writes again", async () => {
  const { world: opened, bob, carol } = await written();
  await using world = opened;
  jump(16 * DAY);
  world.proxy.cut("bob");
  await eventually("its conversation is forgotten", async () =>
    (await world.memory("bob").read(keptOf)).every((groups) => groups.length === 0),
  );
  follow(bob);
  await (await carol.send("bob", "still there?")).handled();
  expect((await bob.inbox()).map(({ body }) => body)).toContain("still there?");
});

test("[A-3] whom the owner knows is met and answered, however many strangers have come that day", async () => {
  const { world: opened, bob } = await written();
  await using world = opened;
  await bob.close();
  const day = Math.floor(Date.now() / DAY);
  await world.memory("bob").write(async (tx) => {
    await setStanding(tx, "erin", "allow");
    await tx.put("meta/strangers", `${day} 5000`);
    await tx.put("meta/unknown", [day, ...numbered(200, "x").map((name) => name.replace(" ", "-"))].join(" "));
  });
  const { run } = await turns(world.memory("bob"));
  const key = new Uint8Array(32).fill(1);
  const shown = (username: string) => ({
    username,
    identityKey: key,
    deviceId: "d",
    deviceKey: key,
    counter: 1,
    issuedAt: 1,
  });
  const met = await run(async (turn) => [
    await mayAnswer(turn, "erin"),
    await mayAnswer(turn, "frank"),
    await meet(turn, shown("erin"), "welcome"),
    await meet(turn, shown("frank"), "welcome"),
  ]);
  expect(met).toEqual([true, false, "trusted", "too_many_strangers"]);
});

test("[P-5.10] strangers wait before an agent that reads slowly, contacts do not, and nothing is lost or out of order", async () => {
  await using world = await World.create({ noLimits: true, limits: { strangersAheadBytes: 8 * 1024 } });
  const [bob, carol, eve] = [await world.open("bob"), await world.open("carol"), await world.open("eve")];
  const seen = follow(bob);
  // A stranger also once he has read from her: he never answers.
  for (const one of [carol, eve]) await (await one.send("bob", "0")).handled();
  await (await bob.send("carol", "hello")).received();
  let slow = true;
  const answers: string[] = [];
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (!toRelay && frame.type === "error") answers.push(`${agent} ${String(frame.data?.["reason"])}`);
    return slow && agent === "bob" && toRelay && frame.type === "received" ? [] : undefined;
  };
  const sent = [];
  for (let count = 1; count <= 20; count++) sent.push(await eve.send("bob", `${count}`.padEnd(1000)));
  await eventually("the relay has Eve wait", () => answers.includes("eve recipient_busy"));
  for (let count = 1; count <= 20; count++) await (await carol.send("bob", `${count}`.padEnd(1000))).stored();
  expect(answers.some((answer) => answer.startsWith("carol"))).toBe(false);
  slow = false;
  await Promise.all(sent.map((one) => one.handled({ timeout: 20_000 })));
  await eventually("all of Carol's are there", () => seen.length === 42);
  for (const from of ["eve", "carol"]) {
    const got = seen.filter((message) => message.from === from).map(({ body }) => Number(body));
    expect(got).toEqual(Array.from({ length: 21 }, (_, count) => count));
  }
});
