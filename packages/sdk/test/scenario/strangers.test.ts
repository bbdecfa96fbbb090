/** What somebody may leave whom the owner has neither written to nor accepted. */
import { expect, onTestFinished, test, vi } from "vitest";
import { get, list, pad, put } from "../../src/client/records.ts";
import { eventually, follow, jump, rejection, SAME_CLOCK, World } from "./world.ts";

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

/** Has Bob's store hold almost all that one stranger may leave, in one message that is handled or not. */
async function fill(world: World, state: "unhandled" | "handled", from = "carol"): Promise<void> {
  await world.memory("bob").write(async (tx) => {
    const [row] = await list(tx, "in/");
    const seq = 900;
    const strange = EACH - 20_000;
    await put(tx, "in/", pad(seq), {
      ...row!,
      seq,
      from,
      state,
      strange,
      ...(state === "handled" ? { settled_at: Date.now() } : {}),
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
  await fill(world, "unhandled");
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
  await fill(world, "handled");
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

test("[A-11] all strangers together have a bound, too", async () => {
  const { world: opened, bob, dave } = await written();
  await using world = opened;
  await bob.close();
  await fill(world, "unhandled");
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
    world.memory("bob").read(async (tx) => (await tx.list({ prefix: "mls/" })).length === 0),
  );
  follow(bob);
  await (await carol.send("bob", "still there?")).handled();
  expect((await bob.inbox()).map(({ body }) => body)).toContain("still there?");
});
