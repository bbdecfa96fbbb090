import { spawnSync } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { lossyLines } from "../../src/node/program/index.ts";

const entry = new URL("../../src/node/program/index.ts", import.meta.url).href;

/** Runs a script whose stdout is a file that takes 1 KiB. */
function intoSmallFile(script: string): { printed: string; stderr: string; status: number | null } {
  const folder = mkdtempSync(join(tmpdir(), "small file "));
  const file = join(folder, "out");
  try {
    const { status, stderr } = spawnSync(
      "bash",
      ["-c", 'ulimit -f 1; exec "$0" --input-type=module -e "$1"', process.execPath, script],
      { stdio: ["ignore", openSync(file, "a"), "pipe"], encoding: "utf8" },
    );
    return { printed: readFileSync(file, "utf8"), stderr, status };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("a text that a file takes only a part of was not printed, and no part of it stands before the next", () => {
  const { printed, stderr, status } = intoSmallFile(`
    import { guardStdio, print } from ${JSON.stringify(entry)};
    guardStdio();
    await print(process.stdout, "x".repeat(1000));
    await print(process.stdout, "y".repeat(1000)).catch((error) => process.stderr.write(error.code));
    await print(process.stdout, "z", { onDisk: true });
  `);
  expect(printed).toBe(`${"x".repeat(1000)}z`);
  expect({ stderr, status }).toEqual({ stderr: "EFBIG", status: 0 });
});

test("lines that a log's file has no room for are given up and counted, and what comes later is whole", () => {
  const { printed, stderr, status } = intoSmallFile(`
    import { ftruncateSync } from "node:fs";
    import { lossyLines } from ${JSON.stringify(entry)};
    let lost = 0;
    const log = lossyLines(process.stdout, () => (lost += 1));
    for (let count = 0; count < 3; count++) log.write("x".repeat(1000) + "\\n");
    ftruncateSync(1, 900);
    log.write("y\\n");
    process.stderr.write(String(lost));
  `);
  expect({ stderr, status }).toEqual({ stderr: "2", status: 0 });
  expect(printed.endsWith("\ny\n")).toBe(true);
});

test("a log that nobody reads holds a bounded part of memory", () => {
  let lost = 0;
  const stuck = new Writable({ write: () => undefined });
  const log = lossyLines(stuck, () => (lost += 1));
  for (let count = 0; count < 4096; count++) log.write("x".repeat(1024));
  expect(stuck.writableLength).toBeLessThan(2 ** 21);
  expect(lost).toBeGreaterThan(2048);
});
