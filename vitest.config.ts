import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["@aimessage/source"] },
  ssr: { resolve: { conditions: ["@aimessage/source"] } },
  test: {
    include: ["packages/*/test/**/*.test.ts", "test/**/*.test.ts", "lab/**/*.test.ts"],
    globalSetup: "test/memory-disk.ts",
    // A machine that is shared may stand still for seconds: what fails there is tried once more, which the report says.
    retry: process.env["CI"] === undefined ? 0 : 1,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Much of a test is waiting for something, so there may be more of them than cores; many more make time-outs likelier.
    maxWorkers: 3,
    tags: [
      {
        name: "long",
        description: "takes many seconds, of processes, faults or time-outs: npm run test:long",
        timeout: 180_000,
      },
    ],
  },
});
