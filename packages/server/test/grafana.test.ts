/** The dashboard and the alerts ask for what `/metrics` gives. */
import { readFileSync } from "node:fs";
import { wireErrors } from "@aimessage/sdk/protocol";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { createMetrics } from "../src/metrics.ts";

const read = (name: string): string =>
  readFileSync(new URL(`../../../deploy/grafana/${name}`, import.meta.url), "utf8");

interface Panel {
  id: number;
  title: string;
  description: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets: { expr: string }[];
}
interface Rule {
  alert: string;
  expr: string;
  labels: { severity: string };
  annotations: { summary: string; description: string };
}

const { panels } = JSON.parse(read("dashboard.json")) as { panels: Panel[] };
const { groups } = parse(read("alerts.yaml")) as { groups: { rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);
const shown = panels.flatMap((panel) => panel.targets.map(({ expr }) => expr));
const asked = [...shown, ...rules.map(({ expr }) => expr)];

/** What a relay gives that has seen a frame and a commit. */
function metricsText(): Promise<string> {
  const totals = { count: 1, bytes: 1, awaited: 1 };
  const metrics = createMetrics(
    async () => 1,
    async () => totals,
  );
  metrics.frame("send");
  metrics.committed(1);
  return metrics.text();
}

/** Names that are given, each with its labels; of a histogram those of its parts. */
async function given(): Promise<Map<string, Set<string>>> {
  const names = new Map<string, Set<string>>();
  for (const [, name = "", labels = ""] of (await metricsText()).matchAll(/^(\w+)(?:\{(.*)\})? /gm)) {
    const known = names.get(name) ?? names.set(name, new Set()).get(name);
    for (const [, label = ""] of labels.matchAll(/(\w+)="/g)) known?.add(label);
  }
  return names;
}

/** What Prometheus adds to whatever it collects. */
const ADDED = ["instance", "job"];

test("name nothing that a relay does not give, and no label that it does not have", async () => {
  const names = await given();
  for (const expr of asked) {
    expect(expr).toMatch(/\baimessage_|^up\b/);
    for (const [, metric = ""] of expr.matchAll(/\b(aimessage_\w+)/g)) {
      expect([expr, [...names.keys()]]).toEqual([expr, expect.arrayContaining([metric])]);
      const labels = [...expr.matchAll(/(\w+)=~?"/g), ...expr.matchAll(/by \(([^)]*)\)/g)];
      const known = new Set([...ADDED, ...(names.get(metric) ?? [])]);
      for (const label of labels.flatMap(([, text = ""]) => text.split(/, */)))
        expect([expr, label, known.has(label)]).toEqual([expr, label, true]);
    }
  }
});

test("ask for reasons that there are, and that are counted from the beginning", async () => {
  const reasons = asked.flatMap((expr) =>
    [...expr.matchAll(/reason=~?"([^"]+)"/g)].flatMap(([, all = ""]) => all.split("|")),
  );
  expect(reasons.length).toBeGreaterThan(0);
  const text = await metricsText();
  for (const reason of reasons) {
    expect(Object.keys(wireErrors)).toContain(reason);
    // Else the first of them would be no increase.
    expect(text).toContain(`aimessage_refusals_total{reason="${reason}"} 0`);
  }
});

test("the dashboard shows all that there is, in panels that say what they show and do not lie on each other", async () => {
  const names = new Set([...(await given()).keys()].map((name) => name.replace(/_(bucket|sum|count)$/, "")));
  const all = shown.join("\n");
  for (const name of names) expect(all).toContain(name);
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  for (const { title, description, gridPos } of panels) {
    expect([title, description]).toEqual([expect.stringMatching(/\S/), expect.stringMatching(/\.$/)]);
    for (const other of panels.map((panel) => panel.gridPos).filter((place) => place !== gridPos)) {
      const isBeside = gridPos.x + gridPos.w <= other.x || other.x + other.w <= gridPos.x;
      const isAbove = gridPos.y + gridPos.h <= other.y || other.y + other.h <= gridPos.y;
      expect([title, isBeside || isAbove]).toEqual([title, true]);
    }
  }
});

test("each alert says how bad it is, what is wrong and what to do, by commands and options that there are", async () => {
  const { commands } = await import("../src/config/commands.ts");
  const { limitOptions } = await import("../src/config/limits.ts");
  for (const { alert, labels, annotations } of rules) {
    expect([alert, labels.severity]).toEqual([alert, expect.stringMatching(/^(critical|warning)$/)]);
    expect(annotations).toEqual({ summary: expect.stringMatching(/\S/), description: expect.stringMatching(/[.?]$/) });
    const { description } = annotations;
    for (const [, command = ""] of description.matchAll(/`aimessage-server (\w+)`/g))
      expect(commands).toHaveProperty(command);
    const options = [
      "engine-patience",
      ...Object.keys(limitOptions).map((name) => name.replace(/[A-Z]/g, (at) => `-${at.toLowerCase()}`)),
    ];
    for (const [, option] of description.matchAll(/--([a-z-]+)/g)) expect(options).toContain(option);
  }
});
