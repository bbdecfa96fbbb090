/** What becomes of a message that is for a command while one of its files is not there. */
import type { IncomingMessage } from "@aimessage/sdk/node";
import { expect, test } from "vitest";
import { moveOn } from "../../../../test/clocks.ts";
import { FilesFirst } from "../../src/doors/files-first.ts";

const HOUR_MS = 3_600_000;
const message = { id: "m", files: [{}, {}] } as unknown as IncomingMessage;
const { signal } = new AbortController();

/** One file is there; of the other something is said in turn. */
function saying(...reasons: string[]): FilesFirst {
  const about = { bytes: 1, type: undefined, sha256: "" };
  return new FilesFirst(async () => {
    const reason = reasons.shift() ?? "";
    const error = { code: "file_failed", reason, message: "it is not here", exit: 1 };
    return [
      { name: "a", ...about, path: "/in/a" },
      { name: "b", ...about, error },
    ];
  });
}

test("while its sender sends a file again a message loses no attempt, and after half a day it is a dead letter", async () => {
  const files = saying("file_damaged", "file_expired", "file_damaged");
  const again = { kind: "again", counts: false, reason: "b could not be saved: file damaged" };
  expect(await files.of(message, signal)).toEqual(again);
  moveOn(11 * HOUR_MS);
  expect(await files.of(message, signal)).toMatchObject({ kind: "again", counts: false });
  moveOn(2 * HOUR_MS);
  expect(await files.of(message, signal)).toMatchObject({ kind: "never" });
});

test("what no attempt changes is a dead letter at once, and what its owner can change is tried on", async () => {
  for (const reason of ["too_large", "file_changed"])
    expect(await saying(reason).of(message, signal)).toMatchObject({ kind: "never" });
  for (const reason of ["unwritable", "disk_full", "relay_unreachable"]) {
    const files = saying(reason, reason);
    await files.of(message, signal);
    moveOn(24 * HOUR_MS);
    expect(await files.of(message, signal)).toMatchObject({ kind: "again", counts: false });
  }
});

test("a command that has moved its file away is begun again without it", async () => {
  expect(await saying("file_gone").of(message, signal)).toEqual(["/in/a"]);
});
