/** The types that the SDK publishes, in a project of somebody else. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectBuilt } from "./built.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const project = mkdtempSync(join(tmpdir(), "consumer-"));
const sdk = join(project, "node_modules/@aimessage/sdk");

const PROGRAM = `
import { GroupCrypto, MemoryFolder, MemoryStore, openAgent } from "@aimessage/sdk";
import { Agent, AgentError, type IncomingMessage } from "@aimessage/sdk/node";
import { isLoopback, Username } from "@aimessage/sdk/protocol";
import { clientStoreCases } from "@aimessage/sdk/testing";

export async function main(): Promise<number> {
  await using agent = await Agent.open({ server: "ws://localhost:8080", username: "alice" });
  const sent = await agent.send("bob", "hello", { expiresIn: 1_000 });
  await sent.received({ timeout: 30_000 });
  for await (const message of agent.messages()) {
    const known: IncomingMessage = message;
    await known.handled();
  }
  const other = await openAgent({ store: new MemoryStore(new MemoryFolder()), username: "carol", server: "ws://localhost" });
  await GroupCrypto.load();
  if (!Username.safeParse(other.username).success || !isLoopback("::1")) throw new AgentError("usage", "no");
  return clientStoreCases.length;
}
`;

beforeAll(() => {
  expectBuilt();
  mkdirSync(sdk, { recursive: true });
  // Copied, and not linked: what lies beside the clone's packages must not help.
  for (const part of ["package.json", "dist"])
    cpSync(join(root, "packages/sdk", part), join(sdk, part), { recursive: true });
  for (const name of ["zod", "ts-mls", "ws", "@types/node", "undici-types"]) {
    mkdirSync(join(project, "node_modules/@types"), { recursive: true });
    symlinkSync(join(root, "node_modules", name), join(project, "node_modules", name));
  }
  writeFileSync(join(project, "package.json"), '{ "type": "module" }');
  writeFileSync(join(project, "program.ts"), PROGRAM);
});
afterAll(() => rmSync(project, { recursive: true }));

/** Compiles the project with libraries and types. @returns what is wrong with it */
function compiled(lib: string[], types: string[]): { status: number | null; stdout: string } {
  const compilerOptions = { strict: true, module: "nodenext", target: "ES2024", skipLibCheck: false, noEmit: true };
  const more = { lib, types, preserveSymlinks: true };
  const config = { compilerOptions: { ...compilerOptions, ...more }, files: ["program.ts"] };
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify(config));
  const tsc = join(root, "node_modules/.bin/tsc");
  const { status, stdout } = spawnSync(tsc, ["-p", project], { encoding: "utf8" });
  return { status, stdout };
}

test.each([
  ["the libraries of ECMAScript alone", ["ES2024"], []],
  ["those of browsers and of Node", ["ES2024", "DOM"], ["node"]],
])("compile with %s, and nothing of them is left unchecked", (_what, lib, types) => {
  expect(compiled(lib, types)).toEqual({ status: 0, stdout: "" });
});

// What would fail here alone fails most likely with none of both, or with both.
test.each([
  ["those of browsers", ["ES2024", "DOM"], []],
  ["the types of Node", ["ESNext"], ["node"]],
])("compile with %s alone, too", { tags: ["long"] }, (_what, lib, types) => {
  expect(compiled(lib, types)).toEqual({ status: 0, stdout: "" });
});
