/** What a search has found, in words. */
import type { Found } from "./search.ts";
import { BOUNDS } from "./state.ts";
import type { World } from "./worlds.ts";

/** Steps of a way that are told: one that goes round and round says nothing new. */
const MOST_TOLD = 30;

export function summary({ name, bounds }: World, { states, edges, depth, isWhole, refused }: Found): string {
  const most = BOUNDS.filter((bound) => bounds[bound] > 0).map((bound) => `${bounds[bound]} ${bound}`);
  const refusals = refused.size > 0 ? `; crimes were refused for ${refused.size} reasons` : "";
  return `${name}: ${states} states${isWhole ? "" : " (not all)"}, ${edges} steps, depth ${depth}; at most ${most.join(", ")}${refusals}`;
}

export function violationIn({ violation }: Found): string {
  if (violation === undefined) return "";
  const { text, trace } = violation;
  const steps = trace.slice(0, MOST_TOLD).map((step, at) => `${at + 1}. ${step}\n`);
  return `violation: ${text}\n${steps.join("")}${trace.length > MOST_TOLD ? "and so on\n" : ""}`;
}
