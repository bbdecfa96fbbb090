import type { Agent, AgentError, OpenOptions } from "@aimessage/sdk/node";
import type { Output } from "@aimessage/sdk/program";
import type { Call } from "./call.ts";

/** What flags and environment say to {@link Agent.open}. `role` names this process to others that wait for the link. */
export function openOptions({ settings, context }: Call, role: string): OpenOptions {
  const { server, username, home, insecure } = settings;
  const { interrupted: signal, env } = context;
  return { role, server, username, home, insecure: insecure ? true : undefined, signal, env };
}

/** Loads the agent that flags and environment name. It never registers one. Alerts of `told` kinds the command tells of itself. */
export async function openAgent(call: Call, role: string, told: readonly string[] = []): Promise<Agent> {
  // Here, not above: usage errors and help need not wait for the SDK to load.
  const { Agent } = await import("@aimessage/sdk/node");
  const agent = await Agent.open({ ...openOptions(call, role), create: false });
  const stillPrinted = boundedWarnings();
  agent.onAlert(({ kind, text, known, about, contact }) => {
    if (told.includes(kind)) return;
    const left = stillPrinted(known === true ? `${kind} ${about ?? contact}` : kind);
    if (left >= 0) call.out.warn(text);
    if (left === 0) call.out.warn("there is more of this kind, which is not printed: see aimessage doctor");
  });
  return agent;
}

/** Warnings of one kind, of all strangers and of each whom the owner knows, that a process prints in an hour: none bury the others. */
const WARNINGS = 5;
const HOUR_MS = 3_600_000;

/** @returns how many more of this kind may be printed after this one; below 0 not even this one. */
function boundedWarnings(): (kind: string) => number {
  const printed = new Map<string, { since: number; count: number }>();
  return (kind) => {
    const now = performance.now();
    let window = printed.get(kind);
    if (window === undefined || now - window.since > HOUR_MS) printed.set(kind, (window = { since: now, count: 0 }));
    window.count += 1;
    return WARNINGS - window.count;
  };
}

/**
 * Says once that there is no way to the relay, and once that there is again. The error is there while there is none.
 * @param out undefined for a command that ends of itself and says then why
 */
export function followOutages(
  agent: Agent,
  out: Output | undefined,
  until: AbortSignal,
): { readonly error: AgentError | undefined } {
  const outage: { error: AgentError | undefined } = { error: undefined };
  agent.onLink(({ state, detail, error }) => {
    if (until.aborted || state === "waiting") return;
    if (state === "reconnecting" && outage.error === undefined) out?.note(`${detail}; trying again`);
    if (state === "connected" && outage.error !== undefined) out?.note("Connected again.");
    outage.error = error;
  });
  return outage;
}
