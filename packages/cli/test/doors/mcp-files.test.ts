/** Files that an assistant has saved, of which calls are cut off. */
import type { FilesRoot, IncomingMessage } from "@aimessage/sdk/node";
import { expect, test } from "vitest";
import { moveOn } from "../../../../test/clocks.ts";
import { McpFiles } from "../../src/doors/mcp/mcp-files.ts";

const root = { folder: (folder: string) => ({ folder, root: "/" }) } as unknown as FilesRoot;

/** A message with a file, of which each attempt ends as it is told to. */
function message() {
  const attempts: PromiseWithResolvers<string>[] = [];
  const save = () => {
    const attempt = Promise.withResolvers<string>();
    attempts.push(attempt);
    return attempt.promise;
  };
  const all = [{ name: "a", bytes: 1, sha256: "", save }];
  return { attempts, message: { id: "m", files: all } as unknown as IncomingMessage };
}

test("who was cut off gets the outcome, and who asks much later has it tried anew", async () => {
  const files = new McpFiles(root);
  const { attempts, message: wanted } = message();
  expect(await files.save(wanted, "/in", 0)).toEqual({ isSaving: true });
  attempts[0]?.reject(new Error("no"));
  expect(await files.save(wanted, "/in", 0)).toMatchObject({ files: [{ error: { message: "no" } }] });
  expect(await files.save(wanted, "/in", 0)).toEqual({ isSaving: true });
  attempts[1]?.reject(new Error("no"));
  await new Promise((resolve) => setImmediate(resolve));
  moveOn(3_600_000);
  const third = files.save(wanted, "/in", 0);
  expect(attempts).toHaveLength(3);
  attempts[2]?.resolve("/in/a");
  expect(await third).toMatchObject({ files: [{ path: "/in/a" }] });
});
