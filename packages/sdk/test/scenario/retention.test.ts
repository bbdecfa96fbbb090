import { expect, onTestFinished, test, vi } from "vitest";
import { eventually, follow, jump, rejection, SAME_CLOCK, World } from "./world.ts";

const DAY = 86_400_000;

test(
  "bodies of handled messages are kept for a week, their rows and ids for thirty days",
  { tags: ["long"] },
  async () => {
    await using world = await World.create(SAME_CLOCK);
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    follow(alice);
    follow(bob);
    const first = await alice.send("bob", "once upon a time");
    await first.handled();
    const keys = async (name: string, prefix: string) =>
      (await world.memory(name).read((tx) => tx.list({ prefix }))).map(([key]) => key);
    const old = await keys("bob", "in/");
    const sentRow = (await keys("alice", "out-id/")).filter((key) => key.endsWith(first.id));
    expect([old.length, sentRow.length]).toEqual([1, 1]);

    const real = Date.now;
    let ahead = 0;
    const clock = vi.spyOn(Date, "now").mockImplementation(() => real() + ahead);
    onTestFinished(() => clock.mockRestore());
    const later = async (days: number) => {
      ahead = days * DAY;
      // At the next login both sides agree that it is so late.
      world.proxy.cut();
      await (await alice.send("bob", `day ${days}`)).handled();
    };

    await later(6);
    expect((await bob.inbox())[0]?.body).toBe("once upon a time");
    await later(8);
    await eventually("the body is gone", async () => (await bob.inbox())[0]?.body === "");
    expect(await keys("bob", `seen/alice/${first.id}`)).toHaveLength(1);
    await later(31);
    await eventually("bob has forgotten it", async () => !(await keys("bob", "in/")).includes(old[0]!));
    await eventually("its id, too", async () => (await keys("bob", `seen/alice/${first.id}`)).length === 0);
    await eventually("alice has forgotten it", async () => !(await keys("alice", "out-id/")).includes(sentRow[0]!));
    expect((await bob.inbox()).map(({ body }) => body)).toContain("day 31");
  },
);

test("however many messages come, what is kept no longer is forgotten as fast", async () => {
  await using world = await World.create();
  const store = world.memory("alice");
  await (await world.open("alice")).close();
  const COUNT = 1_700;
  const now = Date.now();
  const row = (seq: number, days: number) =>
    JSON.stringify({
      seq,
      id: `old-${seq}`,
      from: "bob",
      received_at: now - days * DAY,
      ...(seq === 1 ? { state: "unhandled" } : { state: "handled", settled_at: now - days * DAY + 1_000 }),
    });
  await store.write(async (tx) => {
    for (let seq = 1; seq <= 2 * COUNT; seq++) {
      const key = String(seq).padStart(16, "0");
      await tx.put(`in/${key}`, row(seq, seq <= COUNT ? 31 : 8));
      await tx.put(`in-body/${key}`, "once upon a time");
      await tx.put(`seen-at/${String(now - 31 * DAY).padStart(16, "0")}/bob/old-${seq}`, "");
    }
  });
  await using alice = await world.open("alice");
  await alice.sync();
  const count = (prefix: string) => store.read(async (tx) => (await tx.list({ prefix })).length);
  // All but the unhandled one, which is in nobody's way.
  await eventually("rows are forgotten", async () => (await count("in/")) === COUNT + 1);
  await eventually("bodies are forgotten", async () => (await count("in-body/")) === 1);
  await eventually("ids are forgotten", async () => (await count("seen-at/")) === 0);
});

test("a message of which the relay says nothing any more expires", async () => {
  await using world = await World.create(SAME_CLOCK);
  const alice = await world.open("alice");
  await world.open("bob");
  const sent = await alice.send("bob", "nobody comes");
  await sent.stored();
  world.proxy.rule = ({ frame }) => (frame.data?.kind === "notice" ? [] : undefined);
  jump(31 * DAY);
  world.proxy.cut("alice");
  expect(await rejection(sent.handled())).toMatchObject({ code: "expired", reason: "mailbox_age" });
});
