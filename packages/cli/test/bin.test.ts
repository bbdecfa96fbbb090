import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const BIN = fileURLToPath(new URL("../bin/aimessage.js", import.meta.url));
const AS_NODE_20 = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })";

test.skipIf(process.versions["bun"] !== undefined)("an older Node gets one line that says what to do", () => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--import", `data:text/javascript,${encodeURIComponent(AS_NODE_20)}`, BIN, "--version"],
    { encoding: "utf8" },
  );
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  expect(stderr).toMatch(/^aimessage needs Node 24 or newer; this is 20\.20\.2\..*\n$/);
});
