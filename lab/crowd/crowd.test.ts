import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import type { Figures } from "./judge.ts";

const program = fileURLToPath(new URL("main.ts", import.meta.url));

test(
  "of a group each member handles each message once, the relay has one body of it, and a full mailbox holds nobody up",
  { tags: ["long"] },
  async () => {
    const args = ["--members", "12", "--messages", "150", "--json"];
    const { stdout } = await promisify(execFile)(process.execPath, [program, ...args]);
    const figures = JSON.parse(stdout) as Figures & { wrong: string[] };
    expect(figures).toMatchObject({
      wrong: [],
      handled: { exact: 150, all: 1_650 },
      stored: { bodies: 75 },
      lapsed: 1,
    });
  },
);
