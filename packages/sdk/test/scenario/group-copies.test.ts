/** What is sent once more to a member that comes back: all that has left before is closed to it. [P-15.10] */
import { expect, onTestFinished, test } from "vitest";
import { gathered } from "./members.ts";
import { edit } from "./proxy.ts";
import { alertKinds, atRest, eventually, SAME_CLOCK, World } from "./world.ts";

test("what was sent to a member alone, and has not come to it before it was taken in again, is sent to it then", async () => {
  const world = await World.create({ noLimits: true, ...SAME_CLOCK });
  onTestFinished(() => world[Symbol.asyncDispose]());
  const { alice, bob, carol } = await gathered(world, "alice", "bob", "carol");
  await (await alice.agent.send("@team", "hello")).handled();
  await atRest(world, alice.agent, bob.agent, carol.agent);
  const seen = new Set<string>();
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (agent !== "carol" || toRelay || frame.type !== "message") return undefined;
    const { kind = "application", from } = frame.data;
    seen.add(kind);
    if (kind === "commit") return [edit(frame, { body: "AAEAAg==" })];
    return (kind === "application" || kind === "direct") && from === "alice"
      ? [edit(frame, { message: "AAAA" })]
      : undefined;
  };
  const one = await alice.agent.send("@team", "the one");
  await eventually("a copy has left", () => seen.has("direct"));
  await atRest(world, alice.agent, bob.agent, carol.agent);
  await alice.agent.groups.rename("team", "crew");
  await eventually("carol cannot follow", async () => (await alertKinds(carol.agent)).includes("bad_commit"));
  world.proxy.rule = undefined;
  await one.handled({ timeout: 10_000 });
  expect(carol.got.map(({ body }) => body)).toEqual(["hello", "the one"]);
});
