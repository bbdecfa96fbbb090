import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["@aimessage/source"] },
  ssr: { resolve: { conditions: ["@aimessage/source"] } },
  test: {
    include: ["packages/*/test/**/*.test.ts", "test/**/*.test.ts", "lab/**/*.test.ts"],
    globalSetup: ["test/memory-disk.ts", "test/shared-postgres.ts"],
    // A machine that is shared may stand still for seconds: what fails there is tried once more, which the report says.
    retry: process.env["CI"] === undefined ? 0 : 1,
    // Test files share processes, and what they load: a third of the time was loading. Whatever a test changes of its process it puts back.
    isolate: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Much of a test is waiting for something, so there may be more of them than cores; many more make time-outs likelier.
    maxWorkers: 4,
    tags: [
      {
        name: "long",
        description: "takes many seconds, of processes, faults or time-outs: npm run test:long",
        timeout: 180_000,
      },
    ],
  },
});
