import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fail } from "./command-line.ts";

/**
 * An empty folder on disk for a program that may take so long. It is gone when the program ends, however it ends, unless it
 * is kept.
 */
export function ownFolder(program: string, atMostMs: number): { path: string; keep: () => void } {
  const path = mkdtempSync(join(tmpdir(), `aimessage-${program}-`));
  let isKept = false;
  process.once("exit", () => isKept || rmSync(path, { recursive: true, force: true, maxRetries: 5 }));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
  setTimeout(() => fail(`npm run ${program} took too long`), atMostMs).unref();
  return { path, keep: () => (isKept = true) };
}
