import { readdirSync, readFileSync } from "node:fs";
import { clientFrames, relayFrames, wireErrors } from "@aimessage/sdk/protocol";
import { expect, test } from "vitest";
import { limitFlags } from "../src/config/options.ts";

const root = new URL("../../../", import.meta.url);
const text = readFileSync(new URL("docs/protocol.md", root), "utf8");

test("the protocol document has every frame, every reason and every limit", () => {
  for (const type of [...Object.keys(clientFrames), ...Object.keys(relayFrames)]) expect(text).toContain(`\`${type}`);
  for (const [reason, { code, message, hint }] of Object.entries(wireErrors))
    expect(text).toContain(`| \`${reason}\` | ${code} | ${message} | ${hint} |`);
  for (const { flag, about } of limitFlags)
    expect(text).toContain(`| \`${flag}\` | ${/\(default (.*)\)$/.exec(about)?.[1]} |`);
});

test("every clause that the source cites is in the document", () => {
  const source = new URL("packages/server/src/", root);
  for (const file of readdirSync(source, { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".ts")) continue;
    for (const [clause] of readFileSync(new URL(file, source), "utf8").matchAll(/\[P-\d+\.\d+\]/g))
      expect(text, `${file} cites ${clause}`).toContain(`**${clause}**`);
  }
});
