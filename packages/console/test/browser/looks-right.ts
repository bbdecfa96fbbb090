/** Whether a view is usable for those who see or type otherwise, and a picture of it for whoever wants to look. */
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { expect } from "vitest";
import { SHOTS } from "./world.ts";

const source = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

declare const axe: typeof import("axe-core");

/** How somebody looks: light or dark, on how wide a screen, at which zoom. */
export const LOOKS = [
  { name: "light", scheme: "light", width: 1280, height: 800, zoom: 1 },
  { name: "dark", scheme: "dark", width: 1280, height: 800, zoom: 1 },
  { name: "320px", scheme: "light", width: 320, height: 640, zoom: 1 },
  // A browser that zooms in has fewer pixels of its page.
  { name: "200percent", scheme: "light", width: 1280, height: 800, zoom: 2 },
] as const;

export type Look = (typeof LOOKS)[number];

export async function lookAs(page: Page, { scheme, width, height, zoom }: Look): Promise<void> {
  await page.emulateMedia({ colorScheme: scheme });
  await page.setViewportSize({ width: width / zoom, height: height / zoom });
}

/** Nothing serious that axe finds, and nothing to be scrolled to at the side. */
export async function looksRight(page: Page, name: string, look: Look): Promise<void> {
  // By the debugger, past the policy of the page.
  if (await page.evaluate(() => typeof axe === "undefined")) await page.evaluate(source);
  const { violations } = await page.evaluate(() => axe.run(document));
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  expect([name, serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join("\n")}`)]).toEqual([
    name,
    [],
  ]);
  const isWide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  expect([name, isWide]).toEqual([name, false]);
  if (SHOTS === undefined) return;
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: join(SHOTS, `${name}-${look.name}.png`) });
}
