/** Files that are sent again, one after another: their recipient hears of each where it lies now, or their sender that it does not. */
import { describe, expect, test } from "vitest";
import type { Agent } from "../../src/node/index.ts";
import { allGone, eventually, FileWorld, isSame, next, saved } from "./world.ts";

function statesOf(agent: Agent, id: string): Promise<unknown> {
  return agent.status(id).then((status) => status?.files?.map(({ state, reason }) => reason ?? state));
}

describe("[P-9.18] files of one message", () => {
  test("may be sent again in any number, each as often as it may be, and each time by a word of its own", async () => {
    await using world = await FileWorld.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const paths = Array.from({ length: 9 }, (_, index) => world.file(`file ${index}`, 1000 + index));
    const sent = await alice.send("bob", "x", { files: paths });
    const { id } = await next(bob);
    const harmed = new Set<string>();
    let isHarmed = true;
    world.proxy.edit = ({ method, blob }, chunk) => {
      if (method !== "GET" || !isHarmed || harmed.has(blob)) return chunk;
      harmed.add(blob);
      return Buffer.alloc(chunk.length);
    };
    for (const [index, path] of paths.entries()) {
      for (const times of [1, 2]) {
        isHarmed = true;
        await eventually("it was damaged", async () => {
          const file = (await bob.message(id)).files[index]!;
          await file.save(world.path("in")).catch(() => undefined);
          return harmed.size === 2 * index + times;
        });
        isHarmed = false;
      }
      expect(isSame(await saved(bob, id, world.path("in"), index), path)).toBe(true);
    }
    await eventually(
      "its sender knows",
      async () => String(await statesOf(alice, sent.id)) === paths.map(() => "fetched").join(),
    );
    await allGone(world);
    expect((await world.records("alice", "out-id/")).map(([key]) => key)).toEqual([`out-id/${sent.id}`]);
  });

  test("are ended when the word of where they lie now is not taken, and nothing of them stays", async () => {
    await using world = await FileWorld.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const sent = await alice.send("bob", "x", { files: [world.file("a", 1000)] });
    const message = await next(bob);
    const { files } = message;
    await message.handled();
    await sent.handled();
    world.proxy.answer = ({ method }) => (method === "GET" ? { status: 404 } : undefined);
    await expect(files[0]!.save(world.path("in"))).rejects.toMatchObject({ reason: "file_expired" });
    world.proxy.hold();
    await eventually("it is sent again", () => world.proxy.held > 0);
    await bob.block("alice");
    await bob.sync();
    world.proxy.letGo();
    await eventually("it has ended", async () => String(await statesOf(alice, sent.id)) === "blocked");
    await allGone(world);
  });
});
