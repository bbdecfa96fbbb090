import { Option, type Command } from "commander";
import { openAgent } from "../agent.ts";
import { table } from "@aimessage/sdk/program";
import { localTime } from "../times.ts";
import type { Act, Call } from "../call.ts";
import { VERSION } from "../version.ts";
import type { Alert, Diagnosis } from "@aimessage/sdk/node";
import { readableLimit } from "../units.ts";
import { patience } from "../values.ts";

type Check = Diagnosis["checks"][number];

/** The exit code that fits when a check fails. */
const EXIT: Readonly<Record<Check["name"], number>> = {
  store: 1,
  link: 7,
  relay: 4,
  protocol: 5,
  device: 6,
  login: 5,
  clock: 1,
  keys: 1,
  contacts: 6,
  outbox: 1,
};

/** Alerts of one kind that are shown, the latest, beside all that are about whom the owner knows: none take the place of others. */
const SHOWN_ALERTS = 3;

export function configure(command: Command, act: Act): void {
  command
    .description(
      "Check store, link, relay, login, clock, keys, outbox and contacts, and say what is wrong. Exit code 0 if all is well.",
    )
    .addOption(
      new Option("--timeout <time>", "how long to wait for the relay").argParser(patience).default(10_000, "10s"),
    )
    .addHelpText("after", "\nExample:\n  aimessage doctor\n")
    .action(act(doctor));
}

async function doctor(call: Call, { timeout }: { timeout: number }): Promise<number> {
  await using agent = await openAgent(call, "doctor");
  const { checks, limits, versions } = await agent.diagnose({ timeout, signal: call.context.interrupted });
  const alerts = await agent.alerts();
  const failed = checks.find(({ ok }) => !ok);
  const report = { ok: failed === undefined, checks, limits, versions: { cli: VERSION, ...versions }, alerts };
  await call.out.data([...checkLines(checks), ...factLines(report.versions, limits), ...alertLines(alerts)], report);
  return failed === undefined ? 0 : EXIT[failed.name];
}

function checkLines(checks: readonly Check[]): string[] {
  const rows = checks.flatMap(({ name, ok, text, hint }) => {
    const found = [ok ? "ok" : "problem", name, text];
    return ok || hint === undefined ? [found] : [found, ["", "", `hint: ${hint}`]];
  });
  return table(rows);
}

function factLines(versions: Diagnosis["versions"], limits: Diagnosis["limits"]): string[] {
  const rows = Object.entries(limits ?? {}).map(([name, value]) => readableLimit(name, value));
  return ["", ...table([...Object.entries(versions), ...rows])];
}

function alertLines(alerts: readonly Alert[]): string[] {
  if (alerts.length === 0) return [];
  const kinds = Object.values(Object.groupBy(alerts, ({ kind }) => kind)) as Alert[][];
  const rows = kinds.flatMap((ofKind) => {
    const latest = ofKind.toSorted((a, b) => a.at - b.at);
    const ofStrangers = new Set(latest.filter(({ known }) => known !== true).slice(-SHOWN_ALERTS));
    const visible = latest.filter((alert) => alert.known === true || ofStrangers.has(alert));
    const shown = visible.map((alert) => [localTime(alert.at), alertText(alert)]);
    const hidden = latest.length - visible.length;
    return hidden > 0 ? shown.concat([["", `and ${hidden} more: ${latest[0]?.kind ?? ""}`]]) : shown;
  });
  return ["", "Alerts:", ...table(rows)];
}

function alertText({ text, count, first_at }: Alert): string {
  return count === 1 ? text : `${text} (${count} times since ${localTime(first_at)})`;
}
