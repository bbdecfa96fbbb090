/** What members are told of the changes of their group. */
import { test } from "vitest";
import type { GroupChange } from "../../src/agent/group-changes.ts";
import { gathered, online } from "./members.ts";
import { eventually, World } from "./world.ts";

test("each member hears what has changed in its group, and who has changed it; new keys are no news", async () => {
  await using world = await World.create({ noLimits: true });
  const { alice, bob, carol } = await gathered(world, "alice", "bob", "carol");
  const { dave } = await online(world, "dave");
  const heard = new Map<string, string[]>();
  for (const [name, { agent }] of Object.entries({ alice, bob, carol, dave })) {
    const lines: string[] = [];
    heard.set(name, lines);
    agent.groups.onChange((change) => lines.push(line(change)));
  }
  const all = (...names: string[]) => ({
    hear: (...lines: string[]) =>
      eventually(`${names.join()} hear ${lines.join()}`, () =>
        names.every((name) => heard.get(name)?.join() === lines.join()),
      ),
  });
  await alice.agent.groups.add("team", ["dave"]);
  await all("alice", "bob", "carol", "dave").hear("alice: team added=dave");
  await alice.agent.groups.promote("team", ["bob"]);
  await bob.agent.groups.rename("team", "ops");
  await bob.agent.groups.remove("ops", ["dave"]);
  await all("alice", "carol").hear(
    "alice: team added=dave",
    "alice: team promoted=bob",
    "bob: ops before=team",
    "bob: ops removed=dave",
  );
  await eventually("dave hears that it is out", () => heard.get("dave")?.at(-1) === "bob: ops removed=dave");
  await carol.agent.groups.leave("ops");
  for (const name of ["alice", "bob"])
    await eventually(
      `${name} hears that carol has left`,
      () => heard.get(name)?.at(-1)?.endsWith(": ops left=carol") === true,
    );
});

function line({ group, by, at: _at, ...what }: GroupChange): string {
  const parts = Object.entries(what).filter(([, value]) => (value?.length ?? 0) > 0);
  return `${by}: ${group} ${parts.map(([word, value]) => `${word}=${String(value)}`).join(" ")}`;
}
