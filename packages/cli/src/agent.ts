import type { Agent, OpenOptions } from "@aimessage/sdk/node";
import type { Call } from "./call.ts";

/** What flags and environment say to {@link Agent.open}. `role` names this process to others that wait for the link. */
export function openOptions({ settings, context }: Call, role: string): OpenOptions {
  const { server, username, home, insecure } = settings;
  return { role, server, username, home, insecure: insecure ? true : undefined, signal: context.interrupted };
}

/** Loads the agent that flags and environment name. It never registers one. */
export async function openAgent(call: Call, role: string): Promise<Agent> {
  // Here, not above: usage errors and help need not wait for the SDK to load.
  const { Agent } = await import("@aimessage/sdk/node");
  const agent = await Agent.open({ ...openOptions(call, role), create: false });
  agent.onAlert(({ text }) => call.out.warn(text));
  return agent;
}
