/** What the driver orders of teams, done by the process of an agent. A team is known by what it is about: its name changes. */
import { type Agent, AgentError } from "@aimessage/sdk/node";
import { print, type TeamChange } from "../orders.ts";
import { patiently } from "../patience.ts";

/** Longer than any run. */
const FOR_EVER_MS = 2 ** 31;

/** What a team is called here; undefined where this agent is not in it. */
export async function nameOf(agent: Agent, about: string): Promise<string | undefined> {
  const groups = await patiently(() => agent.groups.list());
  return groups.find((group) => group.about === about && group.state === "active")?.name;
}

/** Makes a change, and says what became of it. It goes on in the store if this process ends. */
export async function make(agent: Agent, change: TeamChange): Promise<void> {
  const { id, team, what, names, name } = change;
  const { groups } = agent;
  const wait = { timeout: FOR_EVER_MS };
  try {
    if (what === "create") await groups.create(name ?? team, names, { about: team, ...wait });
    else {
      const known = await nameOf(agent, team);
      if (known === undefined) return print({ kind: "unchanged", id, reason: "unknown_group" });
      if (what === "rename") await groups.rename(known, name ?? "", wait);
      else if (what === "leave") await groups.leave(known, wait);
      else await groups[what](known, names, wait);
    }
    print({ kind: "changed", id });
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    if (error.code === "closed" || error.code === "aborted") return;
    // Whatever the disk did then: it may be made yet.
    if (error.shouldRetry()) print({ kind: "unclear", id, reason: error.code });
    else print({ kind: "unchanged", id, reason: error.reason ?? error.code });
  }
}
