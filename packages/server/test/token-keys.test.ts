import { pbkdf2 } from "node:crypto";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { tokenKeys } from "../src/handlers/token-keys.ts";

test("[A-7] however many derivations wait, two run at a time, and others find a thread", async () => {
  const keys = tokenKeys();
  let done = 0;
  const derivations = Array.from({ length: 40 }, async (_, index) => {
    await keys.derive(`token ${index}`, new Uint8Array(16));
    done += 1;
  });
  // Behind 40 in the queue of threads it would come last.
  await promisify(pbkdf2)("other work", "salt", 100_000, 32, "sha256");
  expect(done).toBeLessThan(20);
  await Promise.all(derivations);
  expect(done).toBe(40);
});
