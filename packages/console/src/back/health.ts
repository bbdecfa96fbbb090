/** How an agent is, and what went through it in a day. */
import type { Agent } from "@aimessage/sdk";
import type { HealthView } from "./port.ts";

const HOUR_MS = 3_600_000;
const HOURS = 24;
/** How long the relay is waited for. Milliseconds. */
const PATIENCE_MS = 8_000;

export async function healthView(agent: Agent, signal: AbortSignal | undefined): Promise<HealthView> {
  const [{ checks, versions, limits = {} }, alerts, hours] = await Promise.all([
    agent.diagnose({ timeout: PATIENCE_MS, signal }),
    agent.alerts(),
    hoursOf(agent),
  ]);
  const newest = alerts.toSorted((a, b) => b.at - a.at).slice(0, 50);
  return {
    checks,
    versions,
    limits,
    hours,
    alerts: newest.map(({ at, kind, text, count }) => ({ at, kind, text, count })),
  };
}

async function hoursOf(agent: Agent): Promise<HealthView["hours"]> {
  const begin = Math.floor(Date.now() / HOUR_MS) * HOUR_MS - (HOURS - 1) * HOUR_MS;
  const hours = Array.from({ length: HOURS }, (_, at) => ({
    at: begin + at * HOUR_MS,
    came: 0,
    sent: 0,
    took: [] as number[],
  }));
  for (const { at, own, handledAfter } of await agent.conversations.passed(begin)) {
    // A clock that was set back may have said what is later than now.
    const hour = hours[Math.min(HOURS - 1, Math.floor((at - begin) / HOUR_MS))];
    if (hour === undefined) continue;
    hour[own ? "sent" : "came"] += 1;
    if (handledAfter !== undefined) hour.took.push(handledAfter);
  }
  return hours.map(({ took, ...hour }) => {
    const sorted = took.sort((a, b) => a - b);
    const [p50, p95] = [percentile(sorted, 0.5), percentile(sorted, 0.95)];
    return { ...hour, ...(p50 === undefined ? {} : { p50 }), ...(p95 === undefined ? {} : { p95 }) };
  });
}

function percentile(sorted: readonly number[], part: number): number | undefined {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
}
