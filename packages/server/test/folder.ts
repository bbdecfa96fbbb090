import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** A new folder that is gone when the test has finished. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "relay "));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
