import { isAgentError, UsageError } from "./errors.ts";
import type { Call } from "./call.ts";
import type { Agent, OpenOptions } from "./sdk.ts";

/** What flags and environment say to {@link Agent.open}. `role` names this process to others that wait for the link. */
export function openOptions({ settings, context }: Call, role: string): OpenOptions {
  const { server, username, home, insecure } = settings;
  return {
    role,
    insecure,
    signal: context.interrupted,
    ...(server === undefined ? {} : { server }),
    ...(username === undefined ? {} : { username }),
    ...(home === undefined ? {} : { home }),
  };
}

/** Loads the agent that flags and environment name. It never registers one. */
export async function openAgent(call: Call, role: string): Promise<Agent> {
  const { Agent, listAgents } = await import("./sdk.ts");
  try {
    const agent = await Agent.open({ ...openOptions(call, role), create: false });
    agent.onAlert(({ text }) => call.out.warn(text));
    return agent;
  } catch (error) {
    if (!isAgentError(error) || error.code !== "several_agents") throw error;
    const names = await listAgents(call.settings.home);
    throw new UsageError("several agents live here and none is named", `name one with -u: ${names.join(", ")}`);
  }
}
