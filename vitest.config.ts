import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["source"] },
  ssr: { resolve: { conditions: ["source"] } },
  test: {
    include: ["packages/*/test/**/*.test.ts", "test/**/*.test.ts", "chaos/**/*.test.ts"],
    globalSetup: "test/memory-disk.ts",
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Relays, stores and child processes compete for the cores: more workers only make time-outs likelier.
    maxWorkers: 2,
    tags: [
      {
        name: "long",
        description: "takes many seconds, of processes, faults or time-outs: npm run test:long",
        timeout: 180_000,
      },
    ],
  },
});
