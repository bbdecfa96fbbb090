/** The folder `vectors`: what its files are made of, and that implementations in other languages can rely on them. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { clientFrames, relayFrames } from "@aimessage/sdk/protocol";
import { expect, test } from "vitest";
import { vectorFiles } from "../build/vectors/files.ts";
import { vectorsWith } from "./vectors.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const read = (path: string) => readFileSync(root + path, "utf8");
const files = vectorFiles();

test("its files are those that `node --conditions=@aimessage/source build/vectors.ts` makes", () => {
  expect(readdirSync(`${root}vectors`).toSorted()).toEqual([...Object.keys(files), "README.md"].toSorted());
  for (const [name, text] of Object.entries(files)) expect(read(`vectors/${name}`), name).toBe(text);
});

test("they are small, and its README has each of them", () => {
  for (const [name, text] of Object.entries(files)) {
    expect(text.length, name).toBeLessThan(20_000);
    expect(read("vectors/README.md")).toContain(`| \`${name}\` |`);
  }
});

test("each vector cites what it is of, and says what it shows", () => {
  const [protocol, doors] = [read("docs/protocol.md"), read("docs/doors.md")];
  const titles = [...doors.matchAll(/^## (.*)$/gm)].map(([, title = ""]) => title.toLowerCase());
  const sections = new Set(titles.map((title) => title.replaceAll(" ", "-")));
  for (const name of Object.keys(files))
    for (const { clause, what } of vectorsWith<{ what: string }>(name.replace(".json", ""), "what")) {
      const [document, section = ""] = clause.split("#");
      const isThere = document === "doors.md" ? sections.has(section) : protocol.includes(`**[${clause}]**`);
      expect({ name, clause, isThere }).toEqual({ name, clause, isThere: true });
      expect(what).not.toBe("");
    }
});

test("every type of frame is read in one at least", () => {
  for (const [name, types] of [
    ["client-frames", Object.keys(clientFrames)],
    ["relay-frames", Object.keys(relayFrames)],
  ] as const) {
    const shown = new Set(vectorsWith<{ frame: { type: string } }>(name, "frame").map(({ frame }) => frame.type));
    expect([...shown].toSorted()).toEqual(types.toSorted());
  }
});
